//! A person on call: reads of an incident in Slack, runs the commands that stand there, and hears when it is over.

use std::process::Output;
use std::time::Duration;

use serde_json::{Value, json};

use crate::fleet::{Fleet, Role};
use crate::support::{eventually, json as printed};

const PATIENCE: Duration = Duration::from_secs(60);

/// A return whose parcel nobody follows: it dies at once.
const HOPELESS: &str = r#"{"specversion":"1.0","id":"r-1","source":"/s","type":"return.requested.v1","data":{
    "return_id":"R-1","order_id":"O-1","requested_at":"2026-11-20T00:00:00Z",
    "parcel":{"carrier":"nobody","tracking_number":"600000000001"}}}"#;

/// An embedded set, which runs.
struct OnCall(Fleet, #[expect(dead_code, reason = "it is killed when the test ends")] Role);

impl OnCall {
    fn new() -> Self {
        let fleet = Fleet::embedded();
        std::fs::write(fleet.folder().join("key"), &fleet.key).unwrap();
        let dev = fleet.start("dev", &["dev", "--data", "shop.db", "--no-sandbox"]);
        Self(fleet, dev)
    }

    fn run(&self, args: &[&str]) -> Output {
        self.0.command(args).args(["--api-url", &self.0.api, "--token-file", "key"]).output().unwrap()
    }

    /// What a command that ends well says.
    fn said(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The messages of the channel as they stand now, without what is in threads.
    fn slack(&self) -> Vec<Value> {
        let seen = self.0.saw("slack").unwrap();
        let all = seen["items"].as_array().unwrap();
        all.iter().filter(|message| message["thread_ts"].is_null()).cloned().collect()
    }

    /// The only message of the channel, once it says this.
    fn reads(&self, what: &str) -> String {
        let mut read = String::new();
        eventually(&format!("the channel reads {what:?}"), PATIENCE, || {
            let all = self.slack();
            assert!(all.len() <= 1, "{all:#?}");
            read = all.first().map(|message| message["blocks"].to_string()).unwrap_or_default();
            read.contains(what)
        });
        read
    }
}

/// The command in a message that begins so, as a person copies it.
fn command(read: &str, begins: &str) -> Vec<String> {
    let (_, rest) =
        read.split_once(&format!("`{begins} ")).unwrap_or_else(|| panic!("no {begins} in {read}"));
    let (rest, _) = rest.split_once('`').unwrap();
    format!("{begins} {rest}").split(' ').skip(1).map(str::to_owned).collect()
}

#[test]
fn an_incident_is_taken_on_by_the_command_in_slack_and_is_over_when_its_letters_are_closed() {
    let scene = OnCall::new();
    assert_eq!(scene.said(&["alert", "list"]), "");

    scene.0.publish(&[HOPELESS.to_owned()]);
    let read = scene.reads("forebay alert ack");
    let first = || printed(&scene.run(&["alert", "list", "--json"]))["items"][0].clone();
    eventually("it is written down that it was told", PATIENCE, || first()["told_at"].is_string());
    let take_on = command(&read, "forebay alert ack");
    let take_on: Vec<&str> = take_on.iter().map(String::as_str).collect();
    assert!(scene.said(&take_on).contains("acknowledged by"));
    scene.reads("acknowledged by");
    let again = scene.run(&take_on);
    assert!(again.status.success());
    assert!(String::from_utf8_lossy(&again.stderr).contains("somebody had taken it on before"), "{again:?}");

    let id = take_on[2];
    let listed = printed(&scene.run(&["alert", "list", "--json"]));
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&listed["items"][0]["id"], &listed["items"][0]["rule"]),
        (&json!(id), &json!("dead_letters"))
    );
    let snoozed = scene.said(&["alert", "snooze", id, "--for", "2h", "--reason", "the carrier is asked"]);
    assert!(snoozed.contains("snoozed by"), "{snoozed}");
    assert!(scene.said(&["alert", "show", id]).contains("forebay explain dead_letters"));
    scene.reads("snoozed by");

    // A second silence takes the place of the first; when it is over, an end is told.
    scene.said(&["alert", "snooze", id, "--for", "1s", "--reason", "the carrier has answered"]);
    let reason = "nobody carries it";
    scene.said(&["dlq", "discard", "--code", "rejected", "--reason", reason, "--yes"]);
    scene.reads("🟢");
    let none = scene.run(&["alert", "list"]);
    assert_eq!(
        String::from_utf8_lossy(&none.stderr).trim(),
        "no open incidents match; those that have ended: --state resolved"
    );
    assert!(scene.said(&["alert", "list", "--state", "resolved"]).contains(id));
}

#[test]
fn a_test_tells_what_slack_and_each_recipient_of_mail_answered() {
    let scene = OnCall::new();
    let told = scene.said(&["alert", "test", "--rule", "stock_out"]);
    assert!(told.contains("slack   taken") && told.contains("mail 1  taken"), "{told}");
    assert_eq!(scene.slack().len(), 1);
    assert_eq!(scene.0.saw("mail").unwrap()["total"], 1);
    let unknown = scene.run(&["alert", "test", "--rule", "no_such_rule"]);
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("forebay alert rules lists"), "{unknown:?}");
}
