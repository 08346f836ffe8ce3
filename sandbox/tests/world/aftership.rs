//! AfterShip Tracking 2025-04.

use forebay_sandbox::CarrierName;
use serde_json::{Value, json};

use crate::asking::{Asker, world};

async fn create(asker: &mut Asker, number: &str) -> Value {
    let answer = asker.ask(CarrierName::Aftership, number).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()["data"].clone()
}

#[tokio::test]
async fn a_tracking_is_made_once_and_asked_for_by_id_or_number() {
    let (_sandbox, mut asker) = world().await;
    let made = create(&mut asker, "621000000001").await;
    assert_eq!((&made["tag"], &made["subtag"]), (&json!("AttemptFail"), &json!("AttemptFail_002")));
    let again = asker.ask(CarrierName::Aftership, "621000000001").await;
    assert_eq!((again.status, &again.json()["meta"]["code"]), (400, &json!(4003)));
    assert_eq!(again.json()["data"]["id"], made["id"]);
    let checkpoints = made["checkpoints"].as_array().unwrap();
    let with_zone =
        |c: &Value| chrono::DateTime::parse_from_rfc3339(c["checkpoint_time"].as_str().unwrap()).is_ok();
    let zones: Vec<bool> = checkpoints.iter().map(with_zone).collect();
    assert_eq!(zones, [true, true, false, true, true]);
    let id = made["id"].as_str().unwrap();
    let one = asker.aftership("GET", &format!("/{id}"), &Value::Null).await.json();
    assert_eq!((&one["meta"]["code"], &one["data"]["tag"]), (&json!(200), &json!("Delivered")));
    let listed = asker.aftership("GET", "?tracking_numbers=621000000001,7", &Value::Null).await.json();
    assert_eq!(listed["data"]["trackings"].as_array().unwrap().len(), 1);
    let missing = asker.aftership("GET", "/0", &Value::Null).await;
    assert_eq!((missing.status, &missing.json()["meta"]["code"]), (404, &json!(4004)));
}

#[tokio::test]
async fn what_is_not_known_is_pending_and_what_goes_back_is_an_exception() {
    let (_sandbox, mut asker) = world().await;
    let states = [
        ("640000000001", "Pending", "Pending_001"),
        ("610000000001", "InfoReceived", "InfoReceived_001"),
        ("622000000001", "AvailableForPickup", "AvailableForPickup_001"),
        ("690000000001", "Exception", "Exception_010"),
        ("691000000001", "Exception", "Exception_011"),
        ("652000000001", "Delivered", "Delivered_001"),
    ];
    for (number, tag, subtag) in states {
        let made = create(&mut asker, number).await;
        assert_eq!((&made["tag"], &made["subtag"]), (&json!(tag), &json!(subtag)), "{number}");
        let odd = number.starts_with("652");
        assert!(!odd || made["checkpoints"].as_array().unwrap().len() == 1, "the tag is ahead of the list");
    }
}

#[tokio::test]
async fn trackings_are_listed_in_pages_and_a_used_number_has_two() {
    let (_sandbox, mut asker) = world().await;
    for n in 0..5 {
        create(&mut asker, &format!("60000000000{n}")).await;
    }
    let first = asker.aftership("GET", "?limit=2", &Value::Null).await.json();
    let pagination = &first["data"]["pagination"];
    assert_eq!(
        (&pagination["has_next_page"], first["data"]["trackings"][0]["tracking_number"].as_str()),
        (&json!(true), Some("600000000004"))
    );
    let cursor = pagination["next_cursor"].as_str().unwrap();
    let rest = asker.aftership("GET", &format!("?limit=9&cursor={cursor}"), &Value::Null).await.json();
    assert_eq!(rest["data"]["trackings"].as_array().unwrap().len(), 3);
    create(&mut asker, "651000000001").await;
    let both = asker.aftership("GET", "?tracking_numbers=651000000001", &Value::Null).await.json();
    let tags: Vec<&str> =
        both["data"]["trackings"].as_array().unwrap().iter().map(|t| t["tag"].as_str().unwrap()).collect();
    assert_eq!(tags, ["InTransit", "Delivered"]);
}

#[tokio::test]
async fn errors_are_told_in_the_meta() {
    let (_sandbox, mut asker) = world().await;
    let cases = [("647000000001", 400, 4005), ("1", 400, 4005), ("646000000001", 500, 500)];
    for (number, status, code) in cases {
        let answer = asker.ask(CarrierName::Aftership, number).await;
        assert_eq!((answer.status, &answer.json()["meta"]["code"]), (status, &json!(code)), "{number}");
    }
    let headers = [("as-api-key", forebay_sandbox::AFTERSHIP_KEY)];
    let broken = asker.client.call("POST", "/aftership/tracking/2025-04/trackings", &headers, b"{").await;
    assert_eq!(broken.json()["meta"]["code"], 4001);
    asker.fault(CarrierName::Aftership, json!({ "rate_limited": {} })).await;
    let limited = asker.ask(CarrierName::Aftership, "600000000001").await;
    assert_eq!((limited.status, limited.header("x-ratelimit-remaining")), (429, Some("0")));
    assert!(limited.header("x-ratelimit-reset").unwrap().parse::<i64>().is_ok());
    asker.fault(CarrierName::Aftership, json!({})).await;
    let left = asker.ask(CarrierName::Aftership, "600000000001").await;
    let remaining: u32 = left.header("x-ratelimit-remaining").unwrap().parse().unwrap();
    assert!((900..1_000).contains(&remaining), "{remaining}");
}
