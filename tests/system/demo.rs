//! The demo on both sets of back ends; and that its checks can fail.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use forebay_domain::{Clock, SystemClock};
use forebay_outbound::Signer;
use serde_json::Value;

use crate::support::{curl, forebay, fresh_servers, json, sql};

fn sound(report: &Value) {
    assert_eq!(report["ok"], true, "{report:#}");
    for invariant in report["invariants"].as_array().unwrap() {
        assert_eq!(invariant["holds"], true, "{invariant}");
    }
}

#[test]
fn a_burst_of_30_000_is_settled_once_each_on_the_embedded_set() {
    let output = forebay().args(["demo", "--json"]).output().unwrap();
    let report = json(&output);
    sound(&report);
    assert_eq!(output.status.code(), Some(0));
    assert!(report["counts"]["accepted"].as_u64().unwrap() >= 30_000);
}

#[test]
fn a_burst_of_30_000_is_settled_once_each_on_rabbitmq_and_postgresql() {
    let (queue, store) = fresh_servers();
    let output =
        forebay().args(["demo", "--json", "--queue-url", &queue, "--store-url", &store]).output().unwrap();
    sound(&json(&output));
    assert_eq!(output.status.code(), Some(0));
}

/// Runs a small demo, tampers with the evidence before it is looked at, and returns the invariants that broke.
fn tampered(tamper: impl FnOnce(&Path, &str)) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let go = folder.path().join("go");
    let mut child = forebay()
        .args(["demo", "--events", "300", "--json", "--hold"])
        .arg(&go)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let holding = lines.map(Result::unwrap).find(|line| line.starts_with("holding for ")).unwrap();
    let word = |name: &str| {
        let rest = holding.split(&format!("{name}=")).nth(1).unwrap();
        rest.split_whitespace().next().unwrap().to_owned()
    };
    tamper(&PathBuf::from(word("data")), &word("sandbox"));
    std::fs::write(&go, "").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "the demo did not fail");
    let report = json(&output);
    let invariants = report["invariants"].as_array().unwrap();
    invariants
        .iter()
        .filter(|i| i["holds"] == false)
        .map(|i| i["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_lost_check_in_is_seen() {
    let broken = tampered(|data, _| {
        sql(data, "delete from attendance where member_id = 'm-1'");
    });
    assert_eq!(broken, ["check-ins"]);
}

#[test]
fn a_doubled_effect_is_seen() {
    let broken = tampered(|data, _| {
        sql(
            data,
            "insert into shop_order select id || '-again', member_id, amount_minor, 0, 0, booked_at, source, event_id \
             from shop_order limit 1",
        );
    });
    assert_eq!(broken, ["orders"]);
}

#[test]
fn a_second_claim_of_one_event_is_seen() {
    let broken = tampered(|data, _| {
        sql(
            data,
            "insert into claim (id, programme_id, rule_id, reward_id, member_id, slot, state, reject_code, days_seen, \
             accepted_at, settled_at, source, event_id) \
             select randomblob(16), programme_id, rule_id, reward_id, member_id || '-again', slot, \
             state, reject_code, days_seen, accepted_at, settled_at, source, event_id \
             from claim where rule_id = 'points' limit 1",
        );
    });
    assert_eq!(broken, ["claims"]);
}

#[test]
fn an_entry_that_was_changed_in_the_books_is_seen() {
    let broken = tampered(|data, _| {
        sql(
            data,
            "drop trigger ledger_entry_no_update;; update ledger_entry set amount = amount + 1 \
             where (txn_id, account) = (select txn_id, account from ledger_entry limit 1)",
        );
    });
    assert_eq!(broken, ["ledger sums to zero"]);
}

/// A second result for a return that has one already, properly signed, under another key.
#[test]
fn a_result_that_came_twice_is_seen() {
    let broken = tampered(|_, sandbox| {
        let first = curl(&[&format!("{sandbox}/_control/results?limit=1")]).1;
        let first: Value = serde_json::from_str(&first).unwrap();
        let body = first["items"][0]["body"].to_string();
        let signer = Signer::new(&[forebay_sandbox::SIGNING_SECRET.into()]).unwrap();
        let signed = signer.sign("again", SystemClock.now(), body.as_bytes()).unwrap();
        let headers = [
            format!("webhook-id: {}", signed.id),
            format!("webhook-timestamp: {}", signed.timestamp),
            format!("webhook-signature: {}", signed.signature),
            "Idempotency-Key: \"another\"".to_owned(),
            "Content-Type: application/json".to_owned(),
        ];
        let mut args: Vec<&str> = headers.iter().flat_map(|header| ["-H", header.as_str()]).collect();
        let url = format!("{sandbox}/shop/return-results");
        args.extend(["-d", &body, &url]);
        assert_eq!(curl(&args).0, 200, "the shop takes it");
    });
    assert_eq!(broken, ["results at the shop"]);
}

#[test]
fn one_issue_too_many_is_seen() {
    let broken = tampered(|data, _| {
        sql(data, "update stock set total = total + 1, issued = issued + 1");
    });
    assert_eq!(broken, ["nothing oversold"]);
}

#[test]
fn books_that_do_not_balance_are_seen() {
    let broken = tampered(|data, _| {
        sql(data, "update member set balance = balance + 1 where id = (select min(id) from member)");
    });
    assert_eq!(broken, ["ledger sums to zero"]);
}

#[test]
fn a_dead_letter_that_is_not_there_is_seen() {
    let broken = tampered(|data, _| {
        sql(data, "delete from dead_letter where code = 'undecodable'");
    });
    assert_eq!(broken, ["poison is dead letters"]);
}

/// So many calls of the carrier over one connection, sent without waiting for an answer.
fn calls_at_once(address: &str, count: usize) {
    let call = |connection: &str| {
        format!(
            "POST /sweettracker/api/v1/trackingInfo HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
             content-length: 2\r\nconnection: {connection}\r\n\r\n{{}}"
        )
    };
    let all = call("keep-alive").repeat(count - 1) + &call("close");
    let mut stream = TcpStream::connect(address).unwrap();
    let mut answers = stream.try_clone().unwrap();
    let reader = std::thread::spawn(move || answers.read_to_end(&mut Vec::new()).unwrap());
    stream.write_all(all.as_bytes()).unwrap();
    reader.join().unwrap();
}

#[test]
fn a_quota_that_was_exceeded_is_seen() {
    const QUOTA: u64 = 1_000;
    let broken = tampered(|_, sandbox| {
        let deadline = Instant::now() + Duration::from_secs(120);
        let fullest = || {
            let record = curl(&[&format!("{sandbox}/_control/record")]).1;
            let record: Value = serde_json::from_str(&record).unwrap();
            record["carrier_calls_in_any_second"].as_u64().unwrap_or(0)
        };
        let address = sandbox.trim_start_matches("http://");
        // However slow the machine is, until there were too many within a second.
        while fullest() <= QUOTA {
            assert!(Instant::now() < deadline, "at most {} calls arrived within a second", fullest());
            std::thread::scope(|scope| {
                (0..16).for_each(|_| drop(scope.spawn(|| calls_at_once(address, 300))));
            });
        }
    });
    assert_eq!(broken, ["quota never exceeded"]);
}
