//! The page of the metrics, from the closed list.

use std::fmt::Write as _;

use crate::label::Label;
use crate::list::{Metric, NAMESPACE};
use crate::metrics::METRICS;

const HEAD: &str = "\
# Metrics

Every process serves them at `/metrics` of its operations port, in Prometheus' text format. This list is closed and
generated (`cargo run -p forebay-telemetry --example metrics`); labels are bounded, and none holds an id of an order, a
member or a parcel. A series appears with its first count. Figures that several processes measure alike (of queues,
outside systems, the outbox, the business) are read with `max by`, counts with `sum by`.

Beside them each process tells of itself: `process_cpu_seconds_total`, `process_resident_memory_bytes`,
`process_virtual_memory_bytes`, `process_open_fds`, `process_max_fds`, `process_threads`, `process_start_time_seconds`.

What they are made into: [rules](../deploy/prometheus/rules.yml), [dashboards](../deploy/grafana/dashboards).

| metric | kind | means | labels |
|---|---|---|---|
";

/// The page, in Markdown.
#[must_use]
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    for metric in METRICS {
        let labels: Vec<String> = metric.labels.iter().map(label).collect();
        let (name, kind, help) = (metric.name, metric.kind.as_str(), metric.help.trim());
        // Writing to a string does not fail.
        let _ = writeln!(page, "| `{NAMESPACE}_{name}` | {kind} | {help} | {} |", labels.join("; "));
    }
    page.push_str("\n## Buckets\n\n| metric | upper bounds |\n|---|---|\n");
    for Metric { name, buckets, .. } in METRICS.iter().filter(|metric| !metric.buckets.is_empty()) {
        let bounds: Vec<String> = buckets.iter().map(f64::to_string).collect();
        let _ = writeln!(page, "| `{NAMESPACE}_{name}` | {} |", bounds.join(", "));
    }
    page
}

fn label(label: &Label) -> String {
    let words: Vec<String> = label.words.iter().map(|word| format!("`{word}`")).collect();
    let or = if words.is_empty() || label.what.is_empty() { "" } else { ", or " };
    format!("`{}`: {}{or}{}", label.name, words.join(", "), label.what)
}
