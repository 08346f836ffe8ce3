//! Bare SQL: writes rows that the store has written into a second database, in the same batches and as many side by
//! side, and reads and decides nothing.

use std::str::FromStr as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgRow};
use sqlx::{Connection as _, FromRow, PgConnection, PgPool, Row as _};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::back_ends;
use crate::claims;
use crate::settle::{BATCH, CONCURRENCY};
use crate::support::fresh_servers;

/// Rows by the names of their columns, without the macros of sqlx, which cost a long build.
macro_rules! rows {
    ($(struct $row:ident { $($column:ident: $of:ty,)* })*) => {$(
        #[derive(Debug)]
        struct $row { $($column: $of,)* }

        impl FromRow<'_, PgRow> for $row {
            fn from_row(row: &PgRow) -> sqlx::Result<Self> {
                Ok(Self { $($column: row.try_get(stringify!($column))?,)* })
            }
        }
    )*};
}

rows! {
    struct Claim {
        id: Uuid,
        programme_id: String,
        rule_id: String,
        reward_id: Option<String>,
        member_id: String,
        slot: i64,
        state: String,
        reject_code: Option<String>,
        days_seen: i64,
        accepted_at: DateTime<Utc>,
        settled_at: DateTime<Utc>,
        source: String,
        event_id: String,
    }

    struct Inbox {
        consumer: String,
        source: String,
        id: String,
        digest: Vec<u8>,
        handled_at: DateTime<Utc>,
    }

    struct Outbox {
        route: String,
        event_id: String,
        kind: String,
        traceparent: Option<String>,
        body: Vec<u8>,
        due_at: DateTime<Utc>,
        created_at: DateTime<Utc>,
    }
}

/// What one claim leaves behind.
#[derive(Debug)]
pub(crate) struct Written {
    claim: Claim,
    inbox: Inbox,
    outbox: Outbox,
}

/// The database that the store writes to, and the one that bare SQL writes to.
#[derive(Debug)]
pub(crate) struct BareSql {
    from: PgPool,
    to: PgPool,
}

impl BareSql {
    /// A database beside this one, with the same schema and programme.
    pub(crate) async fn beside(database: &str) -> Self {
        let (_, own) = fresh_servers();
        let store = back_ends::postgres(&own).await;
        claims::open_programme(store.as_ref()).await;
        store.close().await;
        Self { from: pool(database).await, to: pool(&own).await }
    }

    /// The rows that the granted claims of a source have left behind, in the order in which they were settled.
    pub(crate) async fn copy(&self, source: &str) -> Vec<Written> {
        let claims: Vec<Claim> = sqlx::query_as(
            "select id, programme_id, rule_id, reward_id, member_id, slot, state, reject_code, days_seen,
                    accepted_at, settled_at, source, event_id
             from claim where source = $1 and state = 'granted' order by settled_at, id",
        )
        .bind(source)
        .fetch_all(&self.from)
        .await
        .unwrap();
        let inbox: Vec<Inbox> = sqlx::query_as(
            "select i.consumer, i.source, i.id, i.digest, i.handled_at
             from claim c join inbox i on i.consumer = 'rewards' and i.source = c.source and i.id = c.event_id
             where c.source = $1 and c.state = 'granted' order by c.settled_at, c.id",
        )
        .bind(source)
        .fetch_all(&self.from)
        .await
        .unwrap();
        let outbox: Vec<Outbox> = sqlx::query_as(
            "select route, event_id, kind, traceparent, body, due_at, created_at
             from outbox where kind = 'reward.claim.settled.v1' order by id",
        )
        .fetch_all(&self.from)
        .await
        .unwrap();
        assert_eq!(
            (claims.len(), inbox.len()),
            (outbox.len(), outbox.len()),
            "each claim leaves one fact behind"
        );
        let rows = claims.into_iter().zip(inbox).zip(outbox);
        rows.map(|((claim, inbox), outbox)| Written { claim, inbox, outbox }).collect()
    }

    /// Writes the rows into the second database, a transaction a batch. How long it took.
    pub(crate) async fn write(&self, rows: Vec<Written>) -> Duration {
        let rows = Arc::new(rows);
        let next = Arc::new(AtomicUsize::new(0));
        let mut connections = Vec::with_capacity(CONCURRENCY);
        for _ in 0..CONCURRENCY {
            connections.push(self.to.acquire().await.unwrap());
        }
        let begun = Instant::now();
        let mut tasks = JoinSet::new();
        for mut connection in connections {
            let (rows, next) = (Arc::clone(&rows), Arc::clone(&next));
            tasks.spawn(async move {
                while let Some(batch) = rows.chunks(BATCH).nth(next.fetch_add(1, Ordering::Relaxed)) {
                    write(&mut connection, batch).await.unwrap();
                }
            });
        }
        tasks.join_all().await;
        begun.elapsed()
    }

    /// Lets no round pay for the one before it.
    pub(crate) async fn tidy(&self) {
        for pool in [&self.from, &self.to] {
            sqlx::query("truncate outbox").execute(pool).await.unwrap();
            sqlx::query("vacuum analyze").execute(pool).await.unwrap();
        }
        sqlx::query("checkpoint").execute(&self.from).await.unwrap();
    }
}

async fn pool(database: &str) -> PgPool {
    let options = PgConnectOptions::from_str(database).unwrap().options([
        ("search_path", "forebay"),
        ("plan_cache_mode", "force_custom_plan"),
        ("jit", "off"),
    ]);
    let size = u32::try_from(CONCURRENCY).unwrap();
    PgPoolOptions::new().max_connections(size).connect_with(options).await.unwrap()
}

async fn write(connection: &mut PgConnection, rows: &[Written]) -> sqlx::Result<()> {
    let mut tx = connection.begin().await?;
    insert_claims(&mut tx, rows).await?;
    insert_movements(&mut tx, rows).await?;
    insert_outbox(&mut tx, rows).await?;
    insert_inbox(&mut tx, rows).await?;
    // The row that everybody waits for comes last.
    sqlx::query("update stock set issued = issued + $1 where reward_id = $2")
        .bind(i64::try_from(rows.len()).unwrap())
        .bind(claims::REWARD)
        .execute(&mut *tx)
        .await?;
    tx.commit().await
}

/// One column of a batch.
fn column<'r, T>(rows: &'r [Written], value: impl Fn(&'r Written) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

async fn insert_claims(connection: &mut PgConnection, rows: &[Written]) -> sqlx::Result<()> {
    sqlx::query(
        "insert into claim (id, programme_id, rule_id, reward_id, member_id, slot, state, reject_code, days_seen,
                            accepted_at, settled_at, source, event_id)
         select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int8[], $7::text[],
                              $8::text[], $9::int8[], $10::timestamptz[], $11::timestamptz[], $12::text[],
                              $13::text[])",
    )
    .bind(column(rows, |r| r.claim.id))
    .bind(column(rows, |r| r.claim.programme_id.as_str()))
    .bind(column(rows, |r| r.claim.rule_id.as_str()))
    .bind(column(rows, |r| r.claim.reward_id.as_deref()))
    .bind(column(rows, |r| r.claim.member_id.as_str()))
    .bind(column(rows, |r| r.claim.slot))
    .bind(column(rows, |r| r.claim.state.as_str()))
    .bind(column(rows, |r| r.claim.reject_code.as_deref()))
    .bind(column(rows, |r| r.claim.days_seen))
    .bind(column(rows, |r| r.claim.accepted_at))
    .bind(column(rows, |r| r.claim.settled_at))
    .bind(column(rows, |r| r.claim.source.as_str()))
    .bind(column(rows, |r| r.claim.event_id.as_str()))
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_movements(connection: &mut PgConnection, rows: &[Written]) -> sqlx::Result<()> {
    sqlx::query(
        "insert into movement (claim_id, reward_id, created_at)
         select * from unnest($1::uuid[], $2::text[], $3::timestamptz[])",
    )
    .bind(column(rows, |r| r.claim.id))
    .bind(column(rows, |r| r.claim.reward_id.as_deref()))
    .bind(column(rows, |r| r.claim.settled_at))
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_outbox(connection: &mut PgConnection, rows: &[Written]) -> sqlx::Result<()> {
    sqlx::query(
        "insert into outbox (route, event_id, kind, traceparent, body, due_at, created_at)
         select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::timestamptz[],
                              $7::timestamptz[])",
    )
    .bind(column(rows, |r| r.outbox.route.as_str()))
    .bind(column(rows, |r| r.outbox.event_id.as_str()))
    .bind(column(rows, |r| r.outbox.kind.as_str()))
    .bind(column(rows, |r| r.outbox.traceparent.as_deref()))
    .bind(column(rows, |r| r.outbox.body.as_slice()))
    .bind(column(rows, |r| r.outbox.due_at))
    .bind(column(rows, |r| r.outbox.created_at))
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_inbox(connection: &mut PgConnection, rows: &[Written]) -> sqlx::Result<()> {
    sqlx::query(
        "insert into inbox (consumer, source, id, digest, handled_at)
         select * from unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::timestamptz[])",
    )
    .bind(column(rows, |r| r.inbox.consumer.as_str()))
    .bind(column(rows, |r| r.inbox.source.as_str()))
    .bind(column(rows, |r| r.inbox.id.as_str()))
    .bind(column(rows, |r| r.inbox.digest.as_slice()))
    .bind(column(rows, |r| r.inbox.handled_at))
    .execute(connection)
    .await?;
    Ok(())
}
