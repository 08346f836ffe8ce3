//! The closed list of metrics. Nothing else registers one; labels are bounded by construction (queue names, codes,
//! adapters), never an order's, a member's or a parcel's id.

use prometheus::{
    Encoder, Gauge, GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

/// Seconds from fast handlers to slow carriers.
const SECONDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
/// Seconds from the storefront's request to the last effect.
const AGES: &[f64] =
    &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0, 86_400.0];
/// Messages in a batch.
const SIZES: &[f64] = &[1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0];

/// Every metric of one process. Cheap to clone; all clones count together.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    /// Events that came in. `type`, `result` (`accepted` or a code).
    pub events_received: IntCounterVec,
    /// Requests answered by the intake. `status`.
    pub intake_requests: IntCounterVec,
    /// Seconds that an accepting request took.
    pub intake_seconds: HistogramVec,
    /// Messages settled by a worker. `queue`, `result` (`done`, `duplicate`, `retry`, `defer`, `dead`, `lost`).
    pub messages: IntCounterVec,
    /// Failed attempts. `queue`, `code`.
    pub retries: IntCounterVec,
    /// Messages that died. `queue`, `code`.
    pub dead: IntCounterVec,
    /// Seconds that a handler took for a batch. `queue`.
    pub handler_seconds: HistogramVec,
    /// Messages in a handled batch. `queue`.
    pub batch_size: HistogramVec,
    /// Seconds from when we took an event to when it was settled (critical time). `queue`.
    pub critical_seconds: HistogramVec,
    /// Messages in a handler's hands. `queue`.
    pub in_flight: IntGaugeVec,
    /// 1 while this process leaves a queue alone, as ordered. `queue`.
    pub queue_closed: IntGaugeVec,
    /// Messages ready in a queue. `queue`.
    pub queue_ready: GaugeVec,
    /// Age in seconds of the oldest message in a queue, where it is known. `queue`.
    pub queue_oldest_seconds: GaugeVec,
    /// Calls to the outside. `system`, `result` (`ok` or a code).
    pub outbound_calls: IntCounterVec,
    /// Seconds that a call to the outside took. `system`.
    pub outbound_seconds: HistogramVec,
    /// Seconds that a call waited for its permit. `system`.
    pub permit_wait_seconds: HistogramVec,
    /// Wishes for permits. `system`, `result` (`granted`, `probe`, `refused`).
    pub permits: IntCounterVec,
    /// Calls that are left of the day for what is planned, where there is a budget. `system`.
    pub quota_left: IntGaugeVec,
    /// 1 while a system asked to be left alone, or its budget of the day is used up. `system`.
    pub gate_closed: IntGaugeVec,
    /// How a breaker stands: 0 closed, 1 half-open, 2 open. `system`.
    pub breaker_state: IntGaugeVec,
    /// Carrier codes that have no status of ours. `adapter`.
    pub unmapped_codes: IntCounterVec,
    /// Pushes of carriers' systems as they came in. `system`, `result`: `taken`, `no_such_hook`, `unsigned`,
    /// `wrong_signature`, `unreadable`, `too_large`, `not_stored`.
    pub pushes: IntCounterVec,
    /// What pushes told of parcels. `adapter`, `result`: `merged`, `late` (older than what was known), `to_look_up`,
    /// `not_followed`.
    pub pushed_parcels: IntCounterVec,
    /// Outbox rows published.
    pub outbox_published: IntCounter,
    /// Outbox rows due.
    pub outbox_due: Gauge,
    /// Age in seconds of the oldest due outbox row.
    pub outbox_oldest_seconds: Gauge,
    /// Notices sent. `sink`, `result` (`ok` or a code).
    pub notices: IntCounterVec,
    /// Firings of the schedule. `job`, `result` (`fired`, `elsewhere`, `failed`).
    pub schedule_firings: IntCounterVec,
    /// Letters of replays. `result` (`published`, `skipped`, `done`, `failed`).
    pub replays: IntCounterVec,
    /// Dead letters that wait for somebody to see to them. `queue`, `code`.
    pub dead_letters_open: GaugeVec,
    /// Rows removed because they were old. `memory` (`inbox`, `effects`, `firings`, `incidents`, `open_dead_letters`,
    /// `closed_dead_letters`, `replays`, `audit_log`, `workers`).
    pub forgotten: IntCounterVec,
    /// Events that went into the spool.
    pub spooled: IntCounter,
    /// Events in the spool that are still to be published.
    pub spool_events: Gauge,
    /// Bytes that the spool's events take.
    pub spool_bytes: Gauge,
    /// Age in seconds of the spool's oldest event.
    pub spool_oldest_seconds: Gauge,
    /// 1, labelled with the version.
    pub build_info: IntGaugeVec,
}

impl Metrics {
    /// All metrics at zero, in a registry of their own.
    ///
    /// # Panics
    /// When two metrics of this list have one name, which every test would show.
    #[must_use]
    pub fn new(version: &str) -> Self {
        let registry = Registry::new();
        let metrics =
            Self::build(&registry).expect("the metrics of the closed list have distinct, valid names");
        metrics.build_info.with_label_values(&[version]).set(1);
        metrics
    }

    fn build(r: &Registry) -> prometheus::Result<Self> {
        Ok(Self {
            registry: r.clone(),
            events_received: counters(
                r,
                "events_received_total",
                "Events that came in.",
                &["type", "result"],
            )?,
            intake_requests: counters(
                r,
                "intake_requests_total",
                "Requests answered by the intake.",
                &["status"],
            )?,
            intake_seconds: histogram(r, "intake_seconds", "Time of an accepting request.", &[], SECONDS)?,
            messages: counters(r, "messages_processed_total", "Messages settled.", &["queue", "result"])?,
            retries: counters(r, "retries_total", "Failed attempts.", &["queue", "code"])?,
            dead: counters(r, "dead_letters_total", "Messages that died.", &["queue", "code"])?,
            handler_seconds: histogram(r, "handler_seconds", "Time of a handler.", &["queue"], SECONDS)?,
            batch_size: histogram(r, "batch_size", "Messages in a handled batch.", &["queue"], SIZES)?,
            critical_seconds: histogram(r, "critical_seconds", "From taken to settled.", &["queue"], AGES)?,
            in_flight: int_gauges(r, "in_flight", "Messages in a handler's hands.", &["queue"])?,
            queue_closed: int_gauges(
                r,
                "queue_closed",
                "1 while a queue is left alone, as ordered.",
                &["queue"],
            )?,
            queue_ready: gauges(r, "queue_ready", "Messages ready in a queue.", &["queue"])?,
            queue_oldest_seconds: gauges(
                r,
                "queue_oldest_seconds",
                "Age of the oldest message.",
                &["queue"],
            )?,
            outbound_calls: counters(
                r,
                "outbound_calls_total",
                "Calls to the outside.",
                &["system", "result"],
            )?,
            outbound_seconds: histogram(r, "outbound_seconds", "Time of a call.", &["system"], SECONDS)?,
            permit_wait_seconds: histogram(
                r,
                "permit_wait_seconds",
                "Wait for a permit.",
                &["system"],
                SECONDS,
            )?,
            permits: counters(r, "permits_total", "Wishes for permits.", &["system", "result"])?,
            quota_left: int_gauges(r, "quota_left", "Planned calls left of the day.", &["system"])?,
            gate_closed: int_gauges(r, "gate_closed", "1 while a system is left alone.", &["system"])?,
            breaker_state: int_gauges(r, "breaker_state", "0 closed, 1 half-open, 2 open.", &["system"])?,
            unmapped_codes: counters(
                r,
                "carrier_unmapped_codes_total",
                "Codes without a status.",
                &["adapter"],
            )?,
            pushes: counters(r, "pushes_total", "Pushes of carriers' systems.", &["system", "result"])?,
            pushed_parcels: counters(
                r,
                "pushed_parcels_total",
                "Parcels that pushes told of.",
                &["adapter", "result"],
            )?,
            outbox_published: counter(r, "outbox_published_total", "Outbox rows published.")?,
            outbox_due: gauge(r, "outbox_due", "Outbox rows due.")?,
            outbox_oldest_seconds: gauge(r, "outbox_oldest_seconds", "Age of the oldest due outbox row.")?,
            notices: counters(r, "notices_total", "Notices sent.", &["sink", "result"])?,
            schedule_firings: counters(
                r,
                "schedule_firings_total",
                "Firings of the schedule.",
                &["job", "result"],
            )?,
            replays: counters(r, "replayed_letters_total", "Dead letters of replays.", &["result"])?,
            dead_letters_open: gauges(
                r,
                "dead_letters_open",
                "Dead letters that wait for somebody.",
                &["queue", "code"],
            )?,
            forgotten: counters(
                r,
                "forgotten_rows_total",
                "Rows removed because they were old.",
                &["memory"],
            )?,
            spooled: counter(r, "spooled_total", "Events that went into the spool.")?,
            spool_events: gauge(r, "spool_events", "Events in the spool.")?,
            spool_bytes: gauge(r, "spool_bytes", "Bytes that the spool's events take.")?,
            spool_oldest_seconds: gauge(r, "spool_oldest_seconds", "Age of the spool's oldest event.")?,
            build_info: int_gauges(r, "build_info", "1, labelled with the version.", &["version"])?,
        })
    }

    /// Failed attempts so far, over all queues and codes.
    #[must_use]
    pub fn retried(&self) -> u64 {
        let families = prometheus::core::Collector::collect(&self.retries);
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

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("forebay")
}

fn counters(r: &Registry, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
    let metric = IntCounterVec::new(opts(name, help), labels)?;
    r.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn counter(r: &Registry, name: &str, help: &str) -> prometheus::Result<IntCounter> {
    let metric = IntCounter::with_opts(opts(name, help))?;
    r.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn gauge(r: &Registry, name: &str, help: &str) -> prometheus::Result<Gauge> {
    let metric = Gauge::with_opts(opts(name, help))?;
    r.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn gauges(r: &Registry, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<GaugeVec> {
    let metric = GaugeVec::new(opts(name, help), labels)?;
    r.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn int_gauges(r: &Registry, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntGaugeVec> {
    let metric = IntGaugeVec::new(opts(name, help), labels)?;
    r.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn histogram(
    r: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
    buckets: &[f64],
) -> prometheus::Result<HistogramVec> {
    let opts = HistogramOpts::new(name, help).namespace("forebay").buckets(buckets.to_vec());
    let metric = HistogramVec::new(opts, labels)?;
    r.register(Box::new(metric.clone()))?;
    Ok(metric)
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
}
