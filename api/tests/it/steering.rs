//! Queues left alone and worked on again, workers asked to take no more, and all of it in the audit log.

use std::time::Duration;

use forebay_domain::scale::Work;
use forebay_intake::Scope;
use forebay_store::WorkerBeat;
use forebay_store::fleet::{WorkerQueue, WorkerState};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::http::{Answer, Request};
use crate::world::{World, now};

/// 250 seconds of a worker for a message.
const WORK: Work = Work { pace_milli: 0, cost_us: 250_000_000, calls_milli: 0 };

async fn post(world: &World, path: &str, body: &Value) -> Answer {
    Request::new(world.address, "POST", path)
        .header("Authorization", &world.token(Scope::Admin))
        .header("Content-Type", "application/json")
        .body(body.to_string())
        .send()
        .await
}

async fn queue(world: &World, name: &str) -> Value {
    world.get(Scope::Viewer, &format!("/v1/queues/{name}")).send().await.json()
}

/// How many entries of the audit log are orders to queues and workers, and not of what the world was set up with.
fn orders(log: &Value) -> usize {
    let items = log["items"].as_array().unwrap().iter();
    items.filter(|entry| !entry["action"].as_str().unwrap().starts_with("programme.")).count()
}

async fn works(world: &World, id: Uuid, queues: &[&str]) {
    let queues =
        queues.iter().map(|name| WorkerQueue { queue: format!("forebay.{name}"), in_flight: 2, work: WORK });
    let beat = WorkerBeat {
        id,
        host: "host-1".into(),
        version: "1.2.3".into(),
        role: "work".into(),
        started_at: now(),
        state: WorkerState::Running,
        queues: queues.collect(),
    };
    world.store.beat(&beat, forebay_domain::Clock::now(world.clock.as_ref())).await.unwrap();
}

#[tokio::test]
async fn every_queue_is_listed_with_what_waits_and_who_works_on_it() {
    let world = World::start().await;
    world.check_in("m-1").send().await;
    works(&world, Uuid::from_u128(1), &["rewards", "returns"]).await;
    works(&world, Uuid::from_u128(2), &["rewards"]).await;
    let listed = world.get(Scope::Viewer, "/v1/queues").send().await.json();
    let items = listed["items"].as_array().unwrap();
    let kinds = |kind: &str| items.iter().filter(|queue| queue["kind"] == kind).count();
    assert_eq!((kinds("work"), kinds("archive"), kinds("delay")), (5, 2, 5), "{listed}");
    let rewards = items.iter().find(|queue| queue["name"] == "forebay.rewards").unwrap();
    assert_eq!(
        (&rewards["ready"], &rewards["workers"], &rewards["paused"]),
        (&json!(1), &json!(2), &Value::Null)
    );
    assert!(rewards["oldest_at"].is_string(), "{rewards}");
    assert_eq!(&queue(&world, "rewards").await, rewards);
    assert_eq!(&queue(&world, "forebay.rewards").await, rewards);
    world.get(Scope::Viewer, "/v1/queues/nothing").send().await.problem(404);
    world.get(Scope::Viewer, "/v1/queues/tracking.nobody").send().await.problem(404);
}

#[tokio::test]
async fn a_scaler_is_told_how_many_workers_are_useful_and_people_why_not_more() {
    let world = World::start().await;
    let scale = async |name: &str| world.get(Scope::Viewer, &format!("/v1/scale/{name}")).send().await;
    let useful = async || {
        let view = scale("rewards").await.json();
        (view["useful_workers"].clone(), view["bound_by"].clone())
    };
    assert_eq!(useful().await, (json!(0), json!("backlog")), "nothing waits");
    for member in ["m-1", "m-2", "m-3"] {
        world.check_in(member).send().await;
    }
    assert_eq!(useful().await, (json!(1), json!("backlog")), "nobody has worked on it yet");
    works(&world, Uuid::from_u128(1), &["rewards"]).await;
    assert_eq!(useful().await, (json!(3), json!("backlog")), "750 s of work, to be done within 300");
    let seen = queue(&world, "rewards").await;
    assert_eq!((&seen["growing"], &seen["drain_s"]), (&json!(false), &Value::Null), "one look is no pace");
    world.clock.advance(Duration::from_secs(10));
    let seen = queue(&world, "rewards").await;
    assert_eq!((&seen["growing"], &seen["empty_at"]), (&json!(true), &Value::Null), "it stays as it is");
    assert_eq!((&seen["useful_workers"], &seen["workers"]), (&json!(3), &json!(1)));
    assert_eq!(queue(&world, "returns").await["drain_s"], json!(0.0), "an empty queue is empty");
    post(&world, "/v1/queues/rewards/pause", &json!({"reason": "to see"})).await;
    assert_eq!(useful().await, (json!(1), json!("left_alone")));
    scale("delay.5s").await.problem(409);
    scale("nothing").await.problem(404);
}

#[tokio::test]
async fn a_queue_is_paused_with_a_reason_and_resumed() {
    let world = World::start().await;
    let paused = post(&world, "/v1/queues/results/pause", &json!({"reason": "the shop moves"})).await;
    assert_eq!(paused.status, 200, "{paused:?}");
    let shown = queue(&world, "results").await;
    assert_eq!(shown, paused.json());
    assert_eq!(
        (&shown["paused"]["reason"], &shown["paused"]["until"]),
        (&json!("the shop moves"), &Value::Null)
    );
    assert_eq!(queue(&world, "returns").await["paused"], Value::Null);
    let resumed = post(&world, "/v1/queues/results/resume", &json!({"reason": "it has moved"})).await;
    assert_eq!((resumed.status, &resumed.json()["paused"]), (200, &Value::Null));
    post(&world, "/v1/queues/results/resume", &json!({"reason": "again"})).await.problem(409);
    let log = world.get(Scope::Viewer, "/v1/audit-log").send().await.json();
    let told = log["items"].as_array().unwrap();
    assert_eq!((&told[0]["action"], &told[0]["reason"]), (&json!("queues.resume"), &json!("it has moved")));
    assert_eq!(
        (&told[1]["action"], &told[1]["subject"]),
        (&json!("queues.pause"), &json!("forebay.results"))
    );
    assert_eq!(orders(&log), 2, "{log}");
}

#[tokio::test]
async fn a_pause_for_a_time_ends_at_its_time() {
    let world = World::start().await;
    let asked = json!({"reason": "for an hour", "for_s": 3600});
    let paused = post(&world, "/v1/queues/returns/pause", &asked).await.json();
    assert_eq!(paused["paused"]["until"], "2026-11-20T04:00:00Z", "{paused}");
    world.clock.advance(Duration::from_secs(3599));
    assert!(queue(&world, "returns").await["paused"].is_object());
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(queue(&world, "returns").await["paused"], Value::Null);
}

#[tokio::test]
async fn an_order_that_breaks_its_rules_changes_nothing() {
    let world = World::start().await;
    let long = "x".repeat(501);
    for (body, pointer) in [
        (json!({}), "/reason"),
        (json!({"reason": " "}), "/reason"),
        (json!({"reason": long}), "/reason"),
        (json!({"reason": "a\nb"}), "/reason"),
        (json!({"reason": "why", "for_s": 0}), "/for_s"),
        (json!({"reason": "why", "for_s": 30 * 24 * 3600 + 1}), "/for_s"),
        (json!({"reason": "why", "for_s": -1}), "/for_s"),
        (json!({"reason": "why", "until": "tomorrow"}), ""),
    ] {
        let problem = post(&world, "/v1/queues/returns/pause", &body).await.problem(422);
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    let why = json!({"reason": "why"});
    post(&world, "/v1/queues/nothing/pause", &why).await.problem(404);
    post(&world, "/v1/queues/nothing/resume", &why).await.problem(404);
    post(&world, "/v1/queues/delay.5s/pause", &why).await.problem(409);
    let listed = world.get(Scope::Viewer, "/v1/queues").send().await.json();
    assert!(listed["items"].as_array().unwrap().iter().all(|queue| queue["paused"].is_null()), "{listed}");
    let log = world.get(Scope::Viewer, "/v1/audit-log").send().await.json();
    assert_eq!(orders(&log), 0, "{log}");
}

#[tokio::test]
async fn workers_are_listed_and_one_is_asked_to_take_no_more() {
    let world = World::start().await;
    let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
    works(&world, one, &["returns", "rewards"]).await;
    world.clock.advance(Duration::from_secs(20));
    works(&world, other, &["returns"]).await;
    let drain = format!("/v1/workers/{other}/drain");
    post(&world, &drain, &json!({})).await.problem(422);
    let drained = post(&world, &drain, &json!({"reason": "a worn disk"})).await;
    assert_eq!((drained.status, &drained.json()["state"]), (200, &json!("draining")));
    assert_eq!(queue(&world, "returns").await["workers"], 1, "it takes no more");
    world.clock.advance(Duration::from_secs(11));
    let listed = world.get(Scope::Viewer, "/v1/workers").send().await.json();
    let items = listed["items"].as_array().unwrap();
    let found = |id: Uuid| items.iter().find(|worker| worker["id"] == json!(id)).unwrap();
    assert_eq!((&found(one)["state"], &found(one)["in_flight"]), (&json!("lost"), &json!(4)), "{listed}");
    assert_eq!(found(other)["drain"]["reason"], "a worn disk");
    assert_eq!(queue(&world, "rewards").await["workers"], 0, "it is lost");
    let nobody = format!("/v1/workers/{}/drain", Uuid::from_u128(3));
    post(&world, &nobody, &json!({"reason": "why"})).await.problem(404);
    post(&world, "/v1/workers/x/drain", &json!({"reason": "why"})).await.problem(400);
}
