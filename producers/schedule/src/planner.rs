//! The planner: due parcels in, check commands out, no more than each carrier's gate passes in about a minute.

use std::sync::Arc;
use std::time::Duration;

use forebay_domain::Clock;
use forebay_domain::pacing::Quota;
use forebay_schemas::AdapterId;
use forebay_store::{Error, Store};
use forebay_telemetry::{Check, Health, Metrics};
use tokio_util::sync::CancellationToken;

/// A carrier's system whose parcels are planned.
#[derive(Debug, Clone)]
pub struct Tracked {
    /// The system.
    pub adapter: AdapterId,
    /// Most parcels in one call to it.
    pub batch: u32,
    /// What it bears.
    pub quota: Quota,
}

/// Plans checks.
#[derive(Debug, Clone)]
pub struct Planner {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    health: Health,
    tracked: Vec<Tracked>,
}

/// How often an idle planner looks.
const IDLE: Duration = Duration::from_millis(500);
/// Most parcels planned in one transaction.
const MOST: u32 = 2_000;
/// How long a check may be outstanding before the parcel is planned again: longer than the ladder of retries.
const LEASE: Duration = Duration::from_secs(6 * 3600);
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
        Self { store, clock, metrics, health, tracked }
    }

    /// Plans until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let mut planned = 0;
            for tracked in &self.tracked {
                match self.pass(tracked).await {
                    Ok(n) => planned += n,
                    Err(error) => {
                        self.health.ready(Check::failed("planner", error.to_string()));
                        tracing::warn!(adapter = %tracked.adapter, %error, "checks can't be planned at present");
                    }
                }
            }
            if planned == 0 {
                tokio::select! {
                    () = tokio::time::sleep(IDLE) => {}
                    () = stop.cancelled() => {}
                }
            }
        }
    }

    /// Plans the due parcels of one system once; returns how many.
    ///
    /// # Errors
    /// When the store fails; nothing was planned then.
    pub async fn pass(&self, tracked: &Tracked) -> Result<u32, Error> {
        let now = self.clock.now();
        let outstanding = self.store.checks_outstanding(&tracked.adapter, now).await?;
        self.health.ready(Check::ok("planner"));
        let ahead = (tracked.quota.rate() * AHEAD.as_secs_f64()).max(1.0) * f64::from(tracked.batch);
        let room = (ahead as u32).saturating_sub(outstanding).min(MOST);
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
