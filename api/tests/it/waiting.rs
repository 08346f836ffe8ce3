//! `Prefer: wait`: the outcome, when it comes in time.

use std::time::Duration;

use forebay_intake::IntakeOptions;
use serde_json::json;
use tokio::time::Instant;

use crate::http::Connection;
use crate::world::World;

#[tokio::test]
async fn a_wait_ends_with_the_outcome() {
    let world = World::start().await;
    world.settle_all();
    let waited = async |request: crate::http::Request| {
        let answer = request.header("Prefer", "wait=10").send().await;
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        assert_eq!(answer.header("preference-applied"), Some("wait=10"));
        answer.json()
    };
    let early = waited(world.claim("m-1", "one-day")).await;
    assert_eq!((&early["state"], &early["reject_code"]), (&json!("rejected"), &json!("not_enough_days")));
    let mut check_in = waited(world.check_in("m-1")).await;
    assert!(check_in.as_object_mut().unwrap().remove("event_id").is_some());
    assert_eq!(
        check_in,
        json!({
            "on_date": "2026-11-20", "counted": true, "days": ["2026-11-20"], "count": 1, "run": 1,
            "rules": [
                {"rule_id": "one-day", "days_required": 1, "days_left": 0, "claimable": true},
                {"rule_id": "two-days", "days_required": 2, "days_left": 1, "claimable": false,
                 "why_not": "not_enough_days"},
            ],
        })
    );
    assert_eq!(waited(world.claim("m-1", "one-day")).await["state"], "granted");
    let again = waited(world.claim("m-1", "one-day")).await;
    assert_eq!((&again["state"], &again["reject_code"]), (&json!("rejected"), &json!("already_claimed")));
}

#[tokio::test]
async fn a_check_in_that_can_not_count_is_told_at_once() {
    let world = World::start().await;
    world.clock.advance(Duration::from_secs(60 * 86_400));
    let begun = Instant::now();
    let late = world.check_in("m-1").header("Prefer", "wait=10").send().await;
    assert_eq!(late.status, 200);
    assert_eq!(
        (&late.json()["counted"], &late.json()["reject_code"]),
        (&json!(false), &json!("programme_not_active"))
    );
    let nowhere = world.command("/v1/programmes/winter/check-ins", &json!({"member_id": "m-1"}));
    nowhere.header("Prefer", "wait=10").send().await.problem(404);
    assert!(begun.elapsed() < Duration::from_secs(9), "neither waited");
}

#[tokio::test]
async fn a_wait_that_is_over_is_answered_as_without_it() {
    let world = World::start().await;
    let begun = Instant::now();
    let answer = world.claim("m-1", "one-day").header("Prefer", "wait=1").send().await;
    assert_eq!(answer.status, 202);
    assert!(answer.header("location").unwrap().starts_with("/v1/claims/"));
    assert!((Duration::from_millis(950)..Duration::from_secs(30)).contains(&begun.elapsed()));
}

#[tokio::test]
async fn who_waits_keeps_nobody_from_being_accepted() {
    let options = IntakeOptions { in_flight: 1, ..IntakeOptions::default() };
    let world = World::start_with(options).await;
    let mut waiting = Connection::open(world.address).await;
    waiting.send(&world.check_in("m-1").header("Prefer", "wait=10").bytes()).await;
    let deadline = Instant::now() + Duration::from_secs(30);
    while world.waiting().await == 0 {
        assert!(Instant::now() < deadline, "the first was never accepted");
        tokio::task::yield_now().await;
    }
    assert_eq!(world.check_in("m-2").send().await.status, 202);
    world.settle(2).await;
    let outcome = waiting.answer().await;
    assert_eq!((outcome.status, &outcome.json()["counted"]), (200, &json!(true)));
}

#[tokio::test]
async fn a_claim_id_that_is_taken_shows_nobody_elses_claim() {
    let world = World::start().await;
    world.settle_all();
    let claim = |member: &str| {
        let id = "0190a7c4-7b1e-7c3a-8f00-000000000001";
        let body = json!({"member_id": member, "rule_id": "one-day", "claim_id": id});
        world.command("/v1/programmes/autumn/claims", &body).header("Prefer", "wait=10").send()
    };
    assert_eq!(claim("m-1").await.status, 200);
    let other = claim("m-2").await;
    other.problem(409);
    assert!(!String::from_utf8_lossy(&other.body).contains("m-1"));
    assert_eq!(claim("m-1").await.status, 200, "the first one's maker may ask again");
}
