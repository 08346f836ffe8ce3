//! Codes of a carrier's system that have no meaning of ours: counted, named once, kept for people.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use forebay_domain::Clock;
use forebay_schemas::AdapterId;
use forebay_store::Store;
use forebay_store::codes::CODES_MAX;
use forebay_telemetry::Metrics;

/// Counts the codes of one system. Clones count together.
#[derive(Debug, Clone)]
pub(crate) struct UnmappedCodes {
    adapter: AdapterId,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Those that this process has named in its log.
    named: BTreeSet<String>,
    /// What the store was not told of yet.
    counts: BTreeMap<String, u64>,
}

impl UnmappedCodes {
    pub(crate) fn of(
        adapter: AdapterId,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
    ) -> Self {
        Self { adapter, store, clock, metrics, seen: Arc::default() }
    }

    /// Counts codes of one answer, each of which it holds once.
    pub(crate) fn count(&self, codes: &[String]) {
        if codes.is_empty() {
            return;
        }
        let counter = self.metrics.unmapped_codes.with_label_values(&[self.adapter.as_str()]);
        counter.inc_by(codes.len() as u64);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for code in codes {
            // A system that sends ever new ones fills neither the log nor the memory.
            let room = seen.named.len() < CODES_MAX as usize;
            if room && seen.named.insert(code.clone()) {
                tracing::warn!(adapter = %self.adapter, code, "a code without a meaning; it is named once and counted");
            }
            if seen.named.contains(code) {
                *seen.counts.entry(code.clone()).or_default() += 1;
            }
        }
    }

    /// Tells the store what was counted. A store that can't be told now is told later.
    pub(crate) async fn tell(&self) {
        let counts = {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut seen.counts)
        };
        if counts.is_empty() {
            return;
        }
        let told: Vec<(String, u64)> = counts.into_iter().collect();
        if let Err(error) = self.store.note_codes(&self.adapter, &told, self.clock.now()).await {
            tracing::debug!(adapter = %self.adapter, %error, "codes without a meaning are told later");
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            for (code, count) in told {
                *seen.counts.entry(code).or_default() += count;
            }
        }
    }
}
