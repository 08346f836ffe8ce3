//! The carrier in Sweet Tracker's format.

use std::time::{Duration, Instant};

use forebay_sandbox::{CARRIER_KEY, Options, Sandbox, Script, Step, Story};
use serde_json::json;

use crate::wire::{Client, question};

const TRACKING: &str = "/sweettracker/api/v1/trackingInfo";

async fn world(options: Options) -> (Sandbox, Client) {
    let sandbox = Sandbox::start(options).await.unwrap();
    let client = Client::to(&sandbox).await;
    (sandbox, client)
}

#[tokio::test]
async fn a_parcel_is_picked_up_at_the_first_look_and_told_in_the_carriers_shape() {
    let (_sandbox, mut client) = world(Options::default()).await;
    let answer = client.track("600000000001").await;
    assert_eq!(answer.status, 200);
    let parcel = answer.json();
    assert_eq!(
        (&parcel["result"], &parcel["level"], &parcel["complete"]),
        (&json!("Y"), &json!(2), &json!(false))
    );
    assert_eq!((&parcel["completeYN"], &parcel["invoiceNo"]), (&json!("N"), &json!("600000000001")));
    for field in ["itemName", "senderName", "receiverName", "receiverAddr", "estimate", "firstDetail"] {
        assert!(parcel.get(field).is_some(), "{field}");
    }
    let details = parcel["trackingDetails"].as_array().unwrap();
    assert_eq!(details.len(), 2);
    assert_eq!((&parcel["lastDetail"], &parcel["lastStateDetail"]), (&details[1], &details[1]));
    for field in ["time", "timeString", "where", "kind", "level", "telno", "telno2", "manName", "manPic"] {
        assert!(!details[0][field].is_null(), "{field}");
    }
    assert_eq!(client.track("600000000001").await.json(), parcel, "another look tells the same");
}

#[tokio::test]
async fn what_is_wrong_with_a_question_is_told_by_its_code_inside_status_200() {
    let (sandbox, mut client) = world(Options::default()).await;
    let long = "6".repeat(31);
    let questions = [
        (question("wrong", "04", "600000000001"), "101"),
        (question(CARRIER_KEY, "99", "600000000001"), "104"),
        (question(CARRIER_KEY, "04", "6000-0000"), "104"),
        (question(CARRIER_KEY, "04", ""), "104"),
        (question(CARRIER_KEY, "04", &long), "104"),
        (question(CARRIER_KEY, "04", "640000000001"), "104"),
        (question(CARRIER_KEY, "04", "646000000001"), "106"),
        (json!({ "t_key": 7 }), "101"),
        (json!([]), "101"),
    ];
    for (asked, code) in &questions {
        let answer = client.post(TRACKING, &[], asked).await;
        assert_eq!(answer.status, 200);
        let told = answer.json();
        assert_eq!((&told["status"], &told["code"]), (&json!(false), &json!(code)), "{asked}");
    }
    assert_eq!(client.call("POST", TRACKING, &[], b"{\"t_key\":").await.json()["code"], "106");
    assert_eq!(sandbox.record().carrier_calls(), questions.len() + 1, "each call counts against the quota");
}

#[tokio::test]
async fn each_prefix_has_its_story() {
    let (_sandbox, mut client) = world(Options::default()).await;
    let mut levels = async |number: &str| {
        let mut levels = Vec::new();
        for _ in 0..4 {
            levels.push(client.track(number).await.json()["level"].as_u64().unwrap_or(0));
        }
        levels
    };
    assert_eq!(levels("610000000001").await, [1, 1, 2, 2]);
    assert_eq!(levels("615000000001").await, [1, 1, 1, 1]);
    assert_eq!(levels("620000000001").await, [2, 3, 5, 6]);
    assert_eq!(levels("645000000001").await, [2, 2, 2, 0]);
    let html = client.track("660000000001").await;
    assert_eq!((html.status, html.header("content-type")), (200, Some("text/html; charset=UTF-8")));
    let cut = client.track("670000000001").await;
    assert!(cut.status == 200 && serde_json::from_str::<serde_json::Value>(&cut.text).is_err());
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(client.track("680000000001").await.status);
    }
    assert_eq!(statuses, [500, 500, 200]);
    let back = client.track("690000000001").await.json();
    assert_eq!((&back["level"], &back["lastDetail"]["kind"]), (&json!(3), &json!("반송출고")));
}

#[tokio::test]
async fn a_label_is_picked_up_when_the_control_says_so() {
    let (sandbox, mut client) = world(Options::default()).await;
    assert_eq!(client.track("615000000001").await.json()["level"], 1);
    assert_eq!(client.call("POST", "/_control/parcels/615000000001/advance", &[], b"").await.status, 204);
    assert_eq!(client.track("615000000001").await.json()["level"], 2);
    sandbox.advance("615000000002");
    assert_eq!(client.track("615000000002").await.json()["level"], 2);
    assert_eq!(sandbox.record().calls_about("615000000001"), 2, "an advance is no call");
}

#[tokio::test]
async fn a_script_of_ones_own_goes_before_the_default_one() {
    let script = Script::default()
        .with("6009", Story::Slow(Duration::from_millis(200)))
        .with("61", Story::Unknown)
        .with("700", Story::told(&[Step::Label, Step::PickedUp, Step::Delivered]));
    let (_sandbox, mut client) = world(Options { script, ..Options::default() }).await;
    assert_eq!(client.track("610000000001").await.json()["code"], "104");
    assert_eq!(client.track("700000000001").await.json()["complete"], true);
    let begun = Instant::now();
    assert_eq!(client.track("600900000001").await.json()["level"], 2);
    assert!(begun.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn calls_above_the_quota_are_refused_when_it_is_enforced_and_counted_in_any_case() {
    for enforce_quota in [true, false] {
        let options = Options { carrier_quota_per_second: 5, enforce_quota, ..Options::default() };
        let (sandbox, mut client) = world(options).await;
        let begun = Instant::now();
        let mut refused = 0;
        for _ in 0..20 {
            refused += usize::from(client.track("600000000001").await.json()["code"] == "103");
        }
        let quick = begun.elapsed() < Duration::from_secs(1);
        let most = sandbox.record().max_carrier_calls_in(Duration::from_secs(1));
        assert!(most <= 20 && (!quick || most == 20), "{most}");
        // Twenty calls within a second fall into two of the quota's seconds at most.
        assert!(if enforce_quota { !quick || refused >= 10 } else { refused == 0 }, "{refused}");
        assert_eq!(
            (sandbox.record().carrier_calls(), sandbox.record().max_carrier_calls_in(Duration::ZERO)),
            (20, 1)
        );
    }
}

#[tokio::test]
async fn a_call_counts_when_its_head_arrives_however_late_it_is_answered() {
    let options = Options { carrier_latency: Duration::from_secs(600), ..Options::default() };
    let (sandbox, mut client) = world(options).await;
    let waiting = tokio::spawn(async move { client.track("600000000001").await });
    let deadline = Instant::now() + Duration::from_secs(30);
    while sandbox.record().carrier_calls() == 0 {
        assert!(Instant::now() < deadline, "the call was not counted");
        tokio::task::yield_now().await;
    }
    assert!(!waiting.is_finished());
    waiting.abort();
}

#[tokio::test]
async fn the_carrier_misbehaves_as_it_is_told() {
    let (_sandbox, mut client) = world(Options::default()).await;
    client.fault(json!({ "carrier_fail_percent": 25 })).await;
    let mut failed = 0;
    for _ in 0..100 {
        failed += usize::from(client.track("600000000001").await.status == 500);
    }
    assert_eq!(failed, 25);
    client.fault(json!({ "carrier_rate_limited": 7 })).await;
    let limited = client.track("600000000001").await;
    assert_eq!((limited.status, limited.header("retry-after")), (429, Some("7")));
    client.fault(json!({ "carrier_rate_limited": 0 })).await;
    let limited = client.track("600000000001").await;
    assert_eq!((limited.status, limited.header("retry-after")), (429, None));
    client.fault(json!({ "carrier_refuses_key": true })).await;
    assert_eq!(client.track("600000000001").await.json()["code"], "101");
    client.fault(json!({ "carrier_key_expired": true })).await;
    assert_eq!(client.track("600000000001").await.json()["code"], "102");
    client.fault(json!({ "carrier_latency_ms": 150 })).await;
    let begun = Instant::now();
    client.track("600000000001").await;
    assert!(begun.elapsed() >= Duration::from_millis(150));
    client.fault(json!({})).await;
    assert_eq!(client.track("600000000001").await.json()["level"], 2);
}

#[tokio::test]
async fn the_list_of_companies_needs_the_key() {
    let (_sandbox, mut client) = world(Options::default()).await;
    let list = client.get(&format!("/sweettracker/api/v1/companylist?t_key={CARRIER_KEY}")).await.json();
    let companies = list["Company"].as_array().unwrap();
    assert!(companies.iter().any(|company| company["Code"] == "04"));
    assert_eq!(client.get("/sweettracker/api/v1/companylist").await.json()["code"], "101");
}
