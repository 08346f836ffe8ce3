//! Points: spent by the storefront, read, corrected and taken back by people, added up.

use forebay_intake::Scope;
use forebay_store::conformance::{member, now, paid};
use serde_json::{Value, json};

use crate::http::{Answer, Request};
use crate::world::{World, programme};

/// A world in which m-1 has 100 points of an order, good for 30 days.
async fn world() -> World {
    let world = World::start().await;
    let mut settings = programme();
    settings["points_per_1000_minor"] = json!(10);
    settings["points_valid_days"] = json!(30);
    let settings = serde_json::from_value(settings).unwrap();
    world.store.put_programme(&settings, now()).await.unwrap();
    world.store.settle_rewards(vec![paid("o-1", Some(1), 10_000)], now()).await.unwrap();
    world
}

fn spend(world: &World, body: &Value) -> Request {
    world.command("/v1/members/m-1/spends", body)
}

async fn manage(world: &World, path: &str, key: Option<&str>, body: &Value) -> Answer {
    manage_as(world, Scope::EventManager, path, key, body).await
}

async fn manage_as(world: &World, scope: Scope, path: &str, key: Option<&str>, body: &Value) -> Answer {
    let request = Request::new(world.address, "POST", path)
        .header("Authorization", &world.token(scope))
        .header("Content-Type", "application/json")
        .body(body.to_string());
    match key {
        Some(key) => request.header("Idempotency-Key", key).send().await,
        None => request.send().await,
    }
}

async fn balance(world: &World) -> i64 {
    world.store.member_balance(&member(1)).await.unwrap().balance
}

#[tokio::test]
async fn points_are_spent_like_every_command_and_the_outcome_can_be_waited_for() {
    let world = world().await;
    let accepted = spend(&world, &json!({ "points": 30, "ref": "cart-1" })).send().await;
    assert_eq!(accepted.status, 202, "{accepted:?}");
    let place = format!("/v1/spends/{}", accepted.json()["spend_id"].as_str().unwrap());
    assert_eq!(accepted.header("location"), Some(place.as_str()));
    world.get(Scope::MembersAct, &place).send().await.problem(404);
    world.settle_all();
    let body = json!({ "points": 60 });
    let asked =
        || spend(&world, &body).header("Prefer", "wait=10").header("Idempotency-Key", "cart-2").send();
    let spent = asked().await;
    assert_eq!((spent.status, spent.header("preference-applied")), (200, Some("wait=10")), "{spent:?}");
    assert_eq!((&spent.json()["state"], &spent.json()["points"]), (&json!("settled"), &json!(60)));
    assert_eq!(asked().await.json(), spent.json(), "the same key is the same spending");
    let refused = spend(&world, &json!({ "points": 11 })).header("Prefer", "wait=10").send().await;
    assert_eq!(refused.status, 200, "{refused:?}");
    assert_eq!(refused.json()["reject_code"], json!("insufficient_balance"));
    let first = world.get(Scope::Viewer, &place).send().await.json();
    assert_eq!((&first["state"], &first["ref"]), (&json!("settled"), &json!("cart-1")));
    assert_eq!(balance(&world).await, 10);
    let other = json!({ "points": 61, "spend_id": spent.json()["spend_id"] });
    spend(&world, &other).header("Prefer", "wait=10").send().await.problem(409);
    for wrong in [json!({}), json!({ "points": 0 }), json!({ "points": 1, "ref": "x".repeat(129) })] {
        spend(&world, &wrong).send().await.problem(422);
    }
}

#[tokio::test]
async fn a_member_sees_their_own_spendings_and_points_and_no_others() {
    let world = world().await;
    world.settle_all();
    let spent = spend(&world, &json!({ "points": 30 })).header("Prefer", "wait=10").send().await.json();
    let place = format!("/v1/spends/{}", spent["spend_id"].as_str().unwrap());
    let read = |who: &'static str, path: String| {
        let request = Request::new(world.address, "GET", &path);
        let token = format!("Bearer {}", world.member_token(who));
        async move { request.header("Authorization", &token).send().await }
    };
    assert_eq!(read("m-1", place.clone()).await.status, 200);
    read("m-2", place).await.problem(404);
    let points = read("m-1", "/v1/members/me/points".to_owned()).await.json();
    assert_eq!((&points["balance"], &points["usable"]), (&json!(70), &json!(70)));
    assert_eq!(points["lots"][0]["expires_at"], json!("2026-12-20T15:00:00Z"));
    read("m-2", "/v1/members/m-1/ledger".to_owned()).await.problem(403);
    // Who spends is the storefront: it knows what for.
    let token = format!("Bearer {}", world.member_token("m-1"));
    let request = Request::new(world.address, "POST", "/v1/members/m-1/spends");
    let request = request.header("Authorization", &token).header("Content-Type", "application/json");
    request.body(json!({ "points": 1 }).to_string()).send().await.problem(403);
}

#[tokio::test]
async fn points_are_corrected_once_a_key_with_a_reason_and_never_below_nothing() {
    let world = world().await;
    let path = "/v1/members/m-1/points";
    let ask = |delta: i64| json!({ "delta": delta, "reason": "counted twice" });
    manage(&world, path, None, &ask(5)).await.problem(400);
    let first = manage(&world, path, Some("ticket-1"), &ask(-40)).await;
    assert_eq!((first.status, &first.json()["balance_after"]), (200, &json!(60)), "{first:?}");
    let again = manage(&world, path, Some("ticket-1"), &ask(-40)).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (200, Some("true")));
    assert_eq!(again.json(), first.json());
    manage(&world, path, Some("ticket-1"), &ask(-41)).await.problem(422);
    manage(&world, "/v1/members/m-2/points", Some("ticket-1"), &ask(-40)).await.problem(422);
    manage(&world, path, Some("ticket-2"), &ask(-61)).await.problem(409);
    for wrong in [
        json!({ "delta": 0, "reason": "x" }),
        json!({ "delta": 5 }),
        json!({ "delta": 5, "reason": "for m-1" }),
        json!({ "delta": 1.5, "reason": "x" }),
    ] {
        manage(&world, path, Some("ticket-3"), &wrong).await.problem(422);
    }
    assert_eq!(balance(&world).await, 60);
}

#[tokio::test]
async fn a_large_correction_is_for_administrators() {
    let world = world().await;
    let path = "/v1/members/m-1/points";
    let ask = |delta: i64| json!({ "delta": delta, "reason": "a prize" });
    let large = |scope, delta| {
        let (world, body) = (&world, ask(delta));
        async move { manage_as(world, scope, path, Some("prize"), &body).await }
    };
    for delta in [100_001, -100_001] {
        let refused = large(Scope::EventManager, delta).await;
        refused.problem(403);
        let said = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(said.contains("100000") && said.contains("admin"), "{said}");
    }
    assert_eq!(balance(&world).await, 100);
    assert_eq!(large(Scope::EventManager, 100_000).await.status, 200);
    let done = manage_as(&world, Scope::Admin, path, Some("more"), &ask(100_001)).await;
    assert_eq!((done.status, balance(&world).await), (200, 200_101), "{done:?}");
}

#[tokio::test]
async fn a_key_is_one_spending_of_its_sender_and_no_other() {
    let world = world().await;
    world.settle_all();
    let first = json!({ "points": 30, "ref": "cart-1" });
    let ask = |body: &Value| spend(&world, body).header("Idempotency-Key", "cart-1");
    let spent = ask(&first).header("Prefer", "wait=10").send().await;
    assert_eq!(spent.status, 200, "{spent:?}");
    for other in [json!({ "points": 31, "ref": "cart-1" }), json!({ "points": 30, "ref": "cart-2" })] {
        ask(&other).send().await.problem(422);
    }
    assert_eq!(ask(&first).send().await.json()["spend_id"], spent.json()["spend_id"]);
    assert_eq!(balance(&world).await, 70);
}

#[tokio::test]
async fn a_spending_of_one_storefront_has_nothing_to_do_with_that_of_another() {
    let world = world().await;
    world.settle_all();
    let ask = |storefront: &str, key: &str, body: &Value| {
        let request = Request::new(world.address, "POST", "/v1/members/m-1/spends")
            .header("Authorization", storefront)
            .header("Content-Type", "application/json")
            .header("Prefer", "wait=10")
            .body(body.to_string());
        if key.is_empty() { request } else { request.header("Idempotency-Key", key) }
    };
    let (one, other) = (world.token(Scope::MembersAct), world.other_storefront());
    assert_ne!(one, other);
    // The same key, and even the same words, are two spendings.
    let body = json!({ "points": 20, "ref": "cart-1" });
    let mut ids = Vec::new();
    for storefront in [&one, &other] {
        let spent = ask(storefront, "cart-1", &body).send().await;
        assert_eq!(spent.status, 200, "{spent:?}");
        assert_eq!(ask(storefront, "cart-1", &body).send().await.json(), spent.json());
        ids.push(spent.json()["spend_id"].as_str().unwrap().to_owned());
    }
    assert_ne!(ids[0], ids[1]);
    assert_eq!(balance(&world).await, 60);
    // An id names one spending, whoever sends it: it can't be taken for another one.
    let own = json!({ "points": 10, "ref": "cart-2", "spend_id": "01900000-0000-7000-8000-000000000001" });
    let spent = ask(&one, "", &own).send().await;
    assert_eq!(spent.status, 200, "{spent:?}");
    let taken = json!({ "points": 5, "ref": "cart-3", "spend_id": own["spend_id"] });
    ask(&other, "", &taken).send().await.problem(409);
    assert_eq!(balance(&world).await, 50);
}

#[tokio::test]
async fn a_transaction_is_found_in_the_ledger_and_taken_back_once() {
    let world = world().await;
    manage(&world, "/v1/members/m-1/points", Some("k"), &json!({ "delta": 7, "reason": "x" })).await;
    let ledger = |query: &str| world.get(Scope::Viewer, &format!("/v1/members/m-1/ledger{query}")).send();
    let page = ledger("?limit=1").await.json();
    assert_eq!((&page["items"][0]["delta"], &page["more"]), (&json!(7), &json!(true)));
    let cursor = page["next_cursor"].as_str().unwrap().to_owned();
    let rest = ledger(&format!("?limit=5&cursor={cursor}")).await.json();
    assert_eq!(rest["items"][0]["fact"], json!("order:o-1:earn"));
    assert_eq!((&rest["items"][0]["balance_after"], &rest["more"]), (&json!(100), &json!(false)));
    let path = format!("/v1/ledger/{cursor}/reverse");
    manage(&world, &path, None, &json!({})).await.problem(422);
    let done = manage(&world, &path, None, &json!({ "reason": "a mistake" })).await;
    assert_eq!((done.status, &done.json()["delta"]), (200, &json!(-7)), "{done:?}");
    manage(&world, &path, None, &json!({ "reason": "a mistake" })).await.problem(409);
    let nowhere = "/v1/ledger/00000000-0000-0000-0000-000000000404/reverse";
    manage(&world, nowhere, None, &json!({ "reason": "a mistake" })).await.problem(404);
    let log = world.get(Scope::Viewer, "/v1/audit-log").send().await.json();
    let actions: Vec<&str> =
        log["items"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions[..2], ["points.reverse", "points.adjust"]);
}

#[tokio::test]
async fn the_books_are_added_up_when_somebody_asks() {
    let world = world().await;
    let answer = manage(&world, "/v1/ledger/check", None, &json!({})).await;
    let said = answer.json();
    assert_eq!((answer.status, &said["differences"]), (200, &json!(0)), "{answer:?}");
    assert_eq!((&said["found"]["txns"], &said["found"]["members"]), (&json!(1), &json!(1)));
    assert!(world.store.open_incidents(10).await.unwrap().is_empty());
}
