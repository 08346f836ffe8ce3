//! The planner: due parcels in, check commands out, no more than each carrier's gate passes in about a minute.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use forebay_domain::Clock;
use forebay_domain::limits::Terms;
use forebay_schemas::AdapterId;
use forebay_store::{Error, Outlook, PATIENCE, Store, SystemView, within};
use forebay_telemetry::{Check, Health, Metrics};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::budget::Budgets;
use crate::dropped;

/// A carrier's system whose parcels are planned.
#[derive(Debug, Clone)]
pub struct Tracked {
    /// The system.
    pub adapter: AdapterId,
    /// Most parcels in one call to it.
    pub batch: u32,
    /// The name by which its pacer knows it.
    pub key: String,
    /// What it bears.
    pub terms: Terms,
}

/// Plans checks.
#[derive(Debug, Clone)]
pub struct Planner {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    health: Health,
    tracked: Vec<Tracked>,
    budgets: Arc<Budgets>,
}

/// How often an idle planner looks.
const IDLE: Duration = Duration::from_secs(1);
/// How often incidents of systems are ended that are not configured any more: settings change with a start, but a worker
/// that has the old ones still may open one after ours.
const END_DROPPED_EVERY: Duration = Duration::from_secs(3600);
/// Most parcels planned in one transaction.
const MOST: u32 = 2_000;
/// How long a check may be outstanding before the parcel is planned again: longer than the ladder of retries.
const LEASE: Duration = Duration::from_secs(6 * 3600);
/// How long a parcel that is due waits for others that fit into its call.
const LINGER: TimeDelta = TimeDelta::seconds(5);
/// How far ahead of the gate checks are published.
const AHEAD: Duration = Duration::from_secs(60);

impl Planner {
    /// A planner for these systems.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
        health: Health,
        tracked: Vec<Tracked>,
    ) -> Self {
        Self { store, clock, metrics, health, tracked, budgets: Arc::default() }
    }

    /// Plans until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        let mut ended: Option<Instant> = None;
        while !stop.is_cancelled() {
            if ended.is_none_or(|at| at.elapsed() >= END_DROPPED_EVERY) {
                match within(PATIENCE, dropped::end(self.store.as_ref(), &self.tracked, self.clock.now()))
                    .await
                {
                    Ok(()) => ended = Some(Instant::now()),
                    Err(error) => tracing::debug!(%error, "incidents of dropped systems stay for now"),
                }
            }
            let planned = match within(PATIENCE, self.pass()).await {
                Ok(planned) => planned,
                Err(error) => {
                    self.health.ready(Check::failed("planner", error.to_string()));
                    tracing::warn!(%error, "checks can't be planned at present");
                    0
                }
            };
            if planned == 0 {
                tokio::select! {
                    () = tokio::time::sleep(IDLE) => {}
                    () = stop.cancelled() => {}
                }
            }
        }
    }

    /// Plans the due parcels of every system once; returns how many.
    ///
    /// # Errors
    /// When the store fails; what was planned before that stays planned.
    pub async fn pass(&self) -> Result<u32, Error> {
        let now = self.clock.now();
        let systems = self.store.systems().await?;
        self.health.ready(Check::ok("planner"));
        self.metrics.last_done.with_label_values(&["planner"]).set(now.timestamp() as f64);
        let asked: Vec<_> = self.tracked.iter().map(|of| (of.adapter.clone(), of.batch)).collect();
        let due = self.store.checks_due(&asked, now).await?;
        let mut planned = 0;
        for tracked in &self.tracked {
            let known = systems.iter().find(|view| view.key == tracked.key).cloned();
            let view = known.unwrap_or_else(|| SystemView::untouched(&tracked.key, now));
            self.budgets.look(self.store.as_ref(), &tracked.adapter, &view, &tracked.terms, now).await?;
            if let Some((count, since)) = due.get(&tracked.adapter)
                && !gathers(tracked, *count, *since, now)
            {
                planned += self.plan(tracked, &view, now).await?;
            }
        }
        Ok(planned)
    }

    /// Plans the due parcels of one system.
    async fn plan(&self, tracked: &Tracked, view: &SystemView, now: DateTime<Utc>) -> Result<u32, Error> {
        let outstanding = self.store.checks_outstanding(&tracked.adapter, now).await?;
        // No more than passes the gate soon.
        let room = match view.outlook(&tracked.terms, AHEAD) {
            Outlook::Calls(calls) => {
                calls.saturating_mul(tracked.batch).saturating_sub(outstanding).min(MOST)
            }
            // What is out already can be the probe.
            Outlook::Probe => u32::from(outstanding == 0),
        };
        if room == 0 {
            return Ok(0);
        }
        let planned = self.store.plan_checks(&tracked.adapter, tracked.batch, room, LEASE, now).await?;
        if planned > 0 {
            self.metrics.schedule_firings.with_label_values(&["plan-checks", "fired"]).inc();
        }
        Ok(planned)
    }
}

/// A call that takes many parcels waits a moment until it is full.
fn gathers(tracked: &Tracked, count: u32, since: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    count < tracked.batch && now - since < LINGER
}
