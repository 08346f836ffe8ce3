//! The audit log.

use async_trait::async_trait;
use forebay_store::{AuditEntry, AuditLog, Error};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use crate::SqliteStore;
use crate::error::Fault;
use crate::rows::{Reading, micros, page};

/// Writes an entry into the transaction of what it tells; a part of something that has its entry adds to its count.
pub(crate) async fn note(conn: &mut SqliteConnection, entry: &AuditEntry) -> Result<(), Fault> {
    sqlx::query(
        "insert into audit_entry (id, at, actor, action, subject, reason, count, before, after)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?)
         on conflict (id) do update set count = count + excluded.count",
    )
    .bind(entry.id)
    .bind(micros(entry.at))
    .bind(&entry.actor)
    .bind(&entry.action)
    .bind(&entry.subject)
    .bind(&entry.reason)
    .bind(entry.count)
    .bind(entry.before.to_string())
    .bind(entry.after.to_string())
    .execute(conn)
    .await?;
    Ok(())
}

#[async_trait]
impl AuditLog for SqliteStore {
    async fn audit_log(&self, after: Option<Uuid>, limit: u32) -> Result<Vec<AuditEntry>, Error> {
        let rows = sqlx::query(
            "select * from audit_entry
             where ?1 is null or (at, id) < (select at, id from audit_entry where id = ?1)
             order by at desc, id desc limit ?2",
        )
        .bind(after)
        .bind(page(limit))
        .fetch_all(self.db.read())
        .await
        .map_err(Fault::from)?;
        Ok(rows.iter().map(entry).collect::<Result<_, Fault>>()?)
    }
}

fn entry(row: &SqliteRow) -> Result<AuditEntry, Fault> {
    let row = Reading::of("audit_entry", row);
    Ok(AuditEntry {
        id: row.get("id")?,
        at: row.instant("at")?,
        actor: row.get("actor")?,
        action: row.get("action")?,
        subject: row.get("subject")?,
        reason: row.get("reason")?,
        count: row.get("count")?,
        before: row.json("before")?,
        after: row.json("after")?,
    })
}
