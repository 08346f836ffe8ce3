//! What rests on a programme, so that it may not change any more.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use forebay_domain::programme::{InUse, Programme};
use forebay_schemas::{ProgrammeId, RewardId, RuleId};
use sqlx::SqliteConnection;

use crate::error::Fault;
use crate::programmes::reward;
use crate::rows::{Reading, json};

pub(crate) async fn first_and_last_day(
    conn: &mut SqliteConnection,
    id: &ProgrammeId,
) -> Result<Option<(NaiveDate, NaiveDate)>, Fault> {
    // Each from its end of the index: both in one would read all of it.
    let row = sqlx::query(
        "select (select min(on_date) from attendance where programme_id = ?1) as first,
                (select max(on_date) from attendance where programme_id = ?1) as last",
    )
    .bind(id.as_str())
    .fetch_one(conn)
    .await?;
    let row = Reading::of("attendance", &row);
    Ok(row.parsed_if_any("first")?.zip(row.parsed_if_any("last")?))
}

/// What rests on the programme as it is, and on the rewards that it is to name. Everybody else waits meanwhile: each
/// question is a few steps into an index, however many days and claims there are.
pub(crate) async fn in_use(
    conn: &mut SqliteConnection,
    before: Option<&Programme>,
    programme: &Programme,
) -> Result<InUse, Fault> {
    let mut in_use = InUse { days: first_and_last_day(conn, &programme.id).await?, ..InUse::default() };
    let named: BTreeSet<&RewardId> = programme.rules.iter().map(|rule| &rule.reward.id).collect();
    let named = json(&named)?;
    let rows = sqlx::query(
        "select r.*, s.total, s.low_at from reward r left join stock s on s.reward_id = r.id
         where r.id in (select value from json_each(?))",
    )
    .bind(&named)
    .fetch_all(&mut *conn)
    .await?;
    for row in &rows {
        let reward = reward(row, "id")?;
        in_use.rewards.insert(reward.id.clone(), reward);
    }
    let rules = before.into_iter().flat_map(|before| &before.rules);
    in_use.claimed_rules = claimed_rules(conn, &programme.id, rules.map(|rule| &rule.id).collect()).await?;
    in_use.granted_rewards = granted_rewards(conn, &named).await?;
    let rows = sqlx::query(
        "select distinct reward_id, programme_id from rule
         where programme_id <> ?1 and reward_id in (select value from json_each(?2))",
    )
    .bind(programme.id.as_str())
    .bind(&named)
    .fetch_all(conn)
    .await?;
    for row in &rows {
        let row = Reading::of("rule", row);
        in_use.shared.entry(row.parsed("reward_id")?).or_default().insert(row.parsed("programme_id")?);
    }
    Ok(in_use)
}

async fn claimed_rules(
    conn: &mut SqliteConnection,
    programme: &ProgrammeId,
    rules: Vec<&RuleId>,
) -> Result<BTreeSet<RuleId>, Fault> {
    let rows =
        sqlx::query(CLAIMED_RULES).bind(programme.as_str()).bind(json(&rules)?).fetch_all(conn).await?;
    rows.iter().map(|row| Reading::of("claim", row).parsed("id")).collect()
}

/// Indexes are named: one that is missing is an error, and no table that is read from end to end.
const CLAIMED_RULES: &str = "select n.value as id from json_each(?2) n where exists (
    select 1 from claim indexed by claim_one_live
    where programme_id = ?1 and rule_id = n.value and state = 'granted' and reversed_at is null)";

async fn granted_rewards(conn: &mut SqliteConnection, rewards: &str) -> Result<BTreeSet<RewardId>, Fault> {
    let rows = sqlx::query(GRANTED_REWARDS).bind(rewards).fetch_all(conn).await?;
    rows.iter().map(|row| Reading::of("claim", row).parsed("id")).collect()
}

/// Those that wait to be shipped and those that were are two indexes.
const GRANTED_REWARDS: &str = "select n.value as id from json_each(?1) n
where exists (
    select 1 from claim indexed by claim_granted
    where reward_id = n.value and state = 'granted' and fulfilled_at is null and reversed_at is null)
or exists (
    select 1 from claim indexed by claim_shipped
    where reward_id = n.value and state = 'granted' and fulfilled_at is not null and reversed_at is null)";
