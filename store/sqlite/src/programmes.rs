//! Programmes with their rules, rewards and first stock.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use forebay_domain::programme::{CountMode, Programme, ProgrammeState, Reward, RewardKind, Rule, StockPlan};
use forebay_schemas::ProgrammeId;
use forebay_store::Error;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use crate::error::Fault;
use crate::rows::{Reading, micros, unreadable};

/// Every programme with its rules in their order.
pub(crate) async fn all(conn: &mut SqliteConnection) -> Result<BTreeMap<ProgrammeId, Programme>, Fault> {
    let mut programmes = BTreeMap::new();
    for row in &sqlx::query("select * from programme").fetch_all(&mut *conn).await? {
        let programme = programme(row)?;
        programmes.insert(programme.id.clone(), programme);
    }
    let rows = sqlx::query(
        "select u.programme_id, u.id, u.days_required, u.max_per_member,
                r.id as reward_id, r.name, r.points, r.sku, s.total, s.low_at
         from rule u join reward r on r.id = u.reward_id left join stock s on s.reward_id = r.id
         order by u.programme_id, u.position",
    )
    .fetch_all(conn)
    .await?;
    for row in &rows {
        if let Some(programme) = programmes.get_mut(Reading::of("rule", row).get::<&str>("programme_id")?) {
            programme.rules.push(rule(row)?);
        }
    }
    Ok(programmes)
}

fn programme(row: &SqliteRow) -> Result<Programme, Fault> {
    let row = Reading::of("programme", row);
    Ok(Programme {
        id: row.parsed("id")?,
        name: row.get("name")?,
        tz: row.parsed("tz")?,
        day_start_min: row.narrow("day_start_min")?,
        count_mode: match row.get("count_mode")? {
            "total" => CountMode::Total,
            "consecutive" => CountMode::Consecutive,
            _ => return Err(unreadable("programme", "count_mode", "not a way to count")),
        },
        grace_days: row.narrow("grace_days")?,
        starts_on: row.date("starts_on")?,
        ends_on: row.date("ends_on")?,
        claim_until: row.instant("claim_until")?,
        state: match row.get("state")? {
            "draft" => ProgrammeState::Draft,
            "active" => ProgrammeState::Active,
            "paused" => ProgrammeState::Paused,
            "ended" => ProgrammeState::Ended,
            _ => return Err(unreadable("programme", "state", "not a state")),
        },
        points_per_1000_minor: row.get("points_per_1000_minor")?,
        rules: Vec::new(),
    })
}

fn rule(row: &SqliteRow) -> Result<Rule, Fault> {
    let (row, reward, stock) =
        (Reading::of("rule", row), Reading::of("reward", row), Reading::of("stock", row));
    let kind = match (reward.get("points")?, reward.get("sku")?) {
        (Some(points), None) => RewardKind::Points { points },
        (None, Some(sku)) => RewardKind::Product { sku },
        _ => return Err(unreadable("reward", "kind", "neither points nor a product")),
    };
    let plan = stock.get::<Option<i64>>("total")?.zip(stock.get::<Option<i64>>("low_at")?);
    Ok(Rule {
        id: row.parsed("id")?,
        reward: Reward {
            id: reward.parsed("reward_id")?,
            name: reward.get("name")?,
            kind,
            stock: plan.map(|(total, low_at)| StockPlan { total, low_at }),
        },
        days_required: row.narrow("days_required")?,
        max_per_member: row.narrow("max_per_member")?,
    })
}

/// Creates a programme, or changes what may be changed of it.
pub(crate) async fn write(
    conn: &mut SqliteConnection,
    programme: &Programme,
    now: DateTime<Utc>,
) -> Result<(), Fault> {
    let faults = programme.faults();
    if !faults.is_empty() {
        return Err(Error::Refused(faults.join("; ")).into());
    }
    keep_days(conn, programme).await?;
    write_programme(conn, programme, now).await?;
    for rule in &programme.rules {
        write_reward(conn, &rule.reward).await?;
    }
    sqlx::query("delete from rule where programme_id = ?")
        .bind(programme.id.as_str())
        .execute(&mut *conn)
        .await?;
    for (position, rule) in (0_i64..).zip(&programme.rules) {
        sqlx::query(
            "insert into rule (programme_id, id, position, reward_id, days_required, max_per_member)
             values (?, ?, ?, ?, ?, ?)",
        )
        .bind(programme.id.as_str())
        .bind(rule.id.as_str())
        .bind(position)
        .bind(rule.reward.id.as_str())
        .bind(rule.days_required)
        .bind(rule.max_per_member)
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

async fn write_programme(
    conn: &mut SqliteConnection,
    programme: &Programme,
    now: DateTime<Utc>,
) -> Result<(), Fault> {
    sqlx::query(
        "insert into programme (id, name, tz, day_start_min, count_mode, grace_days, starts_on, ends_on, claim_until,
                                state, points_per_1000_minor, changed_at)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         on conflict (id) do update set name = excluded.name, tz = excluded.tz,
             day_start_min = excluded.day_start_min, count_mode = excluded.count_mode,
             grace_days = excluded.grace_days, starts_on = excluded.starts_on, ends_on = excluded.ends_on,
             claim_until = excluded.claim_until, state = excluded.state,
             points_per_1000_minor = excluded.points_per_1000_minor, changed_at = excluded.changed_at",
    )
    .bind(programme.id.as_str())
    .bind(&programme.name)
    .bind(programme.tz.name())
    .bind(programme.day_start_min)
    .bind(match programme.count_mode {
        CountMode::Total => "total",
        CountMode::Consecutive => "consecutive",
    })
    .bind(programme.grace_days)
    .bind(programme.starts_on.to_string())
    .bind(programme.ends_on.to_string())
    .bind(micros(programme.claim_until))
    .bind(match programme.state {
        ProgrammeState::Draft => "draft",
        ProgrammeState::Active => "active",
        ProgrammeState::Paused => "paused",
        ProgrammeState::Ended => "ended",
    })
    .bind(programme.points_per_1000_minor)
    .bind(micros(now))
    .execute(conn)
    .await?;
    Ok(())
}

/// Refuses another zone or start of the day once there are days: what was counted can't be counted anew.
async fn keep_days(conn: &mut SqliteConnection, programme: &Programme) -> Result<(), Fault> {
    let moved: bool = sqlx::query_scalar(
        "select exists (select 1 from programme where id = ?1 and (tz <> ?2 or day_start_min <> ?3))
            and exists (select 1 from attendance where programme_id = ?1)",
    )
    .bind(programme.id.as_str())
    .bind(programme.tz.name())
    .bind(programme.day_start_min)
    .fetch_one(conn)
    .await?;
    if moved {
        let why = format!(
            "programme {}: its zone and its day's start are fixed, there is attendance",
            programme.id
        );
        return Err(Error::Refused(why).into());
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
    if known > 0 {
        return Ok(());
    }
    sqlx::query("insert into reward (id, name, kind, points, sku) values (?, ?, ?, ?, ?)")
        .bind(reward.id.as_str())
        .bind(&reward.name)
        .bind(kind)
        .bind(points)
        .bind(sku)
        .execute(&mut *conn)
        .await?;
    let Some(stock) = reward.stock else { return Ok(()) };
    sqlx::query("insert into stock (reward_id, total, low_at) values (?, ?, ?)")
        .bind(reward.id.as_str())
        .bind(stock.total)
        .bind(stock.low_at)
        .execute(conn)
        .await?;
    Ok(())
}
