//! Returns and parcels as people work with them: by the command line, on both sets, with the shop and the carrier
//! at the other end.

use std::process::Output;
use std::time::Duration;

use forebay_domain::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::fleet::{Fleet, Role};
use crate::support::{curl, eventually, free_port, json};

const PATIENCE: Duration = Duration::from_secs(60);
/// Long enough that something would have happened.
const QUIET: Duration = Duration::from_secs(2);
/// Picked up at the first look.
const PICKED_UP: &str = "600000000001";
/// Only a label until the sandbox advances it.
const LABEL: &str = "615000000001";
/// Delivered.
const DELIVERED: &str = "650000000001";

/// A set at work that collects returns when it is told to, and not before.
struct Scene {
    fleet: Fleet,
    /// The process that works comes last.
    roles: Vec<Role>,
}

impl Scene {
    fn new(embedded: bool, settings: &[(&str, &str)]) -> Self {
        let fleet = if embedded { Fleet::embedded() } else { Fleet::prepared() };
        std::fs::write(fleet.folder().join("key"), &fleet.key).unwrap();
        let mut scene = Self { fleet, roles: Vec::new() };
        let roles: &[&[&str]] = if embedded {
            &[&["dev", "--data", "shop.db", "--no-sandbox"]]
        } else {
            &[&["serve", "intake"], &["serve", "api"], &["relay"], &["schedule"], &["work"]]
        };
        for (n, args) in roles.iter().enumerate() {
            let operations = free_port();
            let mut command = scene.fleet.command(args);
            command.env("FOREBAY_OPERATIONS__LISTEN", format!("127.0.0.1:{operations}"));
            command.env("FOREBAY_RETURNS__COLLECT_EVERY_S", "86400").envs(settings.iter().copied());
            let name = format!("role-{n}");
            scene.roles.push(Role::ready(command, &name, operations, scene.fleet.folder()));
        }
        scene
    }

    fn worker(&self) -> &Role {
        self.roles.last().unwrap()
    }

    /// A command of a person.
    fn forebay(&self, args: &[&str]) -> Output {
        self.fleet.command(args).args(["--api-url", &self.fleet.api, "--token-file", "key"]).output().unwrap()
    }

    /// A command that must work, and its JSON.
    fn done(&self, args: &[&str]) -> Value {
        let output = self.forebay(&[args, &["--json"]].concat());
        assert!(output.status.success(), "{args:?}: {}", told(&output));
        json(&output)
    }

    /// A command that must work, and what it shows people.
    fn shown(&self, args: &[&str]) -> String {
        let output = self.forebay(args);
        assert!(output.status.success(), "{args:?}: {}", told(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    fn control(&self, path: &str, body: &Value) {
        let url = format!("{}/_control/{path}", self.fleet.sandbox);
        let (status, answer) = curl(&["-H", "Content-Type: application/json", "-d", &body.to_string(), &url]);
        assert!((200..300).contains(&status), "{status} {answer}");
    }

    /// How far a return is, once it is there.
    fn state(&self, id: &str) -> Option<String> {
        let output = self.forebay(&["return", "show", id, "--json"]);
        output.status.success().then(|| json(&output)["state"].as_str().unwrap().to_owned())
    }

    /// The keys under which the shop was told of a return, call by call.
    fn keys(&self, id: &str) -> Vec<String> {
        let seen = self.fleet.saw("results").unwrap();
        let of = |item: &&Value| item["body"]["return_id"] == id;
        let items = seen["items"].as_array().unwrap().iter().filter(of);
        items.map(|item| item["key"].as_str().unwrap().to_owned()).collect()
    }
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn a_return(id: &str, number: &str) -> Value {
    json!({
        "return_id": id, "order_id": format!("O-{id}"), "requested_at": "2026-11-20T00:00:00Z",
        "parcel": { "carrier": "cj", "tracking_number": number },
    })
}

fn event(data: &Value) -> String {
    let (kind, id) = ("return.requested.v1", format!("event-{}", data["return_id"]));
    json!({ "specversion": "1.0", "id": id, "source": "/s", "type": kind, "data": data }).to_string()
}

fn ids(list: &Value, field: &str) -> Vec<String> {
    let mut ids: Vec<_> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item[field].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    ids
}

fn people_find_check_and_send_again(embedded: bool) {
    let scene = Scene::new(embedded, &[]);
    let returns = [a_return("R-1", PICKED_UP), a_return("R-2", LABEL), a_return("R-3", DELIVERED)];
    scene.fleet.publish(&returns.each_ref().map(event));
    eventually("what is picked up is reported", PATIENCE, || {
        ["R-1", "R-3"].iter().all(|id| scene.state(id).as_deref() == Some("reported"))
    });
    let label = || scene.done(&["parcel", "show", "cj", LABEL]);
    eventually("the label is known", PATIENCE, || label()["status"] == "registered");

    // Found.
    assert_eq!(ids(&scene.done(&["return", "list", "--state", "reported"]), "return_id"), ["R-1", "R-3"]);
    assert_eq!(ids(&scene.done(&["return", "list", "--order", "O-R-2"]), "return_id"), ["R-2"]);
    let every = scene.done(&["parcel", "list", "--all"]);
    assert_eq!(ids(&every, "tracking_number"), [PICKED_UP, LABEL, DELIVERED]);
    let finished = scene.done(&["parcel", "list", "--stopped", "finished", "--carrier", "cj"]);
    assert_eq!(ids(&finished, "tracking_number"), [DELIVERED]);
    let first = scene.forebay(&["return", "list", "--limit", "1"]);
    assert!(told(&first).contains("there are more"), "{}", told(&first));
    let table = scene.shown(&["parcel", "list", "--status", "registered"]);
    assert!(table.contains(LABEL) && table.contains("asked about at"), "{table}");
    let shown = scene.shown(&["return", "show", "R-1"]);
    for part in ["reported", "the shop has taken it, tried once", "picked up", PICKED_UP, "WHERE"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }

    // Checked.
    scene.control(&format!("parcels/{LABEL}/advance"), &json!({}));
    let track = ["parcel", "track", "cj", LABEL, "--reason", "the customer asks", "--wait", "--json"];
    let output = scene.forebay(&track);
    assert!(output.status.success(), "{}", told(&output));
    assert_eq!(json(&output)["status"], "picked_up", "{}", told(&output));
    assert!(told(&output).contains("sweettracker is asked"), "{}", told(&output));
    eventually("its return is reported", PATIENCE, || scene.state("R-2").as_deref() == Some("reported"));

    // Sent again, under the same key.
    assert_eq!(scene.keys("R-1").len(), 1);
    let answer = scene.done(&["return", "resend", "R-1", "--reason", "the shop lost it"]);
    assert_eq!(answer["again"], true, "{answer}");
    eventually("the shop is told again", PATIENCE, || scene.keys("R-1").len() == 2);
    let key = answer["idempotency_key"].as_str().unwrap();
    assert_eq!(scene.keys("R-1"), [key, key]);
    assert_eq!(scene.done(&["return", "show", "R-1"])["result"]["idempotency_key"], key);

    // Collected.
    scene.control("shop/returns", &json!([a_return("R-4", "600000000004")]));
    scene.done(&["return", "collect", "--reason", "a pallet came"]);
    eventually("it is collected and reported", PATIENCE, || {
        let found = scene.done(&["return", "list", "--order", "O-R-4", "--state", "reported"]);
        ids(&found, "return_id") == ["R-4"]
    });

    let log = scene.done(&["audit"]);
    assert_eq!(ids(&log, "action"), ["parcels.check", "returns.collect", "returns.resend"]);
    assert_eq!(scene.done(&["dlq", "list", "--status", "any"])["items"], json!([]));
    refusals_are_told_by_exit_code(&scene);
    for role in scene.roles {
        role.stop();
    }
}

/// Two calls a day: one by the plan, the other one for whoever asks.
fn a_day_that_is_over_for_the_plan_is_not_for_people(embedded: bool) {
    // The day must not end while the test runs.
    let reset = (SystemClock.now() + Duration::from_secs(12 * 3_600)).format("%H:%M UTC").to_string();
    let settings = [
        ("FOREBAY_CARRIERS__SWEETTRACKER__DAILY", "2"),
        ("FOREBAY_CARRIERS__SWEETTRACKER__DAILY_RESET", reset.as_str()),
        ("FOREBAY_CARRIERS__SWEETTRACKER__RESERVE_PERCENT", "50"),
    ];
    let scene = Scene::new(embedded, &settings);
    let checks = |number: &str| scene.done(&["parcel", "show", "cj", number])["checks"].as_u64().unwrap();
    scene.fleet.publish(&[event(&a_return("R-1", LABEL))]);
    eventually("the plan has asked", PATIENCE, || {
        scene.forebay(&["parcel", "show", "cj", LABEL]).status.success() && checks(LABEL) == 1
    });
    scene.fleet.publish(&[event(&a_return("R-2", PICKED_UP))]);
    eventually("it is there", PATIENCE, || scene.forebay(&["return", "show", "R-2"]).status.success());
    std::thread::sleep(QUIET);
    assert_eq!(checks(PICKED_UP), 0, "nothing is left for the plan");
    let track = ["parcel", "track", "cj", PICKED_UP, "--reason", "a customer asks", "--wait"];
    assert_eq!(scene.done(&track)["status"], "picked_up");
    let held_up =
        scene.done(&["parcel", "track", "cj", LABEL, "--reason", "another one asks"])["held_up"].clone();
    assert_eq!(held_up["by"], "day_used_up", "{held_up}");
    assert_eq!(checks(LABEL), 1);
}

fn refusals_are_told_by_exit_code(scene: &Scene) {
    scene.fleet.publish(&[event(&json!({
        "return_id": "R-5", "order_id": "O-R-5", "requested_at": "2026-11-20T00:00:00Z",
    }))]);
    eventually("it is there", PATIENCE, || scene.forebay(&["return", "show", "R-5"]).status.success());
    for (code, args) in [
        (4, &["return", "show", "R-9"][..]),
        (4, &["return", "show", ".."]),
        (4, &["return", "resend", "R-9", "--reason", "why"]),
        (5, &["return", "resend", "R-5", "--reason", "why"]),
        (2, &["return", "resend", "R-1"]),
        (2, &["return", "list", "--state", "lost"]),
        (4, &["parcel", "show", "cj", "600000000009"]),
        (4, &["parcel", "track", "cj", "600000000009", "--reason", "why"]),
        (5, &["parcel", "track", "cj", DELIVERED, "--reason", "why"]),
        (2, &["parcel", "track", "cj", PICKED_UP]),
        (2, &["parcel", "list", "--stopped", "why"]),
        (1, &["parcel", "list", "--status", "flying"]),
        (0, &["return", "list", "--state", "tracking"]),
    ] {
        let output = scene.forebay(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", told(&output));
    }
    scene.done(&["queue", "pause", "tracking.sweettracker", "--reason", "a test"]);
    scene.worker().leaves_alone("tracking.sweettracker");
    let track = ["parcel", "track", "cj", PICKED_UP, "--reason", "why", "--wait", "--timeout", "2s"];
    let output = scene.forebay(&track);
    assert_eq!(output.status.code(), Some(75), "{}", told(&output));
    assert!(told(&output).contains("its queue is paused (a test)"), "{}", told(&output));
}

#[test]
fn people_find_returns_and_parcels_have_them_checked_and_sent_again_on_the_embedded_set() {
    people_find_check_and_send_again(true);
}

#[test]
fn people_find_returns_and_parcels_have_them_checked_and_sent_again_on_servers() {
    people_find_check_and_send_again(false);
}

#[test]
fn a_day_that_is_over_for_the_plan_is_not_for_people_on_the_embedded_set() {
    a_day_that_is_over_for_the_plan_is_not_for_people(true);
}

#[test]
fn a_day_that_is_over_for_the_plan_is_not_for_people_on_servers() {
    a_day_that_is_over_for_the_plan_is_not_for_people(false);
}
