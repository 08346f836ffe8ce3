//! Stock as people look at it and change it.

use forebay_intake::Scope;
use serde_json::{Value, json};

use crate::http::{Answer, Request};
use crate::world::World;

const MOVEMENTS: &str = "/v1/rewards/mug/stock/movements";
const STOCK: &str = "/v1/rewards/mug/stock";

async fn send(world: &World, method: &str, path: &str, header: Option<(&str, &str)>, body: &Value) -> Answer {
    let request = Request::new(world.address, method, path)
        .header("Authorization", &world.token(Scope::EventManager))
        .header("Content-Type", "application/json")
        .body(body.to_string());
    match header {
        Some((name, value)) => request.header(name, value).send().await,
        None => request.send().await,
    }
}

fn receive(delta: i64) -> Value {
    json!({ "kind": "receive", "delta": delta, "reason": "a pallet" })
}

#[tokio::test]
async fn a_stock_is_changed_once_a_key_and_the_repeat_has_the_same_answer() {
    let world = World::start().await;
    send(&world, "POST", MOVEMENTS, None, &receive(5)).await.problem(400);
    let key = Some(("Idempotency-Key", "pallet-1"));
    let first = send(&world, "POST", MOVEMENTS, key, &receive(5)).await;
    assert_eq!((first.status, first.header("etag")), (200, Some("\"1\"")), "{first:?}");
    let said = first.json();
    assert_eq!((&said["total"], &said["left"], &said["delta"]), (&json!(6), &json!(6), &json!(5)));
    let quoted = Some(("Idempotency-Key", "\"pallet-1\""));
    let again = send(&world, "POST", MOVEMENTS, quoted, &receive(5)).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (200, Some("true")));
    assert_eq!(again.json(), said);
    send(&world, "POST", MOVEMENTS, key, &receive(6)).await.problem(422);
    let stock = world.get(Scope::Viewer, STOCK).send().await;
    assert_eq!((stock.header("etag"), &stock.json()["left"]), (Some("\"1\""), &json!(6)));
    for (wrong, n) in [
        (json!({ "kind": "receive", "delta": -1, "reason": "x" }), 1),
        (json!({ "kind": "correct", "delta": 0, "reason": "x" }), 2),
        (json!({ "kind": "set", "delta": 1, "reason": "x" }), 3),
        (json!({ "kind": "receive", "delta": 1 }), 4),
        (json!({ "kind": "receive", "delta": 1.5, "reason": "x" }), 5),
        (json!({ "kind": "correct", "delta": i64::MIN, "reason": "x" }), 6),
        (json!({ "kind": "correct", "delta": i64::MAX, "reason": "x" }), 7),
    ] {
        let key = format!("wrong-{n}");
        send(&world, "POST", MOVEMENTS, Some(("Idempotency-Key", &key)), &wrong).await.problem(422);
    }
    let unlimited = "/v1/rewards/points-500/stock/movements";
    send(&world, "POST", unlimited, key, &receive(5)).await.problem(404);
}

#[tokio::test]
async fn a_stock_is_set_only_by_who_has_read_it_and_never_below_what_was_given_out() {
    let world = World::start().await;
    let body = json!({ "total": 3, "low_at": 1, "reason": "counted" });
    send(&world, "PUT", STOCK, None, &body).await.problem(428);
    for whatever in ["*", " * "] {
        let any = send(&world, "PUT", STOCK, Some(("If-Match", whatever)), &body).await.problem(428);
        assert!(any["detail"].as_str().is_some_and(|detail| detail.contains("names no version")), "{any}");
    }
    let stale = send(&world, "PUT", STOCK, Some(("If-Match", "\"7\"")), &body).await;
    stale.problem(412);
    assert_eq!(stale.header("etag"), Some("\"0\""));
    send(&world, "PUT", STOCK, Some(("If-Match", "W/\"0\"")), &body).await.problem(412);
    let set = send(&world, "PUT", STOCK, Some(("If-Match", "\"0\"")), &body).await;
    assert_eq!((set.status, set.header("etag")), (200, Some("\"1\"")), "{set:?}");
    send(&world, "PUT", STOCK, Some(("If-Match", "\"0\"")), &body).await.problem(412);
    let below = json!({ "kind": "correct", "delta": -4, "reason": "broken" });
    let conflict = send(&world, "POST", MOVEMENTS, Some(("Idempotency-Key", "k")), &below).await.problem(409);
    assert_eq!(conflict["code"], "stock_below_committed");
    let negative = json!({ "total": -1, "reason": "x" });
    send(&world, "PUT", STOCK, Some(("If-Match", "\"1\"")), &negative).await.problem(422);
}

#[tokio::test]
async fn a_history_tells_who_and_why_page_by_page_and_as_csv() {
    let world = World::start().await;
    for n in 1..=3 {
        let key = format!("k{n}");
        send(&world, "POST", MOVEMENTS, Some(("Idempotency-Key", &key)), &receive(n)).await;
    }
    let history = "/v1/rewards/mug/stock/history";
    let first = world.get(Scope::Viewer, &format!("{history}?limit=2")).send().await.json();
    let items = first["items"].as_array().unwrap();
    assert_eq!((items.len(), &items[0]["reason"]), (2, &json!("a pallet")));
    assert!(items[0]["actor"].is_string() && items[0]["left"].is_i64(), "{first}");
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = world.get(Scope::Viewer, &format!("{history}?limit=2&cursor={cursor}")).send().await.json();
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["more"]), (1, &json!(false)));
    let csv = world.get(Scope::Viewer, &format!("{history}/export")).send().await;
    let text = String::from_utf8(csv.body.clone()).unwrap();
    assert_eq!(text.lines().count(), 4, "{text}");
    assert!(text.contains(",receive,3,"), "{text}");
    world.get(Scope::Viewer, &format!("{history}?cursor=x")).send().await.problem(400);
    world.get(Scope::Viewer, "/v1/rewards/nothing/stock/history").send().await.problem(404);
    let rewards = world.get(Scope::Viewer, "/v1/rewards").send().await.json();
    let names: Vec<_> = rewards["items"].as_array().unwrap().iter().map(|r| r["reward_id"].clone()).collect();
    assert_eq!(names, ["mug", "points-500"]);
    assert_eq!(rewards["items"][1]["stock"], json!(null));
}
