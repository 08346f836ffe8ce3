//! Programmes put, incidents listed.

use forebay_domain::incident::{Raise, Severity};
use forebay_intake::Scope;
use serde_json::{Value, json};

use crate::http::Request;
use crate::world::{World, now, programme};

fn put(world: &World, id: &str, body: &Value) -> Request {
    Request::new(world.address, "PUT", &format!("/v1/programmes/{id}"))
        .header("Authorization", &world.token(Scope::Admin))
        .header("Content-Type", "application/json")
        .body(body.to_string())
}

#[tokio::test]
async fn a_programme_is_put_and_then_read() {
    let world = World::start().await;
    let mut changed = programme();
    changed["name"] = json!("Autumn, longer");
    let answer = put(&world, "autumn", &changed).send().await;
    assert_eq!((answer.status, &answer.json()["name"]), (200, &json!("Autumn, longer")));
    let listed = world.get(Scope::Viewer, "/v1/programmes").send().await.json();
    assert_eq!(listed["items"][0]["name"], "Autumn, longer");
}

#[tokio::test]
async fn a_programme_that_breaks_its_rules_changes_nothing() {
    type Edit = fn(&mut Value);
    let world = World::start().await;
    let edited = |edit: Edit| {
        let mut programme = programme();
        programme["name"] = json!("changed");
        edit(&mut programme);
        programme
    };
    let rows: &[(Edit, &str, &str)] = &[
        (|p| p["ends_on"] = json!("2026-10-01"), "", "ends_on lies before starts_on"),
        (|p| p["rules"][0]["days_required"] = json!(0), "", "days_required"),
        (|p| p["rules"] = json!([p["rules"][0], p["rules"][0]]), "", "there are two of this id"),
        (|p| p["id"] = json!("winter"), "/id", "not the id in the path"),
        (|p| p["tz"] = json!("Mars/Olympus"), "/tz", "can't be read"),
        (|p| p["state"] = json!("open"), "/state", "expected"),
        (|p| p["rules"] = json!(7), "/rules", "expected"),
        (|p| p["claim_until"] = json!("soon"), "/claim_until", "can't be read"),
    ];
    for (edit, pointer, detail) in rows {
        let problem = put(&world, "autumn", &edited(*edit)).send().await.problem(422);
        let error = &problem["errors"][0];
        assert_eq!(error["pointer"], *pointer, "{problem}");
        assert!(error["detail"].as_str().unwrap().contains(detail), "{problem}");
    }
    let listed = world.get(Scope::Viewer, "/v1/programmes").send().await.json();
    assert_eq!(listed["items"][0]["name"], "Autumn");
}

#[tokio::test]
async fn the_time_zone_stays_once_there_are_check_ins() {
    let world = World::start().await;
    world.check_in("m-1").send().await;
    world.settle(1).await;
    let mut moved = programme();
    moved["tz"] = json!("America/New_York");
    put(&world, "autumn", &moved).send().await.problem(409);
}

#[tokio::test]
async fn open_incidents_are_listed() {
    let world = World::start().await;
    let raise = Raise {
        fingerprint: "stock/mug".into(),
        rule: "stock_low",
        severity: Severity::Warning,
        title: "Low".into(),
        impact: "few left".into(),
        action: "restock".into(),
        sample: String::new(),
        count: 1,
    };
    world.store.raise(vec![raise], now()).await.unwrap();
    let incidents = world.get(Scope::Admin, "/v1/incidents").send().await.json();
    assert_eq!(incidents["items"][0]["fingerprint"], "stock/mug");
    assert_eq!(incidents["items"][0]["severity"], "warning");
}
