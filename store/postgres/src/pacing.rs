//! Permits and gates, on the database's clock.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta};
use forebay_domain::limits::{ADAPT_LEAST, ADAPT_MOST, RECOVERY_STEPS};
use forebay_domain::pacing::{Grant, Share};
use forebay_domain::places::WAITING;
use forebay_store::{Closed, Closing, Error, Pacing, Permits, Places, Wish};
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use crate::PostgresStore;
use crate::error::store_error;
use crate::rows::{narrow, read, storable};

/// Longest time that is reckoned with, in microseconds (ten years): sums of a few of them stay far from the end of
/// 64 bits.
const MOST_US: i64 = 10 * 366 * 86_400 * 1_000_000;

const ANYWHERE: &str =
    "select granted, ahead_us, share, probe, closed_us, closed_reason, day_full, live_version, live,
    false as no_place
    from grant_permits($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";

const IN_PLACES: &str =
    "select granted, ahead_us, share, probe, closed_us, closed_reason, day_full, live_version, live,
    no_place
    from grant_places($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)";

#[async_trait]
impl Pacing for PostgresStore {
    async fn permits(&self, wish: &Wish<'_>) -> Result<Permits, Error> {
        let terms = wish.terms;
        let spacing_us = terms.quota.interval_us().min(MOST_US);
        let more = i64::from(terms.quota.burst.max(1)) - 1;
        let day = terms.daily.map(|daily| daily.reset.day_of(self.clock.now()));
        let query = sqlx::query(if wish.places.is_some() { IN_PLACES } else { ANYWHERE })
            .bind(wish.key)
            .bind(wish.version)
            .bind(spacing_us)
            .bind(more.min(MOST_US / spacing_us))
            .bind(micros(terms.quota.margin))
            .bind(i64::from(wish.want))
            .bind(terms.growth().0)
            .bind(ADAPT_MOST.0)
            .bind(day.map(|day| day.0))
            .bind(day.map(|day| day.1))
            .bind(terms.most_for(wish.purpose).map(i64::from))
            .bind(terms.recovery_step_us().clamp(1, MOST_US))
            .bind(i32::try_from(RECOVERY_STEPS).unwrap_or(i32::MAX))
            .bind(micros(terms.breaker.probe));
        let query = match wish.places {
            None => query,
            Some(Places { holder, held, most, lease }) => query
                .bind(holder)
                .bind(i64::from(held))
                .bind(i64::from(most))
                .bind(micros(lease))
                .bind(micros(WAITING)),
        };
        let row = query.fetch_one(&self.pool).await.map_err(store_error)?;
        answer(&row, wish)
    }

    async fn give_back_calls(&self, key: &str, calls: u32, ago: Duration) -> Result<(), Error> {
        let granted_after = self.clock.now() - TimeDelta::microseconds(micros(ago));
        sqlx::query(
            "update gate set day_used = greatest(day_used - $2, 0) where key = $1 and day_from <= $3",
        )
        .bind(key)
        .bind(i64::from(calls))
        .bind(granted_after)
        .execute(&self.pool)
        .await
        .map_err(store_error)?;
        Ok(())
    }

    async fn close_gate(
        &self,
        key: &str,
        length: Duration,
        reason: &str,
        closing: Closing,
    ) -> Result<(), Error> {
        // Of many callers who are told at once that they are too fast, one halves the rate.
        sqlx::query(
            "insert into gate as g (key, tat, closed_until, reason, ramp_from, share)
             values ($1, '-infinity', clock_timestamp() + $2 * interval '1 microsecond', $3,
                     clock_timestamp() + $2 * interval '1 microsecond', case when $4 then 500000 else 1000000 end)
             on conflict (key) do update set
                 closed_until = excluded.closed_until, reason = excluded.reason, ramp_from = excluded.ramp_from,
                 share = case when $4 and (g.closed_until is null or g.closed_until < clock_timestamp())
                     then greatest(g.share / 2, $5) else g.share end,
                 share_from = clock_timestamp(), share_used = 0
             where g.closed_until is null or g.closed_until < excluded.closed_until",
        )
        .bind(key)
        .bind(micros(length))
        .bind(storable(reason))
        .bind(closing == Closing::TooFast)
        .bind(ADAPT_LEAST.0)
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

fn answer(row: &PgRow, wish: &Wish<'_>) -> Result<Permits, Error> {
    let number = |column: &'static str| read("gate", column, row.try_get::<i64, _>(column));
    if let Some(version) = read("gate", "version", row.try_get::<Option<i64>, _>("live_version"))? {
        let live: Option<String> = read("outside_system", "live", row.try_get("live"))?;
        let live = live.unwrap_or_else(|| "{}".to_owned());
        let live = read("outside_system", "live", serde_json::from_str(&live))?;
        return Ok(Permits::Changed { version, live });
    }
    if let Some(closed_us) = read("gate", "closed_until", row.try_get::<Option<i64>, _>("closed_us"))? {
        let full: bool = read("gate", "day_used", row.try_get("day_full"))?;
        let reason: Option<String> = if full {
            Some(wish.day_full().to_owned())
        } else {
            read("gate", "reason", row.try_get("closed_reason"))?
        };
        return Ok(Permits::Closed(closed(closed_us, reason)));
    }
    if read("gate", "probing", row.try_get("probe"))? {
        return Ok(Permits::Probe);
    }
    let granted = number("granted")?;
    if granted == 0 && read("call_place", "held", row.try_get("no_place"))? {
        return Ok(Permits::Full);
    }
    // The domain tells the times of a grant from how far ahead the row was; the database has counted it.
    let base = DateTime::UNIX_EPOCH;
    let rhythm = wish.terms.quota.rhythm(Share(number("share")?));
    let (grant, _) = rhythm.grant(base + TimeDelta::microseconds(number("ahead_us")?), base, wish.want);
    Ok(Permits::Granted(Grant { count: narrow("gate", "tat", granted)?, ..grant }))
}

fn closed(left_us: i64, reason: Option<String>) -> Closed {
    Closed { left: Duration::from_micros(left_us.max(0).unsigned_abs()), reason: reason.unwrap_or_default() }
}

pub(crate) fn micros(length: Duration) -> i64 {
    i64::try_from(length.as_micros()).unwrap_or(MOST_US).min(MOST_US)
}
