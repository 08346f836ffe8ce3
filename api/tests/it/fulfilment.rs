//! Claims as people see to them: shipped, taken back, listed, exported.

use std::time::Duration;

use forebay_intake::Scope;
use forebay_store::conformance::{check_in, claim};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::http::{Answer, Request};
use crate::world::{World, now, programme};

/// Members m-1 to m-3 with two days each; of two mugs they claim one each: 1 and 2 are granted, 3 is refused.
/// Claim 4 is m-1's for points.
async fn claimed() -> World {
    let world = World::start().await;
    let mut two: Value = programme();
    two["rules"][1]["reward"]["id"] = json!("tee");
    two["rules"][1]["reward"]["stock"]["total"] = json!(2);
    world.store.put_programme(&serde_json::from_value(two).unwrap(), now()).await.unwrap();
    let days = (1..=3_u32).flat_map(|n| {
        [(n, now()), (n + 10, now() - Duration::from_secs(86_400))]
            .map(|(event, at)| check_in(&format!("c{event}"), n, at))
    });
    let claims = (1..=3_u32).map(|n| claim(u128::from(n), n, "two-days"));
    let set = days.chain(claims).chain([claim(4, 1, "one-day")]).collect();
    world.store.settle_rewards(set, now()).await.unwrap();
    world
}

fn path(claim: u128, act: &str) -> String {
    format!("/v1/claims/{}/{act}", Uuid::from_u128(claim))
}

async fn post(world: &World, scope: Scope, path: &str, body: &Value) -> Answer {
    Request::new(world.address, "POST", path)
        .header("Authorization", &world.token(scope))
        .header("Content-Type", "application/json")
        .body(body.to_string())
        .send()
        .await
}

async fn listed(world: &World, query: &str) -> Vec<u128> {
    let answer = world.get(Scope::Viewer, &format!("/v1/claims?{query}")).send().await;
    assert_eq!(answer.status, 200, "{query}: {answer:?}");
    let id = |item: &Value| item["claim_id"].as_str().unwrap().parse::<Uuid>().unwrap().as_u128();
    answer.json()["items"].as_array().unwrap().iter().map(id).collect()
}

#[tokio::test]
async fn a_claim_is_shipped_once_with_a_reason_and_a_number_of_the_right_form() {
    let world = claimed().await;
    let parcel = json!({ "carrier": "cj", "tracking_number": "600000000001", "reason": "packed" });
    for (wrong, status) in [
        (json!({ "carrier": "cj", "tracking_number": "600000000001" }), 422),
        (json!({ "carrier": "CJ", "tracking_number": "600000000001", "reason": "x" }), 422),
        (json!({ "carrier": "cj", "tracking_number": "6 0", "reason": "x" }), 422),
    ] {
        post(&world, Scope::Warehouse, &path(1, "ship"), &wrong).await.problem(status);
    }
    post(&world, Scope::Warehouse, &path(9, "ship"), &parcel).await.problem(404);
    post(&world, Scope::Warehouse, &path(3, "ship"), &parcel).await.problem(409);
    post(&world, Scope::Warehouse, &path(4, "ship"), &parcel).await.problem(409);
    let answer = post(&world, Scope::Warehouse, &path(1, "ship"), &parcel).await;
    assert_eq!((answer.status, answer.header("idempotent-replayed")), (200, None), "{answer:?}");
    assert_eq!(answer.json()["state"], "fulfilled");
    let again = post(&world, Scope::Warehouse, &path(1, "ship"), &parcel).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (200, Some("true")));
    assert_eq!(again.json(), answer.json());
    let mut other = parcel.clone();
    other["tracking_number"] = json!("600000000002");
    let conflict = post(&world, Scope::Warehouse, &path(1, "ship"), &other).await.problem(409);
    assert!(conflict["detail"].as_str().unwrap().contains("replace"), "{conflict}");
    other["replace"] = json!(true);
    assert_eq!(
        post(&world, Scope::Warehouse, &path(1, "ship"), &other).await.json()["tracking_number"],
        "600000000002"
    );
    assert_eq!(listed(&world, "state=fulfilled").await, [1]);
}

#[tokio::test]
async fn what_was_shipped_is_taken_back_by_an_admin_and_by_nobody_else() {
    let world = claimed().await;
    let why = json!({ "reason": "they moved away" });
    post(&world, Scope::EventManager, &path(2, "cancel"), &json!({})).await.problem(422);
    let cancelled = post(&world, Scope::EventManager, &path(2, "cancel"), &why).await;
    assert_eq!((cancelled.status, &cancelled.json()["state"]), (200, &json!("reversed")));
    let again = post(&world, Scope::EventManager, &path(2, "cancel"), &why).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (200, Some("true")));
    let parcel = json!({ "carrier": "cj", "tracking_number": "600000000001", "reason": "packed" });
    assert_eq!(post(&world, Scope::Warehouse, &path(1, "ship"), &parcel).await.status, 200);
    post(&world, Scope::Admin, &path(1, "cancel"), &why).await.problem(409);
    post(&world, Scope::EventManager, &path(1, "reverse"), &why).await.problem(403);
    post(&world, Scope::Warehouse, &path(1, "reverse"), &why).await.problem(403);
    let lost = json!({ "reason": "lost", "restock": false });
    assert_eq!(post(&world, Scope::Admin, &path(1, "reverse"), &lost).await.json()["state"], "reversed");
    post(&world, Scope::EventManager, &path(3, "reverse"), &why).await.problem(409);
    let stock = world.get(Scope::Viewer, "/v1/rewards/tee/stock").send().await.json();
    assert_eq!((&stock["total"], &stock["issued"], &stock["left"]), (&json!(1), &json!(0), &json!(1)));
    let points = post(&world, Scope::EventManager, &path(4, "reverse"), &why).await;
    assert_eq!(points.status, 200, "{points:?}");
    let balance = world.get(Scope::Viewer, "/v1/members/m-1/balance").send().await.json();
    assert_eq!(balance["balance"], 0);
}

#[tokio::test]
async fn claims_are_listed_by_where_they_stand_and_how_long_they_wait() {
    let world = claimed().await;
    for (query, expected) in [
        ("", &[4_u128, 3, 2, 1][..]),
        ("limit=2", &[4, 3]),
        ("state=granted", &[4, 2, 1]),
        ("state=rejected&reward=tee", &[3]),
        ("to_ship=true", &[2, 1]),
        ("overdue=true", &[]),
        ("member=m-1", &[4, 1]),
        ("rule=one-day&programme=autumn", &[4]),
        ("needs_review=true", &[]),
        ("from=2026-11-20T03:00:00Z", &[4, 3, 2, 1]),
        ("to=2026-11-20T03:00:00Z", &[]),
    ] {
        assert_eq!(listed(&world, query).await, expected, "{query}");
    }
    world.clock.advance(Duration::from_secs(8 * 86_400));
    assert_eq!(listed(&world, "overdue=true").await, [2, 1]);
    let first = world.get(Scope::Viewer, "/v1/claims?limit=3").send().await.json();
    let cursor = first["next_cursor"].as_str().unwrap();
    assert_eq!(listed(&world, &format!("limit=3&cursor={cursor}")).await, [1]);
    for wrong in [
        "limit=0",
        "state=lost",
        "overdue=maybe",
        "cursor=x",
        "stat=granted",
        "from=yesterday",
        "to=-262143-01-01T00:00:00Z",
    ] {
        world.get(Scope::Viewer, &format!("/v1/claims?{wrong}")).send().await.problem(400);
    }
}

#[tokio::test]
async fn claims_are_exported_whole_and_page_by_page_as_csv() {
    let world = claimed().await;
    let whole = world.get(Scope::Viewer, "/v1/claims/export?state=granted").send().await;
    assert_eq!(whole.status, 200, "{whole:?}");
    assert!(whole.header("content-type").unwrap().starts_with("text/csv"));
    let text = String::from_utf8(whole.body.clone()).unwrap();
    let lines: Vec<&str> = text.trim_start_matches('\u{feff}').lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert!(lines[0].starts_with("claim_id,programme_id,rule_id,reward_id,member_id,state"), "{text}");
    let page =
        world.get(Scope::Viewer, "/v1/claims/export?limit=2").header("Accept", "text/csv").send().await;
    let next = page.header("forebay-next-cursor").unwrap().to_owned();
    let rest = format!("/v1/claims?limit=9&cursor={next}");
    let rest = world.get(Scope::Viewer, &rest).header("Accept", "text/csv").send().await;
    assert_eq!(
        (String::from_utf8_lossy(&rest.body).lines().count(), rest.header("forebay-next-cursor")),
        (2, None)
    );
}
