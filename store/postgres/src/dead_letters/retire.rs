//! Letters that were kept long enough.

use chrono::{DateTime, Utc};
use forebay_store::Error;
use forebay_store::dead_letters::Status;
use sqlx::PgConnection;

use super::changes::Groups;
use crate::PostgresStore;
use crate::attempt::Tries;
use crate::error::Stop;
use crate::rows::{page, read};

/// Open letters, by their first death.
pub(crate) const OPEN: &str = "delete from dead_letter where id = any(array(
    select id from dead_letter where status = 'open' and first_dead_at < $1
    order by first_dead_at limit $2 for update skip locked)) returning fingerprint, status";
/// Closed letters, by when they were closed.
pub(crate) const CLOSED: &str = "delete from dead_letter where id = any(array(
    select id from dead_letter where closed_at < $1
    order by closed_at limit $2 for update skip locked)) returning fingerprint, status";

impl PostgresStore {
    /// Removes letters by one of these statements, and their groups when they are the last ones.
    pub(crate) async fn retire(
        &self,
        statement: &'static str,
        before: DateTime<Utc>,
        limit: u32,
    ) -> Result<u32, Error> {
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let done = self.retire_once(&mut tx, statement, before, limit).await;
            if let Some(gone) = tries.end(tx, done, self.ids.as_ref()).await? {
                return Ok(gone);
            }
        }
    }

    async fn retire_once(
        &self,
        conn: &mut PgConnection,
        statement: &'static str,
        before: DateTime<Utc>,
        limit: u32,
    ) -> Result<u32, Stop> {
        let gone: Vec<(String, String)> =
            sqlx::query_as(statement).bind(before).bind(page(limit)).fetch_all(&mut *conn).await?;
        let mut groups = Groups::new();
        for (fingerprint, status) in &gone {
            let status: Status = read("dead_letter", "status", status.parse())?;
            groups.entry(fingerprint.clone()).or_default().delta[status as usize] -= 1;
        }
        self.change_groups(conn, &groups, self.clock.now()).await?;
        sqlx::query(
            "delete from dead_letter_group
             where fingerprint = any($1) and open + replaying + resolved + discarded = 0",
        )
        .bind(groups.keys().map(String::as_str).collect::<Vec<_>>())
        .execute(conn)
        .await?;
        Ok(u32::try_from(gone.len()).unwrap_or(u32::MAX))
    }
}
