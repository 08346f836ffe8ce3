//! Whatever bytes come from outside, decoding answers and never panics; and what is taken stays what it was.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::LazyLock;

use forebay_schemas::trail::{Headers, bounded};
use forebay_schemas::{Catalogue, Event, Queue, Route, Trail};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use serde_json::Value;

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(Catalogue::new);

/// Every valid sample.
static SAMPLES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/valid");
    let mut samples: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect();
    samples.sort();
    samples
});

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("[a-z_]{0,12}", inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = CATALOGUE.decode(&bytes);
    }

    #[test]
    fn a_sample_with_bytes_changed_is_answered(
        sample in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = SAMPLES[sample.index(SAMPLES.len())].clone();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let _ = CATALOGUE.decode(&bytes);
    }

    #[test]
    fn a_sample_with_any_value_in_any_field_is_answered_with_its_reasons(
        sample in any::<prop::sample::Index>(),
        field in any::<prop::sample::Index>(),
        value in json(),
    ) {
        let mut event: Value = serde_json::from_slice(&SAMPLES[sample.index(SAMPLES.len())]).unwrap();
        let data = event["data"].as_object_mut().unwrap();
        let name = data.keys().nth(field.index(data.len())).unwrap().clone();
        data.insert(name, value);
        if let Err(refusal) = CATALOGUE.decode(event.to_string().as_bytes()) {
            prop_assert!(!refusal.violations.is_empty());
        }
    }

    #[test]
    fn what_is_decoded_is_the_same_after_it_was_encoded(
        sample in any::<prop::sample::Index>(),
        extension in "[a-z]{1,20}",
        subject in "\\PC{1,60}",
    ) {
        let mut event: Value = serde_json::from_slice(&SAMPLES[sample.index(SAMPLES.len())]).unwrap();
        event["subject"] = subject.into();
        event[format!("x{extension}")] = "1".into();
        if let Ok(first) = Event::decode(event.to_string().as_bytes()) {
            let second = Event::decode(&first.encode()).unwrap();
            prop_assert_eq!(first.digest(), second.digest());
            prop_assert_eq!((first.id, first.source, first.kind), (second.id, second.source, second.kind));
        }
    }

    #[test]
    fn any_headers_make_a_past_that_can_be_written_and_read_again(
        headers in prop::collection::btree_map(
            prop_oneof![
                "forebay-(attempt|first-seen|deferred-ms|not-before|parked-at|queue|code|error|replay)",
                "\\PC{0,20}",
            ],
            prop_oneof!["[0-9]{1,25}", "\\PC{0,60}", Just("9999-12-31T23:59:59Z".to_owned())],
            0..12,
        ),
    ) {
        let mut headers: Headers = headers;
        let trail = Trail::read(&headers);
        trail.write(&mut headers);
        let again = Trail::read(&headers);
        let mut once_more = headers.clone();
        again.write(&mut once_more);
        prop_assert_eq!(Trail::read(&once_more), again);
        prop_assert!(headers.keys().all(|name| !name.starts_with("x-")));
    }

    #[test]
    fn any_text_of_a_route_or_a_queue_is_answered_and_what_is_read_is_written_alike(text in "\\PC{0,60}") {
        for text in [text.clone(), format!("work:{text}"), format!("delay:5s:{text}"), format!("event:{text}")] {
            if let Ok(route) = Route::from_text(&text) {
                prop_assert_eq!(Route::from_text(&route.to_text()).unwrap(), route);
            }
        }
        let _ = text.parse::<Queue>();
    }

    #[test]
    fn a_text_is_bounded_in_bytes(text in any::<String>(), most in 0_usize..50) {
        let cut = bounded(&text, most);
        prop_assert!(cut.len() <= most && !cut.chars().any(char::is_control));
    }
}
