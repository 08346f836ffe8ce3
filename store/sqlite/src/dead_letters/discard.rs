//! Letters that need no effect, and letters of whose replay nothing was heard.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use forebay_store::dead_letters::Status;
use forebay_store::{By, DeadLetterFilter, Error};
use sqlx::{QueryBuilder, SqliteConnection};
use uuid::Uuid;

use super::changes::{self, Groups};
use super::search::{Order, Search};
use crate::error::Fault;
use crate::rows::{Reading, micros, page};
use crate::store::Tools;
use crate::{SqliteStore, audit_log};

pub(super) async fn discard(
    conn: &mut SqliteConnection,
    filter: DeadLetterFilter,
    limit: u32,
    by: &By,
    now: DateTime<Utc>,
    tools: &Tools,
) -> Result<u32, Fault> {
    let filter = filter.only_open();
    let mut query = QueryBuilder::new("update dead_letter set status = 'discarded', closed_at = ");
    query.push_bind(micros(now)).push(", closed_by = ").push_bind(by.id);
    query.push(" where row in (select row from (");
    Search::new(&filter, Order::Oldest, limit).push(&mut query)?;
    query.push(")) returning fingerprint");
    let discarded: Vec<String> = query.build_query_scalar().fetch_all(&mut *conn).await?;
    let mut groups = Groups::new();
    for fingerprint in &discarded {
        groups.entry(fingerprint.clone()).or_default().step(Some(Status::Open), Status::Discarded);
    }
    changes::change_groups(conn, &groups, now, tools).await?;
    let entry = filter.discarded(discarded.len(), by, now);
    audit_log::note(conn, &entry).await?;
    Ok(u32::try_from(discarded.len()).unwrap_or(u32::MAX))
}

impl SqliteStore {
    /// A look without the writer: most of the time nothing is late.
    pub(super) async fn any_late(&self, before: DateTime<Utc>) -> Result<bool, Error> {
        let late = sqlx::query_scalar(
            "select exists (select 1 from dead_letter where status = 'replaying' and replayed_at < ?)",
        );
        Ok(late.bind(micros(before)).fetch_one(self.db.read()).await.map_err(Fault::from)?)
    }
}

pub(super) async fn give_back(
    conn: &mut SqliteConnection,
    before: DateTime<Utc>,
    limit: u32,
    now: DateTime<Utc>,
    tools: &Tools,
) -> Result<u32, Fault> {
    let given = sqlx::query(
        "update dead_letter set status = 'open' where row in (
             select row from dead_letter where status = 'replaying' and replayed_at < ?1
             order by replayed_at limit ?2)
         returning fingerprint, replay_id",
    )
    .bind(micros(before))
    .bind(page(limit))
    .fetch_all(&mut *conn)
    .await?;
    let mut groups = Groups::new();
    let mut outcomes: BTreeMap<Uuid, (u64, u64)> = BTreeMap::new();
    for row in &given {
        let row = Reading::of("dead_letter", row);
        groups.entry(row.get("fingerprint")?).or_default().step(Some(Status::Replaying), Status::Open);
        if let Some(replay) = row.get("replay_id")? {
            outcomes.entry(replay).or_default().1 += 1;
        }
    }
    changes::change_groups(conn, &groups, now, tools).await?;
    changes::count_outcomes(conn, outcomes, now).await?;
    Ok(u32::try_from(given.len()).unwrap_or(u32::MAX))
}
