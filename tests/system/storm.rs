//! `forebay storm`: what is broken on purpose loses nothing and doubles nothing, on both sets.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::support::{bare, forebay, json, setting};

fn storm(args: &[&str]) -> Output {
    forebay().args(["storm", "--json"]).args(args).output().unwrap()
}

/// The report; nothing was lost or doubled, and so many faults struck.
fn survived(output: &Output, faults: u64) {
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{}\n{told}", String::from_utf8_lossy(&output.stdout));
    let report = json(output);
    assert_eq!((&report["lost"], &report["doubled"]), (&0.into(), &0.into()), "{report}");
    let struck: u64 = report["faults"].as_object().unwrap().values().filter_map(|n| n.as_u64()).sum();
    assert_eq!(struck, faults, "{report}");
    assert!(report["invariants"].as_array().unwrap().iter().all(|i| i["holds"] == true), "{report}");
}

/// RabbitMQ and PostgreSQL that only this test uses, since it stops them.
struct Servers {
    folder: TempDir,
}

impl Servers {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let started =
            bare(&setting("FOREBAY_TEST_SERVERS")).arg("start").arg(folder.path()).output().unwrap();
        assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
        Self { folder }
    }

    /// A setting of theirs.
    fn setting(&self, name: &str) -> String {
        let env = std::fs::read_to_string(self.folder.path().join("env")).unwrap();
        let line = env.lines().find_map(|line| line.strip_prefix(&format!("export {name}='"))).unwrap();
        line.trim_end_matches('\'').to_owned()
    }

    /// The program that stops and starts one of them.
    fn program(&self, name: &str) -> PathBuf {
        Path::new(&self.setting(name)).to_owned()
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
    let [broker, store] = ["FOREBAY_TEST_RABBITMQ_SERVER", "FOREBAY_TEST_POSTGRES_SERVER"]
        .map(|name| servers.program(name).display().to_string());
    let faults = "worker=4,relay=2,intake=2,schedule,broker,store,cut=2,freeze,carrier-fails,shop-fails";
    let output = storm(&[
        "--events",
        "4000",
        "--over-s",
        "20",
        "--faults",
        faults,
        "--queue-url",
        &servers.setting("FOREBAY_TEST_AMQP_URL"),
        "--store-url",
        &servers.setting("FOREBAY_TEST_POSTGRES_URL"),
        "--stop-broker",
        &format!("{broker} kill"),
        "--start-broker",
        &format!("{broker} start"),
        "--stop-store",
        &format!("{store} kill"),
        "--start-store",
        &format!("{store} start"),
    ]);
    survived(&output, 16);
}

#[test]
fn a_storm_that_is_not_settled_in_time_ends_with_1() {
    let output =
        storm(&["--events", "500", "--over-s", "1", "--faults", "carrier-slow", "--patience-s", "0"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(json(&output)["seconds"]["drained"], serde_json::Value::Null);
}

#[test]
fn a_fault_that_can_not_be_done_is_refused_before_anything_starts() {
    for (faults, named) in [("broker", "--queue-url"), ("lightning", "carrier-slow")] {
        let output = storm(&["--faults", faults]);
        assert!(matches!(output.status.code(), Some(2 | 78)), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(named), "{output:?}");
    }
}
