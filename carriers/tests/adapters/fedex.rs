//! FedEx.

use forebay_carriers::{Asked, Received};
use forebay_domain::parcel::{EventTime, Lookup};
use forebay_schemas::events::ParcelStatus as S;
use http::HeaderMap;

use crate::support::{
    Fault, Means as M, adapter, asked, each_sample_means, found, meaning, parse, sample, unmapped,
};

const ID: &str = "fedex";

fn parcel() -> Asked {
    asked("fedex", "794643013528")
}

fn another() -> Asked {
    asked("fedex", "794643013539")
}

#[test]
fn each_sample_has_its_meaning() {
    each_sample_means(
        ID,
        &parcel(),
        &[
            ("found_registered.json", 200, M::Found(Some(S::Registered), 1)),
            ("found_picked_up.json", 200, M::Found(Some(S::PickedUp), 2)),
            ("found_in_transit.json", 200, M::Found(Some(S::InTransit), 3)),
            ("found_out_for_delivery.json", 200, M::Found(Some(S::OutForDelivery), 4)),
            ("found_delivered.json", 200, M::Found(Some(S::Delivered), 5)),
            ("duplicates.json", 200, M::Found(Some(S::InTransit), 3)),
            ("out_of_order.json", 200, M::Found(Some(S::InTransit), 3)),
            ("exception.json", 200, M::Found(Some(S::Exception), 4)),
            ("attempt_failed.json", 200, M::Found(Some(S::AttemptFailed), 5)),
            ("held.json", 200, M::Found(Some(S::AvailableForPickup), 4)),
            ("returning.json", 200, M::Found(Some(S::Returning), 5)),
            ("returned.json", 200, M::Found(Some(S::Returned), 6)),
            ("cancelled.json", 200, M::Found(Some(S::Cancelled), 2)),
            ("estimate_only.json", 200, M::Found(None, 4)),
            ("unknown_code.json", 200, M::Found(None, 3)),
            ("no_scans.json", 200, M::Found(Some(S::Registered), 0)),
            ("nothing_yet.json", 200, M::NotYet),
            ("seven_digits_of_a_second.json", 200, M::Found(Some(S::InTransit), 3)),
            ("number_used_again.json", 200, M::Found(Some(S::PickedUp), 2)),
            ("batch_one_odd_event.json", 200, M::Found(Some(S::PickedUp), 3)),
            ("batch_one_not_found.json", 200, M::Found(Some(S::Delivered), 5)),
            ("batch_one_silent.json", 200, M::Found(Some(S::Delivered), 5)),
            ("error_not_found.json", 200, M::NotYet),
            ("error_data_not_found.json", 400, M::NotYet),
            ("error_data_not_found.json", 200, M::NotYet),
            ("error_invalid.json", 200, M::Invalid),
            ("error_unknown_code.json", 200, M::Own(Fault::Rejected)),
            ("error_not_authorized.json", 401, M::Whole(Fault::Auth)),
            ("error_forbidden.json", 403, M::Whole(Fault::Auth)),
            ("error_server.json", 500, M::Whole(Fault::Transient)),
            ("error_rate_limited.json", 429, M::Whole(Fault::Rate)),
            ("error_quota.json", 429, M::Whole(Fault::Quota)),
            ("error_empty.json", 400, M::Whole(Fault::Rejected)),
            ("page.html", 200, M::Whole(Fault::Transient)),
            ("page.html", 503, M::Whole(Fault::Transient)),
            ("truncated.json", 200, M::Whole(Fault::Malformed)),
        ],
    );
}

#[test]
fn one_odd_parcel_costs_its_neighbours_nothing() {
    let both = [parcel(), another()];
    let answers = |name| parse(ID, 200, &HeaderMap::new(), &sample(ID, name), &both).unwrap();
    let odd = answers("batch_one_odd_event.json");
    assert_eq!([odd[0].asked.clone(), odd[1].asked.clone()], both);
    assert!(matches!(&odd[1].outcome, Ok(Lookup::Found(s)) if s.status == Some(S::Delivered)), "{odd:?}");
    // Told in another order than asked.
    let mixed = answers("batch_one_not_found.json");
    assert!(matches!(mixed[0].outcome, Ok(Lookup::Found(_))), "{mixed:?}");
    assert_eq!(mixed[1].outcome, Ok(Lookup::NotYetKnown));
    let silent = answers("batch_one_silent.json");
    assert!(silent[0].outcome.is_ok() && silent[1].outcome.is_err(), "{silent:?}");
}

#[test]
fn a_bad_number_that_is_not_named_among_many_refuses_the_call_so_that_it_is_halved() {
    let body = br#"{"errors":[{"code":"TRACKING.TRACKINGNUMBER.INVALID","message":"one of them"}]}"#;
    let asked = |parcels: &[Asked]| parse(ID, 400, &HeaderMap::new(), body, parcels);
    let refused = asked(&[parcel(), another()]).unwrap_err();
    assert!(matches!(refused, forebay_carriers::CarrierError::Rejected { .. }), "{refused:?}");
    assert_eq!(
        asked(&[parcel()]).unwrap()[0].outcome,
        Ok(Lookup::InvalidNumber),
        "there is only one that it can be"
    );
}

#[test]
fn of_two_parcels_under_one_number_the_younger_one_is_told() {
    let snapshot = found(ID, &parcel(), "number_used_again.json");
    let first = snapshot.checkpoints[0].at;
    assert_eq!(first, EventTime::Exact("2026-11-16T16:02:00Z".parse().unwrap()));
}

#[test]
fn a_quota_of_the_day_is_over_at_midnight_gmt() {
    let mut headers = HeaderMap::new();
    headers.insert("date", "Sat, 21 Nov 2026 22:30:00 GMT".parse().unwrap());
    let body = sample(ID, "error_quota.json");
    let received = Received { status: 429, retry_after: None, headers: &headers, body: &body };
    let error = adapter(ID).parse(&received, &[parcel()]).unwrap_err();
    let wait = Some(std::time::Duration::from_secs(5400));
    assert_eq!(error, forebay_carriers::CarrierError::QuotaExhausted { retry_after: wait });
}

#[test]
fn codes_without_a_meaning_are_reported_and_kept() {
    assert_eq!(unmapped(ID, &parcel(), "unknown_code.json"), ["event", "event:ZZ", "status:ZZ"]);
    assert_eq!(unmapped(ID, &parcel(), "error_unknown_code.json"), ["error:TRACKING.TEAPOT"]);
    assert!(unmapped(ID, &parcel(), "estimate_only.json").is_empty());
    let exception = found(ID, &parcel(), "exception.json");
    assert_eq!(exception.checkpoints[3].raw_code.as_deref(), Some("SE/84"));
}

#[test]
fn no_parcels_and_any_status_are_an_answer() {
    for status in [200, 400, 404, 418] {
        let answer = parse(ID, status, &HeaderMap::new(), b"{}", &[]);
        assert!(answer.is_err() || answer.unwrap().is_empty());
    }
    let answer = parse(ID, 200, &HeaderMap::new(), b"{}", &[parcel()]);
    assert_eq!(meaning(&answer), M::Own(Fault::Malformed));
}
