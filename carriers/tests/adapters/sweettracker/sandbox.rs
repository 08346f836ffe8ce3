//! The adapter and the sandbox, written apart, understand each other.

use forebay_carriers::{Carrier as _, CarrierError, SweetTracker};
use forebay_domain::parcel::Lookup;
use forebay_sandbox::{CARRIER_KEY, Faults, Options, Sandbox};
use forebay_schemas::events::ParcelStatus as S;

use super::asking::adapter_at;
use crate::support::asked;

async fn start() -> (Sandbox, SweetTracker) {
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    let address = sandbox.http_url().trim_start_matches("http://").trim_end_matches('/').parse().unwrap();
    let adapter = adapter_at(address, "/sweettracker", CARRIER_KEY);
    (sandbox, adapter)
}

#[tokio::test]
async fn every_story_of_the_sandbox_is_understood() {
    let (sandbox, adapter) = start().await;
    let found = [
        ("610000000001", S::Registered, 1),
        ("620000000001", S::PickedUp, 2),
        ("620000000001", S::InTransit, 3),
        ("620000000001", S::OutForDelivery, 4),
        ("620000000001", S::Delivered, 5),
        ("650000000001", S::Delivered, 4),
        ("690000000001", S::Returning, 4),
    ];
    for (number, status, checkpoints) in found {
        let answers = adapter.track(&[asked("cj", number)]).await.unwrap();
        match &answers[0].outcome {
            Ok(Lookup::Found(snapshot)) => {
                assert_eq!(
                    (snapshot.status, snapshot.checkpoints.len()),
                    (Some(status), checkpoints),
                    "{number}"
                );
            }
            other => panic!("{number}: {other:?}"),
        }
    }
    let unknown = adapter.track(&[asked("cj", "640000000001")]).await.unwrap();
    assert_eq!(unknown[0].outcome, Ok(Lookup::NotYetKnown));
    for (number, malformed) in [("660000000001", false), ("670000000001", true), ("680000000001", false)] {
        match adapter.track(&[asked("cj", number)]).await.unwrap_err() {
            CarrierError::Transient(_) if !malformed => {}
            CarrierError::Malformed(_) if malformed => {}
            other => panic!("{number}: {other}"),
        }
    }
    sandbox.stop().await;
}

#[tokio::test]
async fn a_refused_key_is_not_the_parcels_fault() {
    let (sandbox, adapter) = start().await;
    sandbox.set_faults(Faults { carrier_refuses_key: true, ..Faults::default() });
    let error = adapter.track(&[asked("cj", "620000000002")]).await.unwrap_err();
    assert!(matches!(error, CarrierError::Auth(_)), "{error}");
    sandbox.stop().await;
}
