//! FedEx Track API v1.

use std::time::Duration;

use forebay_sandbox::{CarrierName, FEDEX_CLIENT_ID};
use serde_json::{Value, json};

use crate::asking::world;

const FEDEX: CarrierName = CarrierName::Fedex;

fn results(answer: &Value, part: usize) -> &Vec<Value> {
    answer["output"]["completeTrackResults"][part]["trackResults"].as_array().unwrap()
}

#[tokio::test]
async fn a_batch_has_one_part_for_each_number_found_or_not() {
    let (_sandbox, mut asker) = world().await;
    let answer = asker.fedex(&["620000000001", "640000000001", "646000000001", "691000000001"]).await;
    assert_eq!(answer.status, 200);
    let answer = answer.json();
    assert_eq!(answer["output"]["completeTrackResults"].as_array().unwrap().len(), 4);
    assert!(answer["output"]["alerts"].is_string() && answer["transactionId"].is_string());
    let found = &results(&answer, 0)[0];
    assert_eq!(found["trackingNumberInfo"]["trackingNumber"], "620000000001");
    assert_eq!((&found["latestStatusDetail"]["code"], &found["error"]), (&json!("PU"), &Value::Null));
    let scans = found["scanEvents"].as_array().unwrap();
    let kinds: Vec<&str> = scans.iter().map(|scan| scan["eventType"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["PU", "OC"], "the newest first");
    let at = |scan: &Value| chrono::DateTime::parse_from_rfc3339(scan["date"].as_str().unwrap()).unwrap();
    assert!(at(&scans[0]) > at(&scans[1]));
    assert_eq!(results(&answer, 1)[0]["error"]["code"], "TRACKING.TRACKINGNUMBER.NOTFOUND");
    assert_eq!(results(&answer, 2)[0]["error"]["code"], "TRACKING.DATA.NOTFOUND");
    let back = results(&answer, 3)[0]["scanEvents"].as_array().unwrap();
    assert_eq!((&back[0]["eventType"], &back[1]["eventType"]), (&json!("DL"), &json!("RS")));
}

#[tokio::test]
async fn a_number_that_was_used_before_has_two_results_the_old_one_first() {
    let (_sandbox, mut asker) = world().await;
    let both = asker.fedex(&["651000000001"]).await.json();
    let both = results(&both, 0);
    let id = |result: &Value| result["trackingNumberInfo"]["trackingNumberUniqueId"].clone();
    let code = |result: &Value| result["latestStatusDetail"]["code"].clone();
    assert_eq!((both.len(), code(&both[0]), code(&both[1])), (2, json!("DL"), json!("IT")));
    assert_ne!(id(&both[0]), id(&both[1]));
    let info = json!({ "trackingNumber": "651000000001", "trackingNumberUniqueId": id(&both[1]) });
    let body = json!({ "trackingInfo": [{ "trackingNumberInfo": info }] });
    let one = asker.fedex_body(&body).await.json();
    assert_eq!((results(&one, 0).len(), id(&results(&one, 0)[0])), (1, id(&both[1])));
    asker.fault(FEDEX, json!({ "reused": true })).await;
    let every = asker.fedex(&["600000000001"]).await.json();
    assert_eq!(results(&every, 0).len(), 2);
}

#[tokio::test]
async fn one_number_may_spoil_the_whole_batch() {
    let (_sandbox, mut asker) = world().await;
    let poisoned = asker.fedex(&["600000000001", "647000000001"]).await;
    assert_eq!((poisoned.status, poisoned.json()["errors"].as_array().unwrap().len()), (400, 1));
    let odd = asker.fedex(&["652000000001"]).await.json();
    let scans = results(&odd, 0)[0]["scanEvents"].as_array().unwrap().clone();
    let seven = scans.iter().filter(|scan| scan["date"].as_str().unwrap().contains(".6571145")).count();
    assert_eq!(seven, 1);
    assert!(asker.fedex(&["660000000001", "600000000001"]).await.text.starts_with('<'));
    let cut = asker.fedex(&["670000000001"]).await;
    assert!(cut.status == 200 && serde_json::from_str::<Value>(&cut.text).is_err());
    assert_eq!(asker.fedex(&["680000000001"]).await.status, 500);
}

#[tokio::test]
async fn what_is_wrong_with_a_question_is_told_with_a_code() {
    let (_sandbox, mut asker) = world().await;
    let many: Vec<String> = (0..31).map(|n| format!("6000000000{n:02}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(asker.fedex(&many).await.status, 400);
    assert_eq!(asker.fedex(&many[..30]).await.status, 200);
    for body in [json!({}), json!({ "trackingInfo": [] }), json!({ "trackingInfo": [{}] })] {
        let answer = asker.fedex_body(&body).await;
        assert_eq!(answer.json()["errors"][0]["code"], "TRACKING.TRACKINGNUMBER.EMPTY");
    }
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let form = format!("grant_type=client_credentials&client_id={FEDEX_CLIENT_ID}&client_secret=wrong");
    let wrong = asker.client.call("POST", "/fedex/oauth/token", &headers, form.as_bytes()).await;
    assert_eq!((wrong.status, &wrong.json()["errors"][0]["code"]), (401, &json!("NOT.AUTHORIZED.ERROR")));
    let no_form = asker.client.post("/fedex/oauth/token", &[], &json!({ "grant_type": "x" })).await;
    assert_eq!(no_form.status, 400);
}

#[tokio::test]
async fn a_token_ends_when_its_life_is_over_or_before() {
    let (sandbox, mut asker) = world().await;
    let token = asker.fedex_token().await.json();
    assert_eq!((&token["token_type"], &token["expires_in"]), (&json!("bearer"), &json!(3_600)));
    assert_eq!(asker.fedex(&["600000000001"]).await.status, 200);
    asker.fault(FEDEX, json!({ "token_life_s": 0 })).await;
    let expired = asker.fedex(&["600000000001"]).await;
    assert_eq!((expired.status, &expired.json()["errors"][0]["code"]), (401, &json!("NOT.AUTHORIZED.ERROR")));
    asker.fault(FEDEX, json!({})).await;
    assert_eq!(asker.fedex(&["600000000001"]).await.status, 200);
    sandbox.forget_tokens(FEDEX);
    assert_eq!(asker.fedex(&["600000000001"]).await.status, 401);
    assert_eq!(sandbox.record().token_calls_of(FEDEX), 2);
}

#[tokio::test]
async fn a_flood_of_token_calls_shuts_the_token_endpoint() {
    let (sandbox, mut asker) = world().await;
    let mut statuses = Vec::new();
    for _ in 0..17 {
        statuses.push(asker.fedex_token().await.status);
    }
    assert_eq!((statuses[0], statuses[13], &statuses[14..]), (200, 200, [403, 403, 403].as_slice()));
    asker.fault(FEDEX, json!({ "token_ban_s": 0 })).await;
    assert_eq!(asker.fedex_token().await.status, 200);
    assert_eq!(sandbox.record().token_calls_of(FEDEX), 18);
    assert_eq!(sandbox.record().max_calls_of(FEDEX, Duration::from_secs(60)), 0, "no tracking calls");
}

#[tokio::test]
async fn events_come_twice_and_out_of_order_when_told_so() {
    let (_sandbox, mut asker) = world().await;
    asker.fault(FEDEX, json!({ "duplicates": true, "out_of_order": true })).await;
    let answer = asker.fedex(&["600000000001"]).await.json();
    let scans = results(&answer, 0)[0]["scanEvents"].as_array().unwrap();
    let kinds: Vec<&str> = scans.iter().map(|scan| scan["eventType"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["PU", "PU", "OC"]);
    let journey = asker.fedex(&["650000000001"]).await.json();
    let scans = results(&journey, 0)[0]["scanEvents"].as_array().unwrap();
    let kinds: Vec<&str> = scans.iter().map(|scan| scan["eventType"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["DL", "DL", "PU", "IT", "OC"]);
}
