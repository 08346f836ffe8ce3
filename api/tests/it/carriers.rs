//! Carriers' systems looked at, their limits set at run time, their breakers forced; all of it in the audit log.

use std::time::Duration;

use forebay_domain::breaker::Tally;
use forebay_domain::daily::Purpose;
use forebay_intake::Scope;
use forebay_store::{Permits, Wish};
use serde_json::{Value, json};

use crate::http::{Answer, Request};
use crate::world::{World, carrier};

async fn post(world: &World, what: &str, body: &Value, if_match: Option<&str>) -> Answer {
    let path = format!("/v1/carriers/sweettracker/{what}");
    let request = Request::new(world.address, "POST", &path)
        .header("Authorization", &world.token(Scope::Admin))
        .header("Content-Type", "application/json");
    let request = if_match.into_iter().fold(request, |request, etag| request.header("If-Match", etag));
    request.body(body.to_string()).send().await
}

async fn shown(world: &World) -> Value {
    world.get(Scope::Viewer, "/v1/carriers/sweettracker").send().await.json()
}

async fn permits(world: &World, version: i64, want: u32) -> Permits {
    let (terms, purpose) = (carrier().terms, Purpose::Routine);
    let wish = Wish { key: "carrier/sweettracker", terms: &terms, version, want, purpose, places: None };
    world.store.permits(&wish).await.unwrap()
}

#[tokio::test]
async fn a_carrier_is_listed_with_what_it_bears_and_what_is_left_of_the_day() {
    let world = World::start().await;
    let view = shown(&world).await;
    assert_eq!((&view["rate_per_s"], &view["breaker"]["state"]), (&json!(10.0), &json!("closed")), "{view}");
    assert_eq!((&view["left_today"], &view["left_for_people"]), (&json!(90), &json!(100)));
    assert!(matches!(permits(&world, 0, 2).await, Permits::Granted(_)));
    let view = shown(&world).await;
    assert_eq!((&view["used_today"], &view["left_today"]), (&json!(2), &json!(88)), "{view}");
    assert_eq!(view["day_ends_at"], "2026-11-21T00:00:00Z");
    let listed = world.get(Scope::Viewer, "/v1/carriers").send().await.json();
    assert_eq!((listed["items"].as_array().unwrap().len(), &listed["items"][0]), (1, &view));
    world.get(Scope::Viewer, "/v1/carriers/nobody").send().await.problem(404);
}

#[tokio::test]
async fn limits_are_set_one_by_one_and_taken_back_with_null() {
    let world = World::start().await;
    let set = |limits: Value| json!({ "reason": "the contract changed", "limits": limits });
    let view = post(&world, "limits", &set(json!({ "limit": 5, "burst": 1, "window_ms": 2000 })), None).await;
    assert_eq!((view.status, view.header("etag")), (200, Some("\"1\"")), "{view:?}");
    let view = view.json();
    assert_eq!((&view["rate_per_s"], &view["limits"]["burst"]), (&json!(2.0), &json!(1)), "{view}");
    assert!(matches!(permits(&world, 0, 1).await, Permits::Changed { version: 1, .. }));
    let view =
        post(&world, "limits", &set(json!({ "daily": 50, "limit": null })), Some("\"1\"")).await.json();
    assert_eq!(view["set"], json!({ "burst": 1, "window_ms": 2000, "daily": 50 }), "{view}");
    post(&world, "limits", &set(json!({ "daily": 60 })), Some("\"1\"")).await.problem(409);
    assert_eq!(shown(&world).await["version"], 2);
    let log = world.get(Scope::Viewer, "/v1/audit-log").send().await.json();
    let entry = &log["items"][0];
    assert_eq!(
        (&entry["action"], &entry["reason"]),
        (&json!("carriers.limit"), &json!("the contract changed"))
    );
    assert_eq!(
        (&entry["before"]["limit"], &entry["after"]),
        (&json!(5), &json!({ "burst": 1, "window_ms": 2000, "daily": 50 }))
    );
}

#[tokio::test]
async fn limits_that_cannot_be_kept_are_refused_with_their_rule() {
    let world = World::start().await;
    for (body, pointer) in [
        (json!({ "limits": { "limit": 5 } }), "/reason"),
        (json!({ "reason": "why", "limits": {} }), "/limits"),
        (json!({ "reason": "why", "limits": { "limit": 2 } }), "/limits"),
        (json!({ "reason": "why", "limits": { "daily": 0 } }), "/limits"),
        (json!({ "reason": "why", "limits": { "daily": "many" } }), "/limits/daily"),
        (json!({ "reason": "why", "limits": { "speed": 3 } }), "/limits/speed"),
    ] {
        let problem = post(&world, "limits", &body, None).await;
        let problem = problem.problem(422);
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}: {problem}");
    }
    post(&world, "limits", &json!({ "reason": "why", "limits": { "limit": 9 } }), Some("three"))
        .await
        .problem(400);
    assert_eq!(shown(&world).await["version"], 0);
}

#[tokio::test]
async fn a_breaker_is_kept_open_or_closed_for_a_while_and_let_go() {
    let world = World::start().await;
    let ask = |state: &str| json!({ "reason": "they move", "state": state, "for_s": 600 });
    let view = post(&world, "breaker", &ask("open"), None).await.json();
    assert_eq!((&view["breaker"]["state"], &view["breaker"]["cause"]), (&json!("open"), &json!("ordered")));
    assert_eq!(view["breaker"]["forced"]["until"], "2026-11-20T03:10:00Z", "{view}");
    assert!(matches!(permits(&world, 0, 1).await, Permits::Closed(_)));
    world.clock.advance(Duration::from_secs(600));
    let view = shown(&world).await;
    assert_eq!((&view["breaker"]["state"], &view["breaker"]["forced"]), (&json!("half_open"), &Value::Null));
    post(&world, "breaker", &ask("closed"), None).await;
    let tally = Tally { failed: 100, in_row: 100, ..Tally::default() };
    let policy = carrier().terms.breaker;
    world.store.report_calls("carrier/sweettracker", &tally, "503", "", &policy).await.unwrap();
    assert_eq!(shown(&world).await["breaker"]["state"], "closed");
    let auto = json!({ "reason": "they are back", "state": "auto" });
    assert_eq!(post(&world, "breaker", &auto, None).await.json()["breaker"]["forced"], Value::Null);
    post(&world, "breaker", &json!({ "state": "open" }), None).await.problem(422);
    post(&world, "breaker", &json!({ "reason": "why", "state": "ajar" }), None).await.problem(422);
    let log = world.get(Scope::Viewer, "/v1/audit-log").send().await.json();
    assert_eq!(log["items"].as_array().unwrap().len(), 3, "{log}");
}
