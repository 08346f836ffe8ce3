//! Calls under way at once at an outside system.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use forebay_domain::places::{self, Holder, WAITING};
use forebay_store::Places;
use sqlx::SqliteConnection;
use uuid::Uuid;

use crate::error::Fault;
use crate::rows::{Reading, micros};

/// A lease is no longer than this, whatever is asked for.
const LEASE_MAX: TimeDelta = TimeDelta::days(3_650);

/// How many more calls the asking process may make, and since when it waits for one; what others held too long is free.
pub(crate) async fn room(
    conn: &mut SqliteConnection,
    key: &str,
    places: &Places,
    now: DateTime<Utc>,
) -> Result<(u32, Option<DateTime<Utc>>), Fault> {
    sqlx::query("delete from call_place where key = ?1 and until <= ?2 and coalesce(waits_until, 0) <= ?2")
        .bind(key)
        .bind(micros(now))
        .execute(&mut *conn)
        .await?;
    let rows = sqlx::query(
        "select holder, iif(until > ?2, held, 0) as held, iif(waits_until > ?2, waits_since, null) as waits_since
         from call_place where key = ?1",
    )
    .bind(key)
    .bind(micros(now))
    .fetch_all(conn)
    .await?;
    let mut own = Holder { held: places.held, waits_since: None };
    let mut others = Vec::with_capacity(rows.len());
    for row in &rows {
        let row = Reading::of("call_place", row);
        let holder = Holder { held: row.get("held")?, waits_since: row.instant_if_any("waits_since")? };
        if row.get::<Uuid>("holder")? == places.holder {
            own.waits_since = holder.waits_since;
        } else {
            others.push(holder);
        }
    }
    Ok((places::room(places.most, own, &others), own.waits_since))
}

/// Notes what the asking process holds now, and since when it waits for more.
pub(crate) async fn hold(
    conn: &mut SqliteConnection,
    key: &str,
    places: &Places,
    granted: u32,
    waits_since: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<(), Fault> {
    let held = places.held.saturating_add(granted);
    if held == 0 && waits_since.is_none() {
        sqlx::query("delete from call_place where key = ? and holder = ?")
            .bind(key)
            .bind(places.holder)
            .execute(conn)
            .await?;
        return Ok(());
    }
    let after = |length: Duration| {
        let length = TimeDelta::from_std(length).unwrap_or(LEASE_MAX);
        micros(now + length.min(LEASE_MAX))
    };
    sqlx::query(
        "insert into call_place (key, holder, held, until, waits_since, waits_until) values (?, ?, ?, ?, ?, ?)
         on conflict (key, holder) do update
             set held = excluded.held, until = excluded.until, waits_since = excluded.waits_since,
                 waits_until = excluded.waits_until",
    )
    .bind(key)
    .bind(places.holder)
    .bind(held)
    .bind(after(places.lease))
    .bind(waits_since.map(micros))
    .bind(waits_since.map(|_| after(WAITING)))
    .execute(conn)
    .await?;
    Ok(())
}
