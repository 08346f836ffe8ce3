//! Rules of settling: each delivery once, and nothing is lost on the way.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use forebay_schemas::{Code, Queue, Trail};
use tokio::task::JoinSet;

use super::Harness;
use super::scene::{
    acknowledge, becomes_empty, consume, declared, depth_becomes, fill, id_set, message, nothing_comes,
    numbered, publish, receive, receive_all, settle, to, without,
};
use crate::consumer::{Receipt, Settlement};

const WORK: Queue = Queue::Returns;

/// It is gone for good, also for other consumers.
pub async fn an_acknowledged_message_never_comes_again(harness: &dyn Harness) {
    let broker = declared(harness).await;
    fill(&broker, &WORK, numbered("m", 10)).await;
    let consumer = consume(&broker, &WORK, 20);
    let held = receive_all(&consumer, 10).await;
    acknowledge(&consumer, &held).await;
    becomes_empty(&broker, &WORK).await;
    drop(consumer);
    nothing_comes(&consume(&broker, &WORK, 20)).await;
    broker.close().await;
}

/// Whoever held it may have crashed on it: it comes again and says so.
pub async fn what_a_dropped_consumer_held_comes_again(harness: &dyn Harness) {
    let broker = declared(harness).await;
    fill(&broker, &WORK, numbered("m", 3)).await;
    let dropped = consume(&broker, &WORK, 10);
    let held = receive_all(&dropped, 3).await;
    acknowledge(&dropped, &held[..1]).await;
    drop(dropped);
    let consumer = consume(&broker, &WORK, 10);
    let came = receive_all(&consumer, 2).await;
    assert_eq!(id_set(&came), without(numbered("m", 3), &held[..1]));
    for delivery in &came {
        assert!(delivery.redelivered, "{delivery:?}");
        assert!(delivery.delivery_count >= 1, "{delivery:?}");
        assert_eq!(delivery.message, message(&delivery.message.id));
    }
    broker.close().await;
}

/// Given back means delivered again, with the same bytes.
pub async fn a_returned_message_comes_again_untouched(harness: &dyn Harness) {
    let broker = declared(harness).await;
    fill(&broker, &WORK, ["m"]).await;
    let consumer = consume(&broker, &WORK, 10);
    let held = receive(&consumer, 1).await;
    settle(&consumer, &held, &Settlement::Return).await;
    let again = receive(&consumer, 1).await;
    assert_eq!(again[0].message, message("m"));
    assert!(again[0].redelivered, "{again:?}");
    assert_ne!(again[0].receipt, held[0].receipt);
    acknowledge(&consumer, &again).await;
    becomes_empty(&broker, &WORK).await;
    broker.close().await;
}

/// The body, whatever it is, and the new headers arrive; the original is gone.
pub async fn a_dead_letter_lands_among_the_dead_with_its_bytes(harness: &dyn Harness) {
    let broker = declared(harness).await;
    let mut outgoing = to(&WORK, "broken");
    outgoing.message.body = Bytes::from_static(b"\x00\xff{broken");
    publish(&broker, vec![outgoing]).await;
    let consumer = consume(&broker, &WORK, 10);
    let held = receive(&consumer, 1).await;
    let trail = Trail {
        attempts: 7,
        queue: Some(WORK.to_string()),
        code: Some(Code::Timeout),
        error: Some("no answer".to_owned()),
        ..Trail::default()
    };
    let copy = held[0].message.clone().with_trail(&trail);
    settle(&consumer, &held, &Settlement::DeadLetter(copy.clone())).await;
    let archive = consume(&broker, &Queue::Dead, 10);
    let dead = receive(&archive, 1).await;
    assert_eq!(dead[0].message, copy);
    assert_eq!(dead[0].message.trail(), trail);
    assert_eq!((dead[0].redelivered, dead[0].delivery_count), (false, 0), "the copy is a new message");
    becomes_empty(&broker, &WORK).await;
    broker.close().await;
}

/// The second time is told as lost, in a later call or in the same one.
pub async fn a_delivery_is_settled_once(harness: &dyn Harness) {
    let broker = declared(harness).await;
    fill(&broker, &WORK, ["a", "b"]).await;
    let consumer = consume(&broker, &WORK, 10);
    let held = receive_all(&consumer, 2).await;
    acknowledge(&consumer, &held[..1]).await;
    let again = consumer.settle(vec![(held[0].receipt, Settlement::Ack)]).await;
    assert!(again[0].is_err(), "{again:?}");
    let copy = Settlement::DeadLetter(held[0].message.clone());
    assert!(consumer.settle(vec![(held[0].receipt, copy)]).await[0].is_err());
    let twice = vec![(held[1].receipt, Settlement::Ack), (held[1].receipt, Settlement::Ack)];
    let results = consumer.settle(twice).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
    becomes_empty(&broker, &WORK).await;
    becomes_empty(&broker, &Queue::Dead).await;
    broker.close().await;
}

/// A receipt of another consumer, or of nobody, settles nothing.
pub async fn a_foreign_receipt_is_lost_and_harmless(harness: &dyn Harness) {
    let broker = declared(harness).await;
    fill(&broker, &WORK, ["a", "b"]).await;
    let one = consume(&broker, &WORK, 1);
    let of_one = receive(&one, 1).await;
    let other = consume(&broker, &WORK, 1);
    let of_other = receive(&other, 1).await;
    let receipt = of_one[0].receipt;
    let made_up = [
        receipt,
        Receipt { epoch: u64::MAX, tag: u64::MAX },
        Receipt { epoch: receipt.epoch, tag: u64::MAX },
        Receipt { epoch: u64::MAX, tag: receipt.tag },
    ];
    for settlement in [Settlement::Ack, Settlement::Return, Settlement::DeadLetter(message("a"))] {
        let items = made_up.iter().map(|receipt| (*receipt, settlement.clone())).collect();
        let results = other.settle(items).await;
        assert!(results.iter().all(Result::is_err), "{settlement:?}: {results:?}");
    }
    becomes_empty(&broker, &Queue::Dead).await;
    acknowledge(&one, &of_one).await;
    acknowledge(&other, &of_other).await;
    becomes_empty(&broker, &WORK).await;
    broker.close().await;
}

/// Once a message was delivered to somebody else, the first holder's receipt can't touch it.
pub async fn a_receipt_of_an_earlier_delivery_is_lost_and_harmless(harness: &dyn Harness) {
    let broker = declared(harness).await;
    fill(&broker, &WORK, ["m"]).await;
    let first = consume(&broker, &WORK, 1);
    let old = receive(&first, 1).await;
    drop(first);
    let second = consume(&broker, &WORK, 1);
    let held = receive(&second, 1).await;
    assert!(second.settle(vec![(old[0].receipt, Settlement::Ack)]).await[0].is_err());
    depth_becomes(&broker, &WORK, |depth| depth.ready == 0 && depth.unsettled != Some(0)).await;
    settle(&second, &held, &Settlement::Return).await;
    let again = receive(&second, 1).await;
    assert!(second.settle(vec![(held[0].receipt, Settlement::Ack)]).await[0].is_err());
    acknowledge(&second, &again).await;
    becomes_empty(&broker, &WORK).await;
    broker.close().await;
}

/// Many handlers settle at once, each in its way, and each gets its own answer.
pub async fn many_tasks_settle_at_once(harness: &dyn Harness) {
    const COUNT: usize = 200;
    let broker = declared(harness).await;
    fill(&broker, &WORK, numbered("m", COUNT)).await;
    let consumer = consume(&broker, &WORK, 200);
    let held = receive_all(&consumer, COUNT).await;
    let every_fourth = |from: usize| {
        let names = held.iter().skip(from).step_by(4).map(|delivery| delivery.message.id.clone());
        names.collect::<BTreeSet<String>>()
    };
    let (buried, returned) = (every_fourth(0), every_fourth(1));
    let mut tasks = JoinSet::new();
    for (n, delivery) in held.into_iter().enumerate() {
        let consumer = Arc::clone(&consumer);
        tasks.spawn(async move {
            let settlement = match n % 4 {
                0 => Settlement::DeadLetter(delivery.message.clone()),
                1 => Settlement::Return,
                _ => Settlement::Ack,
            };
            consumer.settle(vec![(delivery.receipt, settlement)]).await
        });
    }
    while let Some(done) = tasks.join_next().await {
        assert_eq!(done.expect("no task panics"), [Ok(())]);
    }
    let again = receive_all(&consumer, COUNT / 4).await;
    assert_eq!(id_set(&again), returned);
    acknowledge(&consumer, &again).await;
    let archive = consume(&broker, &Queue::Dead, 200);
    let dead = receive_all(&archive, COUNT / 4).await;
    assert_eq!(id_set(&dead), buried);
    becomes_empty(&broker, &WORK).await;
    broker.close().await;
}
