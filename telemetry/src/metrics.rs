//! The closed list of metrics. Nothing else registers one; labels are bounded by construction (queue names, codes,
//! adapters), never an order's, a member's or a parcel's id. `docs/metrics.md` is generated from it.

use prometheus::core::Collector as _;
use prometheus::process_collector::ProcessCollector;
use prometheus::{Encoder, Registry, TextEncoder};

use crate::health::Check;
use crate::list::metrics;

/// Seconds from fast handlers to slow carriers.
const SECONDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
/// Seconds from what happened in the storefront to its effect: at once, after a burst, after an outage.
const AGES: &[f64] =
    &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0];
/// Messages in a batch.
const SIZES: &[f64] = &[1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0];

metrics! {
    /// Events that came in.
    events_received: IntCounterVec = "events_received_total" [TYPE, RECEIVED];
    /// Requests answered by the intake.
    intake_requests: IntCounterVec = "intake_requests_total" [STATUS];
    /// Time of an accepting request.
    intake_seconds: HistogramVec = "intake_seconds" [] SECONDS;
    /// Events that went into the spool.
    spooled: IntCounter = "spooled_total" [];
    /// Events in the spool that are still to be published.
    spool_events: Gauge = "spool_events" [];
    /// Bytes that the spool's events take.
    spool_bytes: Gauge = "spool_bytes" [];
    /// Age of the spool's oldest event.
    spool_oldest_seconds: Gauge = "spool_oldest_seconds" [];

    /// Messages settled by a worker.
    messages: IntCounterVec = "messages_processed_total" [QUEUE, SETTLED];
    /// Failed attempts.
    retries: IntCounterVec = "retries_total" [QUEUE, CODE];
    /// Messages that died.
    dead: IntCounterVec = "dead_letters_total" [DEAD_QUEUE, CODE];
    /// Dead letters that wait for somebody to see to them.
    dead_letters_open: GaugeVec = "dead_letters_open" [DEAD_QUEUE, CODE];
    /// Letters of replays.
    replays: IntCounterVec = "replayed_letters_total" [REPLAYED];
    /// Time of a handler for a batch.
    handler_seconds: HistogramVec = "handler_seconds" [QUEUE] SECONDS;
    /// Messages in a handled batch.
    batch_size: HistogramVec = "batch_size" [QUEUE] SIZES;
    /// Critical time: from when it happened, as its author says (the event's `time`), to when its effect was settled.
    /// For a command that follows from another effect it counts from that.
    critical_seconds: HistogramVec = "critical_seconds" [QUEUE] AGES;
    /// Age at delivery: how long a message waited for its first attempt.
    delivery_age_seconds: HistogramVec = "delivery_age_seconds" [QUEUE] AGES;
    /// Messages in a handler's hands.
    in_flight: IntGaugeVec = "in_flight" [QUEUE];

    /// Messages ready in a queue.
    queue_ready: GaugeVec = "queue_ready" [QUEUE];
    /// Age of the oldest message in a queue, where the back end tells it; RabbitMQ does not.
    queue_oldest_seconds: GaugeVec = "queue_oldest_seconds" [QUEUE];
    /// Time since a queue was last seen empty, or since this process looks at it; 0 while it is empty.
    queue_nonempty_seconds: GaugeVec = "queue_nonempty_seconds" [QUEUE];
    /// Time until a queue is empty at its present pace: 0 when it is, +Inf while it does not shrink.
    queue_drain_seconds: GaugeVec = "queue_drain_seconds" [QUEUE];
    /// Within this time a backlog is to be gone (`work.drain_within_s`).
    drain_within_seconds: Gauge = "drain_within_seconds" [];
    /// Workers that take from a queue: neither lost nor drained.
    queue_workers: IntGaugeVec = "queue_workers" [QUEUE];
    /// Workers that a queue has work for: as many as its backlog needs, no more than its outside system's quota keeps
    /// busy; 1 while that is left alone.
    useful_workers: IntGaugeVec = "useful_workers" [QUEUE];
    /// 1 while this process leaves a queue alone, as ordered.
    queue_closed: IntGaugeVec = "queue_closed" [QUEUE];

    /// Calls to the outside.
    outbound_calls: IntCounterVec = "outbound_calls_total" [SYSTEM, CALLED];
    /// Time of a call to the outside.
    outbound_seconds: HistogramVec = "outbound_seconds" [SYSTEM] SECONDS;
    /// Time that a call waited for its permit.
    permit_wait_seconds: HistogramVec = "permit_wait_seconds" [SYSTEM] SECONDS;
    /// Wishes for permits.
    permits: IntCounterVec = "permits_total" [SYSTEM, PERMITTED];
    /// Planned calls that are left of the day, where there is a budget.
    quota_left: IntGaugeVec = "quota_left" [SYSTEM];
    /// Planned calls of a whole day, where there is a budget.
    quota_daily: IntGaugeVec = "quota_daily" [SYSTEM];
    /// 1 while a system asked to be left alone, or its budget of the day is used up.
    gate_closed: IntGaugeVec = "gate_closed" [SYSTEM];
    /// How a breaker stands: 0 closed, 1 half-open, 2 open.
    breaker_state: IntGaugeVec = "breaker_state" [SYSTEM];
    /// Carrier codes that have no status of ours.
    unmapped_codes: IntCounterVec = "carrier_unmapped_codes_total" [ADAPTER];
    /// Pushes of carriers' systems as they came in.
    pushes: IntCounterVec = "pushes_total" [HOOK, PUSHED];
    /// Parcels that pushes told of; `late` is older than what was known.
    pushed_parcels: IntCounterVec = "pushed_parcels_total" [ADAPTER, PUSH_MERGED];

    /// Outbox rows published.
    outbox_published: IntCounter = "outbox_published_total" [];
    /// Outbox rows due.
    outbox_due: Gauge = "outbox_due" [];
    /// Age of the oldest due outbox row.
    outbox_oldest_seconds: Gauge = "outbox_oldest_seconds" [];

    /// Open incidents.
    incidents_open: IntGaugeVec = "incidents_open" [RULE, SEVERITY];
    /// Notices sent; whatever is not `ok` did not get through.
    notices: IntCounterVec = "notices_total" [SINK, NOTICED];
    /// Firings of the schedule.
    schedule_firings: IntCounterVec = "schedule_firings_total" [JOB, FIRED];
    /// Rows removed because they were old.
    forgotten: IntCounterVec = "forgotten_rows_total" [MEMORY];

    /// Returns, by state.
    returns: IntGaugeVec = "returns" [STATE];
    /// Parcels, by status.
    parcels: IntGaugeVec = "parcels" [STATE];
    /// Claims, by state.
    claims: IntGaugeVec = "claims" [STATE];
    /// What is left of a reward's stock.
    stock_left: IntGaugeVec = "stock_left" [REWARD];

    /// 1 for each thing that a role needs and has, 0 for one that it lacks: what `/readyz` says.
    ready: IntGaugeVec = "ready" [CHECK];
    /// When something that a process does again and again was last done, in seconds since 1970.
    last_done: GaugeVec = "last_done_timestamp_seconds" [TASK];
    /// 1, labelled with the release.
    build_info: IntGaugeVec = "build_info" [VERSION];
}

impl Metrics {
    /// All metrics at zero, in a registry of their own, beside what the library tells of the process itself.
    ///
    /// # Panics
    /// When two metrics of this list have one name, which every test would show.
    #[must_use]
    pub fn new(version: &str) -> Self {
        let registry = Registry::new();
        let metrics =
            Self::build(registry).expect("the metrics of the closed list have distinct, valid names");
        let process = metrics.registry.register(Box::new(ProcessCollector::for_self()));
        process.expect("the list has no name that begins with process_");
        metrics.build_info.with_label_values(&[version]).set(1);
        metrics
    }

    /// Tells what the roles need.
    pub(crate) fn tell(&self, checks: &[Check]) {
        self.ready.reset();
        for check in checks {
            self.ready.with_label_values(&[&check.name]).set(i64::from(check.ok));
        }
    }

    /// Failed attempts so far, over all queues and codes.
    #[must_use]
    pub fn retried(&self) -> u64 {
        let families = self.retries.collect();
        families.iter().flat_map(|f| f.get_metric()).map(|m| m.get_counter().get_value() as u64).sum()
    }

    /// Every metric in Prometheus' text format.
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = Vec::new();
        // Writing to memory fails only on a metric family without a name, which this list has none of.
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut out);
        String::from_utf8(out).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_systems_in_one_process_count_apart() {
        let (one, two) = (Metrics::new("1"), Metrics::new("2"));
        one.outbox_published.inc();
        assert!(one.render().contains("forebay_outbox_published_total 1"));
        assert!(two.render().contains("forebay_outbox_published_total 0"));
    }

    #[test]
    fn the_process_tells_of_its_memory_and_processor_time() {
        let rendered = Metrics::new("1").render();
        for name in ["process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds"] {
            assert!(rendered.contains(&format!("\n{name} ")), "{name}: {rendered}");
        }
    }

    #[test]
    fn counters_end_in_total_histograms_have_growing_buckets_and_nothing_else_has_any() {
        for metric in METRICS {
            let counter = metric.kind == crate::list::Kind::Counter;
            assert_eq!(metric.name.ends_with("_total"), counter, "{}", metric.name);
            let histogram = metric.kind == crate::list::Kind::Histogram;
            assert_eq!(!metric.buckets.is_empty(), histogram, "{}", metric.name);
            assert!(metric.buckets.is_sorted_by(|a, b| a < b), "{}", metric.name);
        }
    }
}
