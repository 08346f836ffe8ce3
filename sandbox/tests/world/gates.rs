//! What every carrier does alike: it counts, holds to its quota and misbehaves as it is told.

use std::time::{Duration, Instant};

use forebay_sandbox::{CarrierName, Faults, Limit, Options, Sandbox};
use serde_json::{Value, json};

use crate::asking::{Asker, world, world_with};

const SECOND: Duration = Duration::from_secs(1);

/// What says "too much" in each carrier's own words.
fn says_too_much(name: CarrierName, status: u16, text: &str) -> bool {
    match name {
        CarrierName::SweetTracker => text.contains("\"103\""),
        CarrierName::TrackerDelivery => text.contains("FORBIDDEN") && text.contains("rate limit"),
        CarrierName::Ups => status == 429 && text.contains("10429"),
        CarrierName::Fedex => status == 429 && text.contains("errors"),
        CarrierName::Dhl => status == 429 && text.contains("Too many requests within defined time period"),
        CarrierName::Easypost => status == 429 && text.contains("temporarily rate-limited"),
        CarrierName::Aftership => status == 429 && text.contains("\"code\":429"),
    }
}

#[tokio::test]
async fn every_carrier_can_be_slow_broken_down_and_full_alone() {
    let (_sandbox, mut asker) = world().await;
    for name in CarrierName::ALL {
        asker.ask(name, "600000000001").await;
        asker.fault(name, json!({ "fail_next": 2 })).await;
        let mut statuses = Vec::new();
        for n in 2..5 {
            statuses.push(asker.ask(name, &format!("60000000000{n}")).await.status >= 500);
        }
        assert_eq!(statuses, [true, true, false], "{name}");
        asker.fault(name, json!({ "html": true })).await;
        let page = asker.ask(name, "600000000001").await;
        assert!(page.status == 200 && page.text.starts_with("<!DOCTYPE html>"), "{name}: {}", page.text);
        asker.fault(name, json!({ "truncated": true })).await;
        let cut = asker.ask(name, "600000000009").await;
        assert!(
            cut.status < 300 && serde_json::from_str::<Value>(&cut.text).is_err(),
            "{name}: {}",
            cut.text
        );
        asker.fault(name, json!({ "latency_ms": 60 })).await;
        let begun = Instant::now();
        asker.ask(name, "600000000001").await;
        assert!(begun.elapsed() >= Duration::from_millis(60), "{name}");
    }
    asker.fault(CarrierName::Dhl, json!({ "fail_percent": 100 })).await;
    assert!(asker.ask(CarrierName::Ups, "1Z999AA10160000011").await.status == 200, "the others are well");
}

#[tokio::test]
async fn a_429_tells_when_to_come_again_in_seconds_as_a_date_or_not_at_all() {
    let (_sandbox, mut asker) = world().await;
    for name in CarrierName::ALL {
        for (switch, header) in [(json!({}), None), (json!({ "seconds": 7 }), Some("7"))] {
            asker.fault(name, json!({ "rate_limited": switch })).await;
            let limited = asker.ask(name, "600000000001").await;
            assert_eq!((limited.status, limited.header("retry-after")), (429, header), "{name}");
        }
        asker.fault(name, json!({ "rate_limited": { "date_in_s": 90 } })).await;
        let limited = asker.ask(name, "600000000001").await;
        let date = chrono::DateTime::parse_from_rfc2822(limited.header("retry-after").unwrap()).unwrap();
        let ahead = date.timestamp() - chrono::Local::now().timestamp();
        assert!((80..=90).contains(&ahead), "{name}: {ahead}");
    }
}

#[tokio::test]
async fn quotas_of_a_second_and_of_a_day_are_held_in_the_carriers_own_words() {
    let (sandbox, mut asker) = world().await;
    for name in CarrierName::ALL {
        asker.fault(name, json!({ "daily_quota": 3 })).await;
        let mut refused = Vec::new();
        for n in 1..6 {
            let answer = asker.ask(name, &format!("60000000000{n}")).await;
            refused.push(says_too_much(name, answer.status, &answer.text));
        }
        assert_eq!(refused, [false, false, false, true, true], "{name}");
        assert_eq!(sandbox.record().over_quota_of(name), 2);
        let path = format!("/_control/carriers/{name}/new-day");
        assert_eq!(asker.client.call("POST", &path, &[], b"").await.status, 204);
        let answer = asker.ask(name, "600000000007").await;
        assert!(!says_too_much(name, answer.status, &answer.text), "{name}: a new day");
        asker.fault(name, json!({ "quota_per_second": 1 })).await;
        let begun = Instant::now();
        let mut most = 0;
        for _ in 0..4 {
            let answer = asker.ask(name, "600000000001").await;
            most += usize::from(says_too_much(name, answer.status, &answer.text));
        }
        assert!(most >= 3 || begun.elapsed() >= SECOND, "{name}: {most}");
    }
}

#[tokio::test]
async fn a_quota_may_have_a_window_of_its_own() {
    let name = CarrierName::Fedex;
    let limit = Limit { calls: 3, window: Duration::from_secs(600), per_day: None };
    let options = Options { limits: [(name, limit)].into(), enforce_quota: true, ..Options::default() };
    let (sandbox, mut asker) = world_with(options).await;
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(asker.ask(name, "600000000001").await.status);
    }
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
    assert_eq!(sandbox.record().statuses_of(name), [(200, 3), (429, 2)].into());
}

#[test]
fn the_documented_limits_are_enforced_when_wished() {
    let options = Options::default().with_documented_limits();
    assert!(options.enforce_quota);
    assert_eq!(options.limit(CarrierName::Dhl), Limit { calls: 1, window: SECOND, per_day: Some(250) });
    assert_eq!(options.limit(CarrierName::Ups), Limit::per_second(1_000));
}

#[tokio::test]
async fn credentials_are_asked_for_refused_and_expire() {
    let (_sandbox, mut asker) = world().await;
    let bare = [
        ("POST", "/tracker_delivery/graphql"),
        ("POST", "/fedex/track/v1/trackingnumbers"),
        ("GET", "/dhl/track/shipments?trackingNumber=6"),
        ("POST", "/easypost/v2/trackers"),
        ("GET", "/easypost/v2/trackers/trk_1"),
        ("GET", "/ups/api/track/v1/details/600000000001"),
        ("POST", "/aftership/tracking/2025-04/trackings"),
    ];
    for (method, path) in bare {
        let answer = asker.client.call(method, path, &[], b"{}").await;
        let refused = answer.status == 401 || answer.text.contains("FORBIDDEN");
        assert!(refused, "{method} {path}: {} {}", answer.status, answer.text);
    }
    for name in CarrierName::ALL {
        asker.ask(name, "600000000001").await;
        for switch in ["refuses_key", "key_expired"] {
            asker.fault(name, json!({ switch: true })).await;
            let answer = asker.ask(name, "600000000002").await;
            let in_words = matches!(name, CarrierName::SweetTracker | CarrierName::TrackerDelivery);
            assert!(in_words || matches!(answer.status, 401 | 403), "{name} {switch}: {}", answer.text);
            assert!(!answer.text.contains("600000000002"), "{name} {switch}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn a_wrong_method_is_refused() {
    let (_sandbox, mut asker) = world().await;
    let wrong = [
        ("GET", "/sweettracker/api/v1/trackingInfo"),
        ("GET", "/tracker_delivery/graphql"),
        ("GET", "/fedex/oauth/token"),
        ("GET", "/fedex/track/v1/trackingnumbers"),
        ("POST", "/dhl/track/shipments"),
        ("PUT", "/easypost/v2/trackers"),
        ("POST", "/ups/api/track/v1/details/600000000001"),
        ("DELETE", "/aftership/tracking/2025-04/trackings"),
    ];
    for (method, path) in wrong {
        assert_eq!(asker.client.call(method, path, &[], b"").await.status, 405, "{method} {path}");
    }
}

#[tokio::test]
async fn what_a_carrier_saw_is_told_over_the_control() {
    let (sandbox, mut asker) = world().await;
    let name = CarrierName::Fedex;
    for _ in 0..3 {
        asker.fedex(&["600000000001", "600000000002"]).await;
    }
    asker.ask(CarrierName::Dhl, "600000000001").await;
    let told = asker.client.get("/_control/carriers/fedex?windows_ms=1,600000").await.json();
    assert_eq!(
        (&told["calls"], &told["token_calls"], &told["most_in_flight"]),
        (&json!(3), &json!(1), &json!(1))
    );
    assert_eq!((&told["statuses"]["200"], &told["in_flight"]), (&json!(3), &json!(0)));
    assert_eq!(told["most_in_windows_ms"]["600000"], 3);
    assert_eq!(asker.client.get("/_control/carriers").await.json()["dhl"]["calls"], 1);
    assert_eq!(asker.client.get("/_control/carriers/nobody").await.status, 400);
    let number = asker.client.get("/_control/carriers/fedex/numbers/600000000001").await.json();
    assert_eq!(number["calls"], 3);
    let parcel = asker.client.get("/_control/parcels/600000000001").await.json();
    assert_eq!(parcel["calls"], 4, "all carriers tell of the same parcel");
    let arrivals = asker.client.get("/_control/carriers/fedex/arrivals?after=1&limit=9").await.json();
    assert_eq!((&arrivals["total"], &arrivals["first"]), (&json!(3), &json!(2)));
    let at: Vec<f64> = arrivals["at_ms"].as_array().unwrap().iter().map(|ms| ms.as_f64().unwrap()).collect();
    assert!(at.len() == 2 && at.is_sorted() && at[0] > 0.0);
    let record = sandbox.record();
    assert_eq!((record.carrier_calls(), record.calls_of(name), record.token_calls_of(name)), (4, 3, 1));
    assert_eq!((record.max_calls_of(name, Duration::from_secs(600)), record.most_in_flight_of(name)), (3, 1));
    assert_eq!(record.calls_about_of(CarrierName::Dhl, "600000000001"), 1);
}

#[tokio::test]
async fn a_call_that_hangs_is_counted_and_let_go_when_its_caller_goes() {
    let (sandbox, mut asker) = world().await;
    let name = CarrierName::Dhl;
    asker.fault(name, json!({ "hang": true })).await;
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let mut one = Asker::of(&sandbox).await;
        waiting.push(tokio::spawn(async move { one.ask(name, "600000000001").await }));
    }
    until(&sandbox, |sandbox| sandbox.record().calls_of(name) == 3).await;
    assert_eq!(sandbox.record().most_in_flight_of(name), 3);
    waiting.iter().for_each(|task| task.abort());
    let deadline = Instant::now() + Duration::from_secs(30);
    while asker.client.get("/_control/carriers/dhl").await.json()["in_flight"] != 0 {
        assert!(Instant::now() < deadline, "the calls were not let go");
    }
    sandbox.set_faults(Faults::default());
    assert_eq!(asker.ask(name, "600000000001").await.status, 200);
}

async fn until(sandbox: &Sandbox, done: impl Fn(&Sandbox) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !done(sandbox) {
        assert!(Instant::now() < deadline, "it never came to pass");
        tokio::task::yield_now().await;
    }
}
