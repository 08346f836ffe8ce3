//! DHL Shipment Tracking - Unified.

use forebay_sandbox::CarrierName;
use serde_json::{Value, json};

use crate::asking::{Asker, world};

async fn shipments(asker: &mut Asker, number: &str) -> Vec<Value> {
    let answer = asker.dhl(&format!("?trackingNumber={number}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["shipments"].as_array().unwrap().clone()
}

fn timestamps(shipment: &Value) -> Vec<String> {
    let events = shipment["events"].as_array().unwrap();
    events.iter().map(|event| event["timestamp"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_shipment_has_times_with_and_without_zones_the_newest_first() {
    let (_sandbox, mut asker) = world().await;
    let found = shipments(&mut asker, "621000000001").await;
    let shipment = &found[0];
    assert_eq!((found.len(), &shipment["id"]), (1, &json!("621000000001")));
    assert_eq!(shipment["status"]["statusCode"], "failure");
    assert_eq!(shipment["events"][0]["status"], "DELIVERY ATTEMPTED");
    assert!(shipment["estimatedTimeOfDelivery"].is_string());
    let times = timestamps(shipment);
    let ends = |text: &str| match text {
        text if text.ends_with('Z') => "utc",
        text if text.len() == "2026-11-18T12:00:00".len() => "none",
        _ => "offset",
    };
    let kinds: Vec<&str> = times.iter().map(|time| ends(time)).collect();
    assert_eq!(kinds, ["utc", "offset", "none", "utc", "offset"]);
}

#[tokio::test]
async fn each_state_has_its_closed_code_and_a_return_only_its_flag() {
    let (_sandbox, mut asker) = world().await;
    let codes = [
        ("610000000001", "pre-transit", Value::Null),
        ("600000000001", "transit", Value::Null),
        ("622000000001", "transit", Value::Null),
        ("623000000001", "failure", Value::Null),
        ("650000000001", "delivered", Value::Null),
        ("690000000001", "transit", Value::Null),
        ("691000000001", "delivered", json!(true)),
        ("617000000001", "unknown", Value::Null),
    ];
    for (number, code, flag) in codes {
        let found = shipments(&mut asker, number).await;
        assert_eq!(
            (&found[0]["status"]["statusCode"], &found[0]["returnFlag"]),
            (&json!(code), &flag),
            "{number}"
        );
    }
}

#[tokio::test]
async fn without_a_service_another_parcel_may_come_first() {
    let (_sandbox, mut asker) = world().await;
    let ids =
        |found: &[Value]| found.iter().map(|s| s["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(ids(&shipments(&mut asker, "653000000001").await), ["65300000000100", "653000000001"]);
    assert_eq!(ids(&shipments(&mut asker, "653000000001&service=express").await), ["653000000001"]);
    let reused = shipments(&mut asker, "651000000001").await;
    assert_eq!(ids(&reused), ["651000000001", "651000000001"]);
    assert_eq!(reused[1]["status"]["statusCode"], "delivered");
}

#[tokio::test]
async fn an_odd_shipment_contradicts_itself() {
    let (_sandbox, mut asker) = world().await;
    let odd = &shipments(&mut asker, "652000000001").await[0];
    assert_eq!(
        (&odd["status"]["statusCode"], &odd["status"]["status"]),
        (&json!("delivered"), &json!("IN TRANSIT"))
    );
    assert_eq!(odd["status"].get("timestamp"), None);
    assert!(timestamps(odd).iter().all(|time| time.len() == 19));
}

#[tokio::test]
async fn errors_have_the_shape_of_a_problem() {
    let (_sandbox, mut asker) = world().await;
    let cases = [
        ("?trackingNumber=640000000001", 404),
        ("?trackingNumber=646000000001", 500),
        ("?trackingNumber=647000000001", 400),
        ("?trackingNumber=680000000001", 500),
        ("", 400),
        ("?trackingNumber=", 400),
    ];
    for (query, status) in cases {
        let answer = asker.dhl(query).await;
        assert_eq!((answer.status, &answer.json()["status"]), (status, &json!(status)), "{query}");
        assert!(answer.json()["title"].is_string() && answer.json()["detail"].is_string());
    }
    for _ in 0..3 {
        assert_eq!(asker.ask(CarrierName::Dhl, "645000000001").await.status, 200);
    }
    assert_eq!(asker.ask(CarrierName::Dhl, "645000000001").await.status, 429);
    let wrong =
        asker.client.call("GET", "/dhl/track/shipments?trackingNumber=6", &[("dhl-api-key", "x")], b"").await;
    assert_eq!((wrong.status, &wrong.json()["title"]), (401, &json!("Unauthorized")));
}
