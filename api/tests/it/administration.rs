//! Programmes put, dead letters searched, incidents listed.

use forebay_domain::incident::{Raise, Severity};
use forebay_intake::Scope;
use forebay_schemas::Code;
use forebay_store::NewDeadLetter;
use serde_json::{Value, json};

use crate::http::Request;
use crate::world::{World, now, programme};

fn put(world: &World, id: &str, body: &Value) -> Request {
    Request::new(world.address, "PUT", &format!("/v1/programmes/{id}"))
        .header("Authorization", &world.token(Scope::Admin))
        .header("Content-Type", "application/json")
        .body(body.to_string())
}

#[tokio::test]
async fn a_programme_is_put_and_then_read() {
    let world = World::start().await;
    let mut changed = programme();
    changed["name"] = json!("Autumn, longer");
    let answer = put(&world, "autumn", &changed).send().await;
    assert_eq!((answer.status, &answer.json()["name"]), (200, &json!("Autumn, longer")));
    let listed = world.get(Scope::ReportsRead, "/v1/programmes").send().await.json();
    assert_eq!(listed["items"][0]["name"], "Autumn, longer");
}

#[tokio::test]
async fn a_programme_that_breaks_its_rules_changes_nothing() {
    type Edit = fn(&mut Value);
    let world = World::start().await;
    let edited = |edit: Edit| {
        let mut programme = programme();
        programme["name"] = json!("changed");
        edit(&mut programme);
        programme
    };
    let rows: &[(Edit, &str, &str)] = &[
        (|p| p["ends_on"] = json!("2026-10-01"), "", "ends_on lies before starts_on"),
        (|p| p["rules"][0]["days_required"] = json!(0), "", "days_required"),
        (|p| p["rules"] = json!([p["rules"][0], p["rules"][0]]), "", "there are two of this id"),
        (|p| p["id"] = json!("winter"), "/id", "not the id in the path"),
        (|p| p["tz"] = json!("Mars/Olympus"), "/tz", "can't be read"),
        (|p| p["state"] = json!("open"), "/state", "expected"),
        (|p| p["rules"] = json!(7), "/rules", "expected"),
        (|p| p["claim_until"] = json!("soon"), "/claim_until", "can't be read"),
    ];
    for (edit, pointer, detail) in rows {
        let problem = put(&world, "autumn", &edited(*edit)).send().await.problem(422);
        let error = &problem["errors"][0];
        assert_eq!(error["pointer"], *pointer, "{problem}");
        assert!(error["detail"].as_str().unwrap().contains(detail), "{problem}");
    }
    let listed = world.get(Scope::ReportsRead, "/v1/programmes").send().await.json();
    assert_eq!(listed["items"][0]["name"], "Autumn");
}

#[tokio::test]
async fn the_time_zone_stays_once_there_are_check_ins() {
    let world = World::start().await;
    world.check_in("m-1").send().await;
    world.settle(1).await;
    let mut moved = programme();
    moved["tz"] = json!("America/New_York");
    put(&world, "autumn", &moved).send().await.problem(409);
}

fn letter(n: u8, code: Code, body: &[u8]) -> NewDeadLetter {
    NewDeadLetter {
        key: [n; 32],
        message_id: format!("e-{n}"),
        source: Some("/shops/main".into()),
        subject: Some(format!("return/R-{n}")),
        kind: "return.requested.v1".into(),
        queue: "forebay.returns".into(),
        code,
        error: "no".into(),
        fingerprint: format!("group-{code}"),
        attempts: 1,
        first_seen: Some(now()),
        headers: [("shop-tag".to_owned(), "a".to_owned())].into(),
        body: body.to_vec(),
    }
}

#[tokio::test]
async fn dead_letters_are_grouped_filtered_paged_and_shown_whole() {
    let world = World::start().await;
    let letters =
        (1..=5).map(|n| letter(n, Code::Rejected, b"{}")).chain([letter(6, Code::Undecodable, b"\xff\0")]);
    world.store.archive(letters.collect(), now()).await.unwrap();
    let get = async |path: &str| {
        let answer = world.get(Scope::Admin, path).send().await;
        assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
        answer.json()
    };
    let groups = get("/v1/dead-letters/groups").await;
    let counts: Vec<&Value> =
        groups["items"].as_array().unwrap().iter().map(|group| &group["count"]).collect();
    assert!(counts.contains(&&json!(5)) && counts.contains(&&json!(1)), "{groups}");

    let mut ids = std::collections::BTreeSet::new();
    let mut path = "/v1/dead-letters?code=rejected&limit=2".to_owned();
    loop {
        let page = get(&path).await;
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2 && items.iter().all(|letter| letter["code"] == "rejected"));
        ids.extend(items.iter().map(|letter| letter["message_id"].to_string()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/dead-letters?code=rejected&limit=2&cursor={cursor}");
    }
    assert_eq!(ids.len(), 5);

    for (filter, found) in [
        ("queue=returns&type=return.requested.v1", 6),
        ("queue=forebay.rewards", 0),
        ("group=group-undecodable", 1),
        ("message_id=e-3", 1),
        ("subject=return/R-4", 1),
        ("since=2026-11-20T03:00:00Z", 6),
        ("since=2026-11-20T03:00:01Z", 0),
    ] {
        let page = get(&format!("/v1/dead-letters?{filter}")).await;
        assert_eq!(page["items"].as_array().unwrap().len(), found, "{filter}");
    }

    let of = async |message: &str| {
        let page = get(&format!("/v1/dead-letters?message_id={message}")).await;
        get(&format!("/v1/dead-letters/{}", page["items"][0]["id"].as_str().unwrap())).await
    };
    let (text, bytes) = (of("e-1").await, of("e-6").await);
    assert_eq!((&text["body"], &text["body_encoding"]), (&json!("{}"), &json!("utf-8")));
    assert_eq!((&bytes["body"], &bytes["body_encoding"]), (&json!("/wA="), &json!("base64")));
    assert_eq!(text["headers"], json!({"shop-tag": "a"}));
}

#[tokio::test]
async fn a_filter_that_can_not_be_is_a_bad_request() {
    let world = World::start().await;
    for filter in [
        "code=sad",
        "queue=other",
        "since=yesterday",
        "subject=a%00b",
        "message_id=%0A",
        &format!("type={}", "x".repeat(256)),
        "cursor=7",
        "limit=-1",
        "colour=red",
    ] {
        let answer = world.get(Scope::Admin, &format!("/v1/dead-letters?{filter}")).send().await;
        assert_eq!(answer.status, 400, "{filter}");
        answer.problem(400);
    }
}

#[tokio::test]
async fn open_incidents_are_listed() {
    let world = World::start().await;
    let raise = Raise {
        fingerprint: "stock/mug".into(),
        rule: "stock_low",
        severity: Severity::Warning,
        title: "Low".into(),
        impact: "few left".into(),
        action: "restock".into(),
        sample: String::new(),
        count: 1,
    };
    world.store.raise(vec![raise], now()).await.unwrap();
    let incidents = world.get(Scope::Admin, "/v1/incidents").send().await.json();
    assert_eq!(incidents["items"][0]["fingerprint"], "stock/mug");
    assert_eq!(incidents["items"][0]["severity"], "warning");
}
