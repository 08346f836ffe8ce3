//! Members, and who is blocked.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::erasure::tombstone;
use forebay_schemas::MemberId;
use forebay_store::{Block, BlockSet, By, Error, MemberRecord, Members};
use sqlx::PgConnection;

use crate::attempt::Tries;
use crate::error::{Stop, store_error};
use crate::rows::storable;
use crate::{PostgresStore, audit_log, erasure};

type Row = (i64, bool, Option<DateTime<Utc>>, Option<String>);

#[async_trait]
impl Members for PostgresStore {
    async fn member(&self, member: &MemberId) -> Result<MemberRecord, Error> {
        let row: Option<Row> =
            sqlx::query_as("select balance, blocked, blocked_at, blocked_reason from member where id = $1")
                .bind(member.as_str())
                .fetch_optional(&self.pool)
                .await
                .map_err(store_error)?;
        if let Some((balance, blocked, since, reason)) = row {
            let blocked = blocked.then_some(Block { since, reason });
            return Ok(MemberRecord { balance, blocked, erased: false });
        }
        let erased = sqlx::query_scalar("select exists (select from erased_member where hash = $1)")
            .bind(tombstone(member.as_str()).as_slice())
            .fetch_one(&self.pool)
            .await
            .map_err(store_error)?;
        Ok(MemberRecord { erased, ..MemberRecord::default() })
    }

    async fn set_blocked(
        &self,
        member: &MemberId,
        blocked: bool,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<BlockSet, Error> {
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let done = set(&mut tx, member, blocked, by, now).await;
            if let Some(set) = tries.end(tx, done, self.ids.as_ref()).await? {
                return Ok(set);
            }
        }
    }
}

/// Locks the member as who settles does, and an erasure.
async fn set(
    conn: &mut PgConnection,
    member: &MemberId,
    blocked: bool,
    by: &By,
    now: DateTime<Utc>,
) -> Result<BlockSet, Stop> {
    let id = member.as_str();
    sqlx::query("insert into member (id) values ($1) on conflict do nothing")
        .bind(id)
        .execute(&mut *conn)
        .await?;
    let before: bool = sqlx::query_scalar("select blocked from member where id = $1 for update")
        .bind(id)
        .fetch_one(&mut *conn)
        .await?;
    if !erasure::among(conn, [id]).await?.is_empty() {
        sqlx::query("delete from member where id = $1").bind(id).execute(conn).await?;
        return Ok(BlockSet::Erased);
    }
    sqlx::query(
        "update member set blocked = $2,
             blocked_at = case when $2 then coalesce(blocked_at, $3) end,
             blocked_reason = case when $2 then $4 end
         where id = $1",
    )
    .bind(id)
    .bind(blocked)
    .bind(now)
    .bind(storable(&by.reason))
    .execute(&mut *conn)
    .await?;
    audit_log::note(conn, &BlockSet::entry(member, before, blocked, by, now)).await?;
    Ok(BlockSet::Done { before: before == blocked })
}
