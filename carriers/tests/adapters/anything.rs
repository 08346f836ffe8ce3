//! Anything at all under any status: one answer a parcel, or one error; never a panic, nothing unbounded.

use forebay_carriers::{Answered, KNOWN, PushSecrets};
use forebay_domain::parcel::Lookup;
use http::HeaderMap;
use proptest::prelude::*;
use proptest::sample::Index;
use secrecy::SecretString;
use serde_json::Value;

use crate::support::{asked, parse, sample, samples};

/// A parcel that the samples of an adapter tell of, and others.
fn parcels(id: &str, count: usize) -> Vec<forebay_carriers::Asked> {
    let one = match id {
        "fedex" => asked("fedex", "794643013528"),
        "dhl" => asked("dhl", "3318810025"),
        "ups" | "aftership" => asked("ups", "1ZW12A340312345671"),
        "easypost" => asked("usps", "9400100000000000000150"),
        _ => asked("cj", "123456789012"),
    };
    let others = (0..).map(|n| asked(one.carrier.as_str(), &format!("{}", 794_643_013_539_u64 + n)));
    std::iter::once(one.clone()).chain(others).take(count).collect()
}

/// A value somewhere in a document takes another form, is gone, or stands twice.
fn changed(mut json: Value, at: Index, how: u8) -> Value {
    fn count(value: &Value) -> usize {
        1 + match value {
            Value::Array(list) => list.iter().map(count).sum(),
            Value::Object(map) => map.values().map(count).sum(),
            _ => 0,
        }
    }
    fn walk(value: &mut Value, left: &mut usize, how: u8) {
        if *left == 0 {
            *value = match how % 8 {
                0 => Value::Null,
                1 => Value::from(-1),
                2 => Value::from("\u{0}…\u{1F4E6} 2026-13-45T99:99:99Z"),
                3 => Value::Array(vec![value.clone(), value.clone()]),
                4 => serde_json::json!({ "code": value.clone() }),
                5 => Value::from(true),
                6 => Value::from("9".repeat(5000)),
                _ => Value::from(f64::MAX),
            };
        }
        *left = left.wrapping_sub(1);
        match value {
            Value::Array(list) => list.iter_mut().for_each(|v| walk(v, left, how)),
            Value::Object(map) => map.values_mut().for_each(|v| walk(v, left, how)),
            _ => {}
        }
    }
    let mut left = at.index(count(&json));
    walk(&mut json, &mut left, how);
    json
}

fn bodies(folder: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let names = samples(folder);
    let one = any::<Index>().prop_map(move |which| sample(folder, &names[which.index(names.len())]));
    let byte = (one.clone(), any::<Index>(), any::<u8>()).prop_map(|(mut body, at, byte)| {
        let at = at.index(body.len());
        body[at] = byte;
        body
    });
    let value =
        (one, prop::collection::vec((any::<Index>(), any::<u8>()), 1..4)).prop_map(|(body, changes)| {
            let Ok(json) = serde_json::from_slice::<Value>(&body) else { return body };
            let json = changes.into_iter().fold(json, |json, (at, how)| changed(json, at, how));
            json.to_string().into_bytes()
        });
    prop_oneof![1 => prop::collection::vec(any::<u8>(), 0..300), 2 => byte, 6 => value]
}

fn bounded(answers: &[Answered]) -> Result<(), TestCaseError> {
    for answer in answers {
        prop_assert!(answer.unmapped.len() <= 20 && answer.unmapped.iter().all(|c| c.chars().count() <= 80));
        if let Ok(Lookup::Found(snapshot)) = &answer.outcome {
            prop_assert!(snapshot.checkpoints.len() <= 500);
            for checkpoint in &snapshot.checkpoints {
                let within =
                    |text: &Option<String>, most| text.as_ref().is_none_or(|t| t.chars().count() <= most);
                prop_assert!(within(&checkpoint.text, 200) && within(&checkpoint.place, 100));
                prop_assert!(within(&checkpoint.raw_code, 40));
            }
        }
    }
    Ok(())
}

fn an_answer(id: &'static str) -> impl Strategy<Value = (&'static str, u16, Vec<u8>, usize)> {
    let status = prop_oneof![4 => Just(200u16), 1 => any::<u16>(), 1 => 400u16..600];
    (Just(id), status, bodies(id), 0usize..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn anything_under_any_status_gives_one_answer_a_parcel_or_one_error(
        (id, status, body, count) in prop_oneof![
            an_answer("tracker_delivery"),
            an_answer("fedex"),
            an_answer("dhl"),
            an_answer("ups"),
            an_answer("easypost"),
            an_answer("aftership"),
        ],
    ) {
        let all = parcels(id, count);
        if let Ok(answers) = parse(id, status, &HeaderMap::new(), &body, &all) {
            let told: Vec<_> = answers.iter().map(|a| a.asked.clone()).collect();
            prop_assert_eq!(told, all);
            bounded(&answers)?;
        }
    }

    #[test]
    fn anything_that_is_pushed_is_an_answer_or_a_fault(
        (id, body) in prop_oneof![
            (Just("easypost"), bodies("push/easypost")),
            (Just("aftership"), bodies("push/aftership")),
            (Just("tracker_delivery"), bodies("push/tracker_delivery")),
        ],
        signature in "[ -~]{0,80}",
    ) {
        let build = KNOWN.iter().find(|known| known.id == id).and_then(|known| known.push).unwrap();
        let push = build(PushSecrets { current: SecretString::from("secret"), next: None });
        let mut headers = HeaderMap::new();
        for header in ["x-hmac-signature", "aftership-hmac-sha256", "as-webhook-version"] {
            headers.insert(header, signature.parse().unwrap());
        }
        prop_assert!(push.verify(&headers, &body).is_err() == push.is_signed(), "nobody guesses a signature");
        if let Ok(answer) = push.parse(&headers, &body) {
            prop_assert!(!answer.dedupe_key.is_empty() && answer.dedupe_key.chars().count() <= 128);
            bounded(&answer.parcels)?;
        }
    }
}

#[test]
fn every_known_adapter_has_samples() {
    for known in KNOWN {
        assert!(samples(known.id).len() >= 20, "{}", known.id);
        if known.push.is_some() {
            assert!(samples(&format!("push/{}", known.id)).len() >= 3, "{}", known.id);
        }
    }
}
