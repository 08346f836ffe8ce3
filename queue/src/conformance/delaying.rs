//! Rules of the delay tiers.

use std::time::Duration;

use forebay_schemas::{Code, Queue, Route, Tier, Trail};
use tokio::time::{Instant, timeout};

use super::Harness;
use super::scene::{
    LINGER, acknowledge, adapter, becomes_empty, consume, declared, depth_becomes, fill, id_set, message,
    nothing_comes, numbered, publish, receive_all, settle, without,
};
use crate::consumer::Settlement;
use crate::publisher::Outgoing;

/// How late a message may come out of its tier on a machine that is busy with other things; still before a longer tier
/// ends.
const LATE: Duration = Duration::from_secs(20);

/// The copy returns to its own queue with its new headers, not before its time, and not behind one that waits
/// longer and came first.
pub async fn a_delayed_copy_comes_back_after_its_tier_and_not_behind_a_longer_one(harness: &dyn Harness) {
    let broker = declared(harness).await;
    let queue = Queue::Tracking(adapter("carrier-one"));
    fill(&broker, &queue, ["long", "short"]).await;
    let consumer = consume(&broker, &queue, 10);
    let held = receive_all(&consumer, 2).await;
    let trail = Trail { attempts: 1, code: Some(Code::Timeout), ..Trail::default() };
    let copies: Vec<_> = held.iter().map(|d| d.message.clone().with_trail(&trail)).collect();
    let began = Instant::now();
    let items = vec![
        (held[0].receipt, Settlement::Delay(Tier::S30, copies[0].clone())),
        (held[1].receipt, Settlement::Delay(Tier::S5, copies[1].clone())),
    ];
    assert_eq!(consumer.settle(items).await, [Ok(()), Ok(())]);
    becomes_empty(&broker, &queue).await;

    let came = timeout(Tier::S5.duration() + LATE, consumer.receive(1, LINGER)).await;
    let came = came.expect("the short delay is not stuck behind the long one");
    // The broker's clock may tick a little differently from ours.
    let least = Tier::S5.duration() - Duration::from_millis(200);
    assert!(began.elapsed() >= least, "it came after {:?}", began.elapsed());
    assert_eq!(came.len(), 1);
    assert_eq!(came[0].message, copies[1]);
    assert_eq!(came[0].message.trail(), trail);
    assert_eq!((came[0].redelivered, came[0].delivery_count), (false, 0), "the copy is a new message");
    acknowledge(&consumer, &came).await;
    nothing_comes(&consumer).await;
    depth_becomes(&broker, &Queue::Delay(Tier::S30), |depth| depth.ready == 1).await;
    broker.close().await;
}

/// A producer can delay, too; each message comes out in the queue it was meant for, while nobody consumes at first.
pub async fn a_message_published_into_a_tier_comes_out_in_its_queue(harness: &dyn Harness) {
    let broker = declared(harness).await;
    let began = Instant::now();
    let delayed = |queue, id| Outgoing { route: Route::Delay(Tier::S5, queue), message: message(id) };
    publish(&broker, vec![delayed(Queue::Results, "one"), delayed(Queue::Notices, "other")]).await;
    for (queue, id) in [(Queue::Results, "one"), (Queue::Notices, "other")] {
        let depth = depth_becomes(&broker, &queue, |depth| depth.ready == 1).await;
        assert!(began.elapsed() >= Tier::S5.duration() - Duration::from_millis(200), "{depth:?} too early");
        let consumer = consume(&broker, &queue, 10);
        let came = receive_all(&consumer, 1).await;
        assert_eq!(came[0].message, message(id));
        acknowledge(&consumer, &came).await;
        becomes_empty(&broker, &queue).await;
    }
    becomes_empty(&broker, &Queue::Delay(Tier::S5)).await;
    broker.close().await;
}

/// A pause that lasts: what was fetched ahead waits in its queue like the rest, and was never delivered as far as
/// anybody counts.
pub async fn what_a_paused_consumer_never_received_is_put_off_without_a_count(harness: &dyn Harness) {
    let broker = declared(harness).await;
    let queue = Queue::Results;
    fill(&broker, &queue, numbered("m", 6)).await;
    let consumer = consume(&broker, &queue, 4);
    let held = receive_all(&consumer, 2).await;
    depth_becomes(&broker, &queue, |depth| depth.ready == 2).await;
    consumer.pause().await;
    // What is settled early makes room for more that is on its way.
    acknowledge(&consumer, &held).await;
    let until = Instant::now() + Tier::S5.duration() + LATE;
    let mut ahead = 0;
    loop {
        for delivery in consumer.unreceived() {
            ahead += 1;
            let copy = Settlement::Delay(Tier::S5, delivery.message.clone());
            settle(&consumer, &[delivery], &copy).await;
        }
        let depth = broker.depth(&queue).await.expect("the broker is there");
        if depth.ready == 4 && depth.unsettled.unwrap_or(0) == 0 {
            break;
        }
        assert!(Instant::now() < until, "{depth:?} after {ahead} were put off");
        tokio::time::sleep(LINGER).await;
    }
    assert!(ahead >= 2, "{ahead} were fetched ahead");
    nothing_comes(&consumer).await;
    consumer.resume().await;
    let rest = receive_all(&consumer, 4).await;
    assert_eq!(id_set(&rest), without(numbered("m", 6), &held));
    assert!(rest.iter().all(|delivery| !delivery.redelivered && delivery.delivery_count == 0), "{rest:?}");
    acknowledge(&consumer, &rest).await;
    becomes_empty(&broker, &queue).await;
    consumer.close().await;
    assert!(consumer.unreceived().is_empty());
    broker.close().await;
}
