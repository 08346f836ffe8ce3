//! The outbox.

use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::NewOutbox;
use forebay_schemas::trail::Headers;
use forebay_store::{Error, Outbox, OutboxLag, OutboxRow};
use forebay_telemetry::traces;
use sqlx::PgConnection;

use crate::PostgresStore;
use crate::error::{Stop, store_error};
use crate::rows::{page, read, storable};

/// How long a relay waits when it first finds nothing; doubled while it goes on finding nothing.
const WAIT_MIN_MS: u64 = 5;
/// How long it waits at most.
const WAIT_MAX_MS: u64 = 80;
/// Longest lease that is kept.
const LEASE_MAX: Duration = Duration::from_secs(24 * 3600);

/// Writes outbox rows into the transaction of their effect.
pub(crate) async fn write(
    conn: &mut PgConnection,
    rows: &[NewOutbox],
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let current = traces::current();
    let within = |row: &NewOutbox| row.event.traceparent.as_deref().or(current.as_deref()).map(str::to_owned);
    let traces: Vec<Option<String>> = rows.iter().map(within).collect();
    let bodies = rows.iter().zip(&traces).map(|(row, trace)| row.event.encode_within(trace.as_deref()));
    sqlx::query(
        "insert into outbox (route, event_id, kind, traceparent, body, due_at, headers, created_at)
         select n.*, $8
         from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::timestamptz[], $7::text[]) as n",
    )
    .bind(rows.iter().map(|r| r.route.to_text()).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.event.id.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.event.kind.as_str()).collect::<Vec<_>>())
    .bind(&traces)
    .bind(bodies.collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.due_at).collect::<Vec<_>>())
    .bind(rows.iter().map(headers).collect::<Vec<_>>())
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// The headers as they are stored; none for most.
fn headers(row: &NewOutbox) -> Option<String> {
    let headers = row.headers();
    (!headers.is_empty()).then(|| serde_json::json!(headers).to_string())
}

/// A message as it is, to be published again.
pub(crate) struct Raw {
    pub(crate) route: String,
    pub(crate) event_id: String,
    pub(crate) kind: String,
    pub(crate) traceparent: Option<String>,
    pub(crate) headers: Headers,
    pub(crate) body: Vec<u8>,
    pub(crate) created_at: DateTime<Utc>,
}

/// Writes messages as they are into the transaction of what sends them again.
pub(crate) async fn write_raw(
    conn: &mut PgConnection,
    rows: &[Raw],
    due_at: DateTime<Utc>,
) -> Result<(), Stop> {
    if rows.is_empty() {
        return Ok(());
    }
    let headers = rows.iter().map(|r| serde_json::to_string(&r.headers)).collect::<Result<Vec<_>, _>>();
    let headers = headers.map_err(|error| Stop::Failed(Error::Refused(error.to_string())))?;
    sqlx::query(
        "insert into outbox (route, event_id, kind, traceparent, headers, body, created_at, due_at)
         select n.*, $8
         from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[],
                     $7::timestamptz[]) as n",
    )
    .bind(rows.iter().map(|r| r.route.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.event_id.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.kind.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.traceparent.as_deref().map(storable)).collect::<Vec<_>>())
    .bind(headers)
    .bind(rows.iter().map(|r| r.body.as_slice()).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.created_at).collect::<Vec<_>>())
    .bind(due_at)
    .execute(conn)
    .await?;
    Ok(())
}

impl PostgresStore {
    /// Waits a little: longer while the outbox stays empty, and no longer than `most`.
    pub(crate) async fn wait_for_outbox(&self, most: Duration) {
        let wait = self.outbox_wait_ms.load(Ordering::Relaxed).clamp(WAIT_MIN_MS, WAIT_MAX_MS);
        self.outbox_wait_ms.store((wait * 2).min(WAIT_MAX_MS), Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(wait).min(most)).await;
    }
}

#[async_trait]
impl Outbox for PostgresStore {
    async fn outbox_take(
        &self,
        limit: u32,
        lease: Duration,
        now: DateTime<Utc>,
    ) -> Result<Vec<OutboxRow>, Error> {
        type Row = (i64, String, String, String, Option<String>, Option<String>, Vec<u8>, DateTime<Utc>);
        let rows: Vec<Row> = sqlx::query_as(
            "with taken as (
                 select id from outbox where due_at <= $1 order by id limit $2 for update skip locked
             )
             update outbox o set due_at = $3, due_since = coalesce(o.due_since, o.due_at) from taken where o.id = taken.id
             returning o.id, o.route, o.event_id, o.kind, o.traceparent, o.headers, o.body, o.created_at",
        )
        .bind(now)
        .bind(page(limit))
        .bind(now + lease.min(LEASE_MAX))
        .fetch_all(&self.pool)
        .await
        .map_err(store_error)?;
        if !rows.is_empty() {
            self.outbox_wait_ms.store(WAIT_MIN_MS, Ordering::Relaxed);
        }
        let rows =
            rows.into_iter().map(|(id, route, event_id, kind, traceparent, headers, body, created_at)| {
                let headers = headers.map(|text| read("outbox", "headers", serde_json::from_str(&text)));
                let headers = headers.transpose()?.unwrap_or_default();
                Ok(OutboxRow { id, route, event_id, kind, traceparent, headers, body, created_at })
            });
        let mut rows = rows.collect::<Result<Vec<_>, Error>>()?;
        rows.sort_by_key(|row| row.id);
        Ok(rows)
    }

    async fn outbox_published(&self, ids: &[i64]) -> Result<(), Error> {
        sqlx::query("delete from outbox where id = any($1)")
            .bind(ids)
            .execute(&self.pool)
            .await
            .map_err(store_error)?;
        Ok(())
    }

    async fn outbox_release(&self, ids: &[i64], due_at: DateTime<Utc>) -> Result<(), Error> {
        sqlx::query("update outbox set due_at = $2 where id = any($1)")
            .bind(ids)
            .bind(due_at)
            .execute(&self.pool)
            .await
            .map_err(store_error)?;
        Ok(())
    }

    async fn outbox_lag(&self, now: DateTime<Utc>) -> Result<OutboxLag, Error> {
        let (due, oldest): (i64, Option<DateTime<Utc>>) = sqlx::query_as(
            "select count(*), min(coalesce(due_since, due_at)) from outbox
                 where due_at <= $1 or due_since is not null",
        )
        .bind(now)
        .fetch_one(&self.pool)
        .await
        .map_err(store_error)?;
        Ok(OutboxLag { due: due.unsigned_abs(), oldest })
    }

    async fn outbox_add(&self, rows: Vec<NewOutbox>) -> Result<(), Error> {
        // One statement: a transaction of its own.
        let mut conn = self.pool.acquire().await.map_err(store_error)?;
        write(&mut conn, &rows, self.clock.now()).await.map_err(store_error)
    }
}
