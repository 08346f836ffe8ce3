//! The shop's returns API and its result endpoint.

use std::time::{Duration, Instant};

use forebay_sandbox::{Options, SHOP_TOKEN, Sandbox};
use serde_json::{Value, json};

use crate::wire::{Client, signed};

const RESULTS: &str = "/shop/return-results";

async fn world() -> (Sandbox, Client) {
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    let client = Client::to(&sandbox).await;
    (sandbox, client)
}

fn some_return(n: usize) -> Value {
    json!({
        "return_id": format!("R-{n}"), "order_id": format!("O-{n}"), "status": "requested",
        "requested_at": "2026-01-05T00:00:00Z",
        "parcel": { "carrier": "cj", "tracking_number": format!("600{n:09}") },
    })
}

async fn page(client: &mut Client, query: &str) -> Value {
    let authorization = format!("Bearer {SHOP_TOKEN}");
    let answer =
        client.call("GET", &format!("/shop/returns{query}"), &[("authorization", &authorization)], b"").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

#[tokio::test]
async fn every_return_is_read_once_by_following_the_cursor() {
    let (sandbox, mut client) = world().await;
    let put: Vec<Value> = (0..5).map(some_return).collect();
    assert_eq!(client.post("/_control/shop/returns", &[], &json!(put)).await.status, 204);
    let (mut read, mut query) = (Vec::new(), "?limit=2".to_owned());
    let mut last = String::new();
    loop {
        let page = page(&mut client, &query).await;
        read.extend(page["returns"].as_array().unwrap().clone());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        last = cursor.to_owned();
        query = format!("?limit=2&cursor={cursor}");
    }
    assert_eq!(read, put);
    assert!(sandbox.add_returns(vec![some_return(5)]));
    assert_eq!(page(&mut client, &format!("?cursor={last}")).await["returns"], json!([some_return(5)]));
}

#[tokio::test]
async fn the_returns_api_needs_its_token_and_a_cursor_of_its_own() {
    let (_sandbox, mut client) = world().await;
    assert_eq!(client.get("/shop/returns").await.status, 401);
    let wrong = client.call("GET", "/shop/returns", &[("authorization", "Bearer nobody")], b"").await;
    assert_eq!((wrong.status, wrong.header("www-authenticate")), (401, Some("Bearer")));
    let authorization = format!("Bearer {SHOP_TOKEN}");
    let answer =
        client.call("GET", "/shop/returns?cursor=x", &[("authorization", &authorization)], b"").await;
    assert_eq!(answer.status, 400);
    assert_eq!(page(&mut client, "?cursor=999").await, json!({ "returns": [], "next_cursor": null }));
}

#[tokio::test]
async fn a_result_is_taken_once_and_its_repeat_is_answered_and_counted() {
    let (sandbox, mut client) = world().await;
    let body = br#"{"return_id":"R-1"}"#;
    for repeat in [false, true] {
        let answer = client.deliver("key-1", body).await;
        assert_eq!((answer.status, &answer.json()["repeat"]), (200, &json!(repeat)));
    }
    assert_eq!(client.deliver("key-2", br#"{"return_id":"R-2"}"#).await.status, 200);
    let conflict = client.deliver("key-1", br#"{"return_id":"R-9"}"#).await;
    assert_eq!(conflict.status, 422);
    let distinct: Vec<(String, String)> = sandbox.record().distinct_results().into_iter().collect();
    let pair = |key: &str, id: &str| (key.to_owned(), id.to_owned());
    assert_eq!(distinct, [pair("key-1", "R-1"), pair("key-2", "R-2")]);
    let repeats: Vec<bool> = sandbox.record().results().iter().map(|result| result.repeat).collect();
    assert_eq!(repeats, [false, true, false]);
}

#[tokio::test]
async fn a_result_with_a_wrong_signature_or_without_a_key_is_refused() {
    let (sandbox, mut client) = world().await;
    let body = br#"{"return_id":"R-1"}"#;
    let now = chrono::Local::now().timestamp();
    let (time, old) = (now.to_string(), (now - 600).to_string());
    let (good, stale, other) = (signed(&time, "m", body), signed(&old, "m", body), signed(&time, "m", b"{}"));
    let far = i64::MIN.to_string();
    let rotated = format!("v1,AAAA {good}");
    let cases = [
        (&time, other.as_str(), "key", 401),
        (&old, &stale, "key", 401),
        (&far, &good, "key", 401),
        (&time, "", "key", 401),
        (&time, good.trim_start_matches("v1,"), "key", 401),
        (&time, &good, "", 400),
        (&time, &rotated, "key", 200),
    ];
    for (time, signature, key, status) in cases {
        let headers = [
            ("webhook-id", "m"),
            ("webhook-timestamp", time.as_str()),
            ("webhook-signature", signature),
            ("idempotency-key", key),
        ];
        let answer = client.call("POST", RESULTS, &headers, body).await;
        assert_eq!(answer.status, status, "{time} {signature} {key}: {}", answer.text);
    }
    assert_eq!(client.call("POST", RESULTS, &[], body).await.status, 401);
    assert_eq!(client.deliver("key-3", b"no json").await.status, 400);
    assert_eq!(sandbox.record().results().len(), 1);
    assert_eq!(client.get("/_control/record").await.json()["results_refused"], 8);
}

#[tokio::test]
async fn a_result_larger_than_64_kib_is_refused() {
    let (sandbox, mut client) = world().await;
    let body = format!("{{\"return_id\":\"{}\"}}", "R".repeat(70_000));
    assert_eq!(client.deliver("key-1", body.as_bytes()).await.status, 413);
    assert!(sandbox.record().results().is_empty());
}

#[tokio::test]
async fn the_result_endpoint_misbehaves_as_it_is_told() {
    let (sandbox, mut client) = world().await;
    let body = br#"{"return_id":"R-1"}"#;
    client.fault(json!({ "results_fail_first": 2 })).await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(client.deliver("key-1", body).await.status);
    }
    assert_eq!(statuses, [503, 503, 200]);
    client.fault(json!({ "results_gone": true })).await;
    assert_eq!(client.deliver("key-2", body).await.status, 410);
    client.fault(json!({ "results_rate_limited": 3 })).await;
    let limited = client.deliver("key-2", body).await;
    assert_eq!((limited.status, limited.header("retry-after")), (429, Some("3")));
    client.fault(json!({ "results_fail_percent": 100 })).await;
    assert_eq!(client.deliver("key-2", body).await.status, 503);
    client.fault(json!({ "returns_fail_percent": 100 })).await;
    assert_eq!(client.get("/shop/returns").await.status, 503);
    client.fault(json!({ "results_hang_ms": 600_000 })).await;
    let hanging = tokio::spawn(async move { client.deliver("key-3", body).await });
    let deadline = Instant::now() + Duration::from_secs(20);
    while !sandbox.record().distinct_results().iter().any(|(key, _)| key == "key-3") {
        assert!(Instant::now() < deadline, "a result that hangs was not taken");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!hanging.is_finished());
    assert_eq!(sandbox.record().distinct_results().len(), 2);
    hanging.abort();
}
