//! What a storefront may send by mistake, or somebody on purpose: each is answered by a problem that tells, and the
//! process goes on.

use std::process::Stdio;

use serde_json::Value;

use crate::support::{Process, READY, curl, eventually, forebay, free_port};

const ONE: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";
const GOOD: &str = r#"{"specversion":"1.0","id":"good-1","source":"/s","type":"order.paid.v1","data":{"order_id":"O-1","currency":"KRW","amount_minor":1000,"paid_at":"2026-11-20T00:00:00Z"}}"#;

struct Dev {
    process: Process,
    operations: String,
    events: String,
    key: String,
    folder: tempfile::TempDir,
}

fn start() -> Dev {
    let folder = tempfile::tempdir().unwrap();
    let (port, operations) = (free_port(), free_port());
    let process = Process::start(
        forebay()
            .args(["dev", "--data", "shop.db"])
            .env("FOREBAY_INTAKE__LISTEN", format!("127.0.0.1:{port}"))
            .env("FOREBAY_OPERATIONS__LISTEN", format!("127.0.0.1:{operations}"))
            .current_dir(folder.path())
            .stderr(Stdio::null()),
    );
    let operations = format!("http://127.0.0.1:{operations}");
    eventually("dev is ready", READY, || curl(&[&format!("{operations}/readyz")]).0 == 200);
    let key = std::fs::read_to_string(folder.path().join("shop.db.key")).unwrap().trim().to_owned();
    Dev { process, operations, events: format!("http://127.0.0.1:{port}/v1/events"), key, folder }
}

impl Dev {
    fn post(&self, content: &str, body: &str) -> (u16, Value) {
        // From a file: some bodies are larger than an argument may be.
        let file = self.folder.path().join("body");
        std::fs::write(&file, body).unwrap();
        let authorization = format!("Authorization: Bearer {}", self.key);
        let content = format!("Content-Type: {content}");
        let body = format!("@{}", file.display());
        let headers = ["-H", &authorization, "-H", &content];
        let (status, text) = curl(&[&headers[..], &["--data-binary", &body, &self.events]].concat());
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    fn is_well(&self) {
        assert_eq!(curl(&[&format!("{}/livez", self.operations)]).0, 200, "it lives");
        assert_eq!(curl(&[&format!("{}/readyz", self.operations)]).0, 200, "it is ready");
    }
}

fn without(event: &str, part: &str) -> String {
    let mut event: Value = serde_json::from_str(event).unwrap();
    event.as_object_mut().unwrap().remove(part);
    event.to_string()
}

fn with(event: &str, pointer: &str, value: Value) -> String {
    let mut event: Value = serde_json::from_str(event).unwrap();
    *event.pointer_mut(pointer).unwrap() = value;
    event.to_string()
}

#[test]
fn each_bad_event_is_answered_by_a_problem_with_its_code_and_the_process_goes_on() {
    let dev = start();
    let cases: Vec<(&str, &str, String, u16, &str)> = vec![
        ("nothing", ONE, String::new(), 400, "undecodable"),
        ("no JSON", ONE, "{".to_owned(), 400, "undecodable"),
        ("a number", ONE, "1".to_owned(), 400, "undecodable"),
        ("a bare array", ONE, format!("[{GOOD}]"), 400, "undecodable"),
        ("deep nesting", ONE, "[".repeat(10_000), 400, "undecodable"),
        ("no id", ONE, without(GOOD, "id"), 400, "undecodable"),
        ("no source", ONE, without(GOOD, "source"), 400, "undecodable"),
        ("no data", ONE, without(GOOD, "data"), 400, "undecodable"),
        ("another specversion", ONE, with(GOOD, "/specversion", "0.3".into()), 400, "undecodable"),
        ("NUL in the id", ONE, with(GOOD, "/id", "a\0b".into()), 400, "undecodable"),
        ("an unknown type", ONE, with(GOOD, "/type", "cart.left.v1".into()), 422, "unknown_type"),
        ("a later major", ONE, with(GOOD, "/type", "order.paid.v9".into()), 422, "unknown_type"),
        ("a fraction", ONE, with(GOOD, "/data/amount_minor", 1.5.into()), 422, "schema_invalid"),
        ("less than nothing", ONE, with(GOOD, "/data/amount_minor", (-1).into()), 422, "schema_invalid"),
        (
            "no such day",
            ONE,
            with(GOOD, "/data/paid_at", "2026-02-30T00:00:00Z".into()),
            422,
            "schema_invalid",
        ),
        ("a fact of ours", ONE, with(GOOD, "/type", "points.changed.v1".into()), 422, "rejected"),
        ("too large", ONE, with(GOOD, "/data/order_id", "x".repeat(8 << 20).into()), 413, "too_large"),
        ("one bad in a batch", BATCH, format!("[{GOOD},{}]", without(GOOD, "id")), 400, "undecodable"),
    ];
    for (what, content, body, status, code) in &cases {
        let (answered, problem) = dev.post(content, body);
        assert_eq!(answered, *status, "{what}: {problem}");
        assert_eq!(problem["status"], *status, "{what}: {problem}");
        let codes: Vec<&Value> = std::iter::once(&problem["code"])
            .chain(problem["errors"].as_array().into_iter().flatten().map(|e| &e["code"]))
            .collect();
        assert!(codes.iter().any(|c| *c == code), "{what} is not {code}: {problem}");
        assert!(problem["title"].is_string() && problem["detail"].is_string(), "{what}: {problem}");
    }
    dev.is_well();
    let (status, answer) = dev.post(ONE, GOOD);
    assert_eq!(status, 202, "a good event is still taken: {answer}");
    dev.process.kill();
}

#[test]
fn a_wrong_key_path_method_or_content_type_is_refused_and_the_process_goes_on() {
    let dev = start();
    let good = |key: &str| {
        let authorization = format!("Authorization: Bearer {key}");
        let content = format!("Content-Type: {ONE}");
        curl(&["-H", &authorization, "-H", &content, "-d", GOOD, &dev.events]).0
    };
    assert_eq!(good(""), 401);
    assert_eq!(good("fbk_nobody"), 401);
    let wrong_secret = format!("{}_{}", dev.key.rsplit_once('_').unwrap().0, "0".repeat(43));
    assert_eq!(good(&wrong_secret), 401);
    assert_eq!(curl(&[&dev.events.replace("/events", "/nothing")]).0, 404);
    assert_eq!(curl(&["-X", "DELETE", &dev.events]).0, 405);
    assert_eq!(dev.post("text/plain", GOOD).0, 415);
    assert_eq!(dev.post("application/xml", "<event/>").0, 415);
    dev.is_well();
    assert_eq!(good(&dev.key), 202);
    dev.process.kill();
}
