//! Incidents listed, taken on, left in silence.

use forebay_domain::incident::{AlertRule, Raise, Severity};
use forebay_intake::Scope;
use forebay_store::SinkAnswer;
use serde_json::{Value, json};

use crate::http::{Answer, Request};
use crate::world::{World, now};

async fn post(world: &World, path: &str, body: &Value) -> Answer {
    Request::new(world.address, "POST", path)
        .header("Authorization", &world.token(Scope::Operator))
        .header("Content-Type", "application/json")
        .body(body.to_string())
        .send()
        .await
}

#[tokio::test]
async fn open_incidents_are_listed() {
    let world = World::start().await;
    world.store.raise(vec![raise("stock/mug")], now()).await.unwrap();
    let incidents = world.get(Scope::Admin, "/v1/incidents").send().await.json();
    assert_eq!(incidents["items"][0]["fingerprint"], "stock/mug");
    assert_eq!(incidents["items"][0]["severity"], "warning");
}

fn raise(fingerprint: &str) -> Raise {
    Raise {
        fingerprint: fingerprint.into(),
        rule: AlertRule::StockLow,
        about: None,
        severity: Severity::Warning,
        title: "Low".into(),
        impact: "few left".into(),
        action: "restock".into(),
        sample: String::new(),
        count: 1,
    }
}

#[tokio::test]
async fn incidents_are_paged_looked_at_and_found_after_their_end() {
    let world = World::start().await;
    for n in 0..3 {
        world.store.raise(vec![raise(&format!("stock/{n}"))], now()).await.unwrap();
    }
    world.store.resolve(&["stock/1".to_owned()], now()).await.unwrap();
    let first = world.get(Scope::Admin, "/v1/incidents?state=any&limit=2").send().await.json();
    assert_eq!((first["items"].as_array().unwrap().len(), &first["more"]), (2, &json!(true)));
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest =
        world.get(Scope::Admin, &format!("/v1/incidents?state=any&cursor={cursor}")).send().await.json();
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["more"]), (1, &json!(false)));
    let over = world.get(Scope::Admin, "/v1/incidents?state=resolved").send().await.json();
    assert_eq!(over["items"][0]["fingerprint"], "stock/1");
    let id = over["items"][0]["id"].as_str().unwrap();
    let one = world.get(Scope::Admin, &format!("/v1/incidents/{id}")).send().await.json();
    assert_eq!((&one["id"], &one["state"]), (&json!(id), &json!("resolved")));
    let refused = post(&world, &format!("/v1/incidents/{id}/ack"), &json!({})).await;
    assert_eq!(refused.status, 409);
}

#[tokio::test]
async fn an_incident_is_taken_on_and_left_in_silence_by_an_operator() {
    let world = World::start().await;
    world.store.raise(vec![raise("stock/mug")], now()).await.unwrap();
    let id = world.store.open_incidents(1).await.unwrap()[0].id;
    let ack = async || post(&world, &format!("/v1/incidents/{id}/ack"), &json!({})).await;
    let acked = ack().await.json();
    assert!(acked["acknowledged"]["at"].is_string() && acked["unchanged"] == false, "{acked}");
    assert_eq!(ack().await.json()["unchanged"], true);
    let snooze = async |body: Value| post(&world, &format!("/v1/incidents/{id}/snooze"), &body).await;
    for bad in [
        json!({ "for_s": 60 }),
        json!({ "reason": "r" }),
        json!({ "reason": "r", "for_s": 0 }),
        json!({ "reason": "r", "for_s": 60, "until": "2100-01-01T00:00:00Z" }),
        json!({ "reason": "r", "until": "2020-01-01T00:00:00Z" }),
    ] {
        assert_eq!(snooze(bad.clone()).await.status, 422, "{bad}");
    }
    let snoozed = snooze(json!({ "reason": "a truck is late", "for_s": 3600 })).await.json();
    assert!(snoozed["snoozed"]["until"].is_string(), "{snoozed}");
    let log = world.get(Scope::Admin, "/v1/audit-log").send().await.json();
    let actions: Vec<_> = log["items"].as_array().unwrap().iter().map(|e| e["action"].clone()).collect();
    assert_eq!(actions, ["incidents.snooze", "incidents.ack"]);
}

#[tokio::test]
async fn a_test_of_alerts_is_asked_for_and_its_answers_are_read_once_they_are_there() {
    let world = World::start().await;
    let refused = post(&world, "/v1/alerts/test", &json!({ "rule": "no_such_rule" })).await;
    assert_eq!(refused.status, 422);
    let asked = post(&world, "/v1/alerts/test", &json!({ "rule": "stock_out" })).await.json();
    assert_eq!(asked["answers"], json!(null));
    let id: uuid::Uuid = asked["id"].as_str().unwrap().parse().unwrap();
    let answer = SinkAnswer { sink: "slack".into(), taken: true, said: "taken".into() };
    world.store.answer_alert_test(id, &[answer]).await.unwrap();
    let answered = world.get(Scope::Admin, &format!("/v1/alerts/test/{id}")).send().await.json();
    assert_eq!(answered["answers"][0]["taken"], true, "{answered}");
}

#[tokio::test]
async fn what_an_open_incident_silences_says_so() {
    let world = World::start().await;
    let of = |fingerprint: &str, rule| Raise { rule, ..raise(fingerprint) };
    world.store.raise(vec![of("broker", AlertRule::BrokerDown)], now()).await.unwrap();
    world.store.raise(vec![of("outbox", AlertRule::OutboxOld)], now()).await.unwrap();
    let list = world.get(Scope::Admin, "/v1/incidents?rule=outbox_old").send().await.json();
    let broker = world.store.silencing_incidents().await.unwrap().remove(0).id;
    assert_eq!(list["items"][0]["silenced_by"]["id"], json!(broker), "{list}");
}

#[tokio::test]
async fn a_day_is_reported_as_it_was_kept_or_counted_now() {
    let world = World::start().await;
    let report =
        async |query: &str| world.get(Scope::Viewer, &format!("/v1/reports/daily{query}")).send().await;
    let yesterday = report("").await.json();
    assert_eq!(
        (yesterday["day"].as_str(), yesterday["reported"].as_bool()),
        (Some("2026-11-19"), Some(false))
    );
    assert!(yesterday["lines"][0].as_str().unwrap().starts_with("Returns: 0 (+0)"), "{yesterday}");
    let kept = forebay_domain::report::DayFigures { unshipped: Some(7), ..Default::default() };
    world.store.keep_report("2026-11-19".parse().unwrap(), &kept, now()).await.unwrap();
    let reported = report("?day=2026-11-19").await.json();
    assert_eq!(
        (reported["reported"].as_bool(), reported["figures"]["unshipped"].as_i64()),
        (Some(true), Some(7))
    );
    assert_eq!(report("?day=2026-11-18").await.json()["figures"]["unshipped"], Value::Null);
    report("?day=2026-11-21").await.problem(400);
}
