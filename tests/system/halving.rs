//! A batch of checks of which the carrier refuses one number.

use forebay_carriers::numbers;
use forebay_domain::Outcome;
use forebay_sandbox::{CarrierName, FEDEX_CLIENT_ID, FEDEX_CLIENT_SECRET};
use forebay_schemas::{CarrierCode, TrackingNumber};

use crate::carrier_scene::Scene;

async fn fedex() -> Scene {
    Scene::of("fedex", FEDEX_CLIENT_ID, FEDEX_CLIENT_SECRET, "fedex").await
}

/// A number of FedEx's that begins like this.
fn number(begin: &str) -> TrackingNumber {
    let carrier: CarrierCode = "fedex".parse().unwrap();
    let all = (0..10).map(|digit| TrackingNumber::new(format!("{begin}{digit}")).unwrap());
    let mut right = all.filter(|number| numbers::check(&carrier, number).is_ok());
    right.next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_number_is_found_and_its_29_neighbours_are_answered() {
    let scene = fedex().await;
    let mut all: Vec<TrackingNumber> = (0..29).map(|n| number(&format!("650000000{n:02}"))).collect();
    let poison = number("64700000001");
    all.insert(11, poison.clone());
    for number in &all {
        assert_eq!(scene.register(number).await, Outcome::Done);
    }
    assert_eq!(scene.check("check-1", 0, &all).await, Outcome::Done);

    for number in &all {
        let view = scene.parcel(number).await;
        if *number == poison {
            assert_eq!((view.status.as_str(), view.next_check_at), ("unknown", None));
        } else {
            assert_eq!(view.status, "delivered", "{number}");
        }
    }
    let calls = scene.sandbox.record().calls_of(CarrierName::Fedex);
    assert!((2..=11).contains(&calls), "{calls} calls");
    assert_eq!(scene.sandbox.record().token_calls_of(CarrierName::Fedex), 1);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_return_with_a_number_that_can_not_be_one_is_refused_with_a_reason() {
    let scene = fedex().await;
    let outcome = scene.register(&"794643013529".parse().unwrap()).await;
    let told = format!("{outcome:?}");
    assert!(matches!(outcome, Outcome::Reject { .. }) && told.contains("check digit"), "{told}");
    assert!(!told.contains("794643013529"), "{told}");
    scene.end().await;
}
