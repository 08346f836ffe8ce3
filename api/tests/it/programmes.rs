//! Programmes: read with their version, put by who has seen it, steered with a reason.

use forebay_intake::Scope;
use serde_json::{Value, json};

use crate::http::Request;
use crate::world::{World, programme};

fn put(world: &World, id: &str, body: &Value) -> Request {
    Request::new(world.address, "PUT", &format!("/v1/programmes/{id}"))
        .header("Authorization", &world.token(Scope::EventManager))
        .header("Content-Type", "application/json")
        .body(body.to_string())
}

fn seen(world: &World, version: &str, body: &Value) -> Request {
    put(world, "autumn", body).header("If-Match", version)
}

fn state(world: &World, state: &str, reason: &str) -> Request {
    Request::new(world.address, "POST", "/v1/programmes/autumn/state")
        .header("Authorization", &world.token(Scope::EventManager))
        .header("Content-Type", "application/json")
        .body(json!({ "state": state, "reason": reason }).to_string())
}

#[tokio::test]
async fn a_programme_is_read_changed_and_put_by_who_has_seen_it() {
    let world = World::start().await;
    let read = world.get(Scope::Viewer, "/v1/programmes/autumn").send().await;
    assert_eq!((read.status, read.header("etag")), (200, Some("\"1\"")));
    let mut changed = read.json();
    changed["name"] = json!("Autumn, longer");
    put(&world, "autumn", &changed).send().await.problem(428);
    let answer = seen(&world, "\"1\"", &changed).send().await;
    assert_eq!((answer.status, answer.header("etag")), (200, Some("\"2\"")));
    assert_eq!(answer.json()["name"], "Autumn, longer");
    seen(&world, "\"1\"", &changed).send().await.problem(412);
    put(&world, "autumn", &changed).header("If-None-Match", "*").send().await.problem(412);
    let listed = world.get(Scope::Viewer, "/v1/programmes").send().await.json();
    assert_eq!(listed["items"][0]["name"], "Autumn, longer");
    let log = world.get(Scope::Viewer, "/v1/audit-log").send().await.json();
    assert_eq!(
        (&log["items"][0]["action"], &log["items"][0]["count"]),
        (&json!("programme.change"), &json!(1))
    );
    assert_eq!(log["items"][0]["after"], json!({"name": "Autumn, longer"}));
    world.get(Scope::Viewer, "/v1/programmes/winter").send().await.problem(404);
}

#[tokio::test]
async fn a_new_programme_is_a_draft_unless_it_says_otherwise() {
    let world = World::start().await;
    let mut winter = programme();
    winter["id"] = json!("winter");
    winter.as_object_mut().unwrap().remove("state");
    let new = put(&world, "winter", &winter).header("If-None-Match", "*").send().await;
    assert_eq!((new.status, new.header("etag"), &new.json()["state"]), (201, Some("\"1\""), &json!("draft")));
    let by_member = async |path: &str| {
        let request = Request::new(world.address, "GET", path);
        let token = format!("Bearer {}", world.member_token("m-1"));
        request.header("Authorization", &token).send().await
    };
    by_member("/v1/programmes/winter").await.problem(404);
    let listed = by_member("/v1/programmes").await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "a draft is nothing to members yet");
    state(&world, "paused", "a pause").send().await;
    let mut again = programme();
    again.as_object_mut().unwrap().remove("state");
    again["name"] = json!("Autumn!");
    let changed = seen(&world, "\"2\"", &again).send().await;
    assert_eq!((changed.status, &changed.json()["state"]), (200, &json!("paused")), "it stays what it is");
}

#[tokio::test]
async fn a_dry_run_says_what_would_become_different() {
    let world = World::start().await;
    let mut changed = programme();
    changed["rules"][0]["days_required"] = json!(3);
    let plan = Request::new(world.address, "PUT", "/v1/programmes/autumn?dry_run=true")
        .header("Authorization", &world.token(Scope::EventManager))
        .header("Content-Type", "application/json")
        .body(changed.to_string());
    let plan = plan.send().await.json();
    assert_eq!(
        plan,
        json!({"version": 2, "present": 1,
               "changes": [{"what": "rules.one-day.days_required", "before": 1, "after": 3}]})
    );
    assert_eq!(world.get(Scope::Viewer, "/v1/programmes/autumn").send().await.header("etag"), Some("\"1\""));
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
        (|p| p["ends_on"] = json!("2026-10-01"), "/ends_on", "ends_on lies before starts_on"),
        (|p| p["rules"][0]["days_required"] = json!(0), "/rules/0/days_required", "1 to 366"),
        (|p| p["rules"] = json!([p["rules"][0], p["rules"][0]]), "/rules/1/id", "two rules of this id"),
        (|p| p["id"] = json!("winter"), "/id", "not the id in the path"),
        (|p| p["tz"] = json!("Mars/Olympus"), "/tz", "can't be read"),
        (|p| p["state"] = json!("open"), "/state", "expected"),
        (|p| p["rules"] = json!(7), "/rules", "expected"),
        (|p| p["claim_until"] = json!("soon"), "/claim_until", "can't be read"),
        (|p| p["rules"][0]["day_required"] = json!(1), "/rules/0", "did you mean `days_required`?"),
        (|p| p["secret"] = json!(1), "", "not known"),
    ];
    for (edit, pointer, detail) in rows {
        let answer = seen(&world, "*", &edited(*edit)).send().await;
        let problem = answer.problem(422);
        let error = &problem["errors"][0];
        assert_eq!(error["pointer"], *pointer, "{problem}");
        assert!(error["detail"].as_str().unwrap().contains(detail), "{problem}");
        assert!(!problem.to_string().contains("secret"), "what was sent is not repeated: {problem}");
    }
    let listed = world.get(Scope::Viewer, "/v1/programmes").send().await.json();
    assert_eq!(listed["items"][0]["name"], "Autumn");
}

#[tokio::test]
async fn what_rests_on_a_programme_stays_and_the_reason_is_told() {
    let world = World::start().await;
    world.check_in("m-1").send().await;
    world.claim("m-1", "one-day").send().await;
    world.settle(2).await;
    let refused = async |edit: fn(&mut Value), pointer: &str| {
        let mut programme = programme();
        edit(&mut programme);
        let problem = seen(&world, "*", &programme).send().await.problem(409);
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
        problem["errors"][0]["detail"].as_str().unwrap().to_owned()
    };
    let why = refused(|p| p["tz"] = json!("America/New_York"), "/tz").await;
    assert!(why.contains("since 2026-11-20"), "{why}");
    refused(|p| p["starts_on"] = json!("2026-11-21"), "/starts_on").await;
    refused(|p| p["rules"][0]["reward"]["points"] = json!(5), "/rules/0/reward").await;
    refused(|p| drop(p["rules"].as_array_mut().unwrap().remove(0)), "/rules").await;
}

#[tokio::test]
async fn a_programme_is_paused_and_resumed_with_a_reason() {
    let world = World::start().await;
    state(&world, "paused", " ").send().await.problem(422);
    let paused = state(&world, "paused", "the mugs are late").send().await;
    assert_eq!(
        (paused.status, paused.header("etag"), &paused.json()["state"]),
        (200, Some("\"2\""), &json!("paused"))
    );
    state(&world, "paused", "again").send().await.problem(409);
    let late = world.check_in("m-1").header("Prefer", "wait=10").send().await.json();
    assert_eq!((&late["counted"], &late["reject_code"]), (&json!(false), &json!("programme_not_active")));
    assert_eq!(state(&world, "active", "they are here").send().await.status, 200);
}
