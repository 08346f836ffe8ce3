//! What rests on a programme, so that it may not change any more.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use forebay_domain::programme::{InUse, Programme};
use forebay_schemas::{ProgrammeId, RewardId, RuleId};
use sqlx::PgConnection;

use crate::error::Stop;
use crate::programmes::reward;
use crate::rows::read;

pub(crate) async fn first_and_last_day(
    conn: &mut PgConnection,
    id: &ProgrammeId,
) -> Result<Option<(NaiveDate, NaiveDate)>, Stop> {
    let (first, last): (Option<NaiveDate>, Option<NaiveDate>) =
        sqlx::query_as("select min(on_date), max(on_date) from attendance where programme_id = $1")
            .bind(id.as_str())
            .fetch_one(conn)
            .await?;
    Ok(first.zip(last))
}

/// What rests on the programme as it is, and on the rewards that it is to name. All of it is asked under locks that hold
/// up check-ins: each question is a few steps into an index, however many days and claims there are.
pub(crate) async fn in_use(
    conn: &mut PgConnection,
    before: Option<&Programme>,
    programme: &Programme,
) -> Result<InUse, Stop> {
    let mut in_use = InUse { days: first_and_last_day(conn, &programme.id).await?, ..InUse::default() };
    let named: BTreeSet<&str> = programme.rules.iter().map(|rule| rule.reward.id.as_str()).collect();
    let named: Vec<&str> = named.into_iter().collect();
    let rows = sqlx::query(
        "select r.*, s.total, s.low_at from reward r left join stock s on s.reward_id = r.id where r.id = any($1)",
    )
    .bind(&named)
    .fetch_all(&mut *conn)
    .await?;
    for row in &rows {
        let reward = reward(row, "id")?;
        in_use.rewards.insert(reward.id.clone(), reward);
    }
    let rules = before.into_iter().flat_map(|before| &before.rules);
    in_use.claimed_rules =
        claimed_rules(conn, &programme.id, rules.map(|rule| rule.id.as_str()).collect()).await?;
    in_use.granted_rewards = granted_rewards(conn, &named).await?;
    let others: Vec<(String, String)> = sqlx::query_as(
        "select distinct reward_id, programme_id from rule where programme_id <> $1 and reward_id = any($2)",
    )
    .bind(programme.id.as_str())
    .bind(&named)
    .fetch_all(conn)
    .await?;
    for (reward, other) in others {
        let reward = read("rule", "reward_id", RewardId::new(reward))?;
        let other = read("rule", "programme_id", ProgrammeId::new(other))?;
        in_use.shared.entry(reward).or_default().insert(other);
    }
    Ok(in_use)
}

/// The first claim in the order of an index is asked for: whether there is any would be looked for from the beginning of
/// the table where the planner takes it for likely.
async fn claimed_rules(
    conn: &mut PgConnection,
    programme: &ProgrammeId,
    rules: Vec<&str>,
) -> Result<BTreeSet<RuleId>, Stop> {
    let claimed: Vec<String> = sqlx::query_scalar(
        "select n.id from unnest($2::text[]) as n (id), lateral (
            select from claim where programme_id = $1 and rule_id = n.id and state = 'granted' and reversed_at is null
            order by member_id, slot limit 1
         ) c",
    )
    .bind(programme.as_str())
    .bind(rules)
    .fetch_all(conn)
    .await?;
    claimed.into_iter().map(|rule| Ok(read("claim", "rule_id", RuleId::new(rule))?)).collect()
}

async fn granted_rewards(conn: &mut PgConnection, rewards: &[&str]) -> Result<BTreeSet<RewardId>, Stop> {
    // Those that wait to be shipped and those that were are two indexes.
    let granted: Vec<String> = sqlx::query_scalar(
        "select n.id from unnest($1::text[]) as n (id), lateral (
            (select 1 from claim where reward_id = n.id
                 and state = 'granted' and fulfilled_at is null and reversed_at is null
             order by settled_at desc, id desc limit 1)
            union all
            (select 1 from claim where reward_id = n.id
                 and state = 'granted' and fulfilled_at is not null and reversed_at is null
             order by settled_at desc, id desc limit 1)
            limit 1
         ) c",
    )
    .bind(rewards)
    .fetch_all(conn)
    .await?;
    granted.into_iter().map(|reward| Ok(read("claim", "reward_id", RewardId::new(reward))?)).collect()
}
