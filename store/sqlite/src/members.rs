//! Members, and who is blocked.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_schemas::MemberId;
use forebay_store::{Block, BlockSet, By, Error, MemberRecord, Members};
use sqlx::SqliteConnection;

use crate::error::Fault;
use crate::rows::{Reading, micros};
use crate::{SqliteStore, audit_log, erasure};

#[async_trait]
impl Members for SqliteStore {
    async fn member(&self, member: &MemberId) -> Result<MemberRecord, Error> {
        let mut read = self.db.read().begin().await.map_err(Fault::from)?;
        let row = sqlx::query("select balance, blocked, blocked_at, blocked_reason from member where id = ?")
            .bind(member.as_str())
            .fetch_optional(&mut *read)
            .await
            .map_err(Fault::from)?;
        let Some(row) = &row else {
            let erased = !erasure::among(&mut read, [member.as_str()]).await?.is_empty();
            return Ok(MemberRecord { erased, ..MemberRecord::default() });
        };
        let row = Reading::of("member", row);
        let block = Block { since: row.instant_if_any("blocked_at")?, reason: row.get("blocked_reason")? };
        let blocked = row.get::<bool>("blocked")?.then_some(block);
        Ok(MemberRecord { balance: row.get("balance")?, blocked, erased: false })
    }

    async fn set_blocked(
        &self,
        member: &MemberId,
        blocked: bool,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<BlockSet, Error> {
        let (member, by) = (member.clone(), by.clone());
        self.write(move |conn| Box::pin(async move { set(conn, &member, blocked, &by, now).await })).await
    }
}

async fn set(
    conn: &mut SqliteConnection,
    member: &MemberId,
    blocked: bool,
    by: &By,
    now: DateTime<Utc>,
) -> Result<BlockSet, Fault> {
    let id = member.as_str();
    if !erasure::among(conn, [id]).await?.is_empty() {
        return Ok(BlockSet::Erased);
    }
    let before: Option<bool> = sqlx::query_scalar("select blocked from member where id = ?")
        .bind(id)
        .fetch_optional(&mut *conn)
        .await?;
    let before = before.unwrap_or(false);
    sqlx::query(
        "insert into member (id, blocked, blocked_at, blocked_reason)
         values (?1, ?2, iif(?2, ?3, null), iif(?2, ?4, null))
         on conflict (id) do update set blocked = excluded.blocked, blocked_reason = excluded.blocked_reason,
             blocked_at = iif(excluded.blocked, coalesce(blocked_at, excluded.blocked_at), null)",
    )
    .bind(id)
    .bind(blocked)
    .bind(micros(now))
    .bind(&by.reason)
    .execute(&mut *conn)
    .await?;
    audit_log::note(conn, &BlockSet::entry(member, before, blocked, by, now)).await?;
    Ok(BlockSet::Done { before: before == blocked })
}
