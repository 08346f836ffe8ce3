//! Figures of the business and of incidents, counted for the metrics.

use std::sync::Arc;
use std::time::Duration;

use forebay_domain::Clock;
use forebay_store::census::Counts;
use forebay_store::{Error, PATIENCE, Store, within};
use forebay_telemetry::Metrics;
use prometheus::IntGaugeVec;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often incidents and stocks are counted, by index …
const EVERY: Duration = Duration::from_secs(30);
/// … and how seldom, at least, the rest, of which every row is read: so much longer than it took.
const REST: u32 = 100;

/// Counts.
#[derive(Debug, Clone)]
pub struct Figures {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
}

impl Figures {
    /// A counter of what this store holds.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, metrics: Metrics) -> Self {
        Self { store, clock, metrics }
    }

    /// Counts again and again until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        let mut next = Instant::now();
        while !stop.is_cancelled() {
            self.pulse().await;
            if next <= Instant::now() {
                let begun = Instant::now();
                self.count().await;
                next = Instant::now() + begun.elapsed() * REST;
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Counts open incidents and what is left of stocks once; while the store is away the last counts stay.
    pub async fn pulse(&self) {
        let Some(counts) = told(within(PATIENCE, self.store.pulse()).await) else { return };
        let metrics = &self.metrics;
        put(&metrics.stock_left, counts.stock);
        metrics.incidents_open.reset();
        for (rule, severity, count) in counts.incidents {
            metrics.incidents_open.with_label_values(&[rule, severity]).set(count);
        }
        metrics.last_done.with_label_values(&["figures"]).set(self.clock.now().timestamp() as f64);
    }

    /// Counts returns, parcels and claims once.
    pub async fn count(&self) {
        let Some(counts) = told(within(PATIENCE, self.store.counts()).await) else { return };
        put(&self.metrics.returns, counts.returns);
        put(&self.metrics.parcels, counts.parcels);
        put(&self.metrics.claims, counts.claims);
    }
}

fn told(counts: Result<Counts, Error>) -> Option<Counts> {
    counts.inspect_err(|error| tracing::debug!(%error, "the business can't be counted at present")).ok()
}

/// What is there no more is not told any more.
fn put(family: &IntGaugeVec, counts: Vec<(String, i64)>) {
    family.reset();
    for (word, count) in counts {
        family.with_label_values(&[word]).set(count);
    }
}
