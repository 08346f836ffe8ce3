//! Check-ins and claims: accepted like every event, settled later.

use forebay_intake::Scope;
use serde_json::{Value, json};

use crate::http::Request;
use crate::world::World;

#[tokio::test]
async fn a_check_in_is_accepted_and_its_location_tells_the_days_once_settled() {
    let world = World::start().await;
    let answer = world.check_in("m-1").send().await;
    assert_eq!(answer.status, 202);
    assert_eq!(answer.json()["event_id"].as_str().unwrap().len(), 36);
    let location = answer.header("location").unwrap().to_owned();
    assert_eq!(world.get(Scope::MembersAct, &location).send().await.json()["days"], json!([]));
    world.settle(1).await;
    let settled = world.get(Scope::MembersAct, &location).send().await.json();
    assert_eq!((&settled["days"], &settled["count"]), (&json!(["2026-11-20"]), &json!(1)));
}

#[tokio::test]
async fn a_member_may_be_named_by_any_visible_character() {
    let world = World::start().await;
    let odd = "a/b?c#d%2F'\"[é".replace('é', "e");
    let location = world.check_in(&odd).send().await.header("location").unwrap().to_owned();
    world.settle(1).await;
    assert_eq!(world.get(Scope::Viewer, &location).send().await.json()["days"], json!(["2026-11-20"]));
}

#[tokio::test]
async fn a_claim_is_accepted_and_read_at_its_location_once_settled() {
    let world = World::start().await;
    world.check_in("m-1").send().await;
    let answer = world.claim("m-1", "one-day").send().await;
    assert_eq!(answer.status, 202);
    let (location, claim_id) = (answer.header("location").unwrap(), answer.json()["claim_id"].clone());
    assert_eq!(location, format!("/v1/claims/{}", claim_id.as_str().unwrap()));
    world.get(Scope::MembersAct, location).send().await.problem(404);
    world.settle(2).await;
    let claim = world.get(Scope::MembersAct, location).send().await.json();
    assert_eq!(
        (&claim["claim_id"], &claim["state"], &claim["days_seen"]),
        (&claim_id, &json!("granted"), &json!(1))
    );
    let balance = world.get(Scope::MembersAct, "/v1/members/m-1/balance").send().await.json();
    assert_eq!(balance, json!({"balance": 500, "blocked": false}));
}

#[tokio::test]
async fn a_claim_repeated_under_its_key_is_one_claim() {
    let world = World::start().await;
    world.check_in("m-1").send().await;
    world.check_in("m-2").send().await;
    let claim = async |member: &str, key: &str| {
        let answer = world.claim(member, "one-day").header("Idempotency-Key", key).send().await;
        assert_eq!(answer.status, 202);
        answer.json()["claim_id"].clone()
    };
    let first = claim("m-1", "k-1").await;
    assert_eq!(claim("m-1", "\"k-1\"").await, first, "quoted or bare, it is one key");
    assert_ne!(claim("m-2", "k-1").await, first, "another member's claim is another one");
    world.settle(5).await;
    let claims = world.get(Scope::Viewer, "/v1/members/m-1/claims").send().await.json();
    assert_eq!(claims["items"].as_array().unwrap().len(), 1);
    assert_eq!(claims["items"][0]["claim_id"], first);
    assert_eq!(claims["more"], false);
    let bad = world.claim("m-1", "one-day").header("Idempotency-Key", "a b").send().await;
    bad.problem(400);
}

#[tokio::test]
async fn a_claim_keeps_the_id_that_its_maker_gave_it() {
    let world = World::start().await;
    let id = "0190a7c4-7b1e-7c3a-8f00-000000000001";
    let body = json!({"member_id": "m-1", "rule_id": "one-day", "claim_id": id});
    let answer = world.command("/v1/programmes/autumn/claims", &body).send().await;
    assert_eq!((answer.status, &answer.json()["claim_id"]), (202, &json!(id)));
}

#[tokio::test]
async fn bad_commands_are_refused_and_nothing_is_accepted() {
    let world = World::start().await;
    let post = |path: &str, content_type: &str, body: Vec<u8>| {
        Request::new(world.address, "POST", path)
            .header("Authorization", &world.token(Scope::MembersAct))
            .header("Content-Type", content_type)
            .body(body)
    };
    let (check_ins, claims) = ("/v1/programmes/autumn/check-ins", "/v1/programmes/autumn/claims");
    let deep = "[".repeat(2000);
    let rows: &[(&str, &str, u16, Option<&str>)] = &[
        (check_ins, "", 400, None),
        (check_ins, "{", 400, None),
        (check_ins, "{\"member_id\":\"m-1\"}}", 400, None),
        (check_ins, "{\"member_id\":\"m\u{0}\"}", 400, None),
        (check_ins, r#"{"member_id":"\ud800"}"#, 400, None),
        (check_ins, &deep, 422, None),
        (check_ins, r#"["m-1"]"#, 422, Some("")),
        (check_ins, "null", 422, Some("")),
        (check_ins, "{}", 422, Some("/member_id")),
        (check_ins, r#"{"member_id":7}"#, 422, Some("/member_id")),
        (check_ins, r#"{"member_id":""}"#, 422, Some("/member_id")),
        (check_ins, r#"{"member_id":"m\u0000"}"#, 422, Some("/member_id")),
        (check_ins, r#"{"member_id":"m-1","member_id":"m-2"}"#, 422, None),
        (check_ins, r#"{"member_id":"m-1","on_date":"2026-11-01"}"#, 422, Some("")),
        (claims, r#"{"member_id":"m-1"}"#, 422, Some("")),
        (claims, r#"{"member_id":"m-1","rule_id":"Not A Slug"}"#, 422, Some("/rule_id")),
        (claims, r#"{"member_id":"m-1","rule_id":"one-day","claim_id":"x"}"#, 422, Some("/claim_id")),
        ("/v1/programmes/NOT-A-SLUG/check-ins", r#"{"member_id":"m-1"}"#, 400, None),
        ("/v1/programmes/%00/check-ins", r#"{"member_id":"m-1"}"#, 400, None),
        ("/v1/programmes/%ff/check-ins", r#"{"member_id":"m-1"}"#, 400, None),
    ];
    for (path, body, status, pointer) in rows {
        let answer = post(path, "application/json", body.as_bytes().to_vec()).send().await;
        assert_eq!(answer.status, *status, "{body}: {}", String::from_utf8_lossy(&answer.body));
        let problem = answer.problem(*status);
        if let Some(pointer) = pointer {
            assert_eq!(problem["errors"][0]["pointer"], *pointer, "{body}: {problem}");
        }
    }
    let good = br#"{"member_id":"m-1"}"#.to_vec();
    post(check_ins, "text/plain", good.clone()).send().await.problem(415);
    post(check_ins, "application/json", good).header("Content-Encoding", "br").send().await.problem(415);
    let problem = post(check_ins, "application/json", vec![b' '; 10_000_000]).send().await.problem(413);
    assert_eq!(problem["max_bytes"], Value::from(4096));
    assert_eq!(world.waiting().await, 0);
}
