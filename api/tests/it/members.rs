//! Members with tokens of their own: what they do, they do for themselves.

use forebay_intake::Scope;
use serde_json::{Value, json};

use crate::http::{Answer, Request};
use crate::world::World;

async fn send(world: &World, member: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
    let token = format!("Bearer {}", world.member_token(member));
    let request = Request::new(world.address, method, path).header("Authorization", &token);
    match body {
        Some(body) => request.header("Content-Type", "application/json").body(body.to_string()).send().await,
        None => request.send().await,
    }
}

async fn get(world: &World, member: &str, path: &str) -> Answer {
    send(world, member, "GET", path, None).await
}

#[tokio::test]
async fn a_member_checks_in_and_claims_without_saying_who_it_is() {
    let world = World::start().await;
    let checked = send(&world, "m-a", "POST", "/v1/programmes/autumn/check-ins", Some(json!({}))).await;
    assert_eq!(checked.status, 202);
    let location = checked.header("location").unwrap().to_owned();
    let ask = json!({ "rule_id": "one-day", "member_id": "m-a" });
    let claimed = send(&world, "m-a", "POST", "/v1/programmes/autumn/claims", Some(ask)).await;
    assert_eq!(claimed.status, 202);
    world.settle(2).await;
    assert_eq!(get(&world, "m-a", &location).await.json()["days"], json!(["2026-11-20"]));
    let claim = get(&world, "m-a", claimed.header("location").unwrap()).await.json();
    assert_eq!((&claim["state"], &claim["member_id"]), (&json!("granted"), &json!("m-a")));
    assert_eq!(get(&world, "m-a", "/v1/members/m-a/balance").await.json()["balance"], 500);
}

#[tokio::test]
async fn the_claim_of_another_member_is_not_there() {
    let world = World::start().await;
    world.check_in("m-a").send().await;
    let claimed = world.claim("m-a", "one-day").send().await;
    world.settle(2).await;
    let location = claimed.header("location").unwrap();
    assert_eq!(get(&world, "m-a", location).await.status, 200);
    get(&world, "m-b", location).await.problem(404);
}

#[tokio::test]
async fn me_stands_for_the_member_wherever_a_path_names_one() {
    let world = World::start().await;
    world.check_in("m-a").send().await;
    world.claim("m-a", "one-day").send().await;
    world.settle(2).await;
    assert_eq!(get(&world, "m-a", "/v1/members/me/balance").await.json()["balance"], 500);
    assert_eq!(get(&world, "m-b", "/v1/members/me/balance").await.json()["balance"], 0);
    let days = get(&world, "m-a", "/v1/programmes/autumn/members/me/days").await;
    assert_eq!(days.json()["days"], json!(["2026-11-20"]));
    let claims = get(&world, "m-a", "/v1/members/me/claims").await.json();
    assert_eq!(claims["items"][0]["member_id"], "m-a");
    // With a key it is the id of a member, as any other.
    let literally = world.get(Scope::Viewer, "/v1/members/me/balance").send().await.json();
    assert_eq!(literally["balance"], 0);
    get(&world, "m-a", "/v1/programmes/%20/members/me/days").await.problem(400);
}

#[tokio::test]
async fn a_storefront_says_for_whom_it_acts() {
    let world = World::start().await;
    for (path, body) in [
        ("/v1/programmes/autumn/check-ins", json!({})),
        ("/v1/programmes/autumn/claims", json!({ "rule_id": "one-day" })),
    ] {
        let problem = world.command(path, &body).send().await;
        problem.problem(422);
        assert_eq!(problem.json()["errors"][0]["pointer"], "/member_id");
    }
    assert_eq!(world.waiting().await, 0);
}
