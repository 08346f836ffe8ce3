//! Permits and gates, on the database's clock.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta};
use forebay_domain::pacing::{Grant, Quota};
use forebay_store::{Closed, Error, Pacing, Permits};

use crate::PostgresStore;
use crate::error::store_error;
use crate::rows::{narrow, storable};

/// Longest time that is reckoned with, in microseconds (ten years): sums of a few of them stay far from the end of
/// 64 bits.
const MOST_US: i64 = 10 * 366 * 86_400 * 1_000_000;

#[async_trait]
impl Pacing for PostgresStore {
    async fn permits(&self, key: &str, quota: &Quota, want: u32) -> Result<Permits, Error> {
        let spacing_us = quota.interval_us().min(MOST_US);
        let tolerance_us = spacing_us.saturating_mul(i64::from(quota.burst.max(1)) - 1).min(MOST_US);
        let row: (i64, i64, Option<i64>, Option<String>) = sqlx::query_as(
            "select granted, ahead_us, closed_us, closed_reason from permits($1, $2, $3, $4, $5)",
        )
        .bind(key)
        .bind(spacing_us)
        .bind(tolerance_us)
        .bind(micros(quota.margin))
        .bind(i64::from(want))
        .fetch_one(&self.pool)
        .await
        .map_err(store_error)?;
        let (granted, ahead_us, closed_us, reason) = row;
        if let Some(closed_us) = closed_us {
            return Ok(Permits::Closed(closed(closed_us, reason)));
        }
        // The domain tells the times of a grant from how far ahead the row was; the database has counted it.
        let base = DateTime::UNIX_EPOCH;
        let (grant, _) = quota.grant(base + TimeDelta::microseconds(ahead_us), base, want);
        Ok(Permits::Granted(Grant { count: narrow("gate", "tat", granted)?, ..grant }))
    }

    async fn close_gate(&self, key: &str, length: Duration, reason: &str) -> Result<(), Error> {
        sqlx::query(
            "insert into gate as g (key, tat, closed_until, reason)
             values ($1, '-infinity', clock_timestamp() + $2 * interval '1 microsecond', $3)
             on conflict (key) do update set closed_until = excluded.closed_until, reason = excluded.reason
             where g.closed_until is null or g.closed_until < excluded.closed_until",
        )
        .bind(key)
        .bind(micros(length))
        .bind(storable(reason))
        .execute(&self.pool)
        .await
        .map_err(store_error)?;
        Ok(())
    }

    async fn gate(&self, key: &str) -> Result<Option<Closed>, Error> {
        let row: Option<(i64, Option<String>)> = sqlx::query_as(
            "select ceil(extract(epoch from closed_until - clock_timestamp()) * 1000000)::int8, reason
             from gate where key = $1 and closed_until > clock_timestamp()",
        )
        .bind(key)
        .fetch_optional(&self.pool)
        .await
        .map_err(store_error)?;
        Ok(row.map(|(left_us, reason)| closed(left_us, reason)))
    }
}

fn closed(left_us: i64, reason: Option<String>) -> Closed {
    Closed { left: Duration::from_micros(left_us.max(0).unsigned_abs()), reason: reason.unwrap_or_default() }
}

fn micros(length: Duration) -> i64 {
    i64::try_from(length.as_micros()).unwrap_or(MOST_US).min(MOST_US)
}
