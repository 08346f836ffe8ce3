//! A lone broker that is stopped and killed under traffic.

use std::time::Duration;

use tokio::time::Instant;

use crate::alone;
use crate::own_broker::Ground;
use crate::support::options;
use crate::traffic::Traffic;

/// Longest from the moment when the broker takes connections again until messages flow, on a machine that is busy with
/// other things; what it was is printed.
const BACK_WITHIN: Duration = Duration::from_secs(45);

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stderr, reason = "figures for whoever reads the log")]
async fn a_broker_that_is_stopped_and_killed_under_traffic_costs_time_and_no_message() {
    let _turn = alone().await;
    let ground = Ground::new();
    let broker = ground.start("lone").await;
    let traffic = Traffic::start(options(&broker.url())).await;
    for way in ["stopped", "killed", "killed"] {
        traffic.flows(500).await;
        traffic.gaps();
        if way == "stopped" {
            broker.stop().await
        } else {
            broker.kill().await
        }
        broker.again().await;
        let back = Instant::now();
        traffic.flows(100).await;
        let late = back.elapsed();
        let (accept, arrival) = traffic.gaps();
        eprintln!(
            "{way}: flowing {late:.1?} after the start, nothing accepted for {accept:.1?}, nothing came for {arrival:.1?}"
        );
        assert!(late <= BACK_WITHIN, "{late:?}");
    }
    let verdict = traffic.balance().await;
    eprintln!("{verdict:?}");
    assert_eq!(verdict.lost, 0);
    assert!(verdict.publishing.reconnects >= 3 && verdict.consuming.reconnects >= 3, "{verdict:?}");
}
