//! What a broker does not take, one way or the other.

use forebay_queue::PublishError;
use forebay_queue::conformance::scene::numbered;
use forebay_schemas::{Queue, Route};

use crate::support::{Scene, eventually};

const REWARDS: Route = Route::Work(Queue::Rewards);
const RETURNS: Route = Route::Work(Queue::Returns);
const DEAD: Route = Route::Work(Queue::Dead);

#[tokio::test]
async fn while_the_broker_takes_everything_nothing_goes_through_the_file() {
    let scene = Scene::open().await;
    let ids = numbered("a", 10);
    assert_eq!(scene.publish(&Queue::Rewards, &ids).await, vec![Ok(()); 10]);
    assert_eq!((scene.stub.kept(&REWARDS), scene.metrics.spooled.get()), (ids, 0));
}

#[tokio::test]
async fn what_comes_while_the_broker_is_away_is_published_in_order_before_what_comes_later() {
    let scene = Scene::open().await;
    scene.stub.go_down(true);
    let ids = numbered("a", 2_500);
    for part in ids[..2_000].chunks(100) {
        assert_eq!(scene.publish(&Queue::Rewards, part).await, vec![Ok(()); 100]);
    }
    assert_eq!(scene.metrics.spool_events.get(), 2_000.0);
    assert!(scene.metrics.spool_bytes.get() > 2_000.0 * 100.0);
    scene.stub.go_down(false);
    for part in ids[2_000..].chunks(100) {
        assert_eq!(scene.publish(&Queue::Rewards, part).await, vec![Ok(()); 100]);
    }
    eventually("all are published", || scene.stub.kept(&REWARDS).len() == ids.len()).await;
    assert_eq!(scene.stub.kept(&REWARDS), ids);
    eventually("the spool is empty", || scene.metrics.spool_bytes.get() == 0.0).await;
    assert_eq!(scene.spool.waiting(), 0);
}

#[tokio::test]
async fn a_route_that_takes_nothing_does_not_hold_up_the_others() {
    let scene = Scene::open().await;
    scene.stub.fail(&RETURNS, PublishError::Refused);
    let (held, free) = (numbered("r", 3_000), numbered("c", 50));
    assert_eq!(scene.publish(&Queue::Returns, &held).await, vec![Ok(()); 3_000]);
    assert_eq!(scene.publish(&Queue::Rewards, &free).await, vec![Ok(()); 50]);
    eventually("the others are published", || scene.stub.kept(&REWARDS) == free).await;
    assert_eq!(scene.spool.waiting(), 3_000);
    scene.stub.failing.lock().clear();
    eventually("the held ones are published", || scene.stub.kept(&RETURNS) == held).await;
}

#[tokio::test]
async fn what_never_fits_is_told_before_it_is_spooled() {
    let scene = Scene::open().await;
    scene.stub.go_down(true);
    let results = scene.publish(&Queue::Rewards, &["x".repeat(300), "good".to_owned()]).await;
    assert!(matches!(results[..], [Err(PublishError::TooLarge(_)), Ok(())]), "{results:?}");
}

#[tokio::test]
async fn what_the_broker_finds_too_large_becomes_a_dead_letter_and_the_line_goes_on() {
    let scene = Scene::open().await;
    scene.stub.go_down(true);
    scene.publish(&Queue::Returns, &numbered("r", 2)).await;
    scene.publish(&Queue::Rewards, &numbered("c", 2)).await;
    scene.stub.fail(&RETURNS, PublishError::TooLarge("by far".to_owned()));
    scene.stub.go_down(false);
    eventually("the spool is empty", || scene.spool.waiting() == 0).await;
    assert_eq!((scene.stub.kept(&DEAD), scene.stub.kept(&REWARDS)), (numbered("r", 2), numbered("c", 2)));
}

#[tokio::test]
async fn what_does_not_even_fit_among_the_dead_stays_in_the_file_and_is_tried_at_the_next_start() {
    let scene = Scene::open().await;
    scene.stub.go_down(true);
    scene.publish(&Queue::Returns, &numbered("r", 3)).await;
    scene.publish(&Queue::Rewards, &numbered("c", 2)).await;
    for route in [&RETURNS, &DEAD] {
        scene.stub.fail(route, PublishError::TooLarge("by far".to_owned()));
    }
    scene.stub.go_down(false);
    eventually("the rest is published", || scene.stub.kept(&REWARDS).len() == 2).await;
    eventually("nothing waits", || scene.spool.waiting() == 0).await;
    // Later ones go straight: what is set aside is not in their way.
    assert_eq!(scene.publish(&Queue::Rewards, &numbered("d", 1)).await, [Ok(())]);
    assert_eq!((scene.stub.kept(&REWARDS).len(), scene.metrics.spooled.get()), (3, 5));
    let (folder, stub) = scene.close().await;
    stub.failing.lock().clear();
    let scene = Scene::reopen(folder, stub).await;
    eventually("it is published", || scene.stub.kept(&RETURNS) == numbered("r", 3)).await;
}

#[tokio::test]
async fn a_close_publishes_what_can_be_published_and_keeps_the_rest() {
    let scene = Scene::open().await;
    scene.stub.go_down(true);
    let ids = numbered("a", 5_000);
    assert_eq!(scene.publish(&Queue::Rewards, &ids).await, vec![Ok(()); 5_000]);
    let (folder, stub) = scene.close().await;
    assert_eq!(stub.kept(&REWARDS).len(), 0);
    let scene = Scene::reopen(folder, stub).await;
    assert_eq!(scene.spool.waiting(), 5_000);
    scene.stub.go_down(false);
    let (_folder, stub) = scene.close().await;
    assert_eq!(stub.kept(&REWARDS), ids);
}
