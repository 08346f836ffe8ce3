//! Rules of receiving: how much, how soon, by whom.

use std::sync::Arc;
use std::time::Duration;

use forebay_schemas::Queue;
use tokio::time::{Instant, timeout};

use super::Harness;
use super::scene::{
    LINGER, PATIENCE, acknowledge, becomes_empty, consume, declared, depth_becomes, fill, id_set, ids,
    nothing_comes, numbered, receive, receive_all, to, without,
};

const WORK: Queue = Queue::Rewards;
/// Far longer than anything that does not wait for it.
const LONG_LINGER: Duration = Duration::from_secs(30);

/// A full batch does not wait for the linger.
pub async fn receive_returns_as_soon_as_enough_is_there(harness: &dyn Harness) {
    let broker = declared(harness).await;
    fill(&broker, &WORK, numbered("m", 5)).await;
    let consumer = consume(&broker, &WORK, 10);
    let began = Instant::now();
    let came = timeout(PATIENCE, consumer.receive(3, LONG_LINGER)).await.expect("three are there");
    assert_eq!(id_set(&came).len(), 3);
    assert!(began.elapsed() < LONG_LINGER / 2, "it waited {:?}", began.elapsed());
    broker.close().await;
}

/// A batch that does not fill is given out after the linger, not before and not never.
pub async fn receive_returns_when_the_linger_is_over(harness: &dyn Harness) {
    let broker = declared(harness).await;
    let consumer = consume(&broker, &WORK, 10);
    fill(&broker, &WORK, ["a", "b"]).await;
    let came = timeout(PATIENCE, consumer.receive(10, Duration::from_secs(2))).await.expect("two are there");
    assert_eq!(id_set(&came), ["a", "b"].map(str::to_owned).into());
    broker.close().await;
}

/// Nobody need poll.
pub async fn a_waiting_receive_is_woken_by_a_publish(harness: &dyn Harness) {
    let broker = declared(harness).await;
    let consumer = consume(&broker, &WORK, 10);
    let waiting = tokio::spawn({
        let consumer = Arc::clone(&consumer);
        async move { receive(&consumer, 1).await }
    });
    nothing_comes(&consume(&broker, &Queue::Results, 1)).await;
    assert!(!waiting.is_finished());
    fill(&broker, &WORK, ["m"]).await;
    let came = timeout(PATIENCE, waiting).await.expect("it is woken").expect("it does not panic");
    assert_eq!(ids(&came), ["m"]);
    broker.close().await;
}

/// Dropping the future in the middle of its linger loses nothing and doubles nothing.
pub async fn a_dropped_receive_forgets_nothing(harness: &dyn Harness) {
    const COUNT: usize = 100;
    let broker = declared(harness).await;
    let consumer = consume(&broker, &WORK, 200);
    let publisher = broker.publisher();
    let publishing = tokio::spawn(async move {
        for n in 0..COUNT {
            assert_eq!(publisher.publish(vec![to(&WORK, &format!("m{n}"))]).await, [Ok(())]);
        }
    });
    let mut came = Vec::new();
    let until = Instant::now() + PATIENCE;
    let mut round = 0;
    while came.len() < COUNT {
        assert!(Instant::now() < until, "only {} of {COUNT} came", came.len());
        round += 1;
        // Four of five are given up before their linger is over.
        let wait = Duration::from_millis(if round % 5 == 0 { 50 } else { round % 5 });
        if let Ok(some) = timeout(wait, consumer.receive(7, LINGER)).await {
            assert!(!some.is_empty() && some.len() <= 7);
            came.extend(some);
        }
    }
    publishing.await.expect("every publish is confirmed");
    assert_eq!(id_set(&came), numbered("m", COUNT).into_iter().collect());
    assert!(came.iter().all(|delivery| !delivery.redelivered), "nothing was delivered before");
    acknowledge(&consumer, &came).await;
    nothing_comes(&consumer).await;
    broker.close().await;
}

/// The prefetch bounds what is held, and settling makes room.
pub async fn no_more_is_held_than_the_prefetch_allows(harness: &dyn Harness) {
    let broker = declared(harness).await;
    fill(&broker, &WORK, numbered("m", 8)).await;
    let consumer = consume(&broker, &WORK, 3);
    let mut all = receive_all(&consumer, 3).await;
    nothing_comes(&consumer).await;
    depth_becomes(&broker, &WORK, |depth| depth.ready == 5).await;
    acknowledge(&consumer, &all[..1]).await;
    all.extend(receive(&consumer, 8).await);
    assert_eq!(all.len(), 4, "one was settled, so one more came");
    nothing_comes(&consumer).await;
    acknowledge(&consumer, &all[1..]).await;
    all.extend(receive_all(&consumer, 3).await);
    assert_eq!(id_set(&all).len(), 7, "each comes once");
    broker.close().await;
}

/// Each message goes to one of them, and one that is full does not keep the other from working.
pub async fn consumers_that_share_a_queue_share_its_messages(harness: &dyn Harness) {
    let broker = declared(harness).await;
    fill(&broker, &WORK, numbered("m", 20)).await;
    let one = consume(&broker, &WORK, 10);
    let mut came = receive_all(&one, 10).await;
    let other = consume(&broker, &WORK, 10);
    came.extend(receive_all(&other, 10).await);
    assert_eq!(id_set(&came), numbered("m", 20).into_iter().collect());
    acknowledge(&one, &came[..10]).await;
    acknowledge(&other, &came[10..]).await;
    becomes_empty(&broker, &WORK).await;
    broker.close().await;
}

/// A pause stops new deliveries only.
pub async fn a_paused_consumer_gets_nothing_new_and_settles_what_it_holds(harness: &dyn Harness) {
    let broker = declared(harness).await;
    fill(&broker, &WORK, numbered("before", 6)).await;
    let consumer = consume(&broker, &WORK, 4);
    let held = receive_all(&consumer, 2).await;
    consumer.pause().await;
    fill(&broker, &WORK, ["after"]).await;
    nothing_comes(&consumer).await;
    acknowledge(&consumer, &held).await;
    nothing_comes(&consumer).await;
    consumer.resume().await;
    let rest = receive_all(&consumer, 4).await;
    acknowledge(&consumer, &rest).await;
    let last = receive_all(&consumer, 1).await;
    acknowledge(&consumer, &last).await;
    let mut rest_ids = id_set(&rest);
    rest_ids.extend(id_set(&last));
    let mut wanted = without(numbered("before", 6), &held);
    wanted.insert("after".to_owned());
    assert_eq!(rest_ids, wanted);
    becomes_empty(&broker, &WORK).await;
    broker.close().await;
}

/// A receive that waits returns empty, and so does every later one.
pub async fn closing_a_consumer_ends_its_receive(harness: &dyn Harness) {
    let broker = declared(harness).await;
    let consumer = consume(&broker, &WORK, 10);
    let waiting = tokio::spawn({
        let consumer = Arc::clone(&consumer);
        async move { consumer.receive(1, LINGER).await }
    });
    consumer.close().await;
    let came = timeout(PATIENCE, waiting).await.expect("it ends").expect("it does not panic");
    assert!(came.is_empty(), "{came:?}");
    fill(&broker, &WORK, ["m"]).await;
    let came = timeout(PATIENCE, consumer.receive(1, LINGER)).await.expect("it returns at once");
    assert!(came.is_empty(), "{came:?}");
    consumer.close().await;
    consumer.resume().await;
    assert!(timeout(PATIENCE, consumer.receive(1, LINGER)).await.expect("it stays closed").is_empty());
    assert_eq!(ids(&receive(&consume(&broker, &WORK, 1), 1).await), ["m"], "nobody took it");
    broker.close().await;
}

/// What was fetched ahead goes back when the consumer is closed, though the consumer lives on.
pub async fn what_was_never_received_comes_again_after_close(harness: &dyn Harness) {
    let broker = declared(harness).await;
    fill(&broker, &WORK, numbered("m", 10)).await;
    let closed = consume(&broker, &WORK, 10);
    let held = receive_all(&closed, 2).await;
    closed.close().await;
    let other = consume(&broker, &WORK, 10);
    let came = receive_all(&other, 8).await;
    assert_eq!(id_set(&came), without(numbered("m", 10), &held));
    nothing_comes(&other).await;
    broker.close().await;
}

/// Closing takes nothing away from whoever is still at work.
pub async fn what_was_received_can_be_settled_after_close(harness: &dyn Harness) {
    let broker = declared(harness).await;
    fill(&broker, &WORK, numbered("m", 3)).await;
    let consumer = consume(&broker, &WORK, 10);
    let held = receive_all(&consumer, 3).await;
    consumer.close().await;
    acknowledge(&consumer, &held).await;
    drop(consumer);
    becomes_empty(&broker, &WORK).await;
    nothing_comes(&consume(&broker, &WORK, 10)).await;
    broker.close().await;
}
