//! Programmes with their rules, rewards and first stock.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use forebay_domain::programme::{Programme, ProgrammeState, Reward, RewardKind, Rule, StockPlan};
use forebay_schemas::{ProgrammeId, RewardId, RuleId};
use forebay_store::programmes::{judge_put, judge_state, put_by_house, put_entry, state_entry};
use forebay_store::{By, Error, ProgrammePut, ProgrammeRecord, Programmes, Seen, StateSet};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};

use crate::attempt::Tries;
use crate::error::Stop;
use crate::in_use::{first_and_last_day, in_use};
use crate::rows::{narrow, read, storable};
use crate::{PostgresStore, audit_log, stock};

/// Every programme with its rules in their order.
pub(crate) async fn all(conn: &mut PgConnection) -> Result<BTreeMap<ProgrammeId, Programme>, Stop> {
    let records = records(conn, None).await?;
    Ok(records.into_iter().map(|(id, record)| (id, record.programme)).collect())
}

/// One programme, or all of them.
pub(crate) async fn records(
    conn: &mut PgConnection,
    only: Option<&ProgrammeId>,
) -> Result<BTreeMap<ProgrammeId, ProgrammeRecord>, Stop> {
    let rows = sqlx::query("select * from programme where $1::text is null or id = $1")
        .bind(only.map(ProgrammeId::as_str))
        .fetch_all(&mut *conn)
        .await?;
    let mut records = BTreeMap::new();
    for row in &rows {
        let record = record(row)?;
        records.insert(record.programme.id.clone(), record);
    }
    if records.is_empty() {
        return Ok(records);
    }
    let rows = sqlx::query(
        "select u.*, r.name, r.points, r.sku, s.total, s.low_at
         from rule u join reward r on r.id = u.reward_id left join stock s on s.reward_id = r.id
         where $1::text is null or u.programme_id = $1
         order by u.programme_id, u.position",
    )
    .bind(only.map(ProgrammeId::as_str))
    .fetch_all(conn)
    .await?;
    for row in &rows {
        if let Some(record) = records.get_mut(row.try_get::<&str, _>("programme_id")?) {
            record.programme.rules.push(rule(row)?);
        }
    }
    Ok(records)
}

fn record(row: &PgRow) -> Result<ProgrammeRecord, Stop> {
    let text = |column| row.try_get::<String, _>(column);
    let wide = |column| row.try_get::<i32, _>(column).map(i64::from);
    let days_valid = row.try_get::<Option<i32>, _>("points_valid_days")?.map(i64::from);
    let programme = Programme {
        id: read("programme", "id", ProgrammeId::new(text("id")?))?,
        name: text("name")?,
        tz: read("programme", "tz", text("tz")?.parse::<Tz>())?,
        day_start_min: narrow("programme", "day_start_min", wide("day_start_min")?)?,
        count_mode: read("programme", "count_mode", text("count_mode")?.parse())?,
        grace_days: narrow("programme", "grace_days", row.try_get("grace_days")?)?,
        starts_on: row.try_get("starts_on")?,
        ends_on: row.try_get("ends_on")?,
        claim_until: row.try_get("claim_until")?,
        state: read("programme", "state", text("state")?.parse())?,
        points_per_1000_minor: row.try_get("points_per_1000_minor")?,
        points_valid_days: days_valid
            .map(|days| narrow("programme", "points_valid_days", days))
            .transpose()?,
        active_until: row.try_get("active_until")?,
        rules: Vec::new(),
    };
    Ok(ProgrammeRecord {
        programme,
        version: row.try_get("version")?,
        changed_at: row.try_get("changed_at")?,
    })
}

fn rule(row: &PgRow) -> Result<Rule, Stop> {
    let count_mode = row.try_get::<Option<String>, _>("count_mode")?.map(|mode| mode.parse());
    let grace_days = row.try_get::<Option<i64>, _>("grace_days")?;
    Ok(Rule {
        id: read("rule", "id", RuleId::new(row.try_get::<String, _>("id")?))?,
        reward: reward(row, "reward_id")?,
        days_required: narrow("rule", "days_required", row.try_get("days_required")?)?,
        max_per_member: narrow("rule", "max_per_member", row.try_get("max_per_member")?)?,
        count_mode: read("rule", "count_mode", count_mode.transpose())?,
        grace_days: grace_days.map(|days| narrow("rule", "grace_days", days)).transpose()?,
        claim_until: row.try_get("claim_until")?,
    })
}

pub(crate) fn reward(row: &PgRow, id: &str) -> Result<Reward, Stop> {
    let kind = match (row.try_get::<Option<i64>, _>("points")?, row.try_get::<Option<String>, _>("sku")?) {
        (Some(points), None) => RewardKind::Points { points },
        (None, Some(sku)) => RewardKind::Product { sku },
        _ => {
            let why = "neither points nor a product".to_owned();
            return Err(Error::Inconsistent { table: "reward", column: "kind", why }.into());
        }
    };
    let stock = row.try_get::<Option<i64>, _>("total")?.zip(row.try_get::<Option<i64>, _>("low_at")?);
    Ok(Reward {
        id: read("reward", "id", RewardId::new(row.try_get::<String, _>(id)?))?,
        name: row.try_get("name")?,
        kind,
        stock: stock.map(|(total, low_at)| StockPlan { total, low_at }),
    })
}

#[async_trait]
impl Programmes for PostgresStore {
    async fn change_programme(
        &self,
        programme: &Programme,
        seen: Seen,
        dry_run: bool,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<ProgrammePut, Error> {
        self.written(programme, seen, dry_run, Some(by), now).await
    }

    async fn put_programme(&self, programme: &Programme, now: DateTime<Utc>) -> Result<(), Error> {
        let put = self.written(programme, Seen::Whatever, false, None, now).await?;
        put_by_house(put, &programme.id)
    }

    async fn set_programme_state(
        &self,
        id: &ProgrammeId,
        state: ProgrammeState,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<StateSet, Error> {
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let done = set_state(&mut tx, id, state, by, now).await;
            if let Some(set) = tries.end(tx, done, self.ids.as_ref()).await? {
                return Ok(set);
            }
        }
    }

    async fn programmes(&self) -> Result<Vec<Programme>, Error> {
        let mut conn = self.begin_read().await?;
        Ok(all(&mut conn).await?.into_values().collect())
    }

    async fn programme(&self, id: &ProgrammeId) -> Result<Option<ProgrammeRecord>, Error> {
        let mut conn = self.begin_read().await?;
        Ok(records(&mut conn, Some(id)).await?.remove(id))
    }
}

impl PostgresStore {
    async fn written(
        &self,
        programme: &Programme,
        seen: Seen,
        dry_run: bool,
        by: Option<&By>,
        now: DateTime<Utc>,
    ) -> Result<ProgrammePut, Error> {
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let done = self.put(&mut tx, programme, seen, dry_run, by, now).await;
            if let Some(put) = tries.end(tx, done, self.ids.as_ref()).await? {
                return Ok(put);
            }
        }
    }

    async fn put(
        &self,
        conn: &mut PgConnection,
        programme: &Programme,
        seen: Seen,
        dry_run: bool,
        by: Option<&By>,
        now: DateTime<Utc>,
    ) -> Result<ProgrammePut, Stop> {
        if !dry_run {
            hold_programmes(conn).await?;
        }
        let before = locked(conn, &programme.id).await?;
        if let Some(before) = before.as_ref().filter(|_| !dry_run) {
            hold_days(conn, &before.programme, programme).await?;
        }
        let in_use = in_use(conn, before.as_ref().map(|before| &before.programme), programme).await?;
        let changes = match judge_put(before.as_ref(), programme, seen, &in_use) {
            Ok(changes) => changes,
            Err(instead) => return Ok(instead),
        };
        let version = before.as_ref().map_or(0, |before| before.version) + 1;
        if before.is_some() && changes.is_empty() {
            return Ok(ProgrammePut::Done { version: version - 1, changes });
        }
        if !dry_run {
            write(conn, programme, version, now, self).await?;
            if let Some(by) = by {
                let before = before.as_ref().map(|before| &before.programme);
                audit_log::note(conn, &put_entry(by, before, programme, &changes, now)).await?;
            }
        }
        Ok(ProgrammePut::Done { version, changes })
    }
}

/// Nobody else changes or makes a programme meanwhile: one that is not there yet has no row to lock, and two programmes
/// may name one reward. Whoever reads them, or writes days of them, does not wait for that.
async fn hold_programmes(conn: &mut PgConnection) -> Result<(), Stop> {
    sqlx::query("lock table programme in share row exclusive mode").execute(conn).await?;
    Ok(())
}

/// The programme, so that nobody else changes it meanwhile.
async fn locked(conn: &mut PgConnection, id: &ProgrammeId) -> Result<Option<ProgrammeRecord>, Stop> {
    sqlx::query("select from programme where id = $1 for update")
        .bind(id.as_str())
        .execute(&mut *conn)
        .await?;
    Ok(records(conn, Some(id)).await?.remove(id))
}

/// Where it is told otherwise which day an instant belongs to, or which days count, nobody writes a day meanwhile.
async fn hold_days(conn: &mut PgConnection, before: &Programme, after: &Programme) -> Result<(), Stop> {
    let days = |p: &Programme| (p.tz, p.day_start_min, p.starts_on, p.ends_on);
    if days(before) != days(after) {
        sqlx::query("lock table attendance in share row exclusive mode").execute(conn).await?;
    }
    Ok(())
}

async fn set_state(
    conn: &mut PgConnection,
    id: &ProgrammeId,
    state: ProgrammeState,
    by: &By,
    now: DateTime<Utc>,
) -> Result<StateSet, Stop> {
    hold_programmes(conn).await?;
    let Some(before) = locked(conn, id).await? else { return Ok(StateSet::Unknown) };
    let any_day = first_and_last_day(conn, id).await?.is_some();
    if let Some(why) = judge_state(&before.programme, state, any_day) {
        return Ok(StateSet::Refused(why));
    }
    let version = before.version + 1;
    sqlx::query("update programme set state = $2, version = $3, changed_at = $4,
             active_until = case when $2 = 'active' then null when state = 'active' then $4 else active_until end
         where id = $1")
        .bind(id.as_str())
        .bind(state.as_str())
        .bind(version)
        .bind(now)
        .execute(&mut *conn)
        .await?;
    audit_log::note(conn, &state_entry(by, id, before.programme.state, state, now)).await?;
    Ok(StateSet::Done(version))
}

async fn write(
    conn: &mut PgConnection,
    programme: &Programme,
    version: i64,
    now: DateTime<Utc>,
    store: &PostgresStore,
) -> Result<(), Stop> {
    sqlx::query(
        "insert into programme (id, name, tz, day_start_min, count_mode, grace_days, starts_on, ends_on, claim_until,
                                state, points_per_1000_minor, points_valid_days, version, changed_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
         on conflict (id) do update set name = excluded.name, tz = excluded.tz,
             day_start_min = excluded.day_start_min, count_mode = excluded.count_mode,
             grace_days = excluded.grace_days, starts_on = excluded.starts_on, ends_on = excluded.ends_on,
             claim_until = excluded.claim_until, state = excluded.state,
             points_per_1000_minor = excluded.points_per_1000_minor,
             points_valid_days = excluded.points_valid_days, version = excluded.version,
             changed_at = excluded.changed_at,
             active_until = case when excluded.state = 'active' then null
                 when programme.state = 'active' then excluded.changed_at else programme.active_until end",
    )
    .bind(programme.id.as_str())
    .bind(storable(&programme.name))
    .bind(programme.tz.name())
    .bind(programme.day_start_min.cast_signed())
    .bind(programme.count_mode.as_str())
    .bind(i64::from(programme.grace_days))
    .bind(programme.starts_on)
    .bind(programme.ends_on)
    .bind(programme.claim_until)
    .bind(programme.state.as_str())
    .bind(programme.points_per_1000_minor)
    .bind(programme.points_valid_days.map(u32::cast_signed))
    .bind(version)
    .bind(now)
    .execute(&mut *conn)
    .await?;
    // Sorted, so that two programmes with the same rewards do not wait for each other.
    let rewards: BTreeMap<&RewardId, &Reward> =
        programme.rules.iter().map(|rule| (&rule.reward.id, &rule.reward)).collect();
    for reward in rewards.into_values() {
        write_reward(conn, reward).await?;
        stock::set_up(conn, reward, now, store).await?;
    }
    write_rules(conn, programme).await
}

async fn write_reward(conn: &mut PgConnection, reward: &Reward) -> Result<(), Stop> {
    let (kind, points, sku) = match &reward.kind {
        RewardKind::Points { points } => ("points", Some(*points), None),
        RewardKind::Product { sku } => ("product", None, Some(storable(sku))),
    };
    sqlx::query(
        "insert into reward (id, name, kind, points, sku) values ($1, $2, $3, $4, $5)
         on conflict (id) do update set name = excluded.name, kind = excluded.kind, points = excluded.points,
             sku = excluded.sku",
    )
    .bind(reward.id.as_str())
    .bind(storable(&reward.name))
    .bind(kind)
    .bind(points)
    .bind(sku)
    .execute(&mut *conn)
    .await?;
    Ok(())
}

async fn write_rules(conn: &mut PgConnection, programme: &Programme) -> Result<(), Stop> {
    sqlx::query("delete from rule where programme_id = $1")
        .bind(programme.id.as_str())
        .execute(&mut *conn)
        .await?;
    let rules = &programme.rules;
    sqlx::query(
        "insert into rule (programme_id, id, reward_id, days_required, max_per_member, count_mode, grace_days,
                           claim_until, position)
         select $1, n.id, n.reward_id, n.days_required, n.max_per_member, n.count_mode, n.grace_days, n.claim_until,
                n.position
         from unnest($2::text[], $3::text[], $4::int8[], $5::int8[], $6::text[], $7::int8[], $8::timestamptz[])
              with ordinality
              as n (id, reward_id, days_required, max_per_member, count_mode, grace_days, claim_until, position)",
    )
    .bind(programme.id.as_str())
    .bind(rules.iter().map(|r| r.id.as_str()).collect::<Vec<_>>())
    .bind(rules.iter().map(|r| r.reward.id.as_str()).collect::<Vec<_>>())
    .bind(rules.iter().map(|r| i64::from(r.days_required)).collect::<Vec<_>>())
    .bind(rules.iter().map(|r| i64::from(r.max_per_member)).collect::<Vec<_>>())
    .bind(rules.iter().map(|r| r.count_mode.map(|mode| mode.as_str())).collect::<Vec<_>>())
    .bind(rules.iter().map(|r| r.grace_days.map(i64::from)).collect::<Vec<_>>())
    .bind(rules.iter().map(|r| r.claim_until).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}
