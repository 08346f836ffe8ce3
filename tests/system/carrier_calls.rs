//! What a look at a carrier's system costs: each call its permit, what it needs before it, and what is asked for with it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use forebay_carriers::{Answered, Asked, Carrier, CarrierError, Limits, Received};
use forebay_domain::{Clock as _, Outcome, SystemClock};
use forebay_sandbox::{
    AFTERSHIP_KEY, CarrierName, FEDEX_CLIENT_ID, FEDEX_CLIENT_SECRET, TRACKER_DELIVERY_CLIENT_ID,
    TRACKER_DELIVERY_CLIENT_SECRET,
};
use forebay_schemas::{AdapterId, CarrierCode, TrackingNumber};
use forebay_store::Closing;

use crate::carrier_scene::Scene;

fn number(text: &str) -> TrackingNumber {
    text.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parcel_that_has_to_be_registered_costs_two_permits_and_then_one() {
    let scene = Scene::of("aftership", "", AFTERSHIP_KEY, "usps").await;
    let parcel = number("EA123456785US");
    let registered = scene.register(&parcel).await;
    assert_eq!(registered, Outcome::Done);
    assert_eq!(scene.check("check-1", 0, std::slice::from_ref(&parcel)).await, Outcome::Done);
    let calls = || scene.sandbox.record().calls_of(CarrierName::Aftership) as u64;
    assert_eq!((calls(), scene.permits()), (2, 2), "looked for, and registered");
    assert_eq!(scene.check("check-2", 0, std::slice::from_ref(&parcel)).await, Outcome::Done);
    assert_eq!((calls(), scene.permits()), (3, 3));
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_had_before_the_permit_is_asked_for() {
    let scene = Scene::of("fedex", FEDEX_CLIENT_ID, FEDEX_CLIENT_SECRET, "fedex").await;
    let parcel = number("794643013528");
    assert_eq!(scene.register(&parcel).await, Outcome::Done);
    // Behind the back of this process, so that it finds out by asking.
    scene
        .store
        .close_gate("carrier/fedex", Duration::from_secs(600), "a test", Closing::Other)
        .await
        .unwrap();
    let outcome = scene.check("check-1", 0, std::slice::from_ref(&parcel)).await;
    assert!(matches!(outcome, Outcome::Defer { .. }), "{outcome:?}");
    let record = scene.sandbox.record();
    assert_eq!((record.token_calls_of(CarrierName::Fedex), record.calls_of(CarrierName::Fedex)), (1, 0));
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pushes_are_asked_for_once_and_only_where_somebody_can_be_called() {
    for (callback, calls) in
        [(None, 2), (Some("http://127.0.0.1:9/hooks/carriers/tracker_delivery/token"), 3)]
    {
        let scene = Scene::with(
            "tracker_delivery",
            TRACKER_DELIVERY_CLIENT_ID,
            TRACKER_DELIVERY_CLIENT_SECRET,
            "yamato",
            |settings| forebay_carriers::Settings { callback: callback.map(Into::into), ..settings },
            |system| system,
        )
        .await;
        // Picked up, and to be delivered.
        let parcel = number("615000000001");
        assert_eq!(scene.register(&parcel).await, Outcome::Done);
        for n in 0..2 {
            assert_eq!(
                scene.check(&format!("check-{n}"), 0, std::slice::from_ref(&parcel)).await,
                Outcome::Done
            );
        }
        let called = scene.sandbox.record().calls_of(CarrierName::TrackerDelivery) as u64;
        assert_eq!((called, scene.permits()), (calls, calls), "{callback:?}");
        let id = scene.parcel(&parcel).await.parcel_id;
        let due = scene.store.unsubscribed(&[id], SystemClock.now() + Duration::from_secs(36 * 3600)).await;
        assert_eq!(due.unwrap().is_empty(), callback.is_some());
        scene.end().await;
    }
}

/// A system that refuses every question.
#[derive(Debug)]
struct Refusing(Arc<dyn Carrier>);

#[async_trait]
impl Carrier for Refusing {
    fn id(&self) -> &AdapterId {
        self.0.id()
    }

    fn serves(&self) -> &[CarrierCode] {
        self.0.serves()
    }

    fn limits(&self) -> Limits {
        self.0.limits()
    }

    async fn track(&self, _: &[Asked]) -> Result<Vec<Answered>, CarrierError> {
        Err(CarrierError::Rejected { code: "E1".into(), detail: "no" })
    }

    fn parse(&self, received: &Received<'_>, asked: &[Asked]) -> Result<Vec<Answered>, CarrierError> {
        self.0.parse(received, asked)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_refused_as_a_whole_makes_no_dead_letter() {
    let scene = Scene::with(
        "fedex",
        FEDEX_CLIENT_ID,
        FEDEX_CLIENT_SECRET,
        "fedex",
        |settings| settings,
        |system| Arc::new(Refusing(system)),
    )
    .await;
    let carrier: CarrierCode = "fedex".parse().unwrap();
    let all = (0..200).map(|n| number(&format!("650000000{n:03}")));
    let right = all.filter(|number| forebay_carriers::numbers::check(&carrier, number).is_ok());
    let all: Vec<TrackingNumber> = right.take(12).collect();
    assert!(all.len() > 4, "{all:?}");
    for number in &all {
        assert_eq!(scene.register(number).await, Outcome::Done);
    }
    let outcome = scene.check("check-1", 0, &all).await;
    assert!(matches!(outcome, Outcome::Retry { .. }), "{outcome:?}");
    assert_eq!(scene.check("check-1", 2, &all).await, Outcome::Done, "left to the plan");
    for number in &all {
        let parcel = scene.parcel(number).await;
        assert!(parcel.next_check_at.is_some() && parcel.checks == 1, "{parcel:?}");
    }
    let outcome = scene.check("check-2", 0, &all[..1]).await;
    assert!(matches!(outcome, Outcome::Reject { .. }), "refused alone: {outcome:?}");
    scene.end().await;
}
