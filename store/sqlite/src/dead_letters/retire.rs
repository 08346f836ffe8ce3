//! Letters that were kept long enough.

use chrono::{DateTime, Utc};
use forebay_store::Error;
use forebay_store::dead_letters::Status;
use sqlx::SqliteConnection;

use super::changes::{self, Groups};
use crate::SqliteStore;
use crate::error::Fault;
use crate::rows::{Reading, json, micros, page};
use crate::store::Tools;

/// Open letters, by their first death.
pub(crate) const OPEN: &str = "delete from dead_letter where row in (
    select row from dead_letter where status = 'open' and first_dead_at < ?1 order by first_dead_at limit ?2)
    returning fingerprint, status";
/// Closed letters, by when they were closed.
pub(crate) const CLOSED: &str = "delete from dead_letter where row in (
    select row from dead_letter where closed_at < ?1 order by closed_at limit ?2) returning fingerprint, status";

impl SqliteStore {
    /// Removes letters by one of these statements, and their groups when they are the last ones.
    pub(crate) async fn retire(
        &self,
        statement: &'static str,
        before: DateTime<Utc>,
        limit: u32,
    ) -> Result<u32, Error> {
        let (tools, now) = (self.tools(), self.clock.now());
        self.write_and_wake(move |conn| {
            Box::pin(async move { retire(conn, statement, before, limit, now, &tools).await })
        })
        .await
    }
}

async fn retire(
    conn: &mut SqliteConnection,
    statement: &'static str,
    before: DateTime<Utc>,
    limit: u32,
    now: DateTime<Utc>,
    tools: &Tools,
) -> Result<u32, Fault> {
    let gone = sqlx::query(statement).bind(micros(before)).bind(page(limit)).fetch_all(&mut *conn).await?;
    let mut groups = Groups::new();
    for row in &gone {
        let row = Reading::of("dead_letter", row);
        let status: Status = row.parsed("status")?;
        groups.entry(row.get("fingerprint")?).or_default().delta[status as usize] -= 1;
    }
    changes::change_groups(conn, &groups, now, tools).await?;
    let touched: Vec<&String> = groups.keys().collect();
    sqlx::query(
        "delete from dead_letter_group where fingerprint in (select value from json_each(?))
             and open + replaying + resolved + discarded = 0",
    )
    .bind(json(&touched)?)
    .execute(conn)
    .await?;
    Ok(u32::try_from(gone.len()).unwrap_or(u32::MAX))
}
