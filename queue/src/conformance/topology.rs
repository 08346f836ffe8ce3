//! Rules of declaring, checking and looking.

use forebay_schemas::{Queue, Route, Tier, Topology};

use super::Harness;
use super::scene::{
    acknowledge, adapter, becomes_empty, consume, declared, depth_becomes, fill, ids, message, numbered,
    publish, receive, receive_all, topology,
};
use crate::broker::{BrokerError, Link};
use crate::publisher::Outgoing;

const WORK: Queue = Queue::Rewards;

/// Before `forebay topology apply` a role refuses to start, with the sentence that helps.
pub async fn undeclared_queues_are_reported_with_the_way_to_mend_them(harness: &dyn Harness) {
    let broker = harness.broker().await;
    let missing = broker.check(&topology()).await;
    let Err(BrokerError::Topology(sentence)) = &missing else { panic!("{missing:?}") };
    assert!(sentence.contains("forebay topology apply"), "{sentence}");
    assert_eq!(broker.declare(&topology()).await, Ok(()));
    assert_eq!(broker.check(&topology()).await, Ok(()));
    let wider = Topology::new([adapter("carrier-one"), adapter("carrier-two")]);
    let changed = broker.check(&wider).await;
    assert!(
        matches!(&changed, Err(BrokerError::Topology(_))),
        "another topology is not declared: {changed:?}"
    );
    assert_eq!(broker.link(), Link::Up);
    broker.close().await;
}

/// Declaring is safe to repeat, with messages in the queues.
pub async fn declaring_again_changes_nothing(harness: &dyn Harness) {
    let broker = declared(harness).await;
    fill(&broker, &WORK, ["m"]).await;
    assert_eq!(broker.declare(&topology()).await, Ok(()));
    assert_eq!(broker.check(&topology()).await, Ok(()));
    assert_eq!(ids(&receive(&consume(&broker, &WORK, 1), 1).await), ["m"]);
    broker.close().await;
}

/// People see what would be made.
pub async fn the_plan_names_every_queue(harness: &dyn Harness) {
    let broker = harness.broker().await;
    let plan = broker.plan(&topology());
    for queue in topology().queues() {
        let begins = format!("queue {queue} ");
        assert!(plan.iter().any(|line| line.starts_with(&begins)), "{queue} is not in {plan:#?}");
    }
    broker.close().await;
}

/// Ready is what could be delivered now; what is held is told apart, if it is told.
pub async fn depth_counts_what_waits_and_what_is_held(harness: &dyn Harness) {
    let broker = declared(harness).await;
    becomes_empty(&broker, &WORK).await;
    fill(&broker, &WORK, numbered("m", 10)).await;
    let depth = depth_becomes(&broker, &WORK, |depth| depth.ready == 10).await;
    assert!(matches!(depth.unsettled, None | Some(0)), "{depth:?}");
    let consumer = consume(&broker, &WORK, 4);
    let held = receive_all(&consumer, 4).await;
    let depth = depth_becomes(&broker, &WORK, |depth| depth.ready == 6).await;
    assert!(matches!(depth.unsettled, None | Some(4)), "{depth:?}");
    assert!(matches!(depth.consumers, None | Some(1)), "{depth:?}");
    consumer.close().await;
    acknowledge(&consumer, &held).await;
    let depth = depth_becomes(&broker, &WORK, |depth| depth.unsettled.unwrap_or(0) == 0).await;
    assert_eq!(depth.ready, 6);
    broker.close().await;
}

/// A message that waits is counted in its tier, not in the queue it will return to.
pub async fn depth_of_a_tier_counts_what_waits_in_it(harness: &dyn Harness) {
    let broker = declared(harness).await;
    let delayed = |tier, id| Outgoing { route: Route::Delay(tier, WORK), message: message(id) };
    publish(&broker, vec![delayed(Tier::H1, "a"), delayed(Tier::H1, "b"), delayed(Tier::M10, "c")]).await;
    depth_becomes(&broker, &Queue::Delay(Tier::H1), |depth| depth.ready == 2).await;
    depth_becomes(&broker, &Queue::Delay(Tier::M10), |depth| depth.ready == 1).await;
    becomes_empty(&broker, &Queue::Delay(Tier::M2)).await;
    becomes_empty(&broker, &WORK).await;
    broker.close().await;
}
