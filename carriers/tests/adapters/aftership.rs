//! AfterShip: trackings, and webhooks.

use std::time::Duration;

use forebay_carriers::{AfterShipPush, Asked, CarrierError, Push as _, PushFault, PushSecrets};
use forebay_domain::parcel::EventTime;
use forebay_schemas::events::ParcelStatus as S;
use http::HeaderMap;
use secrecy::SecretString;

use crate::support::{Fault, Means as M, asked, each_sample_means, found, parse, sample, unmapped};

const ID: &str = "aftership";

fn parcel() -> Asked {
    asked("ups", "1ZW12A340312345671")
}

#[test]
fn each_sample_has_its_meaning() {
    each_sample_means(
        ID,
        &parcel(),
        &[
            ("found_registered.json", 200, M::Found(Some(S::Registered), 1)),
            ("found_in_transit.json", 200, M::Found(Some(S::InTransit), 3)),
            ("found_out_for_delivery.json", 200, M::Found(Some(S::OutForDelivery), 4)),
            ("found_delivered.json", 200, M::Found(Some(S::Delivered), 5)),
            ("tag_ahead_of_checkpoints.json", 200, M::Found(Some(S::Delivered), 1)),
            ("attempt_failed.json", 200, M::Found(Some(S::AttemptFailed), 5)),
            ("available.json", 200, M::Found(Some(S::AvailableForPickup), 5)),
            ("exception.json", 200, M::Found(Some(S::Exception), 4)),
            ("returned.json", 200, M::Found(Some(S::Returned), 5)),
            ("expired.json", 200, M::Found(None, 3)),
            ("pending.json", 200, M::NotYet),
            ("created.json", 201, M::NotYet),
            ("three_kinds_of_times.json", 200, M::Found(Some(S::InTransit), 2)),
            ("unknown_code.json", 200, M::Found(None, 3)),
            ("duplicates.json", 200, M::Found(Some(S::InTransit), 3)),
            ("out_of_order.json", 200, M::Found(Some(S::InTransit), 3)),
            ("number_used_again.json", 200, M::Found(Some(S::InTransit), 3)),
            ("another_parcel.json", 200, M::Own(Fault::Malformed)),
            ("none.json", 200, M::NotYet),
            ("error_not_registered.json", 404, M::NotYet),
            ("error_exists.json", 400, M::NotYet),
            ("error_bad_number.json", 400, M::Invalid),
            ("error_unauthorized.json", 401, M::Whole(Fault::Auth)),
            ("error_rate_limited.json", 429, M::Whole(Fault::Rate)),
            ("error_bad_courier.json", 400, M::Whole(Fault::Rejected)),
            ("error_server.json", 500, M::Whole(Fault::Transient)),
            ("no_data.json", 200, M::Own(Fault::Malformed)),
            ("page.html", 200, M::Whole(Fault::Transient)),
            ("truncated.json", 200, M::Whole(Fault::Malformed)),
        ],
    );
}

#[test]
fn times_are_as_sure_as_they_are_said() {
    let events = found(ID, &parcel(), "three_kinds_of_times.json").checkpoints;
    assert_eq!(events[0].at, EventTime::Local("2026-11-16T09:00:00".parse().unwrap()));
    assert_eq!(events[1].at, EventTime::Date("2026-11-17".parse().unwrap()));
    let zoned = found(ID, &parcel(), "found_registered.json").checkpoints;
    assert_eq!(zoned[0].at, EventTime::Exact("2026-11-16T14:00:00Z".parse().unwrap()));
}

#[test]
fn a_limit_ends_when_its_headers_say() {
    let mut headers = HeaderMap::new();
    headers.insert("date", "Sat, 21 Nov 2026 12:00:00 GMT".parse().unwrap());
    headers.insert("x-ratelimit-reset", "1795262407".parse().unwrap());
    let error = parse(ID, 429, &headers, &sample(ID, "error_rate_limited.json"), &[parcel()]).unwrap_err();
    assert_eq!(error, CarrierError::RateLimited { retry_after: Some(Duration::from_secs(7)) });
}

#[test]
fn codes_without_a_meaning_are_reported_and_people_are_not_kept() {
    assert_eq!(unmapped(ID, &parcel(), "unknown_code.json"), ["event", "status:Levitating"]);
    let delivered = &found(ID, &parcel(), "found_delivered.json").checkpoints[4];
    assert_eq!(delivered.text.as_deref(), Some("Delivered. Signed for by: [name]"));
}

fn push(current: &str, next: Option<&str>) -> AfterShipPush {
    let next = next.map(SecretString::from);
    AfterShipPush::new(PushSecrets { current: SecretString::from(current), next })
}

fn signed(signature: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("aftership-hmac-sha256", signature.parse().unwrap());
    headers.insert("as-webhook-version", "2025-04".parse().unwrap());
    headers
}

#[test]
fn a_push_is_taken_from_who_knows_one_of_the_secrets() {
    // Made with `openssl dgst -sha256 -hmac`.
    let body = b"{\"event\":\"tracking_update\"}";
    let (right, hexadecimal) = (
        "GudwIu72xDCZhei+BtYIcQAnJMFcfv3h++l2pZ/7tbM=",
        "1ae77022eef6c4309985e8be06d60871002724c15c7efde1fbe976a59ffbb5b3",
    );
    assert_eq!(push("secret", None).verify(&signed(right), body), Ok(()));
    assert_eq!(push("old", Some("secret")).verify(&signed(right), body), Ok(()));
    assert_eq!(push("secret", None).verify(&HeaderMap::new(), body), Err(PushFault::Unsigned));
    for wrong in [hexadecimal, "AAAA", "not base64", right.trim_end_matches('=')] {
        assert_eq!(
            push("secret", None).verify(&signed(wrong), body),
            Err(PushFault::WrongSignature),
            "{wrong}"
        );
    }
    let reformatted = b"{\"event\": \"tracking_update\"}";
    assert_eq!(push("secret", None).verify(&signed(right), reformatted), Err(PushFault::WrongSignature));
    assert_eq!(push("", None).verify(&signed(right), body), Err(PushFault::WrongSignature));
}

#[test]
fn a_push_tells_its_parcel_and_others_tell_none() {
    let headers = signed("x");
    let read = |name: &str| push("s", None).parse(&headers, &sample("push/aftership", name)).unwrap();
    let update = read("update.json");
    assert_eq!((update.parcels.len(), update.unmapped.len()), (1, 0));
    assert_eq!(update.parcels[0].asked, parcel());
    assert_eq!(update.dedupe_key, "0f3f6a8e-0001-4000-8000-000000000001");
    assert!(read("another_kind.json").parcels.is_empty());
    assert_eq!(read("another_carrier.json").unmapped, ["carrier:dragon-post"]);
    let mut odd = headers.clone();
    odd.insert("as-webhook-version", "next".parse().unwrap());
    let answer = push("s", None).parse(&odd, &sample("push/aftership", "update.json")).unwrap();
    assert_eq!((answer.parcels.len(), answer.unmapped), (1, vec!["version:next".to_owned()]));
}
