//! Forgetting what is old.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_store::{Error, Memory, Retention};

use crate::SqliteStore;
use crate::dead_letters::retire;
use crate::rows::{micros, page};

/// Each removes the oldest `?2` rows among those before `?1`.
fn statement(memory: Memory) -> &'static str {
    match memory {
        Memory::Inbox => {
            "delete from inbox where handled_at < ?1 and row in (select row from inbox order by row limit ?2)"
        }
        Memory::Effects => {
            "delete from effect where key in (
                 select key from effect where changed_at < ?1 order by changed_at limit ?2)"
        }
        Memory::Firings => {
            "delete from firing where (job, slot) in (
                 select job, slot from firing where fired_at < ?1 order by fired_at limit ?2)"
        }
        Memory::Incidents => {
            "delete from incident where id in (
                 select id from incident where resolved_at < ?1 order by resolved_at limit ?2)"
        }
        Memory::OpenDeadLetters => retire::OPEN,
        Memory::ClosedDeadLetters => retire::CLOSED,
        Memory::Replays => {
            "delete from replay where id in (
                 select id from replay where state <> 'running' and updated_at < ?1 order by updated_at limit ?2)"
        }
        Memory::AuditLog => {
            "delete from audit_entry where id in (
                 select id from audit_entry where at < ?1 order by at limit ?2)"
        }
        Memory::Workers => {
            "delete from worker where id in (
                 select id from worker where seen_at < ?1 order by seen_at limit ?2)"
        }
    }
}

#[async_trait]
impl Retention for SqliteStore {
    async fn forget(&self, memory: Memory, before: DateTime<Utc>, limit: u32) -> Result<u32, Error> {
        if matches!(memory, Memory::OpenDeadLetters | Memory::ClosedDeadLetters) {
            return self.retire(statement(memory), before, limit).await;
        }
        self.write(move |conn| {
            Box::pin(async move {
                let gone = sqlx::query(statement(memory))
                    .bind(micros(before))
                    .bind(page(limit))
                    .execute(conn)
                    .await?
                    .rows_affected();
                Ok(u32::try_from(gone).unwrap_or(u32::MAX))
            })
        })
        .await
    }
}
