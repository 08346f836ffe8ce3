//! What the rules share: messages to send, and patient ways to look at what came.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use forebay_schemas::trail::Headers;
use forebay_schemas::{AdapterId, Queue, Route, Topology};
use tokio::time::{Instant, sleep, timeout};

use super::Harness;
use crate::broker::{Broker, Depth};
use crate::consumer::{ConsumeOptions, Consumer, Delivery, Settlement};
use crate::message::Message;
use crate::publisher::Outgoing;

/// Longest that a rule waits for something that must come.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How long a rule watches that nothing comes.
pub const QUIET: Duration = Duration::from_millis(400);
/// A linger that does not matter.
pub const LINGER: Duration = Duration::from_millis(20);

/// The topology of every rule: one carrier's system.
#[must_use]
pub fn topology() -> Topology {
    Topology::new([adapter("carrier-one")])
}

/// The id of a carrier's system.
#[must_use]
pub fn adapter(id: &str) -> AdapterId {
    AdapterId::new(id).expect("a well-formed adapter id")
}

/// A broker with its queues declared.
pub async fn declared(harness: &dyn Harness) -> Arc<dyn Broker> {
    let broker = harness.broker().await;
    broker.declare(&topology()).await.expect("the topology can be declared");
    broker
}

/// A message with something in every field.
#[must_use]
pub fn message(id: &str) -> Message {
    Message {
        id: id.to_owned(),
        kind: "order.paid.v1".to_owned(),
        timestamp: DateTime::from_timestamp(1_700_000_000, 0),
        headers: Headers::from([("shop-tag".to_owned(), "a b".to_owned())]),
        body: format!("{{\"id\":\"{id}\"}}").into(),
    }
}

/// A message straight into a queue.
#[must_use]
pub fn to(queue: &Queue, id: &str) -> Outgoing {
    Outgoing { route: Route::Work(queue.clone()), message: message(id) }
}

/// Publishes, and insists that all of it is stored.
pub async fn publish(broker: &Arc<dyn Broker>, batch: Vec<Outgoing>) {
    let count = batch.len();
    let results = broker.publisher().publish(batch).await;
    assert_eq!(results, vec![Ok(()); count]);
}

/// Publishes messages with these ids into a queue, in one batch.
pub async fn fill<I: AsRef<str>>(broker: &Arc<dyn Broker>, queue: &Queue, ids: impl IntoIterator<Item = I>) {
    publish(broker, ids.into_iter().map(|id| to(queue, id.as_ref())).collect()).await;
}

/// The ids `<prefix>0` up to `<prefix><count - 1>`.
#[must_use]
pub fn numbered(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{prefix}{n}")).collect()
}

/// A consumer that holds up to `prefetch`.
pub fn consume(broker: &Arc<dyn Broker>, queue: &Queue, prefetch: u16) -> Arc<dyn Consumer> {
    broker.consume(queue.clone(), ConsumeOptions { prefetch })
}

/// What comes next, at least one delivery.
pub async fn receive(consumer: &Arc<dyn Consumer>, most: usize) -> Vec<Delivery> {
    let received = timeout(PATIENCE, consumer.receive(most, LINGER)).await.expect("something is delivered");
    assert!(!received.is_empty(), "the consumer was closed");
    assert!(received.len() <= most, "{} were given where {most} were asked for", received.len());
    received
}

/// Exactly so many deliveries, in however many goes.
pub async fn receive_all(consumer: &Arc<dyn Consumer>, count: usize) -> Vec<Delivery> {
    let mut all = Vec::new();
    while all.len() < count {
        all.extend(receive(consumer, count - all.len()).await);
    }
    all
}

/// Insists that nothing is delivered for a while.
pub async fn nothing_comes(consumer: &Arc<dyn Consumer>) {
    let came = timeout(QUIET, consumer.receive(1, LINGER)).await;
    assert!(came.is_err(), "nothing was to come, and this did: {came:?}");
}

/// Settles these deliveries in one call, and insists that all of it worked.
pub async fn settle(consumer: &Arc<dyn Consumer>, deliveries: &[Delivery], settlement: &Settlement) {
    let items = deliveries.iter().map(|delivery| (delivery.receipt, settlement.clone())).collect();
    let results = consumer.settle(items).await;
    assert_eq!(results, vec![Ok(()); deliveries.len()]);
}

/// Acknowledges these deliveries.
pub async fn acknowledge(consumer: &Arc<dyn Consumer>, deliveries: &[Delivery]) {
    settle(consumer, deliveries, &Settlement::Ack).await;
}

/// The ids of deliveries, in order.
#[must_use]
pub fn ids(deliveries: &[Delivery]) -> Vec<&str> {
    deliveries.iter().map(|delivery| delivery.message.id.as_str()).collect()
}

/// The ids of deliveries as a set; insists that each came once.
#[must_use]
pub fn id_set(deliveries: &[Delivery]) -> BTreeSet<String> {
    let set: BTreeSet<String> = deliveries.iter().map(|delivery| delivery.message.id.clone()).collect();
    assert_eq!(set.len(), deliveries.len(), "a message came twice");
    set
}

/// Which of these ids are not among the deliveries. No back end keeps order, so a rule asks what came first.
#[must_use]
pub fn without(all: Vec<String>, deliveries: &[Delivery]) -> BTreeSet<String> {
    let gone = ids(deliveries);
    all.into_iter().filter(|id| !gone.contains(&id.as_str())).collect()
}

/// Waits until a queue's depth is as wanted.
pub async fn depth_becomes(
    broker: &Arc<dyn Broker>,
    queue: &Queue,
    wanted: impl Fn(&Depth) -> bool,
) -> Depth {
    let until = Instant::now() + PATIENCE;
    loop {
        let depth = broker.depth(queue).await;
        match depth {
            Ok(depth) if wanted(&depth) => return depth,
            other => assert!(Instant::now() < until, "the depth of {queue} stays {other:?}"),
        }
        sleep(LINGER).await;
    }
}

/// Waits until nothing is left of a queue.
pub async fn becomes_empty(broker: &Arc<dyn Broker>, queue: &Queue) {
    depth_becomes(broker, queue, |depth| depth.ready == 0 && depth.unsettled.unwrap_or(0) == 0).await;
}
