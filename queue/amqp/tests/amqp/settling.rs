//! Many acknowledgements in one word: it never reaches what is not settled, and the broker never takes one for a fault.

use std::collections::BTreeSet;
use std::sync::Arc;

use forebay_queue::conformance::scene::{LINGER, id_set, nothing_comes, numbered, receive_all, to};
use forebay_queue::{Broker as _, ConsumeOptions, Delivery, Receipt, Settlement};
use forebay_schemas::Queue;

use crate::support::Vhost;

fn acks<'d>(deliveries: impl IntoIterator<Item = &'d Delivery>) -> Vec<(Receipt, Settlement)> {
    deliveries.into_iter().map(|delivery| (delivery.receipt, Settlement::Ack)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_acknowledged_among_many_comes_again() {
    let vhost = Vhost::fresh().await;
    let broker = vhost.broker().await;
    let batch = numbered("m", 12).iter().map(|id| to(&Queue::Rewards, id)).collect();
    assert!(broker.publisher().publish(batch).await.iter().all(Result::is_ok));
    let consumer = broker.consume(Queue::Rewards, ConsumeOptions { prefetch: 20 });
    let held = receive_all(&consumer, 12).await;
    let kept = [3, 7, 8];
    let mut done = acks(held.iter().enumerate().filter(|(place, _)| !kept.contains(place)).map(|(_, d)| d));
    // In no order, and a part of them given back.
    done.reverse();
    let returned = done.swap_remove(5).0;
    done.push((returned, Settlement::Return));
    assert!(consumer.settle(done).await.iter().all(Result::is_ok));
    let again = receive_all(&consumer, 1).await;
    assert_eq!(again[0].message.id, held.iter().find(|d| d.receipt == returned).unwrap().message.id);
    assert!(consumer.settle(acks(&again)).await.iter().all(Result::is_ok));
    assert!(consumer.settle(acks(&again)).await.iter().all(Result::is_err), "it was settled");
    broker.close().await;

    let broker = vhost.broker().await;
    let consumer = broker.consume(Queue::Rewards, ConsumeOptions { prefetch: 20 });
    let rest = receive_all(&consumer, kept.len()).await;
    let expected: BTreeSet<String> = kept.map(|place| held[place].message.id.clone()).into();
    assert_eq!(id_set(&rest), expected);
    broker.close().await;
    vhost.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_are_acknowledged_at_once_and_out_of_turn_are_no_fault() {
    const MANY: usize = 3_000;
    let vhost = Vhost::fresh().await;
    let broker = vhost.broker().await;
    let batch = numbered("m", MANY).iter().map(|id| to(&Queue::Rewards, id)).collect();
    assert!(broker.publisher().publish(batch).await.iter().all(Result::is_ok));
    let consumer = broker.consume(Queue::Rewards, ConsumeOptions { prefetch: 600 });
    let mut settling = tokio::task::JoinSet::new();
    let mut taken = 0;
    while taken < MANY {
        let held = consumer.receive(100, LINGER).await;
        taken += held.len();
        // Every third of a batch by itself, so that each word ends where another one's part begins.
        let mut parts = [Vec::new(), Vec::new(), Vec::new()];
        for (place, delivery) in held.iter().enumerate() {
            parts[place % 3].push((delivery.receipt, Settlement::Ack));
        }
        for part in parts {
            let consumer = Arc::clone(&consumer);
            settling.spawn(async move { consumer.settle(part).await });
        }
    }
    while let Some(answers) = settling.join_next().await {
        assert!(answers.unwrap().iter().all(Result::is_ok));
    }
    assert_eq!(taken, MANY, "each came once");
    assert_eq!(broker.stats().figures().resubscribed, 0);
    broker.close().await;

    let broker = vhost.broker().await;
    nothing_comes(&broker.consume(Queue::Rewards, ConsumeOptions { prefetch: 20 })).await;
    broker.close().await;
    vhost.remove().await;
}
