//! Programmes with their rules, rewards and first stock.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::programme::{Programme, ProgrammeState, Reward, RewardKind, Rule, StockPlan};
use forebay_schemas::ProgrammeId;
use forebay_store::programmes::{judge_put, judge_state, put_by_house, put_entry, state_entry};
use forebay_store::{By, Error, ProgrammePut, ProgrammeRecord, Programmes, Seen, StateSet};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use crate::error::Fault;
use crate::in_use::{first_and_last_day, in_use};
use crate::rows::{Reading, micros, unreadable};
use crate::store::Tools;
use crate::{SqliteStore, audit_log, stock};

/// Every programme with its rules in their order.
pub(crate) async fn all(conn: &mut SqliteConnection) -> Result<BTreeMap<ProgrammeId, Programme>, Fault> {
    let records = records(conn, None).await?;
    Ok(records.into_iter().map(|(id, record)| (id, record.programme)).collect())
}

/// One programme, or all of them.
pub(crate) async fn records(
    conn: &mut SqliteConnection,
    only: Option<&ProgrammeId>,
) -> Result<BTreeMap<ProgrammeId, ProgrammeRecord>, Fault> {
    let mut records = BTreeMap::new();
    let rows = sqlx::query("select * from programme where ?1 is null or id = ?1")
        .bind(only.map(ProgrammeId::as_str))
        .fetch_all(&mut *conn)
        .await?;
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
         where ?1 is null or u.programme_id = ?1
         order by u.programme_id, u.position",
    )
    .bind(only.map(ProgrammeId::as_str))
    .fetch_all(conn)
    .await?;
    for row in &rows {
        if let Some(record) = records.get_mut(Reading::of("rule", row).get::<&str>("programme_id")?) {
            record.programme.rules.push(rule(row)?);
        }
    }
    Ok(records)
}

fn record(row: &SqliteRow) -> Result<ProgrammeRecord, Fault> {
    let row = Reading::of("programme", row);
    let programme = Programme {
        id: row.parsed("id")?,
        name: row.get("name")?,
        tz: row.parsed("tz")?,
        day_start_min: row.narrow("day_start_min")?,
        count_mode: row.parsed("count_mode")?,
        grace_days: row.narrow("grace_days")?,
        starts_on: row.date("starts_on")?,
        ends_on: row.date("ends_on")?,
        claim_until: row.instant("claim_until")?,
        state: row.parsed("state")?,
        points_per_1000_minor: row.get("points_per_1000_minor")?,
        points_valid_days: row.get("points_valid_days")?,
        active_until: row.instant_if_any("active_until")?,
        rules: Vec::new(),
    };
    Ok(ProgrammeRecord { programme, version: row.get("version")?, changed_at: row.instant("changed_at")? })
}

fn rule(row: &SqliteRow) -> Result<Rule, Fault> {
    let reward = reward(row, "reward_id")?;
    let row = Reading::of("rule", row);
    Ok(Rule {
        id: row.parsed("id")?,
        reward,
        days_required: row.narrow("days_required")?,
        max_per_member: row.narrow("max_per_member")?,
        count_mode: row.parsed_if_any("count_mode")?,
        grace_days: row.get("grace_days")?,
        claim_until: row.instant_if_any("claim_until")?,
    })
}

pub(crate) fn reward(row: &SqliteRow, id: &'static str) -> Result<Reward, Fault> {
    let (reward, stock) = (Reading::of("reward", row), Reading::of("stock", row));
    let kind = match (reward.get("points")?, reward.get("sku")?) {
        (Some(points), None) => RewardKind::Points { points },
        (None, Some(sku)) => RewardKind::Product { sku },
        _ => return Err(unreadable("reward", "kind", "neither points nor a product")),
    };
    let plan = stock.get::<Option<i64>>("total")?.zip(stock.get::<Option<i64>>("low_at")?);
    Ok(Reward {
        id: reward.parsed(id)?,
        name: reward.get("name")?,
        kind,
        stock: plan.map(|(total, low_at)| StockPlan { total, low_at }),
    })
}

#[async_trait]
impl Programmes for SqliteStore {
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
        let (id, by) = (id.clone(), by.clone());
        self.write(move |conn| Box::pin(async move { set_state(conn, &id, state, &by, now).await })).await
    }

    async fn programmes(&self) -> Result<Vec<Programme>, Error> {
        let mut read = self.db.read().begin().await.map_err(Fault::from)?;
        Ok(all(&mut read).await?.into_values().collect())
    }

    async fn programme(&self, id: &ProgrammeId) -> Result<Option<ProgrammeRecord>, Error> {
        let mut read = self.db.read().begin().await.map_err(Fault::from)?;
        Ok(records(&mut read, Some(id)).await?.remove(id))
    }
}

impl SqliteStore {
    async fn written(
        &self,
        programme: &Programme,
        seen: Seen,
        dry_run: bool,
        by: Option<&By>,
        now: DateTime<Utc>,
    ) -> Result<ProgrammePut, Error> {
        let (programme, by, tools) = (programme.clone(), by.cloned(), self.tools());
        self.write_and_wake(move |conn| {
            Box::pin(async move { put(conn, &programme, seen, dry_run, by.as_ref(), now, &tools).await })
        })
        .await
    }
}

async fn put(
    conn: &mut SqliteConnection,
    programme: &Programme,
    seen: Seen,
    dry_run: bool,
    by: Option<&By>,
    now: DateTime<Utc>,
    tools: &Tools,
) -> Result<ProgrammePut, Fault> {
    let before = records(conn, Some(&programme.id)).await?.remove(&programme.id);
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
        write(conn, programme, version, now, tools).await?;
        if let Some(by) = by {
            let before = before.as_ref().map(|before| &before.programme);
            audit_log::note(conn, &put_entry(by, before, programme, &changes, now)).await?;
        }
    }
    Ok(ProgrammePut::Done { version, changes })
}

async fn set_state(
    conn: &mut SqliteConnection,
    id: &ProgrammeId,
    state: ProgrammeState,
    by: &By,
    now: DateTime<Utc>,
) -> Result<StateSet, Fault> {
    let Some(before) = records(conn, Some(id)).await?.remove(id) else { return Ok(StateSet::Unknown) };
    let any_day = first_and_last_day(conn, id).await?.is_some();
    if let Some(why) = judge_state(&before.programme, state, any_day) {
        return Ok(StateSet::Refused(why));
    }
    let version = before.version + 1;
    sqlx::query("update programme set state = ?2, version = ?3, changed_at = ?4,
             active_until = case when ?2 = 'active' then null when state = 'active' then ?4 else active_until end
         where id = ?1")
        .bind(id.as_str())
        .bind(state.as_str())
        .bind(version)
        .bind(micros(now))
        .execute(&mut *conn)
        .await?;
    audit_log::note(conn, &state_entry(by, id, before.programme.state, state, now)).await?;
    Ok(StateSet::Done(version))
}

async fn write(
    conn: &mut SqliteConnection,
    programme: &Programme,
    version: i64,
    now: DateTime<Utc>,
    tools: &Tools,
) -> Result<(), Fault> {
    sqlx::query(
        "insert into programme (id, name, tz, day_start_min, count_mode, grace_days, starts_on, ends_on, claim_until,
                                state, points_per_1000_minor, points_valid_days, version, changed_at)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
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
    .bind(&programme.name)
    .bind(programme.tz.name())
    .bind(programme.day_start_min)
    .bind(programme.count_mode.as_str())
    .bind(programme.grace_days)
    .bind(programme.starts_on.to_string())
    .bind(programme.ends_on.to_string())
    .bind(micros(programme.claim_until))
    .bind(programme.state.as_str())
    .bind(programme.points_per_1000_minor)
    .bind(programme.points_valid_days)
    .bind(version)
    .bind(micros(now))
    .execute(&mut *conn)
    .await?;
    for rule in &programme.rules {
        write_reward(conn, &rule.reward).await?;
        stock::set_up(conn, &rule.reward, now, tools).await?;
    }
    write_rules(conn, programme).await
}

async fn write_rules(conn: &mut SqliteConnection, programme: &Programme) -> Result<(), Fault> {
    sqlx::query("delete from rule where programme_id = ?")
        .bind(programme.id.as_str())
        .execute(&mut *conn)
        .await?;
    for (position, rule) in (0_i64..).zip(&programme.rules) {
        sqlx::query(
            "insert into rule (programme_id, id, position, reward_id, days_required, max_per_member, count_mode,
                               grace_days, claim_until)
             values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(programme.id.as_str())
        .bind(rule.id.as_str())
        .bind(position)
        .bind(rule.reward.id.as_str())
        .bind(rule.days_required)
        .bind(rule.max_per_member)
        .bind(rule.count_mode.map(|mode| mode.as_str()))
        .bind(rule.grace_days)
        .bind(rule.claim_until.map(micros))
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

async fn write_reward(conn: &mut SqliteConnection, reward: &Reward) -> Result<(), Fault> {
    let (kind, points, sku) = match &reward.kind {
        RewardKind::Points { points } => ("points", Some(*points), None),
        RewardKind::Product { sku } => ("product", None, Some(sku)),
    };
    let known = sqlx::query("update reward set name = ?2, kind = ?3, points = ?4, sku = ?5 where id = ?1")
        .bind(reward.id.as_str())
        .bind(&reward.name)
        .bind(kind)
        .bind(points)
        .bind(sku)
        .execute(&mut *conn)
        .await?
        .rows_affected();
    if known == 0 {
        sqlx::query("insert into reward (id, name, kind, points, sku) values (?, ?, ?, ?, ?)")
            .bind(reward.id.as_str())
            .bind(&reward.name)
            .bind(kind)
            .bind(points)
            .bind(sku)
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}
