//! Attendance: listed, exported, voided, restored, summed up; and days, by a clock that is set.

use forebay_intake::Scope;
use serde_json::{Value, json};

use crate::http::{Answer, Request};
use crate::world::World;

const LIST: &str = "/v1/programmes/autumn/attendance";

async fn check_in_on(world: &World, day: u32, members: &[&str]) {
    world.clock.set(format!("2026-11-{day}T03:00:00Z").parse().unwrap());
    for member in members {
        world.check_in(member).send().await;
    }
    world.settle(members.len()).await;
}

async fn set(world: &World, member: &str, day: &str, verb: &str, reason: &str) -> Answer {
    Request::new(world.address, "POST", &format!("{LIST}/{member}/{day}/{verb}"))
        .header("Authorization", &world.token(Scope::EventManager))
        .header("Content-Type", "application/json")
        .body(json!({ "reason": reason }).to_string())
        .send()
        .await
}

async fn read(world: &World, path: &str) -> Value {
    let answer = world.get(Scope::Viewer, path).send().await;
    assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
    answer.json()
}

#[tokio::test]
async fn attendance_is_listed_page_by_page_the_newest_day_first() {
    let world = World::start().await;
    check_in_on(&world, 19, &["m-1", "m-2"]).await;
    check_in_on(&world, 20, &["m-1"]).await;
    let page = read(&world, &format!("{LIST}?limit=2")).await;
    let told = |page: &Value| -> Vec<(Value, Value)> {
        let items = page["items"].as_array().unwrap();
        items.iter().map(|item| (item["on_date"].clone(), item["member_id"].clone())).collect()
    };
    assert_eq!(told(&page), [(json!("2026-11-20"), json!("m-1")), (json!("2026-11-19"), json!("m-2"))]);
    let cursor = page["next_cursor"].as_str().unwrap();
    let last = read(&world, &format!("{LIST}?limit=2&cursor={cursor}")).await;
    assert_eq!(told(&last), [(json!("2026-11-19"), json!("m-1"))]);
    assert_eq!((&last["more"], &last["next_cursor"]), (&json!(false), &json!(null)));
    assert_eq!(read(&world, &format!("{LIST}?on=2026-11-20")).await["items"].as_array().unwrap().len(), 1);
    assert_eq!(read(&world, &format!("{LIST}?member=m-1")).await["items"].as_array().unwrap().len(), 2);
    // The last cursor is that of a day before all calendars: "-262143-01-01 m-1".
    let of_another_age = "cursor=LTI2MjE0My0wMS0wMSBtLTE";
    for query in ["on=soon", "limit=0", "cursor=x", "colour=red", "from=-262143-01-01", of_another_age] {
        world.get(Scope::Viewer, &format!("{LIST}?{query}")).send().await.problem(400);
    }
    world.get(Scope::Viewer, "/v1/programmes/winter/attendance").send().await.problem(404);
}

#[tokio::test]
async fn a_voided_day_counts_nowhere_is_listed_as_such_and_can_be_restored() {
    let world = World::start().await;
    check_in_on(&world, 20, &["m-1"]).await;
    world.claim("m-1", "one-day").send().await;
    world.settle(1).await;
    set(&world, "m-1", "2026-11-20", "void", "").await.problem(422);
    set(&world, "m-1", "2026-11-19", "void", "a script").await.problem(404);
    set(&world, "m-1", "2026-11-20", "restore", "a script").await.problem(409);
    let voided = set(&world, "m-1", "2026-11-20", "void", "a script").await;
    assert_eq!((&voided.json()["voided"], &voided.json()["needs_review"]), (&json!(true), &json!(1)));
    set(&world, "m-1", "2026-11-20", "void", "a script").await.problem(409);
    let days = read(&world, "/v1/programmes/autumn/members/m-1/days").await;
    assert_eq!(
        (&days["days"], &days["voided"], &days["count"]),
        (&json!([]), &json!(["2026-11-20"]), &json!(0))
    );
    let again = world.check_in("m-1").header("Prefer", "wait=10").send().await.json();
    assert_eq!((&again["counted"], &again["reject_code"]), (&json!(false), &json!("day_voided")));
    let listed = read(&world, &format!("{LIST}?voided=true")).await;
    assert_eq!(listed["items"][0]["voided"]["reason"], "a script");
    let claims = read(&world, "/v1/members/m-1/claims").await;
    assert_eq!(
        (&claims["items"][0]["state"], &claims["items"][0]["review"]),
        (&json!("granted"), &json!("day_voided"))
    );
    let restored = set(&world, "m-1", "2026-11-20", "restore", "it was no script").await;
    assert_eq!((&restored.json()["voided"], &restored.json()["needs_review"]), (&json!(false), &json!(0)));
    assert_eq!(read(&world, "/v1/programmes/autumn/members/m-1/days").await["count"], 1);
}

#[tokio::test]
async fn an_export_is_csv_that_no_spreadsheet_takes_for_a_formula() {
    let world = World::start().await;
    check_in_on(&world, 20, &["=cmd()", "m-\"1\",x"]).await;
    set(&world, "m-%22%31%22,x", "2026-11-20", "void", "-1 day").await;
    let export = world.get(Scope::Viewer, &format!("{LIST}/export")).send().await;
    assert_eq!(export.header("content-type"), Some("text/csv; charset=utf-8"));
    let text = String::from_utf8(export.body.clone()).unwrap();
    let lines: Vec<&str> = text.split("\r\n").collect();
    assert_eq!(lines[0], "\u{feff}on_date,member_id,received_at,voided_at,voided_by,void_reason");
    assert!(lines[1].starts_with("2026-11-20,\"m-\"\"1\"\",x\",2026-11-20T03:00:00Z,"), "{text}");
    assert!(lines[1].ends_with(",'-1 day"), "{text}");
    assert_eq!(lines[2], "2026-11-20,'=cmd(),2026-11-20T03:00:00Z,,,");
    let listed = world.get(Scope::Viewer, LIST).header("Accept", "text/csv").send().await;
    assert_eq!(listed.body, export.body, "the list as CSV is the export");
}

#[tokio::test]
async fn an_export_page_by_page_is_the_whole_one() {
    let world = World::start().await;
    for day in [18, 19, 20] {
        check_in_on(&world, day, &["m-1", "m-2", "m-3"]).await;
    }
    let whole = world.get(Scope::Viewer, &format!("{LIST}/export")).send().await.body;
    let (mut parts, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = world.get(Scope::Viewer, &format!("{LIST}/export?limit=4{cursor}")).send().await;
        parts.extend_from_slice(&page.body);
        let Some(next) = page.header("forebay-next-cursor") else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(String::from_utf8_lossy(&parts), String::from_utf8_lossy(&whole));
    world.get(Scope::Viewer, &format!("{LIST}/export?limit=10001")).send().await.problem(400);
}

#[tokio::test]
async fn a_programme_is_summed_up() {
    let world = World::start().await;
    check_in_on(&world, 19, &["m-1"]).await;
    check_in_on(&world, 20, &["m-1", "m-2"]).await;
    world.claim("m-1", "one-day").send().await;
    world.settle(1).await;
    let summary = read(&world, "/v1/programmes/autumn/summary").await;
    assert_eq!(
        summary,
        json!({
            "check_ins": 3, "members": 2, "needs_review": 0,
            "days": [{"on_date": "2026-11-20", "check_ins": 2, "voided": 0},
                     {"on_date": "2026-11-19", "check_ins": 1, "voided": 0}],
            "funnel": [{"days": 1, "members": 1}, {"days": 2, "members": 1}],
            "claims": [{"rule_id": "one-day", "state": "granted", "claims": 1}],
        })
    );
    world.get(Scope::Viewer, "/v1/programmes/winter/summary").send().await.problem(404);
}

#[tokio::test]
async fn the_day_is_that_of_the_acceptance_however_late_it_is_settled() {
    let world = World::start().await;
    // The last millisecond of the 20th in Seoul; it is settled 30 seconds later.
    world.clock.set("2026-11-20T14:59:59.999Z".parse().unwrap());
    world.check_in("m-1").send().await;
    world.clock.set("2026-11-20T15:00:00Z".parse().unwrap());
    world.check_in("m-2").send().await;
    world.clock.set("2026-11-20T15:00:30Z".parse().unwrap());
    world.settle(2).await;
    let days = async |member: &str| {
        read(&world, &format!("/v1/programmes/autumn/members/{member}/days")).await["days"].clone()
    };
    assert_eq!(days("m-1").await, json!(["2026-11-20"]));
    assert_eq!(days("m-2").await, json!(["2026-11-21"]));
    world.settle_all();
    let told = world.check_in("m-1").header("Prefer", "wait=10").send().await.json();
    assert_eq!(
        (&told["on_date"], &told["count"], &told["run"]),
        (&json!("2026-11-21"), &json!(2), &json!(2))
    );
}
