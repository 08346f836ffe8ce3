//! The audit log.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_store::{AuditEntry, AuditLog, Error};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::PostgresStore;
use crate::error::store_error;
use crate::rows::{page, read, storable};

/// Writes an entry into the transaction of what it tells; a part of something that has its entry adds to its count.
pub(crate) async fn note(conn: &mut PgConnection, entry: &AuditEntry) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into audit_entry as e (id, at, actor, action, subject, reason, count, before, after)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict (id) do update set count = e.count + excluded.count",
    )
    .bind(entry.id)
    .bind(entry.at)
    .bind(storable(&entry.actor))
    .bind(&entry.action)
    .bind(storable(&entry.subject))
    .bind(storable(&entry.reason))
    .bind(entry.count)
    .bind(entry.before.to_string())
    .bind(entry.after.to_string())
    .execute(conn)
    .await?;
    Ok(())
}

#[async_trait]
impl AuditLog for PostgresStore {
    async fn audit_log(&self, after: Option<Uuid>, limit: u32) -> Result<Vec<AuditEntry>, Error> {
        type Row = (Uuid, DateTime<Utc>, String, String, String, String, i64, String, String);
        let rows: Vec<Row> = sqlx::query_as(
            "select id, at, actor, action, subject, reason, count, before, after from audit_entry
             where $1::uuid is null or (at, id) < (select at, id from audit_entry where id = $1)
             order by at desc, id desc limit $2",
        )
        .bind(after)
        .bind(page(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(store_error)?;
        rows.into_iter()
            .map(|(id, at, actor, action, subject, reason, count, before, after)| {
                let before = read("audit_entry", "before", serde_json::from_str(&before))?;
                let after = read("audit_entry", "after", serde_json::from_str(&after))?;
                Ok(AuditEntry { id, at, actor, action, subject, reason, count, before, after })
            })
            .collect()
    }
}
