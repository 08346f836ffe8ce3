//! What a queue's messages cost this worker, read from what is counted anyway.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use forebay_domain::scale::{Counted, Work};
use forebay_telemetry::Metrics;
use tokio::time::Instant;

/// What is told is that of this time.
const WINDOW: Duration = Duration::from_secs(60);
/// Outcomes that cost work: what is put off was not worked on.
const WORKED: [&str; 5] = ["done", "duplicate", "retry", "reject", "unknown"];

/// Everything counted so far.
#[derive(Debug, Clone, Copy)]
struct Count {
    messages: f64,
    seconds: f64,
    calls: f64,
}

#[derive(Debug, Default)]
struct Measured {
    lanes: Option<u32>,
    /// The outside system that is called for each message. The time of a handler would count the wait for permits.
    system: Option<String>,
    looks: VecDeque<(Instant, Count)>,
    work: Work,
}

/// Measures the queues of one worker.
#[derive(Debug, Default)]
pub(crate) struct Measure(BTreeMap<String, Measured>);

impl Measure {
    /// So many batches of a queue are worked on side by side.
    pub(crate) fn lanes(&mut self, queue: String, lanes: u32) {
        self.0.entry(queue).or_default().lanes = Some(lanes);
    }

    /// A queue's messages are calls to this system.
    pub(crate) fn calls(&mut self, queue: String, system: String) {
        self.0.entry(queue).or_default().system = Some(system);
    }

    /// The work on a queue lately.
    pub(crate) fn look(&mut self, queue: &str, metrics: &Metrics, now: Instant) -> Work {
        let measured = self.0.entry(queue.to_owned()).or_default();
        let count = measured.count(queue, metrics);
        measured.looks.push_back((now, count));
        while measured.looks.get(1).is_some_and(|(at, _)| now - *at >= WINDOW) {
            measured.looks.pop_front();
        }
        if let Some((begun, first)) = measured.looks.front() {
            let counted = Counted {
                time: now - *begun,
                messages: count.messages - first.messages,
                seconds: count.seconds - first.seconds,
                lanes: measured.lanes.unwrap_or(1),
                calls: count.calls - first.calls,
            };
            measured.work = Work::of(&counted, measured.work);
        }
        measured.work
    }
}

impl Measured {
    fn count(&self, queue: &str, metrics: &Metrics) -> Count {
        let worked = WORKED.iter().map(|result| metrics.messages.with_label_values(&[queue, result]).get());
        let messages = worked.sum::<u64>() as f64;
        let (time, calls) = match &self.system {
            Some(system) => {
                let time = metrics.outbound_seconds.with_label_values(&[system.as_str()]);
                let calls = time.get_sample_count() as f64;
                (time, calls)
            }
            None => (metrics.handler_seconds.with_label_values(&[queue]), 0.0),
        };
        Count { messages, seconds: time.get_sample_sum(), calls }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUEUE: &str = "forebay.returns";

    fn worked(metrics: &Metrics, messages: u64, result: &str) {
        metrics.messages.with_label_values(&[QUEUE, result]).inc_by(messages);
    }

    #[test]
    fn messages_cost_the_time_of_their_handler_over_what_is_done_side_by_side() {
        let (metrics, begun) = (Metrics::new("test"), Instant::now());
        let mut measure = Measure::default();
        measure.lanes(QUEUE.to_owned(), 4);
        assert_eq!(measure.look(QUEUE, &metrics, begun), Work::default());
        worked(&metrics, 100, "done");
        worked(&metrics, 900, "defer");
        metrics.handler_seconds.with_label_values(&[QUEUE]).observe(20.0);
        let work = measure.look(QUEUE, &metrics, begun + Duration::from_secs(10));
        assert_eq!(work, Work { pace_milli: 10_000, cost_us: 50_000, calls_milli: 0 });
        let idle = measure.look(QUEUE, &metrics, begun + Duration::from_secs(300));
        assert_eq!(idle, Work { pace_milli: 0, ..work }, "what a message costs is remembered");
    }

    #[test]
    fn where_calls_wait_for_permits_the_calls_are_the_cost() {
        let (metrics, begun) = (Metrics::new("test"), Instant::now());
        let mut measure = Measure::default();
        measure.lanes(QUEUE.to_owned(), 2);
        measure.calls(QUEUE.to_owned(), "carrier/fedex".to_owned());
        measure.look(QUEUE, &metrics, begun);
        worked(&metrics, 60, "done");
        metrics.handler_seconds.with_label_values(&[QUEUE]).observe(500.0);
        for _ in 0..6 {
            metrics.outbound_seconds.with_label_values(&["carrier/fedex"]).observe(0.5);
        }
        let work = measure.look(QUEUE, &metrics, begun + Duration::from_secs(60));
        assert_eq!(work, Work { pace_milli: 1_000, cost_us: 25_000, calls_milli: 100 });
    }
}
