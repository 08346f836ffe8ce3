//! A person erased by an administrator.

use forebay_intake::Scope;
use serde_json::{Value, json};

use crate::http::{Answer, Request};
use crate::world::World;

async fn erase(world: &World, member: &str, body: &Value) -> Answer {
    Request::new(world.address, "POST", &format!("/v1/members/{member}/erase"))
        .header("Authorization", &world.token(Scope::Admin))
        .header("Content-Type", "application/json")
        .body(body.to_string())
        .send()
        .await
}

async fn with_a_claim() -> World {
    let world = World::start().await;
    assert_eq!(world.check_in("m-erase-me").send().await.status, 202);
    assert_eq!(world.claim("m-erase-me", "one-day").send().await.status, 202);
    world.settle(2).await;
    world
}

async fn read(world: &World, path: &str) -> Value {
    world.get(Scope::Viewer, path).send().await.json()
}

#[tokio::test]
async fn what_would_be_erased_is_counted_and_then_erased() {
    let world = with_a_claim().await;
    let dry = erase(&world, "m-erase-me", &json!({ "dry_run": true })).await.json();
    assert_eq!((&dry["attendance"], &dry["claims"], &dry["pseudonym"]), (&json!(1), &json!(1), &Value::Null));
    assert_eq!(read(&world, "/v1/members/m-erase-me/balance").await["balance"], 500);
    let erased = erase(&world, "m-erase-me", &json!({ "reason": "asked for on 20 November" })).await.json();
    assert_eq!((&erased["attendance"], &erased["claims"]), (&json!(1), &json!(1)));
    assert_eq!(read(&world, "/v1/members/m-erase-me/balance").await["balance"], 0);
    let pseudonym = erased["pseudonym"].as_str().unwrap();
    assert_eq!(read(&world, &format!("/v1/members/{pseudonym}/balance")).await["balance"], 500);
    let log = read(&world, "/v1/audit-log").await;
    assert_eq!(log["items"][0]["action"], "member.erase");
    assert_eq!(log["items"][0]["reason"], "asked for on 20 November");
    assert!(!log.to_string().contains("m-erase-me"), "{log}");
}

#[tokio::test]
async fn a_check_in_that_was_accepted_before_does_not_bring_the_person_back() {
    let world = with_a_claim().await;
    world.clock.advance(std::time::Duration::from_secs(86_400));
    assert_eq!(world.check_in("m-erase-me").send().await.status, 202);
    erase(&world, "m-erase-me", &json!({ "reason": "asked for" })).await;
    world.settle(1).await;
    let days = read(&world, "/v1/programmes/autumn/members/m-erase-me/days").await;
    assert_eq!(days["days"], json!([]));
}

#[tokio::test]
async fn an_erasure_needs_a_reason_without_the_id_and_somebody_to_erase() {
    let world = with_a_claim().await;
    erase(&world, "m-erase-me", &json!({})).await.problem(422);
    erase(&world, "m-erase-me", &json!({ "reason": "m-erase-me asked for it" })).await.problem(422);
    erase(&world, "forebay:erased", &json!({ "reason": "twice" })).await.problem(409);
    assert_eq!(read(&world, "/v1/members/m-erase-me/balance").await["balance"], 500);
}
