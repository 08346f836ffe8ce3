//! Members looked after: shown, told why, blocked and let in again.

use forebay_intake::Scope;
use forebay_schemas::MemberId;
use forebay_store::By;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::http::{Answer, Request};
use crate::world::{World, now};

async fn post(world: &World, path: &str, reason: &str) -> Answer {
    Request::new(world.address, "POST", path)
        .header("Authorization", &world.token(Scope::EventManager))
        .header("Content-Type", "application/json")
        .body(json!({ "reason": reason }).to_string())
        .send()
        .await
}

async fn get(world: &World, path: &str) -> Value {
    let answer = world.get(Scope::Viewer, path).send().await;
    assert_eq!(answer.status, 200, "{path}");
    answer.json()
}

async fn as_member(world: &World, path: &str) -> Value {
    let token = format!("Bearer {}", world.member_token("m-1"));
    Request::new(world.address, "GET", path).header("Authorization", &token).send().await.json()
}

/// What is said of the rule, and its code.
async fn why(world: &World, rule: &str) -> (String, Value) {
    let path = format!("/v1/members/m-1/why?programme=autumn&rule={rule}");
    let why = get(world, &path).await;
    let item = &why["items"][0];
    (item["text"].as_str().unwrap().to_owned(), item["reject_code"].clone())
}

#[tokio::test]
async fn a_member_is_blocked_with_a_reason_and_let_in_again() {
    let world = World::start().await;
    world.check_in("m-1").send().await;
    world.settle(1).await;
    let blocked = post(&world, "/v1/members/m-1/block", "two accounts").await;
    let view = json!({ "member_id": "m-1", "blocked": true, "unchanged": false });
    assert_eq!((blocked.status, blocked.json()), (200, view));
    world.claim("m-1", "one-day").send().await;
    world.settle(1).await;
    let claims = get(&world, "/v1/members/m-1/claims").await;
    assert_eq!(claims["items"][0]["reject_code"], "member_blocked");
    let (text, code) = why(&world, "one-day").await;
    assert_eq!(
        (text.as_str(), code),
        ("blocked since 2026-11-20 12:00 KST: two accounts", json!("member_blocked"))
    );
    // The member hears that, but not what people noted.
    let told = as_member(&world, "/v1/members/me/why").await;
    assert_eq!(told["items"][0]["text"], "blocked since 2026-11-20 12:00 KST");
    let shown = as_member(&world, "/v1/members/me").await;
    assert_eq!((&shown["blocked"], &shown["block"]), (&json!(true), &Value::Null));
    let again = post(&world, "/v1/members/m-1/unblock", "a family of two").await;
    assert_eq!(again.json(), json!({ "member_id": "m-1", "blocked": false, "unchanged": false }));
    assert_eq!(why(&world, "one-day").await.1, Value::Null);
    let log = get(&world, "/v1/audit-log").await;
    let actions: Vec<&str> =
        log["items"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions[..2], ["member.unblock", "member.block"]);
    assert_eq!(log["items"][1]["subject"], "m-1");
}

#[tokio::test]
async fn a_block_needs_a_reason_that_may_be_kept() {
    let world = World::start().await;
    for reason in ["", " ", "m-1 has two accounts"] {
        let problem = post(&world, "/v1/members/m-1/block", reason).await;
        assert_eq!(problem.problem(422)["errors"][0]["pointer"], "/reason");
    }
    let by = By { id: Uuid::from_u128(1), actor: "k".to_owned(), reason: "asked for".to_owned() };
    world.store.erase_member(&MemberId::new("m-1").unwrap(), &by, now()).await.unwrap();
    post(&world, "/v1/members/m-1/block", "two accounts").await.problem(409);
    assert_eq!(get(&world, "/v1/members/m-1").await["erased"], true);
    assert_eq!(
        get(&world, "/v1/members/m-1/why").await,
        json!({ "member_id": "m-1", "erased": true, "items": [] })
    );
}

#[tokio::test]
async fn what_stands_between_a_member_and_a_reward_is_told_in_words() {
    let world = World::start().await;
    let (text, code) = why(&world, "two-days").await;
    assert_eq!(code, "not_enough_days");
    assert_eq!(text, "0 of 2 days counted; 2 more days are needed, up to 2026-11-30");
    world.check_in("m-1").send().await;
    world.claim("m-1", "one-day").send().await;
    world.settle(2).await;
    let (text, code) = why(&world, "one-day").await;
    assert_eq!((text.as_str(), code), ("claimed already on 2026-11-20 12:00 KST", json!("already_claimed")));
    // The only mug goes to somebody else.
    for (member, day) in [("m-2", 0), ("m-2", 1), ("m-1", 1)] {
        world.clock.set(now() + std::time::Duration::from_secs(86_400 * day));
        world.check_in(member).send().await;
        world.settle(1).await;
    }
    let (text, code) = why(&world, "two-days").await;
    assert_eq!((text.as_str(), code), ("can be claimed: 2 of 2 days counted", Value::Null));
    world.claim("m-2", "two-days").send().await;
    world.settle(1).await;
    let (text, code) = why(&world, "two-days").await;
    assert_eq!(code, "out_of_stock");
    assert!(
        text.starts_with("out of stock since 2026-11-2") && text.ends_with("2 of 2 days counted"),
        "{text}"
    );
    let all = get(&world, "/v1/members/m-1/why").await;
    assert_eq!(all["items"].as_array().unwrap().len(), 2);
    for path in ["/v1/members/m-1/why?programme=winter", "/v1/members/m-1/why?programme=autumn&rule=ten-days"]
    {
        world.get(Scope::Viewer, path).send().await.problem(404);
    }
}

#[tokio::test]
async fn a_member_is_shown_at_a_glance() {
    let world = World::start().await;
    world.check_in("m-1").send().await;
    world.claim("m-1", "one-day").send().await;
    world.settle(2).await;
    let shown = get(&world, "/v1/members/m-1").await;
    assert_eq!(
        (&shown["balance"], &shown["blocked"], &shown["erased"]),
        (&json!(500), &json!(false), &json!(false))
    );
    let programme = json!({ "programme_id": "autumn", "name": "Autumn", "days": ["2026-11-20"] });
    assert_eq!(shown["programmes"], json!([programme]));
    assert_eq!(shown["claims"][0]["state"], "granted");
}
