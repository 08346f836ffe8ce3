//! A person erased by the command line, on both sets, while messages about them are still on their way.

use std::process::Output;
use std::time::Duration;

use chrono::Timelike as _;
use forebay_domain::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::fleet::{Fleet, Role};
use crate::support::{eventually, json as printed, sql};
use crate::upgrades::rows;

const PATIENCE: Duration = Duration::from_secs(60);
/// The person. Nothing else is called so.
const WHO: &str = "m-erase-me-4711";

struct Scene {
    fleet: Fleet,
    /// The process that works comes last.
    roles: Vec<Role>,
    embedded: bool,
}

impl Scene {
    fn new(embedded: bool) -> Self {
        let fleet = if embedded { Fleet::embedded() } else { Fleet::prepared() };
        std::fs::write(fleet.folder().join("key"), &fleet.key).unwrap();
        let all: &[(&str, &[&str])] = if embedded {
            &[("dev", &["dev", "--data", "shop.db", "--no-sandbox"])]
        } else {
            &[
                ("intake", &["serve", "intake"]),
                ("api", &["serve", "api"]),
                ("relay", &["relay"]),
                ("schedule", &["schedule"]),
                ("work", &["work"]),
            ]
        };
        let roles = all.iter().map(|(name, args)| fleet.start(name, args)).collect();
        Self { fleet, roles, embedded }
    }

    /// A command of a person.
    fn forebay(&self, args: &[&str]) -> Output {
        self.fleet.command(args).args(["--api-url", &self.fleet.api, "--token-file", "key"]).output().unwrap()
    }

    fn done(&self, args: &[&str]) -> Output {
        let output = self.forebay(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }

    fn api(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let url = format!("{}/v1/{path}", self.fleet.api);
        let json = ["-H", "Content-Type: application/json"];
        self.fleet.call(&[&json[..], &["-X", method, "-d", &body.to_string(), &url]].concat())
    }

    fn count(&self, statement: &str) -> usize {
        if self.embedded {
            sql(&self.fleet.folder().join("shop.db"), statement).parse().unwrap()
        } else {
            self.fleet.count(statement)
        }
    }

    /// Everything in the database, the embedded queue included.
    fn everything(&self) -> String {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        if self.embedded {
            runtime.block_on(rows::of_file(&self.fleet.folder().join("shop.db")))
        } else {
            runtime.block_on(rows::of_database(&self.fleet.store))
        }
    }

    fn holds_the_person(&self) -> bool {
        let hex: String = WHO.bytes().map(|byte| format!("{byte:02x}")).collect();
        let all = self.everything();
        all.contains(WHO) || all.to_lowercase().contains(&hex)
    }

    fn logs(&self) -> String {
        let files = std::fs::read_dir(self.fleet.folder()).unwrap().map(|entry| entry.unwrap().path());
        let logs = files.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
        logs.map(|path| std::fs::read_to_string(path).unwrap()).collect()
    }
}

fn event(id: &str, kind: &str, data: &Value) -> String {
    json!({ "specversion": "1.0", "id": id, "source": "/s", "type": kind, "data": data }).to_string()
}

fn paid(order: &str) -> String {
    let data = json!({
        "order_id": order, "member_id": WHO, "currency": "KRW", "amount_minor": 100_000,
        "paid_at": "2026-11-20T00:00:00Z",
    });
    event(&format!("paid-{order}"), "order.paid.v1", &data)
}

/// A return that dies of its carrier, and names the person where nobody asked for it.
fn dies(id: &str) -> String {
    let data = json!({
        "return_id": id, "order_id": "O-1", "requested_at": "2026-11-20T00:00:00Z", "note": format!("for {WHO}."),
        "parcel": { "carrier": "nobody", "tracking_number": "600000000001" },
    });
    event(&format!("return-{id}"), "return.requested.v1", &data)
}

/// A zone whose next midnight is half a day away or more, so that all check-ins of a test are of one day.
fn zone() -> String {
    let hour = SystemClock.now().hour();
    // The names of these zones have their sign the other way round: GMT-3 is three hours ahead.
    if hour < 12 { format!("Etc/GMT-{}", 12 - hour) } else { format!("Etc/GMT+{}", hour - 12) }
}

fn programme() -> Value {
    json!({
        "id": "welcome", "name": "Welcome", "tz": zone(), "count_mode": "total",
        "starts_on": "2020-01-01", "ends_on": "2099-12-31", "claim_until": "2100-12-31T00:00:00Z",
        "state": "active", "points_per_1000_minor": 10,
        "rules": [{
            "id": "first-day", "days_required": 1,
            "reward": { "id": "points-500", "name": "500 points", "kind": "points", "points": 500 },
        }, {
            "id": "mug", "days_required": 1,
            "reward": { "id": "mug", "name": "Mug", "kind": "product", "sku": "MUG-1", "stock": { "total": 5 } },
        }],
    })
}

fn erased(embedded: bool) {
    let scene = Scene::new(embedded);
    assert_eq!(scene.api("PUT", "programmes/welcome", &programme()).0, 201);
    let who = json!({ "member_id": WHO });
    let check_in = || assert_eq!(scene.api("POST", "programmes/welcome/check-ins", &who).0, 202);
    check_in();
    eventually("the day counts", PATIENCE, || scene.count("select count(*) from attendance") == 1);
    for rule in ["first-day", "mug"] {
        let claim = json!({ "member_id": WHO, "rule_id": rule });
        assert_eq!(scene.api("POST", "programmes/welcome/claims", &claim).0, 202);
    }
    scene.fleet.publish(&[paid("O-1"), dies("R-1")]);
    let letters = || scene.count("select count(*) from dead_letter");
    eventually("everything is settled", PATIENCE, || {
        letters() == 1 && scene.count("select count(*) from claim where state = 'granted'") == 2
    });
    eventually("the order is booked", PATIENCE, || scene.count("select count(*) from shop_order") == 1);
    assert!(scene.holds_the_person());

    // More is on its way when the person is erased.
    for queue in ["rewards", "returns"] {
        scene.done(&["queue", "pause", queue, "--reason", "a test"]);
    }
    for queue in ["rewards", "returns"] {
        scene.roles.last().unwrap().leaves_alone(queue);
    }
    check_in();
    scene.fleet.publish(&[paid("O-2"), dies("R-2")]);
    let dry = printed(&scene.done(&["member", "erase", WHO, "--dry-run", "--json"]));
    assert_eq!(
        (&dry["attendance"], &dry["claims"], &dry["orders"]),
        (&json!(1), &json!(2), &json!(1)),
        "{dry}"
    );
    let unasked = scene.forebay(&["member", "erase", WHO, "--reason", "asked for"]);
    assert_eq!(unasked.status.code(), Some(5), "{}", String::from_utf8_lossy(&unasked.stderr));
    let sums = "select sum(balance) from member";
    let points = scene.count(sums);
    let done = printed(&scene.done(&["member", "erase", WHO, "--reason", "asked for", "--yes", "--json"]));
    assert_eq!(done["dead_letters"], 1, "{done}");
    assert!(points >= 1_500, "{points}");
    assert_eq!(scene.count(sums), points);
    for queue in ["rewards", "returns"] {
        scene.done(&["queue", "resume", queue, "--reason", "a test"]);
    }
    eventually("what was on its way is settled", PATIENCE, || {
        letters() == 2
            && scene.count("select count(*) from shop_order where id = 'O-2' and member_id is null") == 1
    });
    check_in();
    // Three of the rewards before the erasure and two after it were handled, and the last check-in.
    let handled = "select count(*) from inbox where consumer = 'rewards'";
    eventually("the last check-in is handled", PATIENCE, || scene.count(handled) == 7);
    let facts = "select count(*) from outbox where route like 'fact:%'";
    eventually("the facts are published", PATIENCE, || scene.count(facts) == 0);
    assert_eq!(scene.count("select count(*) from attendance"), 1);
    // The embedded queue forgets what is settled a moment later.
    eventually("the person is nowhere", PATIENCE, || !scene.holds_the_person());
    assert_eq!(scene.count(sums), points);
    assert_eq!(scene.count("select coalesce(sum(amount), 0) from ledger_entry"), 0, "the books balance");
    assert_eq!(scene.count("select issued from stock where reward_id = 'mug'"), 1, "the mug is given out");
    let log = printed(&scene.done(&["audit", "--json"]));
    assert_eq!(log["items"].as_array().unwrap().iter().filter(|e| e["action"] == "member.erase").count(), 1);
    assert!(!scene.logs().contains(WHO), "no log names the person");
}

#[test]
fn an_erased_person_is_nowhere_and_does_not_come_back_on_the_embedded_set() {
    erased(true);
}

#[test]
fn an_erased_person_is_nowhere_and_does_not_come_back_on_servers() {
    erased(false);
}
