//! UPS Tracking.

use chrono::{Duration, NaiveDateTime};
use forebay_sandbox::CarrierName;
use serde_json::{Value, json};

use crate::asking::{Asker, world};

/// A UPS number whose story begins with these digits.
fn number(story: &str) -> String {
    format!("1Z999AA101{story}00018")
}

async fn packages(asker: &mut Asker, story: &str) -> Vec<Value> {
    let answer = asker.ups(&number(story)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["trackResponse"]["shipment"][0]["package"].as_array().cloned().unwrap_or_default()
}

#[tokio::test]
async fn a_package_has_local_times_and_gmt_that_needs_no_offset() {
    let (_sandbox, mut asker) = world().await;
    let package = &packages(&mut asker, "621").await[0];
    assert_eq!(package["trackingNumber"], number("621"));
    assert_eq!(package["currentStatus"]["code"], "022");
    let activity = package["activity"].as_array().unwrap();
    assert_eq!((activity.len(), &activity[0]["status"]["statusCode"]), (5, &json!("022")));
    for event in activity {
        let text = |field: &str| event[field].as_str().unwrap().to_owned();
        let read = |text: String, form| NaiveDateTime::parse_from_str(&text, form).unwrap();
        let local = read(text("date") + &text("time"), "%Y%m%d%H%M%S");
        let gmt = read(text("gmtDate") + &text("gmtTime"), "%Y%m%d%H:%M:%S");
        let offset = text("gmtOffset");
        let hours: i64 = offset[..3].parse().unwrap();
        assert_eq!(local - gmt, Duration::hours(hours), "{offset}");
    }
}

#[tokio::test]
async fn what_is_not_found_comes_with_status_200_and_no_package() {
    let (_sandbox, mut asker) = world().await;
    let answer = asker.ups(&number("640")).await;
    let shipment = answer.json()["trackResponse"]["shipment"][0].clone();
    assert_eq!((answer.status, &shipment["warnings"][0]["code"]), (200, &json!("TW0001")));
    assert_eq!(shipment.get("package"), None);
}

#[tokio::test]
async fn each_state_has_its_type_and_code() {
    let (_sandbox, mut asker) = world().await;
    let states = [
        ("610", "M", "003"),
        ("617", "MV", "007"),
        ("600", "I", "038"),
        ("622", "I", "161"),
        ("623", "X", "013"),
        ("624", "X", "147"),
        ("652", "D", "011"),
        ("690", "X", "036"),
        ("691", "D", "034"),
    ];
    for (story, kind, code) in states {
        let status = packages(&mut asker, story).await[0]["activity"][0]["status"].clone();
        assert_eq!((&status["type"], &status["statusCode"]), (&json!(kind), &json!(code)), "{story}");
    }
}

#[tokio::test]
async fn odd_and_reused_numbers_are_told_as_they_are_known_to_be() {
    let (_sandbox, mut asker) = world().await;
    let odd = &packages(&mut asker, "652").await[0];
    assert_eq!((&odd["packageCount"], odd["activity"][0].get("gmtDate")), (&json!(2), None));
    let both = packages(&mut asker, "651").await;
    assert_eq!((both.len(), &both[0]["currentStatus"]["code"]), (2, &json!("011")));
}

#[tokio::test]
async fn errors_are_told_with_their_codes() {
    let (_sandbox, mut asker) = world().await;
    let code =
        |text: &str| serde_json::from_str::<Value>(text).unwrap()["response"]["errors"][0]["code"].clone();
    let cases = [("123456", 400, "TV1002"), (&number("647"), 400, "TV1002"), (&number("646"), 500, "TV0001")];
    for (number, status, expected) in cases {
        let answer = asker.ups(number).await;
        assert_eq!((answer.status, code(&answer.text)), (status, json!(expected)), "{number}");
    }
    let token = asker.ups_token().await.json();
    assert!(token["expires_in"].is_string() && token["issued_at"].is_string(), "every field is a text");
    let bearer = format!("Bearer {}", token["access_token"].as_str().unwrap());
    let path = format!("/ups/api/track/v1/details/{}", number("600"));
    let bare = asker.client.call("GET", &path, &[("authorization", &bearer)], b"").await;
    assert_eq!(bare.status, 400, "without transId and transactionSrc");
    let wrong = [("authorization", "Basic eDp5"), ("content-type", "application/x-www-form-urlencoded")];
    let form = b"grant_type=client_credentials";
    assert_eq!(asker.client.call("POST", "/ups/security/v1/oauth/token", &wrong, form).await.status, 401);
    asker.fault(CarrierName::Ups, json!({ "token_life_s": 0 })).await;
    let expired = asker.ups(&number("600")).await;
    assert_eq!((expired.status, code(&expired.text)), (401, json!("250002")));
    assert_eq!(expired.header("retry-after"), None);
}
