//! The spool: roles that accept events go on accepting while RabbitMQ takes nothing, and nothing of it is lost. What
//! was delivered is counted in RabbitMQ's queues.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fleet::key;
use crate::own_broker::{Contents, OwnBroker};
use crate::proxy::Proxy;
use crate::support::{Process, bare, curl, eventually, forebay, free_port, fresh_vhost};

const PATIENCE: Duration = Duration::from_secs(60);
/// The spool takes over within 1 s; that promise is for a machine that is not busy.
const TAKEN_OVER: Duration = Duration::from_secs(10);
/// How long a start may take.
const STARTED: Duration = Duration::from_secs(10);
/// How long a stop may take: its promise of 25 s, and some time for a busy machine.
const STOPPED: Duration = Duration::from_secs(40);
/// Events in a request.
const BATCH: usize = 10;
/// How far events may overtake each other: within a batch of the pump, whose messages are in flight side by side.
const OVERTAKING: usize = 1_000;

/// A role that accepts, and its files.
struct Acceptor {
    folder: TempDir,
    address: String,
    operations: u16,
    authorization: String,
    settings: Vec<(&'static str, String)>,
}

impl Acceptor {
    fn of(queue_url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (address, operations) = (format!("127.0.0.1:{}", free_port()), free_port());
        let (key, keys) = key();
        let settings = vec![
            ("FOREBAY_QUEUE__URL", queue_url.to_owned()),
            // An address that nobody listens on: accepting never needs the store.
            ("FOREBAY_STORE__URL", format!("postgres://nobody@127.0.0.1:{}/none", free_port())),
            ("FOREBAY_INTAKE__LISTEN", address.clone()),
            ("FOREBAY_API__LISTEN", address.clone()),
            ("FOREBAY_OPERATIONS__LISTEN", format!("127.0.0.1:{operations}")),
            ("FOREBAY_KEYS", keys),
        ];
        let authorization = format!("Authorization: Bearer {key}");
        Self { folder, address, operations, authorization, settings }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.settings.push((name, value.into()));
        self
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn configured(&self, mut command: Command) -> Command {
        let settings = self.settings.iter().map(|(name, value)| (*name, value.as_str()));
        command.envs(settings).current_dir(self.folder.path());
        command
    }

    /// Starts the role, and does not wait.
    fn start(&self, role: &str) -> Process {
        let log = File::options().create(true).append(true).open(self.log()).unwrap();
        let mut command = self.configured(forebay());
        Process::start(command.args(["serve", role]).stderr(log))
    }

    /// Starts the intake and waits until it answers.
    fn started(&self) -> Process {
        let process = self.start("intake");
        eventually("the intake listens", PATIENCE, || self.readiness().0 != 0);
        eventually("it answers", PATIENCE, || self.request("[]", "-batch").0 == 202);
        process
    }

    fn request(&self, body: &str, form: &str) -> (u16, String) {
        let content = format!("Content-Type: application/cloudevents{form}+json");
        let url = format!("http://{}/v1/events", self.address);
        curl(&["-i", "-H", &self.authorization, "-H", &content, "-d", body, &url])
    }

    /// Sends events with these numbers in one request.
    fn send(&self, numbers: std::ops::Range<usize>) -> (u16, String) {
        let events: Vec<String> = numbers.map(|n| event(n, "")).collect();
        self.request(&format!("[{}]", events.join(",")), "-batch")
    }

    /// Sends so many events in requests of [`BATCH`]; all must be accepted.
    fn accepted(&self, numbers: std::ops::Range<usize>) {
        for first in numbers.clone().step_by(BATCH) {
            let (status, answer) = self.send(first..(first + BATCH).min(numbers.end));
            assert_eq!(status, 202, "{answer}");
        }
    }

    fn readiness(&self) -> (u16, Value) {
        let (status, body) = curl(&[&format!("http://127.0.0.1:{}/readyz", self.operations)]);
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }
}

/// An event whose id ends with its number, padded to some size.
fn event(n: usize, padding: &str) -> String {
    let data = json!({
        "return_id": format!("R-{n}"), "order_id": format!("O-{n}"), "requested_at": "2026-11-20T00:00:00Z",
        "note": padding,
    });
    let kind = "return.requested.v1";
    json!({ "specversion": "1.0", "id": format!("e-{n}"), "source": "/s", "type": kind, "data": data })
        .to_string()
}

/// The queues as this release needs them, on this broker.
fn declare(queue_url: &str) {
    let acceptor = Acceptor::of(queue_url);
    let output = acceptor.configured(forebay()).args(["topology", "apply"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The queue url of a fresh vhost with its queues, and the same through a port where nobody listens yet.
fn away() -> (String, u16, String) {
    let url = fresh_vhost();
    declare(&url);
    let port = free_port();
    let (before, vhost) = url.rsplit_once('/').unwrap();
    let through = format!("{}@127.0.0.1:{port}/{vhost}", before.rsplit_once('@').unwrap().0);
    (url, port, through)
}

fn number(body: &Value) -> usize {
    body["id"].as_str().unwrap().rsplit('-').next().unwrap().parse().unwrap()
}

/// Takes messages out of the queue of returns until all of these have come; returns the numbers in their order.
fn delivered(contents: &Contents, expected: &BTreeSet<usize>) -> Vec<usize> {
    let (mut order, mut seen) = (Vec::new(), BTreeSet::new());
    eventually("everything accepted is in the queue", PATIENCE, || {
        let numbers: Vec<usize> = contents.take("returns").iter().map(number).collect();
        seen.extend(numbers.iter().copied());
        order.extend(numbers);
        expected.is_subset(&seen)
    });
    order
}

/// A repeat is no harm, but the first of each must come in order.
fn assert_in_order(order: &[usize]) {
    let (mut seen, mut highest) = (BTreeSet::new(), 0);
    for number in order.iter().filter(|n| seen.insert(**n)) {
        assert!(number + OVERTAKING >= highest, "{number} came after {highest}");
        highest = highest.max(*number);
    }
}

/// What came, each once: a message whose confirmation was lost comes again.
fn distinct(order: &[usize]) -> BTreeSet<usize> {
    order.iter().copied().collect()
}

fn memory(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.0.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

fn stop(mut process: Process) {
    let pid = process.0.id().to_string();
    assert!(Command::new("sh").args(["-c", "kill -TERM \"$0\"", &pid]).status().unwrap().success());
    let mut code = None;
    eventually("it ends after SIGTERM", STOPPED, || {
        code = process.0.try_wait().unwrap().map(|status| status.code());
        code.is_some()
    });
    assert_eq!(code, Some(Some(0)));
}

#[test]
fn while_the_broker_is_stopped_every_event_is_accepted_and_all_are_delivered_in_order() {
    let broker = OwnBroker::started();
    declare(&broker.url);
    let acceptor = Arc::new(Acceptor::of(&broker.url));
    let _intake = acceptor.started();
    eventually("the intake is connected", PATIENCE, || {
        !acceptor.readiness().1.to_string().contains("connected")
    });
    let over = Arc::new(AtomicBool::new(false));
    let storefront = std::thread::spawn({
        let (acceptor, over) = (Arc::clone(&acceptor), Arc::clone(&over));
        move || {
            let (mut sent, mut slowest) = (0, Duration::ZERO);
            while !over.load(Ordering::Relaxed) {
                let begun = Instant::now();
                let (status, answer) = acceptor.send(sent..sent + BATCH);
                assert_eq!(status, 202, "{answer}");
                slowest = slowest.max(begun.elapsed());
                sent += BATCH;
            }
            (sent, slowest)
        }
    });
    let pause = || std::thread::sleep(Duration::from_millis(500));
    pause();
    broker.stop();
    pause();
    let (status, checks) = acceptor.readiness();
    assert_eq!(status, 200, "{checks}");
    broker.start();
    eventually("the broker is found again", PATIENCE, || {
        let (_, checks) = acceptor.readiness();
        checks["checks"].as_array().is_some_and(|all| all.iter().all(|check| check["detail"] == ""))
    });
    pause();
    over.store(true, Ordering::Relaxed);
    let (sent, slowest) = storefront.join().unwrap();
    assert!(slowest < TAKEN_OVER, "{slowest:?}");
    let order = delivered(&broker.contents(), &(0..sent).collect());
    assert_in_order(&order);
}

#[test]
fn an_intake_started_without_a_broker_accepts_at_once_and_delivers_later() {
    let (url, port, through) = away();
    let acceptor = Acceptor::of(&through);
    let begun = Instant::now();
    let intake = acceptor.start("intake");
    eventually("the first event is accepted", PATIENCE, || match acceptor.send(0..1).0 {
        202 => true,
        status => {
            assert_eq!(status, 0, "an event was answered before one was accepted");
            false
        }
    });
    assert!(begun.elapsed() < STARTED + TAKEN_OVER, "{:?}", begun.elapsed());
    eventually("the intake is ready", PATIENCE, || acceptor.readiness().0 == 200);
    acceptor.accepted(1..200);
    let _proxy = Proxy::start(port, &url);
    let order = delivered(&Contents::of(&url), &(0..200).collect());
    assert_eq!(distinct(&order), (0..200).collect());
    stop(intake);
}

#[test]
fn while_the_broker_is_out_of_memory_events_are_accepted_in_flat_memory_and_drained_after() {
    const EVENTS: usize = 5_000;
    let broker = OwnBroker::started();
    declare(&broker.url);
    let acceptor = Acceptor::of(&broker.url);
    let intake = acceptor.started();
    acceptor.accepted(0..100);
    let before = memory(&intake);
    broker.alarm(true);
    let padding = "x".repeat(2_000);
    let mut slowest = Duration::ZERO;
    for first in (100..100 + EVENTS).step_by(50) {
        let events: Vec<String> = (first..first + 50).map(|n| event(n, &padding)).collect();
        let begun = Instant::now();
        let (status, answer) = acceptor.request(&format!("[{}]", events.join(",")), "-batch");
        assert_eq!(status, 202, "{answer}");
        slowest = slowest.max(begun.elapsed());
    }
    let after = memory(&intake);
    let (status, checks) = acceptor.readiness();
    assert_eq!(status, 200, "{checks}");
    broker.alarm(false);
    let order = delivered(&broker.contents(), &(0..100 + EVENTS).collect());
    assert!(slowest < TAKEN_OVER, "{slowest:?}");
    assert!(after < before + 50, "memory grew from {before} to {after} MiB");
    assert_in_order(&order);
}

#[test]
fn a_broker_that_falls_silent_is_replaced_by_the_spool_within_a_second() {
    let (url, port, through) = away();
    let proxy = Proxy::start(port, &url);
    let acceptor = Acceptor::of(&through);
    let _intake = acceptor.started();
    eventually("the intake is connected", PATIENCE, || {
        !acceptor.readiness().1.to_string().contains("connected")
    });
    acceptor.accepted(0..50);
    proxy.freeze(true);
    let mut slowest = Duration::ZERO;
    for n in 50..80 {
        let begun = Instant::now();
        assert_eq!(acceptor.send(n..n + 1).0, 202);
        slowest = slowest.max(begun.elapsed());
    }
    assert!(slowest < TAKEN_OVER, "{slowest:?}");
    proxy.freeze(false);
    delivered(&Contents::of(&url), &(0..80).collect());
}

#[test]
fn what_is_spooled_survives_kill_9_at_any_moment() {
    const EVENTS: usize = 10_000;
    let (url, port, through) = away();
    let mut acceptor = Acceptor::of(&through);
    let intake = acceptor.started();
    for first in (0..EVENTS).step_by(100) {
        assert_eq!(acceptor.send(first..first + 100).0, 202);
    }
    intake.kill();
    let contents = Contents::of(&url);
    let (mut order, expected) = (Vec::new(), (0..EVENTS).collect::<BTreeSet<_>>());
    let all = |order: &[usize]| distinct(order) == expected;
    // So slowly that all of it takes some ten seconds.
    let _proxy = Proxy::slow(port, &url, Duration::from_millis(20));
    // Killed as soon as it has begun to publish; what was not removed from the file by then comes again.
    for _ in 0..2 {
        let intake = acceptor.start("intake");
        eventually("publishing has begun", PATIENCE, || {
            let taken = contents.take_some("returns", 1);
            order.extend(taken.iter().map(number));
            !taken.is_empty()
        });
        intake.kill();
        order.extend(contents.take("returns").iter().map(number));
        assert!(!all(&order), "it was killed after it had published everything");
    }
    acceptor.settings.retain(|(name, _)| *name != "FOREBAY_QUEUE__URL");
    let acceptor = acceptor.with("FOREBAY_QUEUE__URL", url.clone());
    let _intake = acceptor.start("intake");
    eventually("everything accepted is in the queue", PATIENCE, || {
        order.extend(contents.take("returns").iter().map(number));
        all(&order)
    });
}

#[test]
fn a_full_spool_answers_503_with_retry_after_and_loses_nothing_that_was_accepted() {
    let (url, port, through) = away();
    let acceptor = Acceptor::of(&through).with("FOREBAY_INTAKE__SPOOL_MAX_EVENTS", "105");
    let _intake = acceptor.started();
    acceptor.accepted(0..100);
    for _ in 0..3 {
        let (status, answer) = acceptor.send(900..910);
        assert_eq!(status, 503, "{answer}");
        assert!(answer.to_lowercase().contains("\r\nretry-after: "), "{answer}");
    }
    assert_eq!(acceptor.send(100..105).0, 202, "what still fits is taken");
    eventually("the full spool is told", PATIENCE, || {
        let (status, checks) = acceptor.readiness();
        status == 503 && checks.to_string().contains("the spool is full")
    });
    let _proxy = Proxy::start(port, &url);
    let contents = Contents::of(&url);
    let order = delivered(&contents, &(0..105).collect());
    assert_eq!(distinct(&order), (0..105).collect(), "nothing refused was sent");
    eventually("the intake is ready again", PATIENCE, || acceptor.readiness().0 == 200);
    acceptor.accepted(105..300);
    delivered(&contents, &(105..300).collect());
}

#[test]
fn a_disk_that_takes_no_more_answers_503_and_loses_nothing_that_was_accepted() {
    let (url, port, through) = away();
    let acceptor = Acceptor::of(&through);
    // No file of this process may grow beyond 512 KiB, until the limit is lifted.
    let script = "trap '' XFSZ; ulimit -S -f 1024; exec \"$0\" serve intake";
    let mut command = acceptor.configured(bare("sh"));
    command.args(["-c", script, env!("CARGO_BIN_EXE_forebay")]).stderr(std::process::Stdio::null());
    let intake = Process::start(&mut command);
    let (padding, mut sent) = ("x".repeat(2_000), 0);
    eventually("it answers", PATIENCE, || acceptor.request("[]", "-batch").0 == 202);
    let refused = loop {
        let (status, answer) = acceptor.request(&event(sent, &padding), "");
        if status != 202 {
            break answer;
        }
        sent += 1;
        assert!(sent < 1_000, "the disk is never full");
    };
    assert!(
        refused.starts_with("HTTP/1.1 503") && refused.to_lowercase().contains("retry-after"),
        "{refused}"
    );
    eventually("the intake is not ready", PATIENCE, || acceptor.readiness().0 == 503);
    let pid = intake.0.id().to_string();
    let lifted = Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited"]).status().unwrap();
    assert!(lifted.success());
    eventually("the intake is ready again", PATIENCE, || acceptor.readiness().0 == 200);
    assert_eq!(acceptor.request(&event(sent, &padding), "").0, 202, "the same event, sent again");
    let _proxy = Proxy::start(port, &url);
    delivered(&Contents::of(&url), &(0..=sent).collect());
}

#[test]
fn a_stop_without_a_broker_is_clean_and_tells_how_much_is_left() {
    let (url, port, through) = away();
    let acceptor = Acceptor::of(&through);
    let intake = acceptor.started();
    acceptor.accepted(0..30);
    stop(intake);
    let log = std::fs::read_to_string(acceptor.log()).unwrap();
    let told = log.lines().find(|line| line.contains("stay in the spool")).unwrap_or_else(|| panic!("{log}"));
    assert!(told.contains("30"), "{told}");
    let _proxy = Proxy::start(port, &url);
    let intake = acceptor.start("intake");
    assert_eq!(distinct(&delivered(&Contents::of(&url), &(0..30).collect())), (0..30).collect());
    stop(intake);
}

#[test]
fn a_members_command_is_accepted_by_the_api_though_broker_and_store_are_away() {
    let (url, port, through) = away();
    let acceptor = Acceptor::of(&through);
    let _api = acceptor.start("api");
    let target = format!("http://{}/v1/programmes/p-1/check-ins", acceptor.address);
    let content = "Content-Type: application/json";
    eventually("the api accepts", PATIENCE, || {
        curl(&["-H", &acceptor.authorization, "-H", content, "-d", r#"{"member_id":"m-1"}"#, &target]).0
            == 202
    });
    assert!(acceptor.folder.path().join("api-spool.db").is_file());
    let _proxy = Proxy::start(port, &url);
    let contents = Contents::of(&url);
    eventually("the command is in its queue", PATIENCE, || {
        contents.take("rewards").iter().any(|body| body["data"]["member_id"] == "m-1")
    });
}

#[test]
fn a_spool_that_can_not_be_used_is_told_at_the_start() {
    let (_, _, through) = away();
    let acceptor = Acceptor::of(&through);
    let _intake = acceptor.started();
    let told = |spool: &Path| {
        let other = Acceptor::of(&through).with("FOREBAY_INTAKE__SPOOL", spool.to_str().unwrap());
        let output = other.configured(forebay()).args(["serve", "intake"]).output().unwrap();
        assert_eq!(output.status.code(), Some(78));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let used = told(&acceptor.folder.path().join("spool.db"));
    assert!(used.contains("intake.spool") && used.contains("another process"), "{used}");
    let missing = told(Path::new("/nowhere/spool.db"));
    assert!(missing.contains("intake.spool") && missing.contains("its folder"), "{missing}");
}
