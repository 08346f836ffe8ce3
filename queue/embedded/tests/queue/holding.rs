//! What this back end promises beyond the contract: after a kill, when it is full, and by a clock of its own.

use std::future::Future as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Waker};

use crate::support::{FILE, PATIENCE};
use chrono::DateTime;
use forebay_queue::conformance::scene::{
    LINGER, acknowledge, becomes_empty, consume, depth_becomes, fill, id_set, ids, message, nothing_comes,
    numbered, publish, receive_all, settle, to, topology,
};
use forebay_queue::{Broker, Outgoing, PublishError, Settlement};
use forebay_queue_embedded::{Clock, EmbeddedBroker, Options};
use forebay_schemas::{Queue, Route, Tier};
use forebay_sqlite::Db;
use tempfile::TempDir;
use tokio::time::{Instant, timeout};

const WORK: Queue = Queue::Rewards;

async fn with(folder: &TempDir, clock: Clock, options: Options) -> (Arc<dyn Broker>, Db) {
    let db = crate::support::db(folder.path()).await;
    let broker = EmbeddedBroker::open(db.clone(), topology(), clock, options).await;
    (broker.expect("the file can be opened"), db)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_loses_nothing_that_was_confirmed_and_frees_what_was_held() {
    let folder = tempfile::tempdir().unwrap();
    let broker: Arc<dyn Broker> = crate::support::broker(&folder).await;
    fill(&broker, &WORK, numbered("m", 200)).await;
    let consumer = consume(&broker, &WORK, 50);
    let held = receive_all(&consumer, 40).await;
    acknowledge(&consumer, &held[..30]).await;
    let delayed = Route::Delay(Tier::H1, WORK);
    publish(&broker, vec![Outgoing { route: delayed, message: message("later") }]).await;

    // What a killed process leaves behind: the file and its journal, as they are now.
    let after = tempfile::tempdir().unwrap();
    for name in [FILE.to_owned(), format!("{FILE}-wal")] {
        std::fs::copy(folder.path().join(&name), after.path().join(&name)).unwrap();
    }
    let reopened: Arc<dyn Broker> = crate::support::broker(&after).await;
    depth_becomes(&reopened, &WORK, |depth| depth.ready == 170 && depth.unsettled == Some(0)).await;
    depth_becomes(&reopened, &Queue::Delay(Tier::H1), |depth| depth.ready == 1).await;
    let next = consume(&reopened, &WORK, 200);
    let came = receive_all(&next, 170).await;
    assert_eq!(ids(&came), numbered("m", 200).split_off(30));
    for delivery in &came[..10] {
        assert!(delivery.redelivered && delivery.delivery_count == 1, "{delivery:?}");
    }
    // The first process, were it still there, could not reach the copy: it settles its own file.
    acknowledge(&consumer, &held[30..]).await;
    acknowledge(&next, &came).await;
    becomes_empty(&reopened, &WORK).await;
    reopened.close().await;
    broker.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_received_does_not_count_as_delivered() {
    let folder = tempfile::tempdir().unwrap();
    let broker: Arc<dyn Broker> = crate::support::broker(&folder).await;
    fill(&broker, &WORK, numbered("m", 10)).await;
    for _ in 0..3 {
        let consumer = consume(&broker, &WORK, 10);
        depth_becomes(&broker, &WORK, |depth| depth.unsettled == Some(10)).await;
        drop(consumer);
        depth_becomes(&broker, &WORK, |depth| depth.ready == 10).await;
    }
    let came = receive_all(&consume(&broker, &WORK, 10), 10).await;
    assert!(came.iter().all(|delivery| !delivery.redelivered && delivery.delivery_count == 0), "{came:?}");
    broker.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_crash_on_a_message_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let broker: Arc<dyn Broker> = crate::support::broker(&folder).await;
    fill(&broker, &WORK, ["poison"]).await;
    for before in 0..5 {
        let held = receive_all(&consume(&broker, &WORK, 1), 1).await;
        assert_eq!((held[0].delivery_count, held[0].redelivered), (before, before > 0));
    }
    broker.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_what_is_new_and_settles_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let (broker, _) = with(&folder, crate::support::clock(), Options { max_messages: 5 }).await;
    let batch = numbered("m", 7).iter().map(|id| to(&WORK, id)).collect();
    let results = broker.publisher().publish(batch).await;
    assert_eq!(results[..5], [const { Ok(()) }; 5]);
    assert_eq!(results[5..], [const { Err(PublishError::Refused) }; 2]);

    let consumer = consume(&broker, &WORK, 10);
    let held = receive_all(&consumer, 5).await;
    settle(&consumer, &held[..1], &Settlement::DeadLetter(held[0].message.clone())).await;
    settle(&consumer, &held[1..2], &Settlement::Delay(Tier::H1, held[1].message.clone())).await;
    let full = broker.publisher().publish(vec![to(&WORK, "none")]).await;
    assert_eq!(full, [Err(PublishError::Refused)], "copies take the place of their originals");
    acknowledge(&consumer, &held[2..]).await;
    fill(&broker, &WORK, ["a", "b", "c"]).await;
    broker.close().await;
    drop((consumer, broker));

    let (broker, _) = with(&folder, crate::support::clock(), Options { max_messages: 5 }).await;
    let full = broker.publisher().publish(vec![to(&WORK, "none")]).await;
    assert_eq!(full, [Err(PublishError::Refused)], "the count survives a restart");
    broker.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_publishes_and_delays_settlements_until_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let (broker, db) = with(&folder, crate::support::clock(), Options::default()).await;
    fill(&broker, &WORK, ["m"]).await;
    let consumer = consume(&broker, &WORK, 10);
    let held = receive_all(&consumer, 1).await;
    // SQLite can not go below the pages that the file has: there is no room for anything new.
    pages(&db, 1).await;
    let mut large = to(&WORK, "large");
    large.message.body = vec![b'x'; 1_000_000].into();
    assert_eq!(broker.publisher().publish(vec![large.clone()]).await, [Err(PublishError::Refused)]);
    let settling = tokio::spawn({
        let consumer = Arc::clone(&consumer);
        let copy = large.message.clone();
        async move { consumer.settle(vec![(held[0].receipt, Settlement::DeadLetter(copy))]).await }
    });
    nothing_comes(&consumer).await;
    assert!(!settling.is_finished(), "it waits for room");
    pages(&db, 1_000_000).await;
    assert_eq!(timeout(PATIENCE, settling).await.unwrap().unwrap(), [Ok(())]);
    depth_becomes(&broker, &Queue::Dead, |depth| depth.ready == 1).await;
    becomes_empty(&broker, &WORK).await;
    broker.close().await;
}

async fn pages(db: &Db, most: u32) {
    let sql = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {most}"));
    db.write(|conn| {
        Box::pin(async move {
            sqlx::query(sql).execute(conn).await?;
            Ok::<_, forebay_sqlite::Error>(())
        })
    })
    .await
    .expect("a pragma can be set");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_fits_nowhere_leaves_the_message_in_its_queue() {
    let folder = tempfile::tempdir().unwrap();
    let broker: Arc<dyn Broker> = crate::support::broker(&folder).await;
    fill(&broker, &WORK, ["m"]).await;
    let consumer = consume(&broker, &WORK, 10);
    let held = receive_all(&consumer, 1).await;
    let mut copy = held[0].message.clone();
    copy.headers.insert("big".to_owned(), "x".repeat(200_000));
    let settled = consumer.settle(vec![(held[0].receipt, Settlement::DeadLetter(copy))]).await;
    assert!(settled[0].as_ref().is_err_and(|lost| lost.0.contains("does not fit")), "{settled:?}");
    assert_eq!(ids(&receive_all(&consumer, 1).await), ["m"]);
    becomes_empty(&broker, &Queue::Dead).await;
    broker.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_were_given_up_are_done_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let broker: Arc<dyn Broker> = crate::support::broker(&folder).await;
    let consumer = consume(&broker, &WORK, 10);
    let publisher = broker.publisher();
    let mut publishing = Box::pin(publisher.publish(vec![to(&WORK, "m")]));
    // The first poll begins it; whether it is done by then is the writer's business.
    let _ = publishing.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    drop(publishing);
    let held = receive_all(&consumer, 1).await;
    let mut settling = Box::pin(consumer.settle(vec![(held[0].receipt, Settlement::Ack)]));
    let _ = settling.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    drop(settling);
    becomes_empty(&broker, &WORK).await;
    broker.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_leaves_its_tier_by_the_clock_it_was_given() {
    let folder = tempfile::tempdir().unwrap();
    let micros = Arc::new(AtomicI64::new(1_753_000_000_000_000));
    let clock: Clock = {
        let micros = Arc::clone(&micros);
        Arc::new(move || DateTime::from_timestamp_micros(micros.load(Ordering::Relaxed)).unwrap())
    };
    let (broker, _) = with(&folder, Arc::clone(&clock), Options::default()).await;
    let delayed = |tier, id| Outgoing { route: Route::Delay(tier, WORK), message: message(id) };
    let order = vec![delayed(Tier::H1, "h1"), delayed(Tier::M2, "m2"), delayed(Tier::S30, "s30")];
    publish(&broker, order).await;
    let consumer = consume(&broker, &WORK, 10);
    for (tier, id) in [(Tier::S30, "s30"), (Tier::M2, "m2"), (Tier::H1, "h1")] {
        let due = 1_753_000_000_000_000 + i64::try_from(tier.duration().as_micros()).unwrap();
        micros.store(due - 1, Ordering::Relaxed);
        nothing_comes(&consumer).await;
        let waiting = broker.depth(&Queue::Delay(tier)).await.unwrap();
        assert_eq!((waiting.ready, waiting.oldest), (1, DateTime::from_timestamp(1_753_000_000, 0)));
        micros.store(due, Ordering::Relaxed);
        let came = receive_all(&consumer, 1).await;
        assert_eq!(ids(&came), [id]);
        assert_eq!(came[0].enqueued_at, Some(clock()), "it came into this queue when it was due");
        acknowledge(&consumer, &came).await;
    }
    broker.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_closed_under_the_queue_ends_its_consumers() {
    let folder = tempfile::tempdir().unwrap();
    let (broker, db) = with(&folder, crate::support::clock(), Options::default()).await;
    let consumer = consume(&broker, &WORK, 10);
    db.close().await;
    assert!(timeout(PATIENCE, consumer.receive(1, LINGER)).await.unwrap().is_empty());
    let refused = broker.publisher().publish(vec![to(&WORK, "late")]).await;
    assert!(matches!(refused[0], Err(PublishError::Unavailable(_))), "{refused:?}");
    assert!(broker.depth(&WORK).await.is_err());
    timeout(PATIENCE, broker.close()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_while_consumers_come_and_go() {
    const COUNT: usize = 5_000;
    let folder = tempfile::tempdir().unwrap();
    let broker: Arc<dyn Broker> = crate::support::broker(&folder).await;
    let publisher = broker.publisher();
    let publishing = tokio::spawn(async move {
        for names in numbered("m", COUNT).chunks(50) {
            let batch = names.iter().map(|id| to(&WORK, id)).collect();
            assert!(publisher.publish(batch).await.iter().all(Result::is_ok));
        }
    });
    let mut done = Vec::new();
    let until = Instant::now() + PATIENCE;
    // Consumers come and go; what one left behind, another finishes.
    while done.len() < COUNT {
        assert!(Instant::now() < until, "{} of {COUNT}", done.len());
        let consumer = consume(&broker, &WORK, 100);
        for _ in 0..5 {
            let wait = std::time::Duration::from_millis(500);
            let Ok(mut some) = timeout(wait, consumer.receive(60, LINGER)).await else { break };
            let left = some.split_off(some.len() - some.len() / 5);
            acknowledge(&consumer, &some).await;
            done.extend(some);
            drop(left);
        }
    }
    publishing.await.unwrap();
    assert_eq!(id_set(&done), numbered("m", COUNT).into_iter().collect());
    becomes_empty(&broker, &WORK).await;
    broker.close().await;
}
