//! The intake's metrics, with the handles of the busy ones looked up once.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use forebay_schemas::{Event, EventType, Refusal};
use forebay_telemetry::Metrics;
use prometheus::{Histogram, IntCounter};

/// The label of a type that the catalogue does not know: a label never repeats what was sent.
const UNKNOWN_TYPE: &str = "unknown";
/// The label of events that no queue took at the time.
const NOT_STORED: &str = "not_stored";

#[derive(Debug)]
pub(crate) struct Tally {
    metrics: Metrics,
    accepted: BTreeMap<EventType, IntCounter>,
    answered_accepted: IntCounter,
    seconds: Histogram,
}

impl Tally {
    pub(crate) fn new(metrics: Metrics) -> Self {
        let accepted =
            |kind: &EventType| (*kind, metrics.events_received.with_label_values(&[kind.name(), "accepted"]));
        Self {
            accepted: EventType::ALL.iter().map(accepted).collect(),
            answered_accepted: metrics.intake_requests.with_label_values(&["202"]),
            seconds: metrics.intake_seconds.with_label_values::<&str>(&[]),
            metrics,
        }
    }

    pub(crate) fn accepted(&self, kind: EventType) {
        if let Some(counter) = self.accepted.get(&kind) {
            counter.inc();
        }
    }

    pub(crate) fn not_stored(&self, kind: EventType) {
        self.metrics.events_received.with_label_values(&[kind.name(), NOT_STORED]).inc();
    }

    pub(crate) fn refused(&self, event: Option<&Event>, refusal: &Refusal) {
        let kind = event.and_then(Event::event_type).map_or(UNKNOWN_TYPE, EventType::name);
        self.metrics.events_received.with_label_values(&[kind, refusal.code.as_str()]).inc();
    }

    pub(crate) fn undecodable(&self, code: &str) {
        self.metrics.events_received.with_label_values(&[UNKNOWN_TYPE, code]).inc();
    }

    pub(crate) fn push(&self, system: &str, result: &str) {
        self.metrics.pushes.with_label_values(&[system, result]).inc();
    }

    pub(crate) fn answered(&self, status: StatusCode, seconds: f64) {
        if status == StatusCode::ACCEPTED {
            self.answered_accepted.inc();
            self.seconds.observe(seconds);
        } else {
            self.metrics.intake_requests.with_label_values(&[status.as_str()]).inc();
        }
    }
}
