//! Parcels of which a carrier that is well fails to tell: their own trouble, and nobody else's.

use forebay_domain::breaker::Phase;
use forebay_domain::{Clock as _, Outcome, SystemClock};
use forebay_sandbox::CARRIER_KEY;
use forebay_schemas::TrackingNumber;

use crate::carrier_scene::Scene;

/// The carrier's own look-up of these fails each time (code 106, with status 200).
fn failing(n: u32) -> TrackingNumber {
    format!("646000000{n:03}").parse().unwrap()
}

async fn sweettracker() -> Scene {
    Scene::of("sweettracker", "", CARRIER_KEY, "cj").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parcel_of_which_nothing_is_told_is_tried_again_and_then_left_to_the_plan() {
    let scene = sweettracker().await;
    assert_eq!(scene.register(&failing(1)).await, Outcome::Done);
    let before = scene.parcel(&failing(1)).await;
    for attempts in 0..2 {
        let outcome = scene.check("check-1", attempts, &[failing(1)]).await;
        assert!(matches!(outcome, Outcome::Retry { .. }), "{attempts}: {outcome:?}");
    }
    assert_eq!(scene.check("check-1", 2, &[failing(1)]).await, Outcome::Done, "no dead letter");
    let after = scene.parcel(&failing(1)).await;
    assert_eq!((after.status, after.checks), (before.status, before.checks + 1));
    assert!(after.next_check_at.unwrap() > SystemClock.now() + chrono::TimeDelta::hours(1), "in its turn");
    scene.end().await;
}

/// A system whose own failures look like those of one parcel.
async fn tracker_delivery() -> Scene {
    let (client, secret) =
        (forebay_sandbox::TRACKER_DELIVERY_CLIENT_ID, forebay_sandbox::TRACKER_DELIVERY_CLIENT_SECRET);
    Scene::of("tracker_delivery", client, secret, "yamato").await
}

async fn phase(scene: &Scene) -> Phase {
    let systems = scene.store.systems().await.unwrap();
    systems.first().map_or(Phase::Closed, |view| view.breaker.phase(view.now))
}

#[tokio::test(flavor = "multi_thread")]
async fn one_number_alone_opens_no_breaker_and_several_one_after_the_other_do() {
    let scene = tracker_delivery().await;
    let well: TrackingNumber = "600000000001".parse().unwrap();
    scene.register(&well).await;
    for n in 0..10 {
        scene.register(&failing(n)).await;
    }
    for n in 0..10 {
        scene.check(&format!("alone-{n}"), 0, &[failing(1)]).await;
    }
    assert_eq!(phase(&scene).await, Phase::Closed, "a number that nobody knows");
    for n in 0..10 {
        scene.check(&format!("one-{n}"), 0, &[failing(n)]).await;
        assert_eq!(scene.check(&format!("well-{n}"), 0, std::slice::from_ref(&well)).await, Outcome::Done);
    }
    assert_eq!(phase(&scene).await, Phase::Closed, "others are told of");
    // Until these are half of the calls of the last minute; how calls went is told once a second.
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(120);
    let mut checks = 0;
    while phase(&scene).await != Phase::Open {
        scene.check(&format!("all-{checks}"), 0, &[failing(checks % 10)]).await;
        checks += 1;
        assert!(tokio::time::Instant::now() < deadline, "nothing was told of anybody {checks} times");
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parcels_of_which_nothing_is_told_open_no_breaker() {
    let scene = sweettracker().await;
    for n in 0..12 {
        assert_eq!(scene.register(&failing(n)).await, Outcome::Done);
        scene.check(&format!("check-{n}"), 0, &[failing(n)]).await;
    }
    let well: TrackingNumber = "600000000001".parse().unwrap();
    scene.register(&well).await;
    assert_eq!(scene.check("check-well", 0, std::slice::from_ref(&well)).await, Outcome::Done);
    let systems = scene.store.systems().await.unwrap();
    let phase = systems.iter().map(|view| view.breaker.phase(view.now)).collect::<Vec<_>>();
    assert_eq!(phase, [Phase::Closed]);
    assert_eq!(scene.parcel(&well).await.status, "picked_up");
    scene.end().await;
}
