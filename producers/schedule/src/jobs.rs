//! Jobs of the clock: collecting returns, the daily looks at stock and claims (`shelves.rs`), repeating what is still open
//! (`repeats.rs`), sending results that stay away.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;
use forebay_domain::incident::{Raise, Timing};
use forebay_domain::{Clock, NewOutbox};
use forebay_schemas::events::{CollectReturns, SendResult};
use forebay_schemas::{Queue, ReturnId, Route};
use forebay_store::{Error, Firing, Overdue, PATIENCE, Store, within};
use forebay_telemetry::{Check, Health, Metrics};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::daily::Reporting;
use crate::shelves;

/// When the jobs fire.
#[derive(Debug, Clone, Copy)]
pub struct JobsOptions {
    /// How often returns are collected from the shop; `None` when the shop has no returns API.
    pub collect_every: Option<Duration>,
    /// The shop's zone.
    pub tz: Tz,
    /// The time of day of the daily report of low stock, in each programme's zone, and of the look for claims that
    /// wait to be shipped, in the shop's.
    pub stock_check_at: NaiveTime,
    /// After how many days a granted product that was not shipped is told.
    pub unshipped_after_days: u32,
    /// When open incidents are told again.
    pub timing: Timing,
}

/// A result that is not there so long after its return was announced is sent again: longer than the ladder of retries,
/// after which there would be a dead letter.
pub const OVERDUE_AFTER: TimeDelta = TimeDelta::hours(26);
/// One that is older is left alone: that a person discarded the command is forgotten after that time.
const OVERDUE_UNTIL: TimeDelta = TimeDelta::days(7);
/// Most results that are sent again in one tick.
const OVERDUE_PAGE: u32 = 100;

/// How often the clock is looked at.
pub(crate) const TICK: Duration = Duration::from_secs(1);

/// Fires jobs.
#[derive(Debug, Clone)]
pub struct Jobs {
    store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    metrics: Metrics,
    health: Health,
    options: JobsOptions,
    pub(crate) reporting: Option<Reporting>,
}

/// The slots that this process has seen fired, so that it asks the store once a slot.
#[derive(Debug, Default)]
struct Seen {
    collection: Option<String>,
    shelves: shelves::Seen,
    overdue: OverdueLook,
}

/// The hourly look for results that stay away, a page a tick.
#[derive(Debug, Default)]
struct OverdueLook {
    hour: Option<i64>,
    after: Option<ReturnId>,
    done: bool,
}

impl Jobs {
    /// Jobs with these times.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
        health: Health,
        options: JobsOptions,
    ) -> Self {
        Self { store, clock, metrics, health, options, reporting: None }
    }

    pub(crate) fn store(&self) -> &dyn Store {
        self.store.as_ref()
    }

    pub(crate) fn options(&self) -> &JobsOptions {
        &self.options
    }

    /// Fires jobs until `stop`. A slot that was missed while nobody ran is fired late, once. The report of the day may
    /// take long, and holds up none of the others.
    pub async fn run(&self, stop: CancellationToken) {
        tokio::join!(self.run_clock(&stop), self.run_reports(&stop));
    }

    async fn run_clock(&self, stop: &CancellationToken) {
        let mut seen = Seen::default();
        let mut repeat_after = self.clock.now();
        while !stop.is_cancelled() {
            let now = self.clock.now();
            match within(PATIENCE, self.tick(&mut seen, now)).await {
                Ok(()) => {
                    self.health.ready(Check::ok("schedule"));
                    self.metrics.last_done.with_label_values(&["clock"]).set(now.timestamp() as f64);
                }
                Err(error) => {
                    self.health.ready(Check::failed("schedule", error.to_string()));
                    tracing::warn!(%error, "the schedule can't fire at present");
                }
            }
            if let Err(error) = within(PATIENCE, self.send_overdue(&mut seen.overdue, now)).await {
                tracing::warn!(%error, "results that stay away can't be sent again at present");
            }
            if now >= repeat_after {
                repeat_after = now + Duration::from_secs(60);
                if let Err(error) = within(PATIENCE, self.repeat_open(now)).await {
                    tracing::warn!(%error, "open incidents can't be repeated at present");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(TICK) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    async fn tick(&self, seen: &mut Seen, now: DateTime<Utc>) -> Result<(), Error> {
        if let Some(every) = self.options.collect_every {
            let slot = collection_slot(every, now);
            if seen.collection.as_ref() != Some(&slot) {
                self.collect(&slot, now).await?;
                seen.collection = Some(slot);
            }
        }
        self.look_at_shelves(&mut seen.shelves, now).await
    }

    async fn collect(&self, slot: &str, now: DateTime<Utc>) -> Result<(), Error> {
        let command = CollectReturns { because_of: format!("schedule {slot}") };
        let row = NewOutbox::command(format!("collect-{slot}"), Route::Work(Queue::Returns), now, &command);
        self.fire("collect-returns", slot, vec![row], vec![], now).await
    }

    /// Sends results again that were on their way when a backup was taken and are in no queue any more: each once a
    /// day, until the shop has it.
    async fn send_overdue(&self, look: &mut OverdueLook, now: DateTime<Utc>) -> Result<(), Error> {
        let hour = now.timestamp().div_euclid(3600);
        if look.hour != Some(hour) {
            *look = OverdueLook { hour: Some(hour), ..OverdueLook::default() };
        }
        if look.done {
            return Ok(());
        }
        let overdue = Overdue { since: now - OVERDUE_UNTIL, before: now - OVERDUE_AFTER };
        let page = self.store.overdue_results(overdue, look.after.as_ref(), OVERDUE_PAGE).await?;
        for return_id in &page {
            let slot = format!("{return_id}/{}", now.date_naive());
            let command = SendResult { return_id: return_id.clone(), again: false };
            let id = format!("overdue-{}", Uuid::new_v5(&Uuid::NAMESPACE_URL, slot.as_bytes()));
            let row = NewOutbox::command(id, Route::Work(Queue::Results), now, &command);
            self.fire("overdue-results", &slot, vec![row], vec![], now).await?;
        }
        look.done = page.len() < OVERDUE_PAGE as usize;
        look.after = page.into_iter().last();
        Ok(())
    }

    pub(crate) async fn fire(
        &self,
        job: &'static str,
        slot: &str,
        outbox: Vec<NewOutbox>,
        raises: Vec<Raise>,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let firing = Firing { job, slot: slot.to_owned(), outbox, raises };
        let fired = self.store.fire_once(firing, now).await?;
        let result = if fired { "fired" } else { "elsewhere" };
        self.metrics.schedule_firings.with_label_values(&[job, result]).inc();
        Ok(())
    }
}

fn collection_slot(every: Duration, now: DateTime<Utc>) -> String {
    let every = i64::try_from(every.as_secs()).unwrap_or(i64::MAX).max(1);
    (now.timestamp() - now.timestamp().rem_euclid(every)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_processes_compute_the_same_collection_slot_within_an_interval() {
        let at = |s: i64| DateTime::from_timestamp(1_700_000_100 + s, 0).unwrap();
        let slot = |s| collection_slot(Duration::from_secs(300), at(s));
        assert_eq!(slot(0), slot(299));
        assert_ne!(slot(0), slot(300));
    }
}
