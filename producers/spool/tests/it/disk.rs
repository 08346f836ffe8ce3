//! A disk that is full.

use forebay_queue::PublishError;
use forebay_queue::conformance::scene::numbered;
use forebay_schemas::{Queue, Route};
use forebay_sqlite::{Db, Error};

use crate::support::{Scene, eventually};

const REWARDS: Route = Route::Work(Queue::Rewards);

async fn execute(db: &Db, sql: &'static str) -> Result<(), Error> {
    db.write(move |conn| {
        Box::pin(async move {
            sqlx::query(sql).execute(conn).await?;
            Ok(())
        })
    })
    .await
}

/// Publishes one message a call until one is not taken; returns those that were.
async fn until_refused(scene: &Scene) -> (Vec<String>, PublishError) {
    let ids = numbered("a", 10_000);
    for (n, id) in ids.iter().enumerate() {
        if let Err(error) = scene.publish(&Queue::Rewards, std::slice::from_ref(id)).await.remove(0) {
            return (ids[..n].to_vec(), error);
        }
    }
    panic!("the disk was never full");
}

#[tokio::test]
async fn a_full_disk_refuses_and_keeps_what_it_took() {
    let scene = Scene::open().await;
    scene.stub.go_down(true);
    execute(&scene.db, "PRAGMA max_page_count = 40").await.unwrap();
    let (taken, error) = until_refused(&scene).await;
    assert!(matches!(error, PublishError::Unavailable(_)), "{error}");
    assert!(!taken.is_empty());
    assert_eq!(scene.spool.waiting(), taken.len() as u64);
    assert!(scene.spool.check().await.is_err(), "the disk is still full");
    scene.stub.go_down(false);
    eventually("what was taken is published", || scene.stub.kept(&REWARDS) == taken).await;
    eventually("there is room again", || scene.metrics.spool_bytes.get() == 0.0).await;
    scene.spool.check().await.unwrap();
}

#[tokio::test]
async fn while_the_disk_is_full_and_the_broker_is_there_events_pass_the_spool_by() {
    let scene = Scene::open().await;
    scene.stub.go_down(true);
    let stuck = Route::Work(Queue::Returns);
    scene.stub.fail(&stuck, PublishError::Refused);
    scene.publish(&Queue::Returns, &numbered("r", 1)).await;
    execute(&scene.db, "PRAGMA max_page_count = 20").await.unwrap();
    until_refused(&scene).await;
    scene.stub.go_down(false);
    let late = numbered("late", 2_000);
    assert_eq!(scene.publish(&Queue::Rewards, &late).await, vec![Ok(()); 2_000]);
    eventually("all of them are at the broker", || {
        let kept = scene.stub.kept(&REWARDS);
        late.iter().all(|id| kept.contains(id))
    })
    .await;
}

#[tokio::test]
async fn what_was_published_and_can_not_be_removed_is_not_published_twice() {
    let scene = Scene::open().await;
    scene.stub.go_down(true);
    let ids = numbered("a", 3_000);
    assert_eq!(scene.publish(&Queue::Rewards, &ids).await, vec![Ok(()); 3_000]);
    execute(
        &scene.db,
        "CREATE TRIGGER frozen BEFORE DELETE ON spooled_message BEGIN SELECT RAISE(ABORT, 'no'); END",
    )
    .await
    .unwrap();
    scene.stub.go_down(false);
    eventually("all are published", || scene.spool.waiting() == 0).await;
    // Nothing waits: what comes now goes straight to the broker.
    assert_eq!(scene.publish(&Queue::Rewards, &numbered("b", 1)).await, [Ok(())]);
    assert_eq!(scene.metrics.spooled.get(), 3_000);
    execute(&scene.db, "DROP TRIGGER frozen").await.unwrap();
    eventually("the file is empty", || scene.metrics.spool_bytes.get() == 0.0).await;
    assert_eq!(scene.stub.kept(&REWARDS), [ids, numbered("b", 1)].concat());
}
