//! Figures of the business and of incidents, counted for the metrics.

use std::sync::Arc;
use std::time::Duration;

use forebay_domain::Clock;
use forebay_store::{PATIENCE, Store, within};
use forebay_telemetry::Metrics;
use tokio_util::sync::CancellationToken;

/// How often they are counted: each time costs a look at every row.
const EVERY: Duration = Duration::from_secs(30);

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
        while !stop.is_cancelled() {
            self.count().await;
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Counts once; while the store is away the last counts stay.
    pub async fn count(&self) {
        let counts = match within(PATIENCE, self.store.counts()).await {
            Ok(counts) => counts,
            Err(error) => {
                tracing::debug!(%error, "the business can't be counted at present");
                return;
            }
        };
        let metrics = &self.metrics;
        let families = [
            (&metrics.returns, counts.returns),
            (&metrics.parcels, counts.parcels),
            (&metrics.claims, counts.claims),
            (&metrics.stock_left, counts.stock),
        ];
        for (family, counts) in families {
            // What is there no more is not told any more.
            family.reset();
            for (word, count) in counts {
                family.with_label_values(&[word]).set(count);
            }
        }
        metrics.incidents_open.reset();
        for (rule, severity, count) in counts.incidents {
            metrics.incidents_open.with_label_values(&[rule, severity]).set(count);
        }
        metrics.last_done.with_label_values(&["figures"]).set(self.clock.now().timestamp() as f64);
    }
}
