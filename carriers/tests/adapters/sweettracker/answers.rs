//! Each sample and what it means; then anything at all.

use std::time::Duration;

use forebay_carriers::{Answered, Carrier as _, CarrierError, Received};
use forebay_domain::parcel::{EventTime, Lookup, Snapshot};
use forebay_schemas::events::ParcelStatus as S;
use http::HeaderMap;
use proptest::prelude::*;

use super::asking::adapter;
use crate::support::asked;

fn sample(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/samples/sweettracker/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn parse(status: u16, body: &[u8]) -> Result<Answered, CarrierError> {
    let adapter = adapter("127.0.0.1:9".parse().unwrap());
    let headers = HeaderMap::new();
    let received = Received { status, retry_after: None, headers: &headers, body };
    adapter.parse(&received, &[asked("cj", "123456789012")]).map(|mut answers| answers.remove(0))
}

fn found(name: &str) -> Snapshot {
    match parse(200, &sample(name)).unwrap().outcome {
        Ok(Lookup::Found(snapshot)) => snapshot,
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn every_sample_of_a_known_parcel_has_its_status_and_number_of_checkpoints() {
    let table = [
        ("found_registered.json", Some(S::Registered), 1),
        ("found_picked_up.json", Some(S::PickedUp), 2),
        ("found_in_transit.json", Some(S::InTransit), 3),
        ("found_at_branch.json", Some(S::InTransit), 4),
        ("found_out_for_delivery.json", Some(S::OutForDelivery), 5),
        ("found_delivered.json", Some(S::Delivered), 6),
        ("duplicates.json", Some(S::InTransit), 4),
        ("newest_first.json", Some(S::Delivered), 6),
        ("out_of_order.json", Some(S::InTransit), 4),
        ("filler_after_delivery.json", Some(S::Delivered), 6),
        ("filler_alone.json", Some(S::Delivered), 6),
        ("complete_flag_alone.json", Some(S::Delivered), 4),
        ("complete_letter_alone.json", Some(S::Delivered), 4),
        ("last_detail_newer.json", Some(S::InTransit), 5),
        ("sent_back.json", Some(S::Returning), 6),
        ("sent_back_and_delivered.json", Some(S::Returned), 7),
        ("sending_back_called_off.json", Some(S::InTransit), 6),
        ("unknown_level.json", None, 3),
        ("times_as_text.json", Some(S::PickedUp), 2),
        ("numbers_as_text.json", Some(S::InTransit), 3),
        ("personal.json", Some(S::OutForDelivery), 1),
    ];
    for (name, status, checkpoints) in table {
        let snapshot = found(name);
        assert_eq!((snapshot.status, snapshot.checkpoints.len()), (status, checkpoints), "{name}");
    }
}

#[test]
fn every_sample_of_an_error_is_told_apart() {
    let whole = |name: &str, status: u16| parse(status, &sample(name)).unwrap_err();
    assert!(matches!(whole("error_bad_key.json", 200), CarrierError::Auth(_)));
    assert!(matches!(whole("error_expired_key.json", 200), CarrierError::Auth(_)));
    assert_eq!(whole("error_quota.json", 200), CarrierError::QuotaExhausted { retry_after: None });
    assert!(matches!(whole("framework_error.json", 200), CarrierError::Transient(_)));
    assert!(matches!(whole("page.html", 200), CarrierError::Transient(_)));
    assert!(matches!(whole("truncated.json", 200), CarrierError::Malformed(_)));

    let part = |name: &str, status: u16| parse(status, &sample(name)).unwrap().outcome;
    for name in ["error_not_found.json", "error_code_as_number.json", "error_without_status.json"] {
        assert_eq!(part(name, 200), Ok(Lookup::NotYetKnown), "{name}");
        assert_eq!(part(name, 404), Ok(Lookup::NotYetKnown), "{name} under 404");
    }
    assert_eq!(part("nothing_yet.json", 200), Ok(Lookup::NotYetKnown));
    let often = part("error_number_too_often.json", 200);
    assert_eq!(often, Err(CarrierError::RateLimited { retry_after: None }));
    assert!(matches!(part("error_lookup_failed.json", 200), Err(CarrierError::Transient(_))));
    assert!(matches!(part("error_unknown_code.json", 200), Err(CarrierError::Rejected { .. })));
    assert!(matches!(part("another_parcel.json", 200), Err(CarrierError::Malformed(_))));
}

#[test]
fn statuses_without_a_readable_body_are_told_apart() {
    let whole = |status: u16, body: &[u8]| parse(status, body).unwrap_err();
    for status in [401, 403] {
        assert!(matches!(whole(status, b""), CarrierError::Auth(_)), "{status}");
    }
    for status in [100, 302, 408, 500, 502, 503, 504, 999] {
        assert!(matches!(whole(status, b"<html>"), CarrierError::Transient(_)), "{status}");
    }
    for status in [400, 404, 405] {
        assert!(matches!(whole(status, b"{}"), CarrierError::Rejected { .. }), "{status}");
    }
    assert!(matches!(whole(200, b" \n"), CarrierError::Transient(_)));
    for body in [&b"[]"[..], b"null", b"7", b"{\"a\":", b"\xff\xfe"] {
        assert!(matches!(whole(200, body), CarrierError::Malformed(_)), "{body:?}");
    }
    assert!(matches!(parse(200, b"{}").unwrap().outcome, Err(CarrierError::Malformed(_))));
    let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
    assert!(matches!(whole(200, &deep), CarrierError::Malformed(_)));
    let adapter = adapter("127.0.0.1:9".parse().unwrap());
    let wait = Some(Duration::from_secs(5));
    let headers = HeaderMap::new();
    let received = Received { status: 429, retry_after: wait, headers: &headers, body: b"" };
    assert_eq!(adapter.parse(&received, &[]), Err(CarrierError::RateLimited { retry_after: wait }));
}

#[test]
fn checkpoints_are_in_order_however_they_come() {
    let straight = found("found_delivered.json");
    assert_eq!(found("newest_first.json").checkpoints, straight.checkpoints);
    assert_eq!(found("out_of_order.json").checkpoints, straight.checkpoints[..4]);
    assert_eq!(found("last_detail_newer.json").checkpoints, straight.checkpoints[..5]);
}

#[test]
fn times_are_instants_of_korea_and_a_filler_is_a_day() {
    let instant = |text: &str| EventTime::Exact(text.parse().unwrap());
    for name in ["found_picked_up.json", "times_as_text.json"] {
        let checkpoints = found(name).checkpoints;
        assert_eq!(checkpoints[0].at, instant("2026-11-18T00:12:00Z"), "{name}");
        assert_eq!(checkpoints[1].at, instant("2026-11-18T09:40:10Z"), "{name}");
    }
    let filled = found("filler_alone.json").checkpoints;
    assert_eq!(filled[5].at, EventTime::Date("2026-11-19".parse().unwrap()));
    let true_one = found("filler_after_delivery.json").checkpoints;
    assert_eq!(true_one[5].at, instant("2026-11-19T05:33:20Z"));
}

#[test]
fn codes_without_a_meaning_are_reported_once_each() {
    let unmapped = |name: &str| parse(200, &sample(name)).unwrap().unmapped;
    assert_eq!(unmapped("unknown_level.json"), ["level:9"]);
    assert_eq!(unmapped("error_unknown_code.json"), ["error:199"]);
    assert_eq!(unmapped("numbers_as_text.json"), ["event"]);
    assert!(unmapped("found_delivered.json").is_empty());
    let stranger = &found("unknown_level.json").checkpoints[2];
    assert_eq!((stranger.status, stranger.raw_code.as_deref()), (S::Unknown, Some("level-9")));
}

#[test]
fn no_sample_leaves_a_person_behind() {
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/samples/sweettracker")).unwrap() {
        let body = std::fs::read(entry.unwrap().path()).unwrap();
        let text = format!("{:?}", parse(200, &body));
        for person in ["이몽룡", "성춘향", "1234-5678", "9999-8888", "555-0101", "해운대구"] {
            assert!(!text.contains(person), "{person} stays in {text}");
        }
    }
}

fn anything() -> impl Strategy<Value = Vec<u8>> {
    let text = r#"[{}\[\]",:0-9a-z반송\\ .*+()-]{0,200}"#;
    let mutated = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()).prop_map(
        |(which, at, byte)| {
            let names =
                ["found_delivered.json", "sent_back.json", "error_quota.json", "numbers_as_text.json"];
            let mut body = sample(names[which.index(names.len())]);
            let at = at.index(body.len());
            body[at] = byte;
            body
        },
    );
    let field = prop_oneof![
        Just("null".to_owned()),
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_filter("JSON has no such numbers", |f| f.is_finite()).prop_map(|f| f.to_string()),
        ".{0,30}".prop_map(|t| serde_json::Value::String(t).to_string()),
        Just("[{}]".to_owned()),
        Just("true".to_owned()),
    ];
    let shaped = prop::collection::vec(field, 8).prop_map(|f| {
        let event = format!(
            r#"{{"time":{},"timeString":{},"kind":{},"where":{},"level":{},"manName":{}}}"#,
            f[0], f[1], f[2], f[3], f[4], f[5]
        );
        format!(r#"{{"level":{},"complete":{},"trackingDetails":[{event},{event}]}}"#, f[6], f[7])
            .into_bytes()
    });
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        text.prop_map(String::into_bytes),
        mutated,
        shaped
    ]
}

proptest! {
    #[test]
    fn anything_under_any_status_gives_one_answer_a_parcel_or_one_error(
        status in any::<u16>(),
        ok in any::<bool>(),
        body in anything(),
        parcels in 0usize..4,
    ) {
        let adapter = adapter("127.0.0.1:9".parse().unwrap());
        let all: Vec<_> = (0..parcels).map(|n| asked("cj", &format!("{:012}", 123_456_789_012_u64 + n as u64))).collect();
        let headers = HeaderMap::new();
        let received = Received { status: if ok { 200 } else { status }, retry_after: None, headers: &headers, body: &body };
        if let Ok(answers) = adapter.parse(&received, &all) {
            let parcels: Vec<_> = answers.iter().map(|a| a.asked.clone()).collect();
            prop_assert_eq!(parcels, all);
            for answer in answers {
                if let Ok(Lookup::Found(snapshot)) = answer.outcome {
                    for checkpoint in snapshot.checkpoints {
                        prop_assert!(checkpoint.text.is_none_or(|t| t.chars().count() <= 200));
                        prop_assert!(checkpoint.place.is_none_or(|p| p.chars().count() <= 100));
                    }
                }
            }
        }
    }
}
