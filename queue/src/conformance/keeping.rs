//! Rules of keeping: what was confirmed outlives the process that confirmed it.

use std::sync::Arc;

use forebay_schemas::{Queue, Route, Tier};
use tokio::time::timeout;

use super::Harness;
use super::scene::{
    LINGER, PATIENCE, acknowledge, becomes_empty, consume, declared, depth_becomes, fill, id_set, ids,
    message, nothing_comes, numbered, publish, receive_all, to, without,
};
use crate::consumer::Settlement;
use crate::publisher::{Outgoing, PublishError};

const WORK: Queue = Queue::Results;

/// Stored is stored, in work queues and tiers alike.
pub async fn what_was_confirmed_is_there_after_a_restart(harness: &dyn Harness) {
    let broker = declared(harness).await;
    fill(&broker, &WORK, numbered("m", 50)).await;
    let delayed = Route::Delay(Tier::H1, WORK);
    publish(&broker, vec![Outgoing { route: delayed, message: message("later") }]).await;
    broker.close().await;
    drop(broker);

    let broker = harness.broker().await;
    assert_eq!(broker.check(&super::scene::topology()).await, Ok(()), "the declaration was kept, too");
    let consumer = consume(&broker, &WORK, 100);
    let came = receive_all(&consumer, 50).await;
    assert_eq!(id_set(&came), numbered("m", 50).into_iter().collect());
    acknowledge(&consumer, &came).await;
    nothing_comes(&consumer).await;
    depth_becomes(&broker, &Queue::Delay(Tier::H1), |depth| depth.ready == 1).await;
    broker.close().await;
}

/// What was in somebody's hands comes again; what was acknowledged does not.
pub async fn what_was_held_at_a_restart_comes_again(harness: &dyn Harness) {
    let broker = declared(harness).await;
    fill(&broker, &WORK, numbered("m", 6)).await;
    let consumer = consume(&broker, &WORK, 4);
    let held = receive_all(&consumer, 4).await;
    acknowledge(&consumer, &held[..2]).await;
    broker.close().await;
    drop((consumer, broker));

    let broker = harness.broker().await;
    let consumer = consume(&broker, &WORK, 10);
    let came = receive_all(&consumer, 4).await;
    assert_eq!(id_set(&came), without(numbered("m", 6), &held[..2]));
    let twice = ids(&held[2..]);
    for delivery in came.iter().filter(|delivery| twice.contains(&delivery.message.id.as_str())) {
        assert!(delivery.redelivered && delivery.delivery_count >= 1, "{delivery:?}");
    }
    acknowledge(&consumer, &came).await;
    becomes_empty(&broker, &WORK).await;
    broker.close().await;
}

/// Waiting calls end, later ones fail at once, and closing twice is no harm.
pub async fn closing_the_broker_ends_everything_cleanly(harness: &dyn Harness) {
    let broker = declared(harness).await;
    fill(&broker, &WORK, ["m"]).await;
    let holder = consume(&broker, &WORK, 1);
    let held = receive_all(&holder, 1).await;
    let idle = consume(&broker, &Queue::Notices, 1);
    let waiting = tokio::spawn({
        let idle = Arc::clone(&idle);
        async move { idle.receive(1, LINGER).await }
    });
    timeout(PATIENCE, broker.close()).await.expect("closing ends");
    let came = timeout(PATIENCE, waiting).await.expect("receive ends").expect("it does not panic");
    assert!(came.is_empty(), "{came:?}");
    assert!(timeout(PATIENCE, idle.receive(1, LINGER)).await.expect("it returns at once").is_empty());
    let late = timeout(PATIENCE, broker.publisher().publish(vec![to(&WORK, "late")])).await;
    let late = late.expect("a late publish returns");
    assert!(matches!(late[0], Err(PublishError::Unavailable(_))), "{late:?}");
    let settled = timeout(PATIENCE, holder.settle(vec![(held[0].receipt, Settlement::Ack)])).await;
    assert!(settled.expect("a late settlement returns")[0].is_err(), "nothing is held any more");
    let after = timeout(PATIENCE, consume(&broker, &WORK, 1).receive(1, LINGER)).await;
    assert!(after.expect("a late consumer is closed").is_empty());
    timeout(PATIENCE, broker.close()).await.expect("closing twice ends");
    drop((holder, idle, broker));

    let broker = harness.broker().await;
    let came = receive_all(&consume(&broker, &WORK, 10), 1).await;
    assert_eq!(
        id_set(&came),
        ["m".to_owned()].into(),
        "what was held comes again, what was refused does not"
    );
    broker.close().await;
}
