//! The outbox.

use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::NewOutbox;
use forebay_schemas::trail::Headers;
use forebay_store::{Error, Outbox, OutboxLag, OutboxRow};
use forebay_telemetry::traces;
use sqlx::SqliteConnection;

use crate::SqliteStore;
use crate::error::Fault;
use crate::rows::{Reading, json, micros, page};

/// Longest lease that is kept.
const LEASE_MAX: Duration = Duration::from_secs(24 * 3600);

/// Writes outbox rows into the transaction of their effect.
pub(crate) async fn write(
    conn: &mut SqliteConnection,
    rows: &[NewOutbox],
    now: DateTime<Utc>,
) -> Result<(), Fault> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut columns = Vec::with_capacity(rows.len());
    let current = traces::current();
    for row in rows {
        let event = &row.event;
        let traceparent = event.traceparent.as_deref().or(current.as_deref());
        // An encoded event is JSON, which is UTF-8; it travels as a string, so that its bytes stay as they are.
        let body = String::from_utf8(event.encode_within(traceparent))
            .map_err(|error| Error::Refused(format!("event {} is not UTF-8: {error}", event.id)))?;
        let (due_at, headers) = (micros(row.due_at), row.headers());
        let headers = if headers.is_empty() { None } else { Some(json(&headers)?) };
        columns.push((row.route.to_text(), &event.id, &event.kind, traceparent, body, due_at, headers));
    }
    sqlx::query(
        "insert into outbox (route, event_id, kind, traceparent, body, due_at, headers, created_at)
         select value ->> 0, value ->> 1, value ->> 2, value ->> 3, cast(value ->> 4 as blob), value ->> 5, value ->> 6, ?2
         from json_each(?1) order by key",
    )
    .bind(json(&columns)?)
    .bind(micros(now))
    .execute(conn)
    .await?;
    Ok(())
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

/// Writes a message as it is into the transaction of what sends it again.
pub(crate) async fn write_raw(
    conn: &mut SqliteConnection,
    row: &Raw,
    due_at: DateTime<Utc>,
) -> Result<(), Fault> {
    sqlx::query(
        "insert into outbox (route, event_id, kind, traceparent, headers, body, created_at, due_at)
         values (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&row.route)
    .bind(&row.event_id)
    .bind(&row.kind)
    .bind(&row.traceparent)
    .bind(json(&row.headers)?)
    .bind(&row.body)
    .bind(micros(row.created_at))
    .bind(micros(due_at))
    .execute(conn)
    .await?;
    Ok(())
}

async fn take(
    conn: &mut SqliteConnection,
    limit: u32,
    lease: Duration,
    now: DateTime<Utc>,
) -> Result<Vec<OutboxRow>, Fault> {
    let rows = sqlx::query(
        "update outbox set due_at = ?3, due_since = coalesce(due_since, due_at)
         where id in (select id from outbox where due_at <= ?1 order by due_at, id limit ?2)
         returning id, route, event_id, kind, traceparent, headers, body, created_at",
    )
    .bind(micros(now))
    .bind(page(limit))
    .bind(micros(now + lease.min(LEASE_MAX)))
    .fetch_all(conn)
    .await?;
    let mut taken = Vec::with_capacity(rows.len());
    for row in &rows {
        let row = Reading::of("outbox", row);
        taken.push(OutboxRow {
            id: row.get("id")?,
            route: row.get("route")?,
            event_id: row.get("event_id")?,
            kind: row.get("kind")?,
            traceparent: row.get("traceparent")?,
            headers: match row.get::<Option<&str>>("headers")? {
                Some(_) => row.json("headers")?,
                None => Headers::new(),
            },
            body: row.get("body")?,
            created_at: row.instant("created_at")?,
        });
    }
    taken.sort_by_key(|row| row.id);
    Ok(taken)
}

#[async_trait]
impl Outbox for SqliteStore {
    async fn outbox_take(
        &self,
        limit: u32,
        lease: Duration,
        now: DateTime<Utc>,
    ) -> Result<Vec<OutboxRow>, Error> {
        // A relay with nothing to do does not make the writer commit.
        let next: Option<i64> = sqlx::query_scalar("select min(due_at) from outbox")
            .fetch_one(self.db.read())
            .await
            .map_err(Fault::from)?;
        self.outbox_next.store(next.unwrap_or(i64::MAX), Ordering::Relaxed);
        if next.is_none_or(|next| next > micros(now)) {
            return Ok(Vec::new());
        }
        self.write(move |conn| Box::pin(take(conn, limit, lease, now))).await
    }

    async fn outbox_published(&self, ids: &[i64]) -> Result<(), Error> {
        if ids.is_empty() {
            return Ok(());
        }
        let ids = json(&ids)?;
        self.write(move |conn| {
            Box::pin(async move {
                sqlx::query("delete from outbox where id in (select value from json_each(?))")
                    .bind(ids)
                    .execute(conn)
                    .await?;
                Ok(())
            })
        })
        .await
    }

    async fn outbox_release(&self, ids: &[i64], due_at: DateTime<Utc>) -> Result<(), Error> {
        if ids.is_empty() {
            return Ok(());
        }
        let ids = json(&ids)?;
        self.write_and_wake(move |conn| {
            Box::pin(async move {
                sqlx::query("update outbox set due_at = ?2 where id in (select value from json_each(?1))")
                    .bind(ids)
                    .bind(micros(due_at))
                    .execute(conn)
                    .await?;
                Ok(())
            })
        })
        .await
    }

    async fn outbox_lag(&self, now: DateTime<Utc>) -> Result<OutboxLag, Error> {
        let row = sqlx::query(
            "select count(*) as due, min(coalesce(due_since, due_at)) as due_at from outbox
             where due_at <= ? or due_since is not null",
        )
        .bind(micros(now))
        .fetch_one(self.db.read())
        .await
        .map_err(Fault::from)?;
        let row = Reading::of("outbox", &row);
        Ok(OutboxLag { due: row.narrow("due")?, oldest: row.instant_if_any("due_at")? })
    }

    async fn outbox_add(&self, rows: Vec<NewOutbox>) -> Result<(), Error> {
        let now = self.clock.now();
        self.write_and_wake(move |conn| Box::pin(async move { write(conn, &rows, now).await })).await
    }
}
