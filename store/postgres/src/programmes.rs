//! Programmes with their rules, rewards and first stock.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use forebay_domain::programme::{CountMode, Programme, ProgrammeState, Reward, RewardKind, Rule, StockPlan};
use forebay_schemas::{ProgrammeId, RewardId, RuleId};
use forebay_store::Error;
use sqlx::{PgConnection, Row as _};

use crate::PostgresStore;
use crate::attempt::Tries;
use crate::error::Stop;
use crate::rows::{narrow, read, storable};

/// Every programme with its rules in their order.
pub(crate) async fn all(conn: &mut PgConnection) -> Result<BTreeMap<ProgrammeId, Programme>, Stop> {
    type Row = (String, String, String, i32, String, i64, NaiveDate, NaiveDate, DateTime<Utc>, String, i64);
    let rows: Vec<Row> = sqlx::query_as(
        "select id, name, tz, day_start_min, count_mode, grace_days, starts_on, ends_on, claim_until, state,
                points_per_1000_minor
         from programme",
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut programmes = BTreeMap::new();
    for (
        id,
        name,
        tz,
        day_start_min,
        count_mode,
        grace_days,
        starts_on,
        ends_on,
        claim_until,
        state,
        points,
    ) in rows
    {
        let id = read("programme", "id", ProgrammeId::new(id))?;
        let programme = Programme {
            id: id.clone(),
            name,
            tz: read("programme", "tz", tz.parse::<Tz>())?,
            day_start_min: narrow("programme", "day_start_min", i64::from(day_start_min))?,
            count_mode: word("count_mode", &count_mode)?,
            grace_days: narrow("programme", "grace_days", grace_days)?,
            starts_on,
            ends_on,
            claim_until,
            state: word("state", &state)?,
            points_per_1000_minor: points,
            rules: Vec::new(),
        };
        programmes.insert(id, programme);
    }
    load_rules(conn, &mut programmes).await?;
    Ok(programmes)
}

async fn load_rules(
    conn: &mut PgConnection,
    programmes: &mut BTreeMap<ProgrammeId, Programme>,
) -> Result<(), Stop> {
    let rows = sqlx::query(
        "select u.programme_id, u.id, u.days_required, u.max_per_member,
                r.id as reward_id, r.name, r.kind, r.points, r.sku, s.total, s.low_at
         from rule u join reward r on r.id = u.reward_id left join stock s on s.reward_id = r.id
         order by u.programme_id, u.position",
    )
    .fetch_all(conn)
    .await?;
    for row in rows {
        let Some(programme) = programmes.get_mut(row.try_get::<&str, _>("programme_id")?) else { continue };
        let kind = match (row.try_get::<Option<i64>, _>("points")?, row.try_get::<Option<String>, _>("sku")?)
        {
            (Some(points), None) => RewardKind::Points { points },
            (None, Some(sku)) => RewardKind::Product { sku },
            _ => {
                let why = "neither points nor a product".to_owned();
                return Err(Error::Inconsistent { table: "reward", column: "kind", why }.into());
            }
        };
        let stock = row.try_get::<Option<i64>, _>("total")?.zip(row.try_get::<Option<i64>, _>("low_at")?);
        programme.rules.push(Rule {
            id: read("rule", "id", RuleId::new(row.try_get::<String, _>("id")?))?,
            reward: Reward {
                id: read("reward", "id", RewardId::new(row.try_get::<String, _>("reward_id")?))?,
                name: row.try_get("name")?,
                kind,
                stock: stock.map(|(total, low_at)| StockPlan { total, low_at }),
            },
            days_required: narrow("rule", "days_required", row.try_get("days_required")?)?,
            max_per_member: narrow("rule", "max_per_member", row.try_get("max_per_member")?)?,
        });
    }
    Ok(())
}

impl PostgresStore {
    pub(crate) async fn read_programmes(&self) -> Result<Vec<Programme>, Error> {
        let mut conn = self.begin_read().await?;
        match all(&mut conn).await {
            Ok(programmes) => Ok(programmes.into_values().collect()),
            Err(Stop::Failed(error) | Stop::Conflict(error)) => Err(error),
        }
    }

    pub(crate) async fn write_programme(
        &self,
        programme: &Programme,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let faults = programme.faults();
        if !faults.is_empty() {
            return Err(Error::Refused(faults.join("; ")));
        }
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let done = write(&mut tx, programme, now).await;
            if let Some(()) = tries.end(tx, done, self.ids.as_ref()).await? {
                return Ok(());
            }
        }
    }
}

async fn write(conn: &mut PgConnection, programme: &Programme, now: DateTime<Utc>) -> Result<(), Stop> {
    keep_days(conn, programme).await?;
    sqlx::query(
        "insert into programme (id, name, tz, day_start_min, count_mode, grace_days, starts_on, ends_on, claim_until,
                                state, points_per_1000_minor, changed_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
         on conflict (id) do update set name = excluded.name, tz = excluded.tz,
             day_start_min = excluded.day_start_min, count_mode = excluded.count_mode,
             grace_days = excluded.grace_days, starts_on = excluded.starts_on, ends_on = excluded.ends_on,
             claim_until = excluded.claim_until, state = excluded.state,
             points_per_1000_minor = excluded.points_per_1000_minor, changed_at = excluded.changed_at",
    )
    .bind(programme.id.as_str())
    .bind(storable(&programme.name))
    .bind(programme.tz.name())
    .bind(programme.day_start_min.cast_signed())
    .bind(written(&programme.count_mode))
    .bind(i64::from(programme.grace_days))
    .bind(programme.starts_on)
    .bind(programme.ends_on)
    .bind(programme.claim_until)
    .bind(written(&programme.state))
    .bind(programme.points_per_1000_minor)
    .bind(now)
    .execute(&mut *conn)
    .await?;
    for rule in &programme.rules {
        write_reward(conn, &rule.reward).await?;
    }
    write_rules(conn, programme).await
}

/// Refuses another zone or start of the day once there are days: what was counted can't be counted anew.
async fn keep_days(conn: &mut PgConnection, programme: &Programme) -> Result<(), Stop> {
    let before: Option<(String, i32)> =
        sqlx::query_as("select tz, day_start_min from programme where id = $1 for update")
            .bind(programme.id.as_str())
            .fetch_optional(&mut *conn)
            .await?;
    let Some((tz, day_start_min)) = before else { return Ok(()) };
    if tz == programme.tz.name() && i64::from(day_start_min) == i64::from(programme.day_start_min) {
        return Ok(());
    }
    // Nobody writes a first day meanwhile.
    sqlx::query("lock table attendance in share row exclusive mode").execute(&mut *conn).await?;
    let counted: bool = sqlx::query_scalar("select exists (select from attendance where programme_id = $1)")
        .bind(programme.id.as_str())
        .fetch_one(conn)
        .await?;
    if counted {
        let why = format!(
            "programme {}: its zone and its day's start are fixed, there is attendance",
            programme.id
        );
        return Err(Error::Refused(why).into());
    }
    Ok(())
}

async fn write_reward(conn: &mut PgConnection, reward: &Reward) -> Result<(), Stop> {
    let (kind, points, sku) = match &reward.kind {
        RewardKind::Points { points } => ("points", Some(*points), None),
        RewardKind::Product { sku } => ("product", None, Some(storable(sku))),
    };
    // A row that was updated has a deleting transaction in its header, a new one has none.
    let new: bool = sqlx::query_scalar(
        "insert into reward (id, name, kind, points, sku) values ($1, $2, $3, $4, $5)
         on conflict (id) do update set name = excluded.name, kind = excluded.kind, points = excluded.points,
             sku = excluded.sku
         returning xmax = 0",
    )
    .bind(reward.id.as_str())
    .bind(storable(&reward.name))
    .bind(kind)
    .bind(points)
    .bind(sku)
    .fetch_one(&mut *conn)
    .await?;
    if let Some(stock) = reward.stock
        && new
    {
        sqlx::query("insert into stock (reward_id, total, low_at) values ($1, $2, $3)")
            .bind(reward.id.as_str())
            .bind(stock.total)
            .bind(stock.low_at)
            .execute(conn)
            .await?;
    }
    Ok(())
}

async fn write_rules(conn: &mut PgConnection, programme: &Programme) -> Result<(), Stop> {
    sqlx::query("delete from rule where programme_id = $1")
        .bind(programme.id.as_str())
        .execute(&mut *conn)
        .await?;
    let rules = &programme.rules;
    sqlx::query(
        "insert into rule (programme_id, id, reward_id, days_required, max_per_member, position)
         select $1, n.id, n.reward_id, n.days_required, n.max_per_member, n.position
         from unnest($2::text[], $3::text[], $4::int8[], $5::int8[]) with ordinality
              as n (id, reward_id, days_required, max_per_member, position)",
    )
    .bind(programme.id.as_str())
    .bind(rules.iter().map(|r| r.id.as_str()).collect::<Vec<_>>())
    .bind(rules.iter().map(|r| r.reward.id.as_str()).collect::<Vec<_>>())
    .bind(rules.iter().map(|r| i64::from(r.days_required)).collect::<Vec<_>>())
    .bind(rules.iter().map(|r| i64::from(r.max_per_member)).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}

trait Word: Copy + 'static {
    const ALL: &'static [(Self, &'static str)];
}

impl Word for CountMode {
    const ALL: &'static [(Self, &'static str)] =
        &[(Self::Total, "total"), (Self::Consecutive, "consecutive")];
}

impl Word for ProgrammeState {
    const ALL: &'static [(Self, &'static str)] =
        &[(Self::Draft, "draft"), (Self::Active, "active"), (Self::Paused, "paused"), (Self::Ended, "ended")];
}

fn word<W: Word>(column: &'static str, text: &str) -> Result<W, Error> {
    let known = W::ALL.iter().find(|(_, word)| *word == text).map(|(value, _)| *value);
    read("programme", column, known.ok_or_else(|| format!("{text:?} is not known")))
}

fn written<W: Word + PartialEq>(value: &W) -> &'static str {
    W::ALL.iter().find(|(known, _)| known == value).map_or("", |(_, word)| word)
}
