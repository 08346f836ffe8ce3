//! Permits and gates, on the process's clock: one process has the file.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use forebay_domain::pacing::Quota;
use forebay_store::{Closed, Error, Pacing, Permits};
use sqlx::SqliteConnection;

use crate::SqliteStore;
use crate::error::Fault;
use crate::rows::{Reading, micros};

/// Longest time for which a gate is closed at once.
const CLOSED_MAX: TimeDelta = TimeDelta::days(3660);

/// A key's row.
struct Gate {
    tat: DateTime<Utc>,
    closed: Option<(DateTime<Utc>, String)>,
}

impl Gate {
    /// What is left of its closing.
    fn closed_at(self, now: DateTime<Utc>) -> Option<Closed> {
        let (until, reason) = self.closed?;
        let left = (until - now).to_std().ok().filter(|left| !left.is_zero())?;
        Some(Closed { left, reason })
    }
}

async fn load(conn: &mut SqliteConnection, key: &str) -> Result<Option<Gate>, Fault> {
    let row = sqlx::query("select tat, closed_until, reason from gate where key = ?")
        .bind(key)
        .fetch_optional(conn)
        .await?;
    let Some(row) = &row else { return Ok(None) };
    let row = Reading::of("gate", row);
    let reason = row.get::<Option<String>>("reason")?.unwrap_or_default();
    let closed = row.instant_if_any("closed_until")?.map(|until| (until, reason));
    Ok(Some(Gate { tat: row.instant("tat")?, closed }))
}

async fn permits(
    conn: &mut SqliteConnection,
    key: &str,
    quota: &Quota,
    want: u32,
    now: DateTime<Utc>,
) -> Result<Permits, Fault> {
    let gate = load(conn, key).await?;
    let tat = gate.as_ref().map_or(now, |gate| gate.tat);
    if let Some(closed) = gate.and_then(|gate| gate.closed_at(now)) {
        return Ok(Permits::Closed(closed));
    }
    let (grant, tat) = quota.grant(tat, now, want);
    sqlx::query(
        "insert into gate (key, tat) values (?, ?) on conflict (key) do update set tat = excluded.tat",
    )
    .bind(key)
    .bind(micros(tat))
    .execute(conn)
    .await?;
    Ok(Permits::Granted(grant))
}

async fn close(
    conn: &mut SqliteConnection,
    key: &str,
    until: DateTime<Utc>,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<(), Fault> {
    sqlx::query(
        "insert into gate (key, tat, closed_until, reason) values (?1, ?2, ?3, ?4)
         on conflict (key) do update set closed_until = excluded.closed_until, reason = excluded.reason
         where gate.closed_until is null or gate.closed_until < excluded.closed_until",
    )
    .bind(key)
    .bind(micros(now))
    .bind(micros(until))
    .bind(reason)
    .execute(conn)
    .await?;
    Ok(())
}

#[async_trait]
impl Pacing for SqliteStore {
    async fn permits(&self, key: &str, quota: &Quota, want: u32) -> Result<Permits, Error> {
        let (key, quota, clock) = (key.to_owned(), *quota, Arc::clone(&self.clock));
        // The clock is read when it is this job's turn: grants follow each other in time.
        self.write(move |conn| Box::pin(async move { permits(conn, &key, &quota, want, clock.now()).await }))
            .await
    }

    async fn close_gate(&self, key: &str, length: Duration, reason: &str) -> Result<(), Error> {
        let (key, reason, clock) = (key.to_owned(), reason.to_owned(), Arc::clone(&self.clock));
        let length = TimeDelta::from_std(length).unwrap_or(CLOSED_MAX).min(CLOSED_MAX);
        self.write(move |conn| {
            Box::pin(async move {
                let now = clock.now();
                close(conn, &key, now + length, &reason, now).await
            })
        })
        .await
    }

    async fn gate(&self, key: &str) -> Result<Option<Closed>, Error> {
        let mut read = self.db.read().acquire().await.map_err(Fault::from)?;
        Ok(load(&mut read, key).await?.and_then(|gate| gate.closed_at(self.clock.now())))
    }
}
