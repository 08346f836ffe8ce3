//! The page of the metrics is that of the code.

use std::path::Path;

#[test]
fn the_page_of_the_metrics_is_checked_in_as_the_code_has_it() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    let there = std::fs::read_to_string(path).unwrap_or_default();
    let mend = "run `cargo run -p forebay-telemetry --example metrics` and commit what it wrote";
    assert_eq!(there, forebay_telemetry::document::page(), "docs/metrics.md has drifted; {mend}");
}
