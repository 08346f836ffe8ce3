//! Forgetting what is old.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_store::{Error, Memory, Retention};

use crate::PostgresStore;
use crate::dead_letters::retire;
use crate::error::store_error;
use crate::rows::page;

/// Each removes at most `$2` rows from before `$1`; rows that another process is removing are passed over.
fn statement(memory: Memory) -> &'static str {
    match memory {
        Memory::Inbox => {
            "delete from inbox where ctid = any(array(
                 select ctid from inbox where handled_at < $1 limit $2 for update skip locked))"
        }
        Memory::Effects => {
            "delete from effect where ctid = any(array(
                 select ctid from effect where changed_at < $1 limit $2 for update skip locked))"
        }
        Memory::Firings => {
            "delete from firing where ctid = any(array(
                 select ctid from firing where fired_at < $1 limit $2 for update skip locked))"
        }
        Memory::Incidents => {
            "delete from incident where ctid = any(array(
                 select ctid from incident where resolved_at < $1 limit $2 for update skip locked))"
        }
        Memory::OpenDeadLetters => retire::OPEN,
        Memory::ClosedDeadLetters => retire::CLOSED,
        Memory::Replays => {
            "delete from replay where ctid = any(array(
                 select ctid from replay where state <> 'running' and updated_at < $1 limit $2
                 for update skip locked))"
        }
        Memory::AuditLog => {
            "delete from audit_entry where ctid = any(array(
                 select ctid from audit_entry where at < $1 limit $2 for update skip locked))"
        }
        Memory::Workers => {
            "delete from worker where ctid = any(array(
                 select ctid from worker where seen_at < $1 limit $2 for update skip locked))"
        }
    }
}

#[async_trait]
impl Retention for PostgresStore {
    async fn forget(&self, memory: Memory, before: DateTime<Utc>, limit: u32) -> Result<u32, Error> {
        if matches!(memory, Memory::OpenDeadLetters | Memory::ClosedDeadLetters) {
            return self.retire(statement(memory), before, limit).await;
        }
        let gone = sqlx::query(statement(memory))
            .bind(before)
            .bind(page(limit))
            .execute(&self.pool)
            .await
            .map_err(store_error)?
            .rows_affected();
        Ok(u32::try_from(gone).unwrap_or(u32::MAX))
    }
}
