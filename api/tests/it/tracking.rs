//! Returns and parcels: listed, shown with their history, and what people ask for.

use std::time::Duration;

use forebay_domain::due::Due;
use forebay_domain::parcel::{Checkpoint, EventTime, Lookup, Snapshot};
use forebay_intake::Scope;
use forebay_schemas::events::ParcelStatus;
use forebay_schemas::{Digest, Queue};
use forebay_store::{By, CheckDone, Identity, NewParcel, NewReturn, result_key};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::http::{Answer, Request};
use crate::world::{World, now};

const NUMBERS: [&str; 3] = ["600000000001", "600000000002", "600000000003"];

fn identity(consumer: &'static str, id: &str) -> Identity {
    Identity { consumer, source: "/shops/main".into(), id: id.into(), digest: Digest([1; 32]) }
}

/// each with its parcel.
async fn register(world: &World) {
    let messages = (1..).zip(NUMBERS).map(|(n, number)| {
        let parcel = NewParcel {
            carrier: "cj".parse().unwrap(),
            number: number.parse().unwrap(),
            adapter: "sweettracker".parse().unwrap(),
            traceparent: None,
            due: Due { at: now(), by: now() },
        };
        let new = NewReturn {
            return_id: format!("R-{n}").parse().unwrap(),
            order_id: format!("O-{n}").parse().unwrap(),
            requested_at: now(),
            parcel: Some(parcel),
        };
        (identity("returns", &format!("return-{n}")), new)
    });
    world.store.register_returns(messages.collect(), now()).await.unwrap();
}

/// The carrier says this of a parcel.
async fn told(world: &World, event: &str, number: &str, status: ParcelStatus) {
    let (carrier, number) = ("cj".parse().unwrap(), number.parse().unwrap());
    let id = world.store.parcel(&carrier, &number).await.unwrap().unwrap().parcel_id;
    let checkpoint = Checkpoint {
        at: EventTime::Exact(now()),
        status,
        raw_code: Some("5".into()),
        text: Some("taken over".into()),
        place: Some("Gangnam".into()),
    };
    let found = Lookup::Found(Snapshot { status: None, checkpoints: vec![checkpoint], eta: None });
    let done = CheckDone { identity: identity("tracking", event), lookups: vec![(id, found)] };
    world.store.apply_checks(vec![done], now()).await.unwrap();
}

async fn post(world: &World, path: &str, body: &Value) -> Answer {
    Request::new(world.address, "POST", path)
        .header("Authorization", &world.token(Scope::Admin))
        .header("Content-Type", "application/json")
        .body(body.to_string())
        .send()
        .await
}

async fn get(world: &World, path: &str) -> Value {
    let answer = world.get(Scope::Viewer, path).send().await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.json()
}

fn of(list: &Value, field: &str) -> Vec<String> {
    list["items"].as_array().unwrap().iter().map(|item| item[field].as_str().unwrap().to_owned()).collect()
}

/// What lies in the outbox, with which the commands go.
async fn commands(world: &World, kind: &str) -> Vec<Value> {
    let rows = world.store.outbox_take(100, Duration::from_secs(60), now()).await.unwrap();
    let of_kind = rows.iter().filter(|row| row.kind == kind);
    of_kind.map(|row| serde_json::from_slice::<Value>(&row.body).unwrap()["data"].clone()).collect()
}

async fn entries(world: &World) -> Vec<(String, String)> {
    let log = get(world, "/v1/audit-log").await;
    of(&log, "action").into_iter().zip(of(&log, "subject")).collect()
}

#[tokio::test]
async fn returns_are_listed_by_state_and_order_page_by_page() {
    let world = World::start().await;
    register(&world).await;
    told(&world, "c-1", NUMBERS[0], ParcelStatus::PickedUp).await;
    let first = get(&world, "/v1/returns?limit=2").await;
    assert_eq!(
        (of(&first, "return_id"), &first["next_cursor"]),
        (vec!["R-3".into(), "R-2".into()], &json!("R-2"))
    );
    let second = get(&world, "/v1/returns?limit=2&cursor=R-2").await;
    assert_eq!((of(&second, "return_id"), &second["more"]), (vec!["R-1".into()], &json!(false)));
    assert_eq!(of(&get(&world, "/v1/returns?state=picked_up").await, "return_id"), ["R-1"]);
    assert_eq!(of(&get(&world, "/v1/returns?order=O-2").await, "return_id"), ["R-2"]);
    assert_eq!(of(&get(&world, "/v1/returns?order=O-2&state=reported").await, "return_id"), [""; 0]);
    for wrong in ["limit=0", "limit=201", "state=lost", "stat=tracking", "order=", "cursor="] {
        world.get(Scope::Viewer, &format!("/v1/returns?{wrong}")).send().await.problem(400);
    }
}

#[tokio::test]
async fn parcels_are_listed_by_what_becomes_of_them_page_by_page() {
    let world = World::start().await;
    register(&world).await;
    told(&world, "c-1", NUMBERS[0], ParcelStatus::InTransit).await;
    told(&world, "c-2", NUMBERS[1], ParcelStatus::Delivered).await;
    let first = get(&world, "/v1/parcels?limit=2").await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = get(&world, &format!("/v1/parcels?limit=2&cursor={cursor}")).await;
    let mut all = [of(&first, "tracking_number"), of(&second, "tracking_number")].concat();
    all.sort();
    assert_eq!((all, &second["more"]), (NUMBERS.map(str::to_owned).to_vec(), &json!(false)));
    for (query, expected) in [
        ("status=in_transit", &NUMBERS[..1]),
        ("stopped=finished", &NUMBERS[1..2]),
        ("status=unknown&carrier=cj&adapter=sweettracker", &NUMBERS[2..]),
        ("carrier=hanjin", &[]),
    ] {
        let list = get(&world, &format!("/v1/parcels?{query}")).await;
        assert_eq!(of(&list, "tracking_number"), expected, "{query}");
    }
    let moving = get(&world, "/v1/parcels?status=in_transit").await;
    assert_eq!(moving["items"][0]["checkpoints"][0]["place"], "Gangnam", "the last thing that happened");
    for wrong in ["limit=0", "status=flying", "stopped=why", "cursor=x", "state=unknown"] {
        world.get(Scope::Viewer, &format!("/v1/parcels?{wrong}")).send().await.problem(400);
    }
}

#[tokio::test]
async fn a_return_is_shown_with_its_history_its_parcel_and_its_results_way() {
    let world = World::start().await;
    register(&world).await;
    let shown = get(&world, "/v1/returns/R-1").await;
    assert_eq!(
        (&shown["state"], &shown["result"], &shown["dead_letter"]),
        (&json!("tracking"), &json!(null), &json!(null))
    );
    told(&world, "c-1", NUMBERS[0], ParcelStatus::PickedUp).await;
    let key = result_key(&"R-1".parse().unwrap());
    world.store.effect_intend(&key, "return-result", now()).await.unwrap();
    world.store.effect_failed(&key, false, "status 503", now()).await.unwrap();
    let shown = get(&world, "/v1/returns/R-1").await;
    let states: Vec<_> = shown["history"].as_array().unwrap().iter().map(|e| e["state"].clone()).collect();
    assert_eq!(states, ["requested", "registered", "picked_up"]);
    assert_eq!(shown["parcel"]["checkpoints"][0]["text"], "taken over");
    let result = &shown["result"];
    assert_eq!(
        (&result["state"], &result["tries"], &result["error"]),
        (&json!("failed"), &json!(1), &json!("status 503"))
    );
    assert_eq!(result["idempotency_key"], json!(key));
    world.get(Scope::Viewer, "/v1/returns/R-9").send().await.problem(404);
}

#[tokio::test]
async fn a_result_is_sent_again_and_a_collection_asked_for_with_a_reason() {
    let world = World::start().await;
    register(&world).await;
    let why = json!({ "reason": "the shop lost it" });
    post(&world, "/v1/returns/R-9/resend", &why).await.problem(404);
    post(&world, "/v1/returns/R-1/resend", &why).await.problem(409);
    told(&world, "c-1", NUMBERS[0], ParcelStatus::PickedUp).await;
    for (path, body) in
        [("R-1/resend", json!({})), ("collect", json!({ "reason": " " })), ("collect", json!({ "why": 1 }))]
    {
        post(&world, &format!("/v1/returns/{path}"), &body).await.problem(422);
    }
    assert_eq!(entries(&world).await, [], "nothing was done yet");
    commands(&world, "").await;
    let answer = post(&world, "/v1/returns/R-1/resend", &why).await;
    let said = answer.json();
    assert_eq!((answer.status, &said["again"]), (202, &json!(false)), "{answer:?}");
    assert_eq!(said["idempotency_key"], json!(result_key(&"R-1".parse().unwrap())));
    assert_eq!(commands(&world, "return.result.due.v1").await, [json!({ "return_id": "R-1" })]);
    let (id, message) = ("R-1".parse().unwrap(), identity("results", "m"));
    world.store.result_delivered("key", &id, &message, now()).await.unwrap();
    assert_eq!(post(&world, "/v1/returns/R-1/resend", &why).await.json()["again"], true);
    let again = json!({ "return_id": "R-1", "again": true });
    assert_eq!(commands(&world, "return.result.due.v1").await, [again]);

    assert_eq!(post(&world, "/v1/returns/collect", &why).await.status, 202);
    assert_eq!(commands(&world, "return.collection.due.v1").await.len(), 1);
    let resent = ("returns.resend".to_owned(), "R-1".to_owned());
    let mut log = entries(&world).await;
    log.sort();
    assert_eq!(log, [("returns.collect".into(), "returns".into()), resent.clone(), resent]);
}

#[tokio::test]
async fn a_parcel_is_checked_when_somebody_asks_and_what_holds_it_up_is_told() {
    let world = World::start().await;
    register(&world).await;
    told(&world, "c-2", NUMBERS[1], ParcelStatus::Delivered).await;
    let path = |number: &str| format!("/v1/parcels/cj/{number}/check");
    let why = json!({ "reason": "the customer asks" });
    post(&world, &path("600000000009"), &why).await.problem(404);
    post(&world, &path(NUMBERS[1]), &why).await.problem(409);
    post(&world, &path(NUMBERS[0]), &json!({})).await.problem(422);
    commands(&world, "").await;
    let answer = post(&world, &path(NUMBERS[0]), &why).await;
    let said = answer.json();
    assert_eq!(
        (answer.status, &said["check"], &said["held_up"]),
        (202, &json!("asked"), &json!(null)),
        "{said}"
    );
    assert_eq!((&said["adapter"], &said["checks"]), (&json!("sweettracker"), &json!(0)));
    let sent = commands(&world, "parcel.check.due.v1").await;
    assert_eq!((sent.len(), &sent[0]["for_person"]), (1, &json!(true)), "{sent:?}");
    assert_eq!(sent[0]["parcels"][0]["tracking_number"], NUMBERS[0]);
    let queue = Queue::Tracking("sweettracker".parse().unwrap());
    let by = By { id: Uuid::from_u128(7), actor: "ops".into(), reason: "they moved".into() };
    world.store.pause_queue(&queue, None, &by, now()).await.unwrap();
    let said = post(&world, &path(NUMBERS[0]), &why).await.json();
    assert_eq!(
        (&said["check"], &said["held_up"]["by"]),
        (&json!("on_its_way"), &json!("queue_paused")),
        "{said}"
    );
    assert_eq!(commands(&world, "parcel.check.due.v1").await, [] as [Value; 0]);
    let log = entries(&world).await;
    assert!(log.contains(&("parcels.check".into(), format!("cj/{}", NUMBERS[0]))), "{log:?}");
    assert_eq!(log.len(), 2, "{log:?}");
}
