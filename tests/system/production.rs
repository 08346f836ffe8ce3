//! The roles as processes on RabbitMQ and PostgreSQL: from HTTP to the last effect, through kill -9, to a clean end.

use std::time::Duration;

use serde_json::{Value, json};

use crate::fleet::{Fleet, Role};
use crate::support::eventually;

const PATIENCE: Duration = Duration::from_secs(60);
/// The burst in which a worker is killed.
const ORDERS: usize = 4_500;
const RETURNS: usize = 500;
const BATCH: usize = 100;

fn event(id: &str, kind: &str, data: &Value) -> String {
    json!({ "specversion": "1.0", "id": id, "source": "/s", "type": kind, "data": data }).to_string()
}

fn order(n: usize) -> String {
    let data = json!({
        "order_id": format!("O-{n}"), "member_id": format!("m-{}", n % 100), "currency": "KRW",
        "amount_minor": 1_000, "paid_at": "2026-11-20T00:00:00Z",
    });
    event(&format!("order-{n}"), "order.paid.v1", &data)
}

fn a_return(n: usize, carrier: &str) -> String {
    let data = json!({
        "return_id": format!("R-{n}"), "order_id": format!("RO-{n}"), "requested_at": "2026-11-20T00:00:00Z",
        "parcel": { "carrier": carrier, "tracking_number": format!("600{n:09}") },
    });
    event(&format!("return-{n}"), "return.requested.v1", &data)
}

/// A programme that is open on every day on which this test may ever run: one check-in earns points, and the only
/// mug.
fn programme() -> String {
    json!({
        "id": "welcome", "name": "Welcome", "tz": "Asia/Seoul", "count_mode": "total",
        "starts_on": "2020-01-01", "ends_on": "2099-12-31", "claim_until": "2099-12-31T00:00:00Z", "state": "active",
        "rules": [{
            "id": "first-day", "days_required": 1,
            "reward": { "id": "points-500", "name": "500 points", "kind": "points", "points": 500 },
        }, {
            "id": "mug", "days_required": 1,
            "reward": { "id": "mug", "name": "Mug", "kind": "product", "sku": "MUG-1", "stock": { "total": 1 } },
        }],
    })
    .to_string()
}

fn everything(fleet: &Fleet) -> Vec<Role> {
    [
        ("intake", &["serve", "intake"][..]),
        ("api", &["serve", "api"]),
        ("worker-1", &["work"]),
        ("worker-2", &["work", "--queues", "returns,rewards"]),
        ("relay", &["relay"]),
        ("schedule", &["schedule"]),
    ]
    .iter()
    .map(|(name, args)| fleet.start(name, args))
    .collect()
}

#[test]
fn a_claim_a_return_and_a_dead_letter_go_from_http_to_their_last_effect_and_every_role_stops_cleanly() {
    let fleet = Fleet::prepared();
    let roles = everything(&fleet);
    let json_body = ["-H", "Content-Type: application/json", "-H", "Prefer: wait=10"];
    let api = |method: &str, path: &str, body: &str| {
        let url = format!("{}/v1/{path}", fleet.api);
        fleet.call(&[&json_body[..], &["-X", method, "-d", body, &url]].concat())
    };
    let (status, answer) = api("PUT", "programmes/welcome", &programme());
    assert_eq!(status, 201, "{answer}");
    let (status, answer) = api("POST", "programmes/welcome/check-ins", r#"{ "member_id": "m-1" }"#);
    assert!(matches!(status, 200 | 202), "{status} {answer}");
    for rule in ["first-day", "mug"] {
        let claim = json!({ "member_id": "m-1", "rule_id": rule }).to_string();
        let (status, answer) = api("POST", "programmes/welcome/claims", &claim);
        assert!(matches!(status, 200 | 202), "{status} {answer}");
    }
    let balance = || fleet.call(&[&format!("{}/v1/members/m-1/balance", fleet.api)]).1;
    eventually("the claim's points are in the member's hands", PATIENCE, || {
        balance().to_string().contains("500")
    });
    fleet.publish(&[a_return(1, "cj"), a_return(2, "nobody")]);
    let state = || fleet.call(&[&format!("{}/v1/returns/R-1", fleet.api)]).1["state"].clone();
    eventually("the return is reported", PATIENCE, || state() == "reported");
    let results = fleet.saw("results").unwrap();
    assert_eq!(results["total"], 1, "{results}");
    assert_eq!(results["items"][0]["body"]["return_id"], "R-1", "{results}");
    eventually("the unknown carrier is a dead letter", PATIENCE, || {
        let found = "select count(*) from dead_letter \
                     where code = 'rejected' and queue = 'forebay.returns' and message_id = 'return-2'";
        fleet.count(found) == 1
    });
    let heard = |people: &str, what: &str| {
        eventually(&format!("people hear of {what} by {people}"), PATIENCE, || {
            fleet.saw(people).is_some_and(|seen| seen.to_string().contains(what))
        });
    };
    heard("slack", "nobody");
    for people in ["slack", "mail"] {
        heard(people, "out of stock");
    }
    for role in roles {
        role.stop();
    }
    assert_eq!(fleet.count("select count(*) from claim where state = 'granted'"), 2);
    assert_eq!(fleet.count("select count(*) from dead_letter"), 1);
}

#[test]
fn a_worker_that_is_killed_in_mid_burst_loses_nothing_and_doubles_nothing() {
    let fleet = Fleet::prepared();
    let mut events: Vec<String> = (0..ORDERS).map(order).collect();
    // Every tenth one is a return.
    for n in 0..RETURNS {
        events.insert(n * (ORDERS / RETURNS + 1), a_return(n, "cj"));
    }
    let _others = [
        fleet.start("intake", &["serve", "intake"]),
        fleet.start("relay", &["relay"]),
        fleet.start("schedule", &["schedule"]),
        fleet.start("worker-1", &["work"]),
    ];
    let victim = fleet.start("worker-2", &["work"]);
    let booked = || fleet.count("select count(*) from shop_order");
    let (first, second) = events.split_at(events.len() / 2);
    for batch in first.chunks(BATCH) {
        fleet.publish(batch);
    }
    eventually("work has begun", PATIENCE, || booked() > 0);
    victim.kill();
    assert!(booked() < ORDERS, "the worker was killed after the burst");
    for batch in second.chunks(BATCH) {
        fleet.publish(batch);
    }
    let _replacement = fleet.start("worker-3", &["work"]);
    let reported = || fleet.count("select count(*) from return_order where state = 'reported'");
    eventually("everything accepted is settled", 2 * PATIENCE, || {
        booked() >= ORDERS && reported() >= RETURNS
    });
    for (table, wanted) in [("shop_order", ORDERS), ("return_order", RETURNS)] {
        assert_eq!(fleet.count(&format!("select count(*) from {table}")), wanted, "{table}");
        assert_eq!(fleet.count(&format!("select count(distinct event_id) from {table}")), wanted, "{table}");
    }
    assert_eq!(fleet.count("select coalesce(sum(amount), 0) from ledger_entry"), 0, "the books balance");
    assert_eq!(fleet.count("select count(*) from dead_letter"), 0);
    let record = fleet.saw("record").unwrap();
    assert_eq!(record["results_distinct"], RETURNS, "each result has one key: {record}");
}
