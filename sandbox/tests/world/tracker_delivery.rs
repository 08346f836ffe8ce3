//! tracker.delivery.

use forebay_sandbox::CarrierName;
use serde_json::{Value, json};

use crate::asking::{Asker, GRAPHQL, world};

async fn ask(asker: &mut Asker, number: &str) -> Value {
    let answer = asker.ask(CarrierName::TrackerDelivery, number).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

fn last(answer: &Value) -> &Value {
    &answer["data"]["track"]["lastEvent"]["status"]["code"]
}

#[tokio::test]
async fn a_parcel_is_told_with_what_was_selected_and_nothing_else() {
    let (_sandbox, mut asker) = world().await;
    let answer = ask(&mut asker, "621000000001").await;
    assert_eq!((last(&answer), answer.get("errors")), (&json!("ATTEMPT_FAIL"), None));
    let track = &answer["data"]["track"];
    assert_eq!((&track["trackingNumber"], track.get("sender")), (&json!("621000000001"), None));
    let edges = track["events"]["edges"].as_array().unwrap();
    let codes: Vec<&str> = edges.iter().map(|e| e["node"]["status"]["code"].as_str().unwrap()).collect();
    assert_eq!(
        codes,
        ["INFORMATION_RECEIVED", "AT_PICKUP", "IN_TRANSIT", "OUT_FOR_DELIVERY", "ATTEMPT_FAIL"],
        "the oldest first"
    );
    let time = edges[0]["node"]["time"].as_str().unwrap();
    assert!(chrono::DateTime::parse_from_rfc3339(time).is_ok() && !time.ends_with('Z'), "{time}");
    assert_eq!(edges[0]["node"].get("description"), None);
}

#[tokio::test]
async fn errors_come_inside_status_200() {
    let (_sandbox, mut asker) = world().await;
    let cases = [
        ("640000000001", "NOT_FOUND"),
        ("647000000001", "BAD_REQUEST"),
        ("646000000001", "INTERNAL"),
        ("", "BAD_REQUEST"),
    ];
    for (number, code) in cases {
        let answer = ask(&mut asker, number).await;
        let error = &answer["errors"][0];
        assert_eq!(
            (&error["extensions"]["code"], &error["path"]),
            (&json!(code), &json!(["track"])),
            "{number}"
        );
        assert_eq!(answer["data"]["track"], Value::Null);
    }
    for n in 0..4 {
        let answer = ask(&mut asker, "645000000001").await;
        let code = &answer["errors"][0]["extensions"]["code"];
        assert_eq!(*code, if n < 3 { Value::Null } else { json!("FORBIDDEN") });
    }
    let no_carrier = asker.graphql(GRAPHQL, json!({ "c": "cj", "n": "600000000001" })).await;
    assert_eq!(no_carrier.json()["errors"][0]["extensions"]["code"], "BAD_REQUEST");
    let key = [("authorization", "TRACKQL-API-KEY a:b")];
    let wrong = asker.client.post("/tracker_delivery/graphql", &key, &json!({ "query": GRAPHQL })).await;
    assert_eq!((wrong.status, &wrong.json()["errors"][0]["extensions"]["code"]), (200, &json!("FORBIDDEN")));
    assert!(!wrong.text.contains("rate limit"));
}

#[tokio::test]
async fn a_question_that_no_such_server_would_take_is_refused() {
    let (_sandbox, mut asker) = world().await;
    let wrong = [
        "query {",
        "{ parcel(id: 1) { a } }",
        "{ track(carrierId: \"kr.lotte\", trackingNumber: \"600000000001\") }",
        "{ track(carrierId: \"kr.lotte\", trackingNumber: \"600000000001\") { state } }",
        "mutation { track(carrierId: \"kr.lotte\", trackingNumber: \"600000000001\") { trackingNumber } }",
    ];
    for query in wrong {
        let answer = asker.graphql(query, Value::Null).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.text);
    }
    let two = "{ a: track(carrierId: \"kr.lotte\", trackingNumber: \"600000000001\") { trackingNumber } \
        b: track(carrierId: \"kr.lotte\", trackingNumber: \"640000000001\") { trackingNumber } }";
    let answer = asker.graphql(two, Value::Null).await.json();
    assert_eq!(answer["data"], json!({ "a": { "trackingNumber": "600000000001" }, "b": null }));
    assert_eq!(answer["errors"][0]["path"], json!(["b"]));
}

#[tokio::test]
async fn an_odd_parcel_has_lost_its_times_and_an_untidy_one_is_told_backwards() {
    let (_sandbox, mut asker) = world().await;
    let odd = ask(&mut asker, "652000000001").await;
    assert_eq!((last(&odd), &odd["data"]["track"]["lastEvent"]["time"]), (&json!("DELIVERED"), &Value::Null));
    let untidy = ask(&mut asker, "650000000001").await;
    let codes: Vec<&str> = untidy["data"]["track"]["events"]["edges"]
        .as_array()
        .unwrap()
        .iter()
        .map(|edge| edge["node"]["status"]["code"].as_str().unwrap())
        .collect();
    assert_eq!(codes, ["DELIVERED", "DELIVERED", "IN_TRANSIT", "AT_PICKUP", "INFORMATION_RECEIVED"]);
    let reused = ask(&mut asker, "651000000001").await;
    assert_eq!(reused["data"]["track"]["events"]["edges"].as_array().unwrap().len(), 6);
}
