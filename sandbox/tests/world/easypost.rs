//! EasyPost trackers.

use forebay_sandbox::{CarrierName, EASYPOST_KEY};
use serde_json::{Value, json};

use crate::asking::{Asker, world};

async fn create(asker: &mut Asker, code: &str) -> Value {
    let body = json!({ "tracker": { "tracking_code": code, "carrier": "FedEx" } });
    asker.easypost("POST", "", &body).await.json()
}

#[tokio::test]
async fn a_tracker_is_made_once_and_asked_for_by_its_id() {
    let (_sandbox, mut asker) = world().await;
    let body = json!({ "tracker": { "tracking_code": "620000000001", "carrier": "FedEx" } });
    let made = asker.easypost("POST", "", &body).await;
    let again = asker.easypost("POST", "", &body).await;
    assert_eq!((made.status, again.status), (201, 200));
    let made = made.json();
    let id = made["id"].as_str().unwrap();
    assert!(id.starts_with("trk_") && again.json()["id"] == id);
    assert_eq!((&made["object"], &made["carrier"]), (&json!("Tracker"), &json!("FedEx")));
    assert_eq!(
        (&made["status"], &made["status_detail"]),
        (&json!("in_transit"), &json!("received_at_origin_facility"))
    );
    let details = made["tracking_details"].as_array().unwrap();
    assert_eq!((details.len(), &details[0]["status"]), (2, &json!("pre_transit")), "the oldest first");
    assert!(details[0]["datetime"].as_str().unwrap().ends_with('Z'));
    let one = asker.easypost("GET", &format!("/{id}"), &Value::Null).await.json();
    assert_eq!(one["status"], "out_for_delivery", "the third look");
    assert_eq!(asker.easypost("GET", "/trk_nobody", &Value::Null).await.status, 404);
    let bearer = format!("Bearer {EASYPOST_KEY}");
    let path = format!("/easypost/v2/trackers/{id}");
    assert_eq!(asker.client.call("GET", &path, &[("authorization", &bearer)], b"").await.status, 200);
}

#[tokio::test]
async fn each_state_has_its_words_and_the_carriers_own_test_numbers_too() {
    let (_sandbox, mut asker) = world().await;
    let states = [
        ("640000000001", "unknown"),
        ("646000000001", "error"),
        ("617000000001", "cancelled"),
        ("622000000001", "available_for_pickup"),
        ("624000000001", "failure"),
        ("690000000001", "return_to_sender"),
        ("691000000001", "return_to_sender"),
        ("EZ1000000001", "pre_transit"),
        ("EZ2000000002", "in_transit"),
        ("EZ3000000003", "out_for_delivery"),
        ("EZ4000000004", "delivered"),
        ("EZ5000000005", "return_to_sender"),
        ("EZ6000000006", "failure"),
        ("EZ7000000007", "unknown"),
    ];
    for (code, state) in states {
        assert_eq!(create(&mut asker, code).await["status"], state, "{code}");
    }
    let lost = create(&mut asker, "624000000002").await;
    assert_eq!(lost["status_detail"], "lost");
    let odd = create(&mut asker, "652000000001").await;
    assert_eq!(odd["tracking_details"][0]["message"], Value::Null);
}

#[tokio::test]
async fn trackers_are_listed_in_pages_and_made_in_batches() {
    let (_sandbox, mut asker) = world().await;
    let codes: Vec<String> = (0..5).map(|n| format!("60000000000{n}")).collect();
    let batch = asker.easypost("POST", "/batch", &json!({ "tracking_codes": codes })).await;
    assert_eq!((batch.status, batch.json()["trackers"].as_array().unwrap().len()), (200, 5));
    let of = |page: &Value| -> Vec<String> {
        let trackers = page["trackers"].as_array().unwrap();
        trackers.iter().map(|t| t["tracking_code"].as_str().unwrap().to_owned()).collect()
    };
    let first = asker.easypost("GET", "?page_size=2", &Value::Null).await.json();
    assert_eq!((of(&first), &first["has_more"]), (vec![codes[4].clone(), codes[3].clone()], &json!(true)));
    let last = first["trackers"][1]["id"].as_str().unwrap();
    let rest = asker.easypost("GET", &format!("?page_size=9&before_id={last}"), &Value::Null).await.json();
    assert_eq!((of(&rest).len(), &rest["has_more"]), (3, &json!(false)));
    let one = asker.easypost("GET", &format!("?tracking_code={}", codes[1]), &Value::Null).await.json();
    assert_eq!(of(&one), [codes[1].clone()]);
}

#[tokio::test]
async fn errors_have_objects_in_one_place_and_texts_in_another() {
    let (_sandbox, mut asker) = world().await;
    let blank = asker.easypost("POST", "", &json!({ "tracker": {} })).await;
    assert_eq!((blank.status, &blank.json()["error"]["errors"][0]["field"]), (422, &json!("tracking_code")));
    let invalid = asker.ask(CarrierName::Easypost, "647000000001").await;
    assert!(invalid.status == 422 && invalid.json()["error"]["errors"][0].is_string());
    assert_eq!(asker.easypost("POST", "/batch", &json!({})).await.status, 422);
    assert_eq!(asker.ask(CarrierName::Easypost, "680000000001").await.status, 500);
    let nobody = [("authorization", "Basic bm9ib2R5Og==")];
    assert_eq!(asker.client.call("GET", "/easypost/v2/trackers", &nobody, b"").await.status, 401);
}
