//! Rules of publishing: `Ok` means stored, whole, in the right queue.

use std::collections::BTreeSet;

use bytes::Bytes;
use chrono::DateTime;
use forebay_schemas::trail::Headers;
use forebay_schemas::{EventType, Queue, Route};
use tokio::task::JoinSet;

use super::Harness;
use super::scene::{
    acknowledge, adapter, becomes_empty, consume, declared, fill, id_set, ids, message, nothing_comes,
    numbered, publish, receive, receive_all, to,
};
use crate::message::Message;
use crate::publisher::{Outgoing, PublishError};

/// Every field arrives as it was sent; the time stamp in whole seconds.
pub async fn a_confirmed_message_is_delivered_byte_for_byte(harness: &dyn Harness) {
    let broker = declared(harness).await;
    let sent = Message {
        id: "01890a5d-ac96-774b-bcce-b302099a8057".to_owned(),
        kind: "return.requested.v1".to_owned(),
        timestamp: DateTime::from_timestamp(1_753_000_000, 0),
        headers: Headers::from([
            ("forebay-attempt".to_owned(), "3".to_owned()),
            ("shop-tag".to_owned(), "반품 ✓ \"quoted\" \\".to_owned()),
            ("empty".to_owned(), String::new()),
        ]),
        body: Bytes::from_static("{\"id\":\"1\",\n \"data\" : {\"name\":\"김\"} }".as_bytes()),
    };
    let mut fraction = sent.clone();
    fraction.timestamp = DateTime::from_timestamp(1_753_000_000, 999_999_999);
    let bare = Message {
        id: String::new(),
        kind: String::new(),
        timestamp: None,
        headers: Headers::new(),
        body: Bytes::from_static(b"not json"),
    };
    let route = Route::Work(Queue::Returns);
    let consumer = consume(&broker, &Queue::Returns, 10);
    // A time stamp has whole seconds.
    for (message, wanted) in [(&sent, &sent), (&fraction, &sent), (&bare, &bare)] {
        publish(&broker, vec![Outgoing { route: route.clone(), message: message.clone() }]).await;
        let came = receive_all(&consumer, 1).await;
        assert_eq!(came[0].message, *wanted);
        assert_eq!((came[0].redelivered, came[0].delivery_count), (false, 0), "it is new");
        acknowledge(&consumer, &came).await;
    }
    broker.close().await;
}

/// A body is bytes, whatever they mean.
pub async fn odd_bodies_survive(harness: &dyn Harness) {
    let broker = declared(harness).await;
    let bodies = [
        Bytes::new(),
        Bytes::from_static(b"\0"),
        Bytes::from_static(b"\xff\xfe\x80 not UTF-8"),
        Bytes::from_static(b"a\0b\r\n'\"--;"),
        Bytes::from((0..=255).collect::<Vec<u8>>()),
        Bytes::from(vec![b'x'; 60 * 1024]),
    ];
    let batch = bodies.iter().enumerate().map(|(n, body)| {
        let mut outgoing = to(&Queue::Results, &n.to_string());
        outgoing.message.body = body.clone();
        outgoing
    });
    publish(&broker, batch.collect()).await;
    let consumer = consume(&broker, &Queue::Results, 10);
    let mut came = receive_all(&consumer, bodies.len()).await;
    came.sort_by(|a, b| a.message.id.cmp(&b.message.id));
    let came_bodies: Vec<_> = came.iter().map(|delivery| delivery.message.body.clone()).collect();
    assert_eq!(came_bodies, bodies);
    broker.close().await;
}

/// 1,000 messages in one call: all stored, each once.
pub async fn a_large_batch_is_stored_whole(harness: &dyn Harness) {
    let broker = declared(harness).await;
    let names = numbered("m", 1000);
    fill(&broker, &Queue::Rewards, &names).await;
    let consumer = consume(&broker, &Queue::Rewards, 1000);
    let came = receive_all(&consumer, names.len()).await;
    assert_eq!(id_set(&came), names.into_iter().collect());
    broker.close().await;
}

/// No message, no result.
pub async fn an_empty_batch_has_no_results(harness: &dyn Harness) {
    let broker = declared(harness).await;
    assert_eq!(broker.publisher().publish(Vec::new()).await, []);
    broker.close().await;
}

/// Each type of the catalogue that comes in reaches the queue that is bound for it, and no other.
pub async fn an_event_goes_to_the_queue_bound_for_its_type(harness: &dyn Harness) {
    let broker = declared(harness).await;
    let bindings = super::scene::topology().bindings();
    let batch = bindings.iter().map(|(kind, _)| event(kind.name(), kind.name()));
    publish(&broker, batch.collect()).await;
    for queue in [Queue::Returns, Queue::Rewards] {
        let bound = bindings.iter().filter(|(_, q)| *q == queue).map(|(k, _)| k.name().to_owned());
        let bound: BTreeSet<String> = bound.collect();
        let consumer = consume(&broker, &queue, 10);
        let came = receive_all(&consumer, bound.len()).await;
        assert_eq!(id_set(&came), bound);
        nothing_comes(&consumer).await;
    }
    becomes_empty(&broker, &Queue::Unrouted).await;
    broker.close().await;
}

/// Nothing that was confirmed is dropped for want of a binding.
pub async fn an_event_that_no_queue_is_bound_for_lands_in_unrouted(harness: &dyn Harness) {
    let broker = declared(harness).await;
    publish(&broker, vec![event("shop.opened.v1", "e1"), event("", "e2"), event("order.paid.v2", "e3")])
        .await;
    let consumer = consume(&broker, &Queue::Unrouted, 10);
    let came = receive_all(&consumer, 3).await;
    assert_eq!(id_set(&came), ["e1", "e2", "e3"].map(str::to_owned).into());
    assert!(came.iter().all(|delivery| delivery.message.body == message(&delivery.message.id).body));
    broker.close().await;
}

/// The way in that the shop can write to carries no member's command, only HTTP does.
pub async fn a_members_command_can_not_come_in_as_an_event(harness: &dyn Harness) {
    let broker = declared(harness).await;
    publish(&broker, vec![event(EventType::ClaimRequested.name(), "claim")]).await;
    let unrouted = consume(&broker, &Queue::Unrouted, 10);
    assert_eq!(ids(&receive(&unrouted, 1).await), ["claim"]);
    becomes_empty(&broker, &Queue::Rewards).await;
    broker.close().await;
}

/// Nobody need listen to what happened.
pub async fn a_fact_without_a_listener_is_confirmed_and_gone(harness: &dyn Harness) {
    let broker = declared(harness).await;
    let fact = Route::Fact(EventType::PointsChanged.name().to_owned());
    publish(&broker, vec![Outgoing { route: fact, message: message("fact") }]).await;
    for queue in [Queue::Unrouted, Queue::Dead, Queue::Rewards] {
        becomes_empty(&broker, &queue).await;
    }
    broker.close().await;
}

/// The catalogue's own route of a member's command works.
pub async fn a_members_command_reaches_its_work_queue(harness: &dyn Harness) {
    let broker = declared(harness).await;
    let route = Route::inbound(EventType::ClaimRequested);
    publish(&broker, vec![Outgoing { route, message: message("claim") }]).await;
    let consumer = consume(&broker, &Queue::Rewards, 10);
    assert_eq!(ids(&receive(&consumer, 1).await), ["claim"]);
    broker.close().await;
}

/// A name that is too long is refused for good, and its neighbours are stored.
pub async fn what_does_not_fit_fails_alone(harness: &dyn Harness) {
    let broker = declared(harness).await;
    let long = "x".repeat(300);
    let mut batch = vec![to(&Queue::Rewards, "first"), to(&Queue::Rewards, &long)];
    let mut long_kind = to(&Queue::Rewards, "kind");
    long_kind.message.kind.clone_from(&long);
    let mut long_header = to(&Queue::Rewards, "header");
    long_header.message.headers.insert(long.clone(), "v".to_owned());
    batch.extend([long_kind, to(&Queue::Rewards, "middle"), long_header]);
    batch.extend([event(&long, "route"), to(&Queue::Rewards, "last")]);
    let results = broker.publisher().publish(batch).await;
    assert_eq!(results.len(), 7);
    for (n, result) in results.iter().enumerate() {
        match n {
            0 | 3 | 6 => assert_eq!(*result, Ok(()), "message {n}"),
            _ => assert!(matches!(result, Err(PublishError::TooLarge(_))), "message {n}: {result:?}"),
        }
    }
    let consumer = consume(&broker, &Queue::Rewards, 10);
    let stored = ["first", "middle", "last"].map(str::to_owned);
    assert_eq!(id_set(&receive_all(&consumer, 3).await), stored.into());
    nothing_comes(&consumer).await;
    broker.close().await;
}

/// A queue that the topology does not have takes nothing, and says so.
pub async fn a_queue_that_is_not_there_fails_its_messages_alone(harness: &dyn Harness) {
    let broker = declared(harness).await;
    let missing = Queue::Tracking(adapter("nobody"));
    let there = Queue::Tracking(adapter("carrier-one"));
    let batch = vec![to(&there, "first"), to(&missing, "none"), to(&there, "last")];
    let results = broker.publisher().publish(batch).await;
    assert_eq!((&results[0], &results[2]), (&Ok(()), &Ok(())));
    assert!(matches!(results[1], Err(PublishError::Unroutable(_))), "{:?}", results[1]);
    let consumer = consume(&broker, &there, 10);
    assert_eq!(id_set(&receive_all(&consumer, 2).await), ["first", "last"].map(str::to_owned).into());
    becomes_empty(&broker, &Queue::Unrouted).await;
    broker.close().await;
}

/// 32 tasks at once, each with one bad message at a place of its own: result `i` is the fate of message `i`.
pub async fn results_of_concurrent_publishes_are_never_mixed_up(harness: &dyn Harness) {
    const TASKS: usize = 32;
    const EACH: usize = 40;
    let broker = declared(harness).await;
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let publisher = broker.publisher();
        tasks.spawn(async move {
            let mut batch: Vec<_> = (0..EACH).map(|n| to(&Queue::Rewards, &format!("{task}-{n}"))).collect();
            batch[task].message.kind = "x".repeat(300);
            (task, publisher.publish(batch).await)
        });
    }
    while let Some(done) = tasks.join_next().await {
        let (task, results) = done.expect("no task panics");
        assert_eq!(results.len(), EACH);
        for (n, result) in results.iter().enumerate() {
            assert_eq!(result.is_err(), n == task, "task {task}, message {n}: {result:?}");
        }
    }
    let consumer = consume(&broker, &Queue::Rewards, 200);
    let mut came = Vec::new();
    while came.len() < TASKS * (EACH - 1) {
        let some = receive(&consumer, 100).await;
        acknowledge(&consumer, &some).await;
        came.extend(some);
    }
    for delivery in &came {
        assert_eq!(delivery.message, message(&delivery.message.id), "a body came under another id");
    }
    assert_eq!(id_set(&came).len(), TASKS * (EACH - 1));
    nothing_comes(&consumer).await;
    broker.close().await;
}

fn event(kind: &str, id: &str) -> Outgoing {
    Outgoing { route: Route::Event(kind.to_owned()), message: message(id) }
}
