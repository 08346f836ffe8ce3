//! The books of points: what has ended is taken, what ends soon is told, and once a night everything is added up.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveTime, Utc};
use chrono_tz::Tz;
use forebay_domain::Clock;
use forebay_domain::incident::Raise;
use forebay_domain::points::NOTICE;
use forebay_store::{BOOKS_DIFFER, Error, Firing, PATIENCE, Store, within};
use forebay_telemetry::Metrics;
use tokio_util::sync::CancellationToken;

/// Lots that one transaction ends or tells of: few enough that nobody waits for it.
const BATCH: u32 = 500;
/// The pause between two batches, in which others write.
const PAUSE: Duration = Duration::from_millis(20);
/// How often the clock is looked at.
const TICK: Duration = Duration::from_secs(30);
/// The books were looked over.
const CHECK: &str = "ledger-check";
/// A process has begun to.
const CHECK_BEGUN: &str = "ledger-check-begun";
/// The hour, in the shop's zone, from which on the books are looked over.
const CHECKED_FROM: u32 = 3;
/// How long a look over the books may take.
const CHECK_PATIENCE: Duration = Duration::from_secs(600);
/// How long whoever began a look has it to itself, at most: longer than it takes. Then another begins, if none is done.
const CHECK_LEASE: Duration = Duration::from_secs(900);

/// Keeps the books.
#[derive(Debug, Clone)]
pub struct Bookkeeper {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    tz: Tz,
}

/// What this process has done, and what it has taken on: a slot of ending points that is its own stays its own until it
/// is done, and what is left of it falls to the next one.
#[derive(Debug, Default)]
struct Seen {
    ended: Slot,
    checked: Option<String>,
}

#[derive(Debug, Default)]
struct Slot {
    taken: Option<String>,
    done: Option<String>,
}

impl Bookkeeper {
    /// Keeps the books of a shop in this zone.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, metrics: Metrics, tz: Tz) -> Self {
        Self { store, clock, metrics, tz }
    }

    /// Works until `stop`: each quarter of an hour and each night once, whoever of any number of processes comes first.
    pub async fn run(&self, stop: CancellationToken) {
        let mut seen = Seen::default();
        while !stop.is_cancelled() {
            let now = self.clock.now();
            if let Err(error) = self.end_points(&mut seen.ended, now, &stop).await {
                tracing::warn!(%error, "points can't be ended at present");
            }
            if let Err(error) = self.check_books(&mut seen.checked, now, &stop).await {
                tracing::warn!(%error, "the books can't be looked over at present");
            }
            tokio::select! {
                () = tokio::time::sleep(TICK) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    async fn end_points(
        &self,
        seen: &mut Slot,
        now: DateTime<Utc>,
        stop: &CancellationToken,
    ) -> Result<(), Error> {
        let slot = quarter(now);
        if !self.takes(seen, "points-expiry", &slot, now).await? {
            return Ok(());
        }
        while !stop.is_cancelled()
            && within(PATIENCE, self.store.expire_points(BATCH, self.clock.now())).await? > 0
        {
            tokio::time::sleep(PAUSE).await;
        }
        while !stop.is_cancelled()
            && within(PATIENCE, self.store.warn_of_expiry(now + NOTICE, BATCH, now)).await? > 0
        {
            tokio::time::sleep(PAUSE).await;
        }
        seen.done = Some(slot);
        Ok(())
    }

    /// The night's slot is fired once the books were looked over: a process that dies in it leaves it to the others.
    async fn check_books(
        &self,
        seen: &mut Option<String>,
        now: DateTime<Utc>,
        stop: &CancellationToken,
    ) -> Result<(), Error> {
        let Some(slot) = night(self.tz, now) else { return Ok(()) };
        if seen.as_ref() == Some(&slot) {
            return Ok(());
        }
        if within(PATIENCE, self.store.fired(CHECK, &slot)).await? {
            *seen = Some(slot);
            return Ok(());
        }
        if !self.fire(CHECK_BEGUN, lease(now), vec![], now).await? {
            return Ok(());
        }
        let found = tokio::select! {
            found = within(CHECK_PATIENCE, self.store.check_books()) => found?,
            () = stop.cancelled() => return Ok(()),
        };
        let now = self.clock.now();
        let raise = found.incident();
        if raise.is_none() {
            within(PATIENCE, self.store.resolve(&[BOOKS_DIFFER.to_owned()], now)).await?;
        }
        self.fire(CHECK, slot.clone(), raise.into_iter().collect(), now).await?;
        *seen = Some(slot);
        Ok(())
    }

    /// Whether this process is to do a slot's work: it took it, now or before, and has not done it yet.
    async fn takes(
        &self,
        seen: &mut Slot,
        job: &'static str,
        slot: &str,
        now: DateTime<Utc>,
    ) -> Result<bool, Error> {
        let is = |held: &Option<String>| held.as_deref() == Some(slot);
        if is(&seen.done) {
            return Ok(false);
        }
        if is(&seen.taken) {
            return Ok(true);
        }
        let fired = self.fire(job, slot.to_owned(), vec![], now).await?;
        let place = if fired { &mut seen.taken } else { &mut seen.done };
        *place = Some(slot.to_owned());
        Ok(fired)
    }

    async fn fire(
        &self,
        job: &'static str,
        slot: String,
        raises: Vec<Raise>,
        now: DateTime<Utc>,
    ) -> Result<bool, Error> {
        let firing = Firing { job, slot, outbox: vec![], raises };
        let fired = within(PATIENCE, self.store.fire_once(firing, now)).await?;
        let result = if fired { "fired" } else { "elsewhere" };
        self.metrics.schedule_firings.with_label_values(&[job, result]).inc();
        Ok(fired)
    }
}

/// Days begin on the quarter of an hour in every zone.
fn quarter(now: DateTime<Utc>) -> String {
    let at = now.timestamp() - now.timestamp().rem_euclid(15 * 60);
    DateTime::from_timestamp(at, 0).unwrap_or(now).format("%Y-%m-%dT%H:%MZ").to_string()
}

/// The span of time in which one process alone looks over the books.
fn lease(now: DateTime<Utc>) -> String {
    let length = i64::try_from(CHECK_LEASE.as_secs()).unwrap_or(i64::MAX);
    (now.timestamp() - now.timestamp().rem_euclid(length)).to_string()
}

/// The date of the night; none before its hour.
fn night(tz: Tz, now: DateTime<Utc>) -> Option<String> {
    let local = now.with_timezone(&tz);
    let from = NaiveTime::from_hms_opt(CHECKED_FROM, 0, 0)?;
    (local.time() >= from).then(|| local.date_naive().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_ended_within_a_quarter_of_an_hour_of_a_midnight_anywhere() {
        let slot = |text: &str| quarter(text.parse().unwrap());
        assert_eq!(slot("2026-11-21T15:00:00Z"), "2026-11-21T15:00Z");
        assert_eq!(slot("2026-11-21T15:14:59Z"), "2026-11-21T15:00Z");
        assert_eq!(slot("2026-11-21T15:15:00Z"), "2026-11-21T15:15Z");
    }

    #[test]
    fn the_books_are_looked_over_once_a_night() {
        let at = |text: &str| night(chrono_tz::Asia::Seoul, text.parse().unwrap());
        assert_eq!(at("2026-11-20T17:59:59Z"), None, "02:59:59 in Seoul");
        assert_eq!(at("2026-11-20T18:00:00Z").as_deref(), Some("2026-11-21"));
        assert_eq!(at("2026-11-21T14:59:59Z").as_deref(), Some("2026-11-21"));
    }
}
