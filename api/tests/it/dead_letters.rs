//! Dead letters: searched, shown, exported, replayed, discarded, and all of it in the audit log.

use std::collections::BTreeSet;

use forebay_domain::dead_letter::{key, terms};
use forebay_intake::Scope;
use forebay_schemas::{Code, Event};
use forebay_store::NewDeadLetter;
use serde_json::{Value, json};

use crate::http::{Answer, Request};
use crate::world::{World, now};

fn letter(n: u8, code: Code, body: &[u8]) -> NewDeadLetter {
    let (id, error) = (format!("e-{n}"), "the shop answered with status 410");
    let event = Event::decode(body).ok();
    NewDeadLetter {
        key: key(Some("/shops/main"), &id, body),
        copy: [n; 32],
        terms: terms::of_letter(&id, event.as_ref(), error),
        message_id: id,
        source: Some("/shops/main".into()),
        subject: Some(format!("return/R-{n}")),
        kind: "return.requested.v1".into(),
        queue: "forebay.returns".into(),
        code,
        error: error.into(),
        attempts: 1,
        first_seen: Some(now()),
        sent_at: None,
        replay: 0,
        letter: None,
        headers: [("shop-tag".to_owned(), "a".to_owned())].into(),
        body: body.to_vec(),
    }
}

fn envelope(n: u8) -> Vec<u8> {
    json!({
        "specversion": "1.0", "id": format!("e-{n}"), "source": "/shops/main", "type": "return.requested.v1",
        "subject": format!("return/R-{n}"),
        "data": {"return_id": format!("R-{n}"), "order_id": format!("O-{n}"), "member_id": format!("m-{n}"),
                 "parcel": {"carrier": "cj", "tracking_number": format!("P-{n}")}},
    })
    .to_string()
    .into_bytes()
}

/// A world with letters 1 to `count`, rejected, and one that can't be read.
async fn with_letters(count: u8) -> World {
    let world = World::start().await;
    let letters = (1..=count).map(|n| letter(n, Code::Rejected, &envelope(n))).chain([letter(
        200,
        Code::Undecodable,
        b"\xff\0",
    )]);
    world.store.archive(letters.collect(), now()).await.unwrap();
    world
}

async fn get(world: &World, path: &str) -> Value {
    let answer = world.get(Scope::Viewer, path).send().await;
    assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
    answer.json()
}

async fn post(world: &World, path: &str, body: &Value) -> Answer {
    Request::new(world.address, "POST", path)
        .header("Authorization", &world.token(Scope::Admin))
        .header("Content-Type", "application/json")
        .body(body.to_string())
        .send()
        .await
}

async fn delete(world: &World, path: &str) -> Answer {
    Request::new(world.address, "DELETE", path)
        .header("Authorization", &world.token(Scope::Admin))
        .send()
        .await
}

fn count(page: &Value) -> usize {
    page["items"].as_array().unwrap().len()
}

#[tokio::test]
async fn dead_letters_are_grouped_filtered_paged_and_shown_whole() {
    let world = with_letters(5).await;
    let groups = get(&world, "/v1/dead-letters/groups").await;
    let open: BTreeSet<_> =
        groups["items"].as_array().unwrap().iter().map(|g| g["open"].as_i64().unwrap()).collect();
    assert_eq!(open, BTreeSet::from([1, 5]), "{groups}");

    let mut ids = BTreeSet::new();
    let mut path = "/v1/dead-letters?code=rejected&limit=2".to_owned();
    loop {
        let page = get(&world, &path).await;
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2 && items.iter().all(|letter| letter["code"] == "rejected"));
        ids.extend(items.iter().map(|letter| letter["message_id"].to_string()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/dead-letters?code=rejected&limit=2&cursor={cursor}");
    }
    assert_eq!(ids.len(), 5);

    let group = letter(200, Code::Undecodable, b"").fingerprint();
    for (filter, found) in [
        ("queue=returns&type=return.requested.v1", 6),
        ("queue=forebay.rewards", 0),
        (&format!("group={group}"), 1),
        ("message_id=e-3", 1),
        ("order=O-3", 1),
        ("parcel=P-3", 1),
        ("member=m-3", 1),
        ("member=O-3", 0),
        ("text=the%20shop%20answered", 6),
        ("text=O-3", 1),
        ("text=status%20404", 0),
        ("since=2026-11-20T03:00:00Z", 6),
        ("since=2026-11-20T03:00:01Z", 0),
        ("until=2026-11-20T03:00:00Z", 0),
        ("status=any", 6),
        ("status=resolved", 0),
    ] {
        assert_eq!(count(&get(&world, &format!("/v1/dead-letters?{filter}")).await), found, "{filter}");
    }

    let of = async |message: &str| {
        let page = get(&world, &format!("/v1/dead-letters?message_id={message}")).await;
        get(&world, &format!("/v1/dead-letters/{}", page["items"][0]["id"].as_str().unwrap())).await
    };
    let (text, bytes) = (of("e-1").await, of("e-200").await);
    assert_eq!(text["body"].as_str().unwrap().as_bytes(), envelope(1));
    assert_eq!((&text["status"], &text["deaths"]), (&json!("open"), &json!(1)));
    assert_eq!((&bytes["body"], &bytes["body_encoding"]), (&json!("/wA="), &json!("base64")));
    assert_eq!(text["headers"], json!({"shop-tag": "a"}));
}

#[tokio::test]
async fn a_filter_that_can_not_be_is_a_bad_request() {
    let world = World::start().await;
    for filter in [
        "code=sad",
        "status=closed",
        "queue=other",
        "since=yesterday",
        "subject=a%00b",
        "message_id=%0A",
        "text=%00",
        &format!("type={}", "x".repeat(256)),
        "cursor=7",
        "limit=-1",
        "limit=201",
        "colour=red",
    ] {
        world.get(Scope::Viewer, &format!("/v1/dead-letters?{filter}")).send().await.problem(400);
    }
}

#[tokio::test]
async fn an_export_has_a_line_for_each_letter_and_can_be_gone_on_with() {
    let world = with_letters(120).await;
    let lines = async |path: &str| {
        let answer = world.get(Scope::Viewer, path).send().await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/x-ndjson")));
        let text = String::from_utf8(answer.body.clone()).unwrap();
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>()
    };
    let all = lines("/v1/dead-letters/export").await;
    let ids: BTreeSet<_> = all.iter().map(|line| line["message_id"].to_string()).collect();
    assert_eq!((all.len(), ids.len()), (121, 121));
    assert!(all.iter().any(|line| line["body_encoding"] == "base64"));
    assert!(all.iter().all(|line| line["headers"]["shop-tag"] == "a"), "they are whole");
    let first = lines("/v1/dead-letters/export?code=rejected&limit=100").await;
    let cursor = first.last().unwrap()["cursor"].as_str().unwrap();
    let rest = lines(&format!("/v1/dead-letters/export?code=rejected&limit=100&cursor={cursor}")).await;
    assert_eq!((first.len(), rest.len()), (100, 20));
    assert_eq!(lines("/v1/dead-letters/export?status=discarded").await.len(), 0);
    world.get(Scope::Viewer, "/v1/dead-letters/export?limit=0").send().await.problem(400);
}

#[tokio::test]
async fn what_is_not_said_is_not_done() {
    let world = with_letters(3).await;
    let some = "0190a7c4-7b1e-7c3a-8f00-000000000001";
    for (path, body, pointer) in [
        ("replays", json!({}), ""),
        ("replays", json!({"filter": {}}), ""),
        ("replays", json!({"filter": {"text": "  "}}), ""),
        ("replays", json!({"all": true, "group": "g"}), "/all"),
        ("replays", json!({"group": "g", "filter": {"group": "h"}}), "/group"),
        ("replays", json!({"group": "g", "rate_per_s": 0}), "/rate_per_s"),
        ("replays", json!({"group": "g", "rate_per_s": 5001}), "/rate_per_s"),
        ("replays", json!({"group": "g", "reason": "a\nb"}), "/reason"),
        ("replays", json!({"ids": vec![some; 1001]}), "/ids"),
        ("replays", json!({"filter": {"colour": "red"}}), "/filter"),
        ("replays", json!({"ids": ["7"]}), "/ids/0"),
        ("discard", json!({"all": true}), "/reason"),
        ("discard", json!({"all": true, "reason": " "}), "/reason"),
        ("discard", json!({"all": true, "reason": "r", "canary": true}), ""),
        ("discard", json!({"reason": "r"}), ""),
    ] {
        let problem = post(&world, &format!("/v1/dead-letters/{path}"), &body).await.problem(422);
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}: {problem}");
    }
    assert_eq!(count(&get(&world, "/v1/dead-letters/replays").await), 0);
    assert_eq!(count(&get(&world, "/v1/dead-letters").await), 4);
    assert_eq!(count(&get(&world, "/v1/audit-log").await), 0);
}

#[tokio::test]
async fn a_dry_run_counts_and_shows_and_changes_nothing() {
    let world = with_letters(8).await;
    for path in ["/v1/dead-letters/replays", "/v1/dead-letters/discard"] {
        let answer = post(&world, path, &json!({"all": true, "dry_run": true})).await;
        let told = answer.json();
        assert_eq!((answer.status, &told["total"], &told["capped"]), (200, &json!(9), &json!(false)));
        assert_eq!(told["by_code"], json!([["rejected", 8], ["undecodable", 1]]));
        assert_eq!(told["examples"].as_array().unwrap().len(), 5);
    }
    let some = json!({"filter": {"member": "m-3"}, "dry_run": true});
    assert_eq!(post(&world, "/v1/dead-letters/replays", &some).await.json()["total"], 1);
    assert_eq!(count(&get(&world, "/v1/dead-letters").await), 9);
    assert_eq!(count(&get(&world, "/v1/audit-log").await), 0);
}

#[tokio::test]
async fn a_replay_is_begun_looked_at_and_aborted_once() {
    let world = with_letters(3).await;
    let body = json!({"filter": {"code": "rejected"}, "rate_per_s": 7, "reason": "the shop is back"});
    let begun = post(&world, "/v1/dead-letters/replays", &body).await;
    let view = begun.json();
    assert_eq!((begun.status, &view["total"], &view["state"]), (202, &json!(3), &json!("running")));
    assert_eq!((&view["stage"], &view["rate_per_s"]), (&json!("one"), &json!(7)));
    assert_eq!(view["filter"]["code"], "rejected");
    let place = begun.header("location").unwrap().to_owned();
    world.store.step_replay(now()).await.unwrap().unwrap();
    let view = get(&world, &place).await;
    assert_eq!((&view["published"], &view["waiting"]), (&json!(1), &json!(1)));
    let aborted = delete(&world, &format!("{place}?reason=too%20early")).await;
    assert_eq!((aborted.status, &aborted.json()["state"]), (200, &json!("aborted")));
    assert_eq!(delete(&world, &place).await.status, 200, "it may be said twice");
    delete(&world, "/v1/dead-letters/replays/0190a7c4-7b1e-7c3a-8f00-000000000001").await.problem(404);
    let empty = json!({"group": "none", "canary": false});
    let place = post(&world, "/v1/dead-letters/replays", &empty).await.header("location").unwrap().to_owned();
    while world.store.step_replay(now()).await.unwrap().is_some() {}
    assert_eq!(get(&world, &place).await["state"], "done");
    delete(&world, &place).await.problem(409);
    let listed = get(&world, "/v1/dead-letters/replays?limit=1").await;
    let cursor = listed["next_cursor"].as_str().unwrap();
    let second = get(&world, &format!("/v1/dead-letters/replays?limit=1&cursor={cursor}")).await;
    assert_eq!(second["items"][0]["state"], "aborted");
    let log = get(&world, "/v1/audit-log").await;
    let said: Vec<_> =
        log["items"].as_array().unwrap().iter().map(|e| (&e["action"], &e["reason"])).collect();
    assert_eq!(
        said,
        [
            (&json!("dead_letters.replay"), &json!("")),
            (&json!("dead_letters.replay.abort"), &json!("too early")),
            (&json!("dead_letters.replay"), &json!("the shop is back")),
        ]
    );
    let actor = log["items"][0]["actor"].as_str().unwrap();
    assert_eq!(actor.len(), 12, "the key's id: {actor}");
}

#[tokio::test]
async fn letters_are_discarded_with_a_reason_in_as_many_steps_as_it_takes() {
    let world = with_letters(0).await;
    for round in 0..3u8 {
        let letters = (0..=254).map(|n| {
            let body = format!("{round} {n}").into_bytes();
            NewDeadLetter { key: key(None, "", &body), ..letter(n, Code::Rejected, &body) }
        });
        world.store.archive(letters.collect(), now()).await.unwrap();
    }
    let body = json!({"filter": {"code": "rejected"}, "reason": "an old test"});
    let told = post(&world, "/v1/dead-letters/discard", &body).await.json();
    assert_eq!((&told["discarded"], &told["more"]), (&json!(765), &json!(false)));
    assert_eq!(count(&get(&world, "/v1/dead-letters").await), 1);
    assert_eq!(count(&get(&world, "/v1/dead-letters?status=discarded&limit=200").await), 200);
    let log = get(&world, "/v1/audit-log").await;
    let entry = &log["items"][0];
    assert_eq!((&entry["count"], &entry["reason"]), (&json!(765), &json!("an old test")));
    assert_eq!((&entry["id"], count(&log)), (&told["id"], 1), "one entry");
}
