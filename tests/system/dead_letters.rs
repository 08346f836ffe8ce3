//! Dead letters as people work with them: by the command line, on both sets, until each message had its effect once.

use std::process::Output;
use std::time::Duration;

use serde_json::{Value, json};

use crate::fleet::{Fleet, Role};
use crate::support::{curl, eventually, json};

const PATIENCE: Duration = Duration::from_secs(120);
const BATCH: usize = 100;

/// A set at work, whose shop can refuse results.
struct Scene {
    fleet: Fleet,
    /// The one that drives replays comes last.
    roles: Vec<Role>,
    embedded: bool,
}

impl Scene {
    fn new(embedded: bool) -> Self {
        let fleet = if embedded { Fleet::embedded() } else { Fleet::prepared() };
        std::fs::write(fleet.folder().join("key"), &fleet.key).unwrap();
        let mut scene = Self { fleet, roles: Vec::new(), embedded };
        let others: &[&[&str]] = if embedded {
            &[]
        } else {
            &[&["serve", "intake"], &["serve", "api"], &["work"], &["work"], &["relay"]]
        };
        for (n, args) in others.iter().enumerate() {
            scene.roles.push(scene.fleet.start(&format!("role-{n}"), args));
        }
        scene.drive();
        scene
    }

    /// Starts what drives replays.
    fn drive(&mut self) {
        let args: &[&str] =
            if self.embedded { &["dev", "--data", "shop.db", "--no-sandbox"] } else { &["schedule"] };
        self.roles.push(self.fleet.start("driver", args));
    }

    /// kill -9 for what drives replays.
    fn kill_driver(&mut self) {
        self.roles.pop().unwrap().kill();
    }

    fn shop(&self, faults: &Value) {
        let url = format!("{}/_control/faults", self.fleet.sandbox);
        let (status, answer) =
            curl(&["-H", "Content-Type: application/json", "-d", &faults.to_string(), &url]);
        assert!((200..300).contains(&status), "{status} {answer}");
    }

    fn is_gone(&self) {
        self.shop(&json!({ "results_gone": true }));
    }

    fn is_back(&self) {
        self.shop(&json!({}));
    }

    /// Lets so many results die of a shop that refuses them; answers their group.
    fn dead_results(&self, count: usize) -> String {
        self.is_gone();
        let events: Vec<String> = (0..count).map(a_return).collect();
        for batch in events.chunks(BATCH) {
            self.fleet.publish(batch);
        }
        eventually("every result is a dead letter", PATIENCE, || {
            let groups = json(&self.forebay(&["dlq", "groups", "--json"]));
            groups["items"].as_array().unwrap().iter().map(|g| g["open"].as_u64().unwrap()).sum::<u64>()
                == count as u64
        });
        let groups = json(&self.forebay(&["dlq", "groups", "--json"]));
        let group = &groups["items"][0];
        assert_eq!((&group["queue"], &group["code"]), (&json!("forebay.results"), &json!("rejected")));
        assert_eq!(groups["items"].as_array().unwrap().len(), 1, "{groups}");
        group["fingerprint"].as_str().unwrap().to_owned()
    }

    /// A command of a person.
    fn forebay(&self, args: &[&str]) -> Output {
        self.fleet.command(args).args(["--api-url", &self.fleet.api, "--token-file", "key"]).output().unwrap()
    }

    fn replay(&self, args: &[&str]) -> (i32, Value) {
        let output = self.forebay(&[&["dlq", "replay", "--yes", "--json"][..], args].concat());
        let code = output.status.code().unwrap();
        (code, json(&output))
    }

    fn replay_now(&self, id: &str) -> Value {
        json(&self.forebay(&["dlq", "replays", id, "--detach", "--json"]))
    }

    fn open(&self) -> usize {
        let listed = json(&self.forebay(&["dlq", "list", "--limit", "200", "--json"]));
        listed["items"].as_array().unwrap().len()
    }

    /// What the shop has taken: calls, and distinct results.
    fn taken(&self) -> (u64, u64) {
        let total = self.fleet.saw("results").unwrap()["total"].as_u64().unwrap();
        (total, self.fleet.saw("record").unwrap()["results_distinct"].as_u64().unwrap())
    }

    fn open_incidents_of_letters(&self) -> usize {
        let (status, incidents) = self.fleet.call(&[&format!("{}/v1/incidents", self.fleet.api)]);
        assert_eq!(status, 200);
        let of_letters = |i: &&Value| i["rule"] == "dead_letters";
        incidents["items"].as_array().unwrap().iter().filter(of_letters).count()
    }
}

fn a_return(n: usize) -> String {
    let data = json!({
        "return_id": format!("R-{n}"), "order_id": format!("RO-{n}"), "requested_at": "2026-11-20T00:00:00Z",
        "parcel": { "carrier": "cj", "tracking_number": format!("600{n:09}") },
    });
    let kind = "return.requested.v1";
    json!({ "specversion": "1.0", "id": format!("return-{n}"), "source": "/s", "type": kind, "data": data })
        .to_string()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn replayed_once_the_cause_is_mended(embedded: bool) {
    const LETTERS: usize = 300;
    let scene = Scene::new(embedded);
    let group = scene.dead_results(LETTERS);
    assert_eq!(scene.open_incidents_of_letters(), 1);
    let found = json(&scene.forebay(&["dlq", "list", "--text", "R-7", "--json"]));
    assert_eq!(found["items"][0]["subject"], "return/R-7", "{found}");

    let refused = scene.forebay(&["dlq", "replay", "--group", &group]);
    assert_eq!(refused.status.code(), Some(5), "nobody said yes: {}", told(&refused));
    let dry = scene.forebay(&["dlq", "replay", "--group", &group, "--dry-run"]);
    let shown = String::from_utf8_lossy(&dry.stdout).into_owned();
    assert!(dry.status.success() && shown.contains("300 letters (300 rejected)"), "{shown} {}", told(&dry));
    let nothing = scene.forebay(&["dlq", "replay", "--yes"]);
    assert!(!nothing.status.success() && told(&nothing).contains("all: true"), "{}", told(&nothing));

    // The shop still refuses: a canary is all that dies again; without one it stops soon.
    let (code, stopped) = scene.replay(&["--group", &group]);
    assert_eq!(
        (code, &stopped["state"], &stopped["published"]),
        (1, &json!("stopped"), &json!(1)),
        "{stopped}"
    );
    let (code, stopped) = scene.replay(&["--group", &group, "--no-canary", "--rate", "10"]);
    assert_eq!((code, &stopped["state"]), (1, &json!("stopped")), "{stopped}");
    assert!(stopped["published"].as_u64().unwrap() < LETTERS as u64, "{stopped}");
    eventually("what was sent is open again", PATIENCE, || {
        let groups = json(&scene.forebay(&["dlq", "groups", "--json"]));
        groups["items"][0]["open"] == LETTERS as u64
    });

    scene.is_back();
    let (code, done) = scene.replay(&["--group", &group, "--rate", "200", "--reason", "the shop is back"]);
    assert_eq!((code, &done["state"], &done["done"]), (0, &json!("done"), &json!(LETTERS)), "{done}");
    assert_eq!(scene.taken(), (LETTERS as u64, LETTERS as u64), "each result once");
    assert_eq!(scene.open(), 0);
    assert_eq!(scene.open_incidents_of_letters(), 0, "nothing is left to see to");
    let none = scene.forebay(&["dlq", "replay", "--group", &group, "--yes"]);
    assert_eq!(none.status.code(), Some(4), "{}", told(&none));
    let log = json(&scene.forebay(&["audit", "--json"]));
    assert_eq!(log["items"].as_array().unwrap().len(), 3, "{log}");
    assert_eq!(log["items"][0]["reason"], "the shop is back");
}

fn goes_on_after_kill_9(embedded: bool) {
    const LETTERS: usize = 200;
    let mut scene = Scene::new(embedded);
    let group = scene.dead_results(LETTERS);
    scene.is_back();
    let (code, begun) = scene.replay(&["--group", &group, "--no-canary", "--rate", "20", "--detach"]);
    assert_eq!(code, 0);
    let id = begun["id"].as_str().unwrap().to_owned();
    let published = |scene: &Scene| scene.replay_now(&id)["published"].as_u64().unwrap();
    // Early, so that a slow machine is not done with all of it before the kill.
    for share in [10, 4] {
        let wanted = LETTERS as u64 / share;
        eventually("a part of it is sent", PATIENCE, || published(&scene) >= wanted);
        scene.kill_driver();
        assert!(embedded || published(&scene) < LETTERS as u64, "it was killed after its end");
        scene.drive();
    }
    let output = scene.forebay(&["dlq", "replays", &id, "--json"]);
    let done = json(&output);
    assert_eq!((output.status.code(), &done["state"]), (Some(0), &json!("done")), "{done}");
    assert_eq!(done["done"], LETTERS);
    assert_eq!(scene.open(), 0);
    let (calls, distinct) = scene.taken();
    assert_eq!(distinct, LETTERS as u64, "each result has one key");
    assert!(calls >= distinct, "{calls}");
}

fn aborted_exported_and_discarded(embedded: bool) {
    const LETTERS: usize = 80;
    let scene = Scene::new(embedded);
    let group = scene.dead_results(LETTERS);
    scene.is_back();
    let (_, begun) = scene.replay(&["--group", &group, "--no-canary", "--rate", "5", "--detach"]);
    let id = begun["id"].as_str().unwrap();
    eventually("a part of it is sent", PATIENCE, || scene.replay_now(id)["done"].as_u64().unwrap() >= 5);
    let aborted = scene.forebay(&["dlq", "abort", id, "--reason", "enough for today", "--json"]);
    assert!(aborted.status.success(), "{}", told(&aborted));
    let sent = json(&aborted)["published"].as_u64().unwrap() as usize;
    assert!((5..LETTERS).contains(&sent), "{sent}");
    eventually("what was sent has its outcome", PATIENCE, || scene.replay_now(id)["done"] == sent);
    assert_eq!(scene.open(), LETTERS - sent, "the rest is left alone");
    let waited = scene.forebay(&["dlq", "replays", id]);
    assert_eq!(waited.status.code(), Some(1), "an aborted one is no success");

    let path = scene.fleet.folder().join("dead.ndjson");
    let export = scene.forebay(&["dlq", "export", "--group", &group, "--output", path.to_str().unwrap()]);
    assert!(export.status.success(), "{}", told(&export));
    let lines = std::fs::read_to_string(&path).unwrap();
    let letters: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(letters.len(), LETTERS - sent);
    let body: Value = serde_json::from_str(letters[0]["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["type"], "return.result.due.v1", "whole");

    let one = letters[0]["id"].as_str().unwrap();
    let unsaid = scene.forebay(&["dlq", "discard", "--id", one, "--yes"]);
    assert_eq!(unsaid.status.code(), Some(2), "a reason is needed: {}", told(&unsaid));
    let reason = ["--reason", "settled by hand", "--yes"];
    let discarded = scene.forebay(&[&["dlq", "discard", "--id", one], &reason[..]].concat());
    assert!(discarded.status.success(), "{}", told(&discarded));
    assert_eq!(scene.open(), LETTERS - sent - 1);
    let discarded = scene.forebay(&[&["dlq", "discard", "--all"], &reason[..]].concat());
    assert!(discarded.status.success(), "{}", told(&discarded));
    assert_eq!((scene.open(), scene.open_incidents_of_letters()), (0, 0));
    let shown = json(&scene.forebay(&["dlq", "show", one]));
    assert_eq!(shown["status"], "discarded");
    assert_eq!(scene.taken(), (sent as u64, sent as u64), "what was discarded had no effect");
}

#[test]
fn letters_are_replayed_once_their_cause_is_mended_on_the_embedded_set() {
    replayed_once_the_cause_is_mended(true);
}

#[test]
fn letters_are_replayed_once_their_cause_is_mended_on_servers() {
    replayed_once_the_cause_is_mended(false);
}

#[test]
fn a_replay_goes_on_after_kill_9_on_the_embedded_set() {
    goes_on_after_kill_9(true);
}

#[test]
fn a_replay_goes_on_after_kill_9_of_its_driver_on_servers() {
    goes_on_after_kill_9(false);
}

#[test]
fn a_replay_is_aborted_and_the_rest_exported_and_discarded_on_the_embedded_set() {
    aborted_exported_and_discarded(true);
}

#[test]
fn a_replay_is_aborted_and_the_rest_exported_and_discarded_on_servers() {
    aborted_exported_and_discarded(false);
}
