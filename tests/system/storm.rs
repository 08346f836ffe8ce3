//! `forebay storm`: what is broken on purpose loses nothing and doubles nothing, on both sets.

use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::fleet::Fleet;
use crate::support::{bare, forebay, json, setting};

/// Runs a storm of its own installation.
pub(crate) fn storm(args: &[&str]) -> Output {
    forebay().args(["storm", "--json"]).args(args).output().unwrap()
}

/// The report; nothing was lost or doubled, and so many faults struck.
pub(crate) fn survived(output: &Output, faults: u64) -> Value {
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{}\n{told}", String::from_utf8_lossy(&output.stdout));
    let report = json(output);
    assert_eq!((&report["lost"], &report["doubled"]), (&0.into(), &0.into()), "{report}");
    let struck: u64 = report["faults"].as_object().unwrap().values().filter_map(|n| n.as_u64()).sum();
    assert_eq!(struck, faults, "{report}");
    assert!(report["invariants"].as_array().unwrap().iter().all(|i| i["holds"] == true), "{report}");
    report
}

/// RabbitMQ and PostgreSQL that only this test uses, since it stops them.
pub(crate) struct Servers {
    folder: TempDir,
}

impl Servers {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let started =
            bare(&setting("FOREBAY_TEST_SERVERS")).arg("start").arg(folder.path()).output().unwrap();
        assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
        Self { folder }
    }

    /// The options of a storm that uses them, and may stop them.
    pub(crate) fn options(&self) -> Vec<String> {
        let program = |name| self.setting(name);
        let [broker, store] = ["FOREBAY_TEST_RABBITMQ_SERVER", "FOREBAY_TEST_POSTGRES_SERVER"].map(program);
        let options = [
            ("queue-url", self.setting("FOREBAY_TEST_AMQP_URL")),
            ("store-url", self.setting("FOREBAY_TEST_POSTGRES_URL")),
            ("stop-broker", format!("{broker} kill")),
            ("start-broker", format!("{broker} start")),
            ("stop-store", format!("{store} kill")),
            ("start-store", format!("{store} start")),
        ];
        options.into_iter().flat_map(|(name, value)| [format!("--{name}"), value]).collect()
    }

    /// A setting of theirs.
    fn setting(&self, name: &str) -> String {
        let env = std::fs::read_to_string(self.folder.path().join("env")).unwrap();
        let line = env.lines().find_map(|line| line.strip_prefix(&format!("export {name}='"))).unwrap();
        line.trim_end_matches('\'').to_owned()
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        let _ = Command::new(setting("FOREBAY_TEST_SERVERS")).arg("remove").arg(self.folder.path()).status();
    }
}

#[test]
fn the_embedded_process_is_killed_while_the_outside_fails_and_nothing_is_lost_or_doubled() {
    let faults = "worker=6,carrier-slow,carrier-fails,carrier-limits,shop-fails";
    survived(&storm(&["--events", "3000", "--over-s", "8", "--faults", faults]), 10);
}

#[test]
fn roles_are_killed_servers_stopped_and_connections_cut_and_nothing_is_lost_or_doubled() {
    let servers = Servers::start();
    let faults = "worker=4,relay=2,intake=2,schedule,broker,store,cut=2,freeze,carrier-fails,shop-fails";
    let burst = ["--events", "4000", "--over-s", "20", "--faults", faults];
    let options = servers.options();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let output = storm(&[&burst, &options[..]].concat());
    survived(&output, 16);
}

#[test]
fn a_storm_that_is_not_settled_in_time_ends_with_1() {
    let output =
        storm(&["--events", "500", "--over-s", "1", "--faults", "carrier-slow", "--patience-s", "0"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(json(&output)["seconds"]["drained"], Value::Null);
}

/// A storm through a fleet that the test started.
fn through(fleet: &Fleet, args: &[&str]) -> Output {
    let key = fleet.folder().join("storm.key");
    std::fs::write(&key, &fleet.key).unwrap();
    let where_to = ["--intake", &fleet.intake, "--store-url", &fleet.store, "--sandbox", &fleet.sandbox];
    let mut command = forebay();
    command.args(["storm", "--json", "--key-file"]).arg(key).args(where_to).args(args);
    command.output().unwrap()
}

#[test]
fn a_storm_goes_through_an_installation_that_runs_and_counts_only_what_it_sent() {
    let fleet = Fleet::prepared();
    let intake = fleet.start("intake", &["serve", "intake"]);
    let other = fleet.start("worker-1", &["work"]);
    let roles = [("worker-2", "work"), ("relay", "relay"), ("schedule", "schedule")];
    let roles = roles.map(|(name, role)| fleet.start(name, &[role]));
    // Somebody else's order, before the storm and of no interest to it.
    fleet.publish(&[r#"{"specversion":"1.0","id":"1","source":"/shop","type":"order.paid.v1","data":
        {"order_id":"O-1","currency":"KRW","amount_minor":1000,"paid_at":"2026-01-01T00:00:00Z"}}"#
        .to_owned()]);
    let kill = format!("worker=kill -9 {}", other.pid());
    let faults = "worker,carrier-fails,shop-fails";
    let burst = ["--events", "1500", "--over-s", "6", "--faults", faults, "--on", &kill];
    survived(&through(&fleet, &burst), 3);
    assert_eq!(fleet.count("select count(*) from return_order where id like 'storm-%'"), 150);

    // Nobody relays: the returns' checks never leave the outbox, and the storm says what is missing.
    drop(roles);
    intake.stop();
    let _intake = fleet.start("intake-2", &["serve", "intake"]);
    let output = through(
        &fleet,
        &["--events", "500", "--over-s", "1", "--faults", "carrier-slow", "--patience-s", "1"],
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(json(&output)["lost"].as_u64().unwrap() > 400, "{}", json(&output));
}

#[test]
fn a_fault_that_can_not_be_done_is_refused_before_anything_starts() {
    let running = ["--intake", "http://127.0.0.1:1", "--key-file", "k", "--store-url", "postgres://h/d"];
    let refused = [
        (&[][..], "broker", "--queue-url"),
        (&[], "lightning", "carrier-slow"),
        (&running, "worker", "--on worker=COMMAND"),
        (&running, "shop-fails", "--sandbox"),
        (&running, "slow-store", "--on slow-store=COMMAND"),
        (&["--until-well"], "worker", "--queue-url"),
        (&["--pages", "p"], "cut", "--queue-url"),
    ];
    for (args, faults, named) in refused {
        let output = storm(&[args, &["--faults", faults]].concat());
        assert!(matches!(output.status.code(), Some(2 | 78)), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(named), "{output:?}");
    }
}
