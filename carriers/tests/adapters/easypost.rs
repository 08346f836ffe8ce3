//! EasyPost: trackers, and events that are pushed.

use forebay_carriers::{Asked, EasyPostPush, Push as _, PushFault, PushSecrets};
use forebay_domain::parcel::{EventTime, Lookup};
use forebay_schemas::events::ParcelStatus as S;
use http::HeaderMap;
use secrecy::SecretString;

use crate::support::{Fault, Means as M, asked, each_sample_means, found, sample, unmapped};

const ID: &str = "easypost";

fn parcel() -> Asked {
    asked("usps", "9400100000000000000150")
}

#[test]
fn each_sample_has_its_meaning() {
    each_sample_means(
        ID,
        &parcel(),
        &[
            ("found_registered.json", 200, M::Found(Some(S::Registered), 1)),
            ("found_picked_up.json", 201, M::Found(Some(S::PickedUp), 2)),
            ("found_in_transit.json", 200, M::Found(Some(S::InTransit), 3)),
            ("found_out_for_delivery.json", 200, M::Found(Some(S::OutForDelivery), 4)),
            ("found_delivered.json", 200, M::Found(Some(S::Delivered), 5)),
            ("available.json", 200, M::Found(Some(S::AvailableForPickup), 4)),
            ("returning.json", 200, M::Found(Some(S::Returning), 5)),
            ("returned.json", 200, M::Found(Some(S::Returned), 6)),
            ("not_delivered_in_time.json", 200, M::Found(Some(S::Exception), 4)),
            ("awaiting_item.json", 200, M::Found(Some(S::Registered), 1)),
            ("lost.json", 200, M::Found(Some(S::Lost), 4)),
            ("cancelled.json", 200, M::Found(Some(S::Cancelled), 2)),
            ("unknown.json", 200, M::NotYet),
            ("lookup_failed.json", 200, M::Own(Fault::Transient)),
            ("unknown_code.json", 200, M::Found(None, 3)),
            ("duplicates.json", 200, M::Found(Some(S::InTransit), 3)),
            ("out_of_order.json", 200, M::Found(Some(S::InTransit), 3)),
            ("null_text.json", 200, M::Found(Some(S::InTransit), 1)),
            ("personal.json", 200, M::Found(Some(S::Delivered), 5)),
            ("another_parcel.json", 200, M::Own(Fault::Malformed)),
            ("error_rate_limited.json", 429, M::Whole(Fault::Rate)),
            ("error_unauthorized.json", 401, M::Whole(Fault::Auth)),
            ("error_payment.json", 402, M::Whole(Fault::Auth)),
            ("error_unprocessable.json", 422, M::Own(Fault::Rejected)),
            ("error_server.json", 500, M::Whole(Fault::Transient)),
            ("nothing.json", 200, M::Own(Fault::Malformed)),
            ("page.html", 200, M::Whole(Fault::Transient)),
            ("truncated.json", 200, M::Whole(Fault::Malformed)),
        ],
    );
}

#[test]
fn a_time_without_a_place_is_of_no_known_zone() {
    let events = found(ID, &parcel(), "found_picked_up.json").checkpoints;
    assert_eq!(events[0].at, EventTime::Local("2026-11-16T14:00:00".parse().unwrap()));
    assert_eq!(events[1].at, EventTime::Exact("2026-11-16T22:30:00Z".parse().unwrap()));
}

#[test]
fn codes_without_a_meaning_are_reported_and_people_are_not_kept() {
    assert_eq!(unmapped(ID, &parcel(), "unknown_code.json"), ["event", "status:levitating"]);
    let personal = &found(ID, &parcel(), "personal.json").checkpoints[4];
    assert_eq!(personal.text.as_deref(), Some("Delivered to [name], [phone]"));
}

fn push(current: &str, next: Option<&str>) -> EasyPostPush {
    let next = next.map(SecretString::from);
    EasyPostPush::new(PushSecrets { current: SecretString::from(current), next })
}

fn signed(signature: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("x-hmac-signature", signature.parse().unwrap());
    headers
}

#[test]
fn a_push_is_taken_from_who_knows_one_of_the_secrets() {
    // Made with `openssl dgst -sha256 -hmac`, the secret in the form NFKD (e and a combining accent).
    let body = b"{\"id\":\"evt_1\"}";
    let right = "hmac-sha256-hex=648a648ccf2d4fb82924f631da8d92ecfb4d0e8406023c78f9a215117f1ac4d0";
    let composed = push("s\u{e9}cret", None);
    assert_eq!(composed.verify(&signed(right), body), Ok(()));
    assert_eq!(push("se\u{301}cret", None).verify(&signed(right), body), Ok(()));
    assert_eq!(push("old", Some("s\u{e9}cret")).verify(&signed(right), body), Ok(()));
    assert_eq!(composed.verify(&HeaderMap::new(), body), Err(PushFault::Unsigned));
    for wrong in [right.trim_start_matches("hmac-sha256-hex="), "hmac-sha256-hex=", "hmac-sha256-hex=zz", "x"]
    {
        assert_eq!(composed.verify(&signed(wrong), body), Err(PushFault::WrongSignature), "{wrong}");
    }
    assert_eq!(composed.verify(&signed(right), b"{\"id\": \"evt_1\"}"), Err(PushFault::WrongSignature));
    assert_eq!(push("other", None).verify(&signed(right), body), Err(PushFault::WrongSignature));
    assert_eq!(push("", None).verify(&signed(right), body), Err(PushFault::WrongSignature));
}

#[test]
fn a_push_tells_its_parcel_and_others_tell_none() {
    let read = |name: &str| push("s", None).parse(&HeaderMap::new(), &sample("push/easypost", name)).unwrap();
    let updated = read("updated.json");
    assert_eq!((updated.dedupe_key.as_str(), updated.parcels.len()), ("evt_0001", 1));
    assert_eq!(updated.parcels[0].asked, parcel());
    let delivered = |lookup: &Lookup| matches!(lookup, Lookup::Found(s) if s.status == Some(S::Delivered));
    assert!(updated.parcels[0].outcome.as_ref().is_ok_and(delivered), "{updated:?}");
    let kind = read("another_kind.json");
    assert_eq!((kind.dedupe_key.as_str(), kind.parcels.len(), kind.unmapped.len()), ("evt_0002", 0, 0));
    let carrier = read("another_carrier.json");
    assert_eq!((carrier.parcels.len(), carrier.unmapped), (0, vec!["carrier:Dragon_Post".to_owned()]));
    for body in [&b""[..], b"[]", b"{", b"\xff"] {
        assert!(push("s", None).parse(&HeaderMap::new(), body).is_err(), "{body:?}");
    }
}
