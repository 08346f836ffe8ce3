//! The outside systems behind this worker's queues: whose queue is left alone, and who is to make a probe.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use forebay_domain::breaker::Phase;
use forebay_domain::daily::Purpose;
use forebay_domain::limits::Terms;
use forebay_schemas::Queue;
use forebay_store::{Error, Store, SystemView, within};
use forebay_telemetry::Metrics;
use tokio::time::Instant;

/// How long the worker that is to make a probe has to find a message for it.
const PROBE_WITHIN: Duration = Duration::from_secs(5);
/// A gate that opens sooner is not worth stopping a consumer for.
const SHORT: chrono::TimeDelta = chrono::TimeDelta::seconds(2);

/// The outside system that a queue's messages are for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// The queue.
    pub queue: Queue,
    /// The system's key.
    pub key: String,
    /// How it is paced, as configured.
    pub terms: Terms,
}

/// What the systems mean for the queues.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Bars {
    /// Queues that are left alone, and why.
    pub(crate) barred: BTreeMap<String, String>,
    /// Queues of which one message is to be taken, for a probe; the number tells one probe from the next.
    pub(crate) probes: BTreeMap<String, u64>,
}

/// Looks at the systems.
#[derive(Debug, Default)]
pub(crate) struct Systems {
    watched: Vec<Watched>,
    /// Probes that this worker is to make: the number, and until when it may.
    claims: BTreeMap<String, (u64, Instant)>,
}

impl Systems {
    pub(crate) fn of(watched: Vec<Watched>) -> Self {
        Self { watched, claims: BTreeMap::new() }
    }

    /// Looks at the systems, and claims the probes that are due.
    pub(crate) async fn look(
        &mut self,
        store: &Arc<dyn Store>,
        metrics: &Metrics,
        patience: Duration,
    ) -> Result<Bars, Error> {
        let mut bars = Bars::default();
        if self.watched.is_empty() {
            return Ok(bars);
        }
        let views = within(patience, store.systems()).await?;
        for watched in self.watched.clone() {
            let view = views.iter().find(|view| view.key == watched.key);
            count(metrics, &watched, view);
            let Some(view) = view else { continue };
            let queue = watched.queue.to_string();
            if let Some(why) = left_alone(view, &watched.terms) {
                if let Some((_, until)) = self.claims.get_mut(&watched.key) {
                    // The probe is made; the next one is anybody's.
                    *until = Instant::now();
                }
                bars.barred.insert(queue, why);
            } else if view.breaker.bar.is_some() {
                match self.claim(&watched, store, patience).await? {
                    Some(number) => _ = bars.probes.insert(queue, number),
                    None => _ = bars.barred.insert(queue, "another worker tries it".to_owned()),
                }
            }
        }
        Ok(bars)
    }

    /// The number of the probe that this worker is to make, if it is the one.
    async fn claim(
        &mut self,
        watched: &Watched,
        store: &Arc<dyn Store>,
        patience: Duration,
    ) -> Result<Option<u64>, Error> {
        let held = self.claims.get(&watched.key).copied();
        if let Some((number, _)) = held.filter(|(_, until)| *until > Instant::now()) {
            return Ok(Some(number));
        }
        let asked = Instant::now();
        if !within(patience, store.claim_probe(&watched.key, PROBE_WITHIN)).await? {
            return Ok(None);
        }
        let number = held.map_or(0, |(number, _)| number) + 1;
        tracing::info!(system = %watched.key, "its pause is over; one message is taken to see whether it is back");
        self.claims.insert(watched.key.clone(), (number, asked + PROBE_WITHIN));
        Ok(Some(number))
    }
}

/// Why a system's queue is left alone. While something is left of the day for people it is not: their checks come by
/// the same queue. What is in it by the plan is put off then, and the planner adds no more.
fn left_alone(view: &SystemView, terms: &Terms) -> Option<String> {
    let shut = view.shut_for(terms, Purpose::Person)?;
    let short = view.breaker.bar.is_none() && shut.until - view.now < SHORT;
    (!short).then_some(shut.reason)
}

fn count(metrics: &Metrics, watched: &Watched, view: Option<&SystemView>) {
    let label = &[watched.key.as_str()];
    let phase = view.map_or(Phase::Closed, |view| view.breaker.phase(view.now));
    let state = match phase {
        Phase::Closed => 0,
        Phase::HalfOpen => 1,
        Phase::Open => 2,
    };
    metrics.breaker_state.with_label_values(label).set(state);
    let shut = view.is_some_and(|view| view.breaker.bar.is_none() && view.shut(&watched.terms).is_some());
    metrics.gate_closed.with_label_values(label).set(i64::from(shut));
    let left = match view {
        Some(view) => view.left_today(&watched.terms, Purpose::Routine),
        None => watched.terms.most_for(Purpose::Routine),
    };
    if let Some(left) = left {
        metrics.quota_left.with_label_values(label).set(i64::from(left));
    }
    let terms = view.map_or(watched.terms, |view| watched.terms.with(&view.live));
    if let Some(most) = terms.most_for(Purpose::Routine) {
        metrics.quota_daily.with_label_values(label).set(i64::from(most));
    }
}
