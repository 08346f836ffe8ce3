//! Keys, tokens and people stay out of what adapters say of themselves and of parcels.

use forebay_carriers::{CarrierError, KNOWN, PushSecrets};
use http::HeaderMap;
use secrecy::SecretString;

use crate::support::{KEY, asked, nowhere, parse, refusing, sample, samples, settings, tools};

/// People of the samples, their numbers and where they live.
const PEOPLE: &[&str] = &[
    "이몽룡",
    "성춘향",
    "1234-5678",
    "9999-8888",
    "555-0101",
    "해운대구",
    "MARY MAJOR",
    "SMITH",
    "555-0123",
];

#[test]
fn no_adapter_shows_its_key_or_its_push_secrets() {
    for known in KNOWN {
        let adapter = (known.build)(&tools(nowhere()), settings(nowhere(), "", "client", KEY)).unwrap();
        let shown =
            format!("{adapter:?} {:?} {:?}", settings(nowhere(), "", "client", KEY), tools(nowhere()));
        assert!(!shown.contains(KEY), "{}: {shown}", known.id);
        if let Some(push) = known.push {
            let secrets =
                PushSecrets { current: SecretString::from(KEY), next: Some(SecretString::from(KEY)) };
            let shown = format!("{secrets:?} {:?}", push(secrets.clone()));
            assert!(!shown.contains(KEY), "{}: {shown}", known.id);
        }
    }
}

#[tokio::test]
async fn no_failed_call_shows_the_key() {
    let (_held, away) = refusing();
    for known in KNOWN {
        let adapter = (known.build)(&tools(away), settings(away, "", "client", KEY)).unwrap();
        let one = asked(adapter.serves()[0].as_str(), "123456789012");
        let error: CarrierError = adapter.track(&[one]).await.unwrap_err();
        let shown = format!("{error:?} {error}");
        assert!(matches!(error, CarrierError::Transient(_)) && !shown.contains(KEY), "{}: {shown}", known.id);
        assert!(!shown.contains("123456789012"), "{}: {shown}", known.id);
    }
}

#[test]
fn an_answer_that_repeats_our_key_leaves_none_of_it_in_errors() {
    for known in KNOWN {
        let one = [asked("cj", "123456789012")];
        for body in [
            format!("{{\"error\":\"{KEY}\"}}"),
            format!("<html>{KEY}</html>"),
            KEY.to_owned(),
            format!("{{\"meta\":{{\"message\":\"{KEY}\"}},\"title\":\"{KEY}\"}}"),
        ] {
            for status in [200, 400, 401, 403, 404, 429, 500, 503] {
                let answer = parse(known.id, status, &HeaderMap::new(), body.as_bytes(), &one);
                let shown = format!("{answer:?}");
                assert!(!shown.contains(KEY), "{} under {status}: {shown}", known.id);
            }
        }
    }
}

#[test]
fn no_sample_leaves_a_person_behind() {
    for known in KNOWN {
        let one = match known.id {
            "fedex" => asked("fedex", "794643013528"),
            "dhl" => asked("dhl", "3318810025"),
            "ups" | "aftership" => asked("ups", "1ZW12A340312345671"),
            "easypost" => asked("usps", "9400100000000000000150"),
            _ => asked("cj", "123456789012"),
        };
        for name in samples(known.id) {
            let body = sample(known.id, &name);
            let text =
                format!("{:?}", parse(known.id, 200, &HeaderMap::new(), &body, std::slice::from_ref(&one)));
            for person in PEOPLE {
                assert!(!text.contains(person), "{person} of {}/{name} stays in {text}", known.id);
            }
        }
    }
}
