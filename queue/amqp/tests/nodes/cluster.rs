//! Three nodes, of which one is killed under traffic.

use std::time::Duration;

use crate::alone;
use crate::own_broker::{Ground, OwnBroker};
use crate::support::management::Management;
use crate::support::{eventually, options};
use crate::traffic::Traffic;

/// Longest that nothing is accepted and nothing comes when a node dies, on a machine that is busy with other things; what
/// it was is printed.
const GAP: Duration = Duration::from_secs(30);

/// What a node says about the queue that the traffic goes through.
async fn queue(node: &OwnBroker) -> Option<String> {
    let management = Management::new(&node.management_url());
    let (status, answer) = management.call("GET", "/api/queues/%2f/forebay.rewards", "").await;
    (status == 200).then_some(answer)
}

/// Which of the nodes leads that queue.
async fn leader(nodes: &[OwnBroker], asked: usize) -> Option<usize> {
    let queue = queue(&nodes[asked]).await?;
    let name = queue.split_once(r#""leader":""#)?.1.split('"').next()?;
    nodes.iter().position(|node| name == format!("forebay-{}@localhost", node.port()))
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stderr, reason = "figures for whoever reads the log")]
async fn a_cluster_that_loses_the_leader_under_traffic_loses_no_message() {
    let _turn = alone().await;
    let ground = Ground::new();
    let first = ground.start("one").await;
    let (second, third) = tokio::join!(ground.join("two", &first), ground.join("three", &first));
    // The port mapper is the first one's, so it must go last.
    let nodes = [third, second, first];
    let list = nodes.iter().map(OwnBroker::address).collect::<Vec<_>>().join(",");
    let url = nodes[0].url().replace(&nodes[0].address(), &list);
    let options = options(&url);
    assert_eq!(options.addresses.len(), 3);
    let traffic = Traffic::start(options).await;

    let mut asked = 0;
    for round in 0..2 {
        traffic.flows(500).await;
        eventually("the queue has a leader", || async { leader(&nodes, asked).await.is_some() }).await;
        let killed = leader(&nodes, asked).await.expect("somebody leads");
        traffic.gaps();
        nodes[killed].kill().await;
        traffic.flows(500).await;
        let (accept, arrival) = traffic.gaps();
        eprintln!("leader killed: nothing accepted for {accept:.3?}, nothing came for {arrival:.3?}");
        assert!(accept <= GAP && arrival <= GAP, "{accept:?} {arrival:?}");
        asked = (killed + 1) % nodes.len();
        if round == 0 {
            // Without it the next kill would leave no majority.
            nodes[killed].again().await;
            wait_for_members(&nodes, asked).await;
        }
    }
    let verdict = traffic.balance().await;
    eprintln!("{verdict:?}");
    assert_eq!(verdict.lost, 0);
}

/// Waits until all members of the queue are online.
async fn wait_for_members(nodes: &[OwnBroker], asked: usize) {
    eventually("all members are online", || async {
        let queue = queue(&nodes[asked]).await.unwrap_or_default();
        let online = queue.split_once(r#""online":["#).map(|(_, rest)| rest.split(']').next());
        online.flatten().is_some_and(|names| names.split(',').count() == nodes.len())
    })
    .await;
}
