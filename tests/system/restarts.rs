//! A rolling restart: every role is ended by SIGTERM and started again, one after the other, under load. Nothing is
//! lost, nothing is done twice; the database and the outside world are the judges.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::fleet::{Fleet, Role};
use crate::support::{curl, eventually};

const PATIENCE: Duration = Duration::from_secs(180);
/// Events of one batch, each tenth a return, the others orders.
const BATCH: usize = 50;
/// The pause between two batches of the load.
const PACE: Duration = Duration::from_millis(50);
/// Each role of the set; the workers are two, so that work goes on.
const ROLES: [(&str, &[&str]); 6] = [
    ("intake", &["serve", "intake"]),
    ("api", &["serve", "api"]),
    ("worker-1", &["work"]),
    ("worker-2", &["work"]),
    ("relay", &["relay"]),
    ("schedule", &["schedule"]),
];

fn event(n: usize) -> String {
    let envelope = |id: String, kind: &str, data: Value| {
        json!({ "specversion": "1.0", "id": id, "source": "/s", "type": kind, "data": data }).to_string()
    };
    if n.is_multiple_of(10) {
        let data = json!({
            "return_id": format!("R-{n}"), "order_id": format!("RO-{n}"),
            "requested_at": "2026-11-20T00:00:00Z",
            "parcel": { "carrier": "cj", "tracking_number": format!("600{n:09}") },
        });
        return envelope(format!("return-{n}"), "return.requested.v1", data);
    }
    let data = json!({
        "order_id": format!("O-{n}"), "member_id": format!("m-{}", n % 100), "currency": "KRW",
        "amount_minor": 1_000, "paid_at": "2026-11-20T00:00:00Z",
    });
    envelope(format!("order-{n}"), "order.paid.v1", data)
}

/// A storefront: sends batches until it is told to stop, each again until it is accepted, and answers how many events
/// were.
fn send(fleet: &Fleet, stop: &AtomicBool, accepted: &AtomicUsize) {
    let url = format!("{}/v1/events", fleet.intake);
    let authorization = format!("Authorization: Bearer {}", fleet.key);
    let content = "Content-Type: application/cloudevents-batch+json";
    while !stop.load(Ordering::Relaxed) {
        let first = accepted.load(Ordering::Relaxed);
        let batch = format!("[{}]", (first..first + BATCH).map(event).collect::<Vec<_>>().join(","));
        let args = ["-H", &authorization, "-H", content, "-d", &batch, &url];
        // No status is no answer: the intake is being restarted.
        eventually("a batch is accepted", PATIENCE, || curl(&args).0 == 202);
        accepted.fetch_add(BATCH, Ordering::Relaxed);
        std::thread::sleep(PACE);
    }
}

#[test]
fn a_rolling_restart_of_every_role_under_load_loses_nothing_and_does_nothing_twice() {
    let fleet = Fleet::prepared();
    let mut roles: Vec<Role> = ROLES.iter().map(|(name, args)| fleet.start(name, args)).collect();
    let (stop, accepted) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| send(&fleet, &stop, &accepted));
        let halted = Halt(&stop);
        for round in 0..2 {
            for (n, (name, args)) in ROLES.iter().enumerate() {
                let before = accepted.load(Ordering::Relaxed);
                eventually("the load goes on", PATIENCE, || {
                    accepted.load(Ordering::Relaxed) > before + BATCH
                });
                roles.remove(0).stop();
                roles.push(fleet.start(&format!("{name}-again-{round}-{n}"), args));
            }
        }
        drop(halted);
    });
    let accepted = accepted.load(Ordering::Relaxed);
    let returns = accepted / 10;
    let orders = accepted - returns;
    let booked = || fleet.count("select count(*) from shop_order");
    let reported = || fleet.count("select count(*) from return_order where state = 'reported'");
    eventually("everything accepted is settled", PATIENCE, || booked() >= orders && reported() >= returns);
    for (table, wanted) in [("shop_order", orders), ("return_order", returns)] {
        assert_eq!(fleet.count(&format!("select count(*) from {table}")), wanted, "{table}");
        assert_eq!(fleet.count(&format!("select count(distinct event_id) from {table}")), wanted, "{table}");
    }
    assert_eq!(fleet.count("select coalesce(sum(amount), 0) from ledger_entry"), 0, "the books balance");
    assert_eq!(fleet.count("select count(*) from dead_letter"), 0);
    let (calls, record) = (fleet.saw("results").unwrap(), fleet.saw("record").unwrap());
    assert_eq!(record["results_distinct"], returns, "each result has one key: {record}");
    assert_eq!(calls["total"], returns, "a stop in order repeats no call");
    for role in roles {
        role.stop();
    }
    assert_eq!(fleet.count("select count(*) from worker"), 0, "every worker has signed off");
}

/// Ends the load, also when the test fails meanwhile.
struct Halt<'a>(&'a AtomicBool);

impl Drop for Halt<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
