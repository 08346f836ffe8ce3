//! Queues paused and resumed, workers drained, roles restarted: by the command line, on both sets, until each message
//! had its effect once.

use std::collections::BTreeSet;
use std::process::Output;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::fleet::{Fleet, Role};
use crate::support::{curl, eventually, json, setting, sql};

const PATIENCE: Duration = Duration::from_secs(120);
/// Long enough that something would have happened.
const QUIET: Duration = Duration::from_secs(1);
const BATCH: usize = 100;
/// Most results that a worker holds, in hand and fetched ahead.
const PREFETCH: usize = 8;

/// A set at work.
struct Scene {
    fleet: Fleet,
    /// The process that works comes last.
    roles: Vec<Role>,
    embedded: bool,
    started: usize,
}

impl Scene {
    fn new(embedded: bool) -> Self {
        let fleet = if embedded { Fleet::embedded() } else { Fleet::prepared() };
        std::fs::write(fleet.folder().join("key"), &fleet.key).unwrap();
        // Few results at once, so that they last.
        std::fs::write(
            fleet.folder().join("forebay.toml"),
            format!("[returns]\nconcurrency = {}\n", PREFETCH / 2),
        )
        .unwrap();
        let mut scene = Self { fleet, roles: Vec::new(), embedded, started: 0 };
        let others: &[&[&str]] = if embedded {
            &[]
        } else {
            &[&["serve", "intake"], &["serve", "api"], &["relay"], &["schedule"]]
        };
        for (n, args) in others.iter().enumerate() {
            scene.roles.push(scene.fleet.start(&format!("role-{n}"), args));
        }
        scene.work();
        scene
    }

    /// Starts a process that works.
    fn work(&mut self) {
        let args: &[&str] =
            if self.embedded { &["dev", "--data", "shop.db", "--no-sandbox"] } else { &["work"] };
        self.started += 1;
        self.roles.push(self.fleet.start(&format!("worker-{}", self.started), args));
    }

    /// SIGTERM for the process that works, to its end.
    fn rest(&mut self) {
        self.roles.pop().unwrap().stop();
    }

    /// The shop answers each result this late, so that they last.
    fn shop_takes_ms(&self, ms: u64) {
        let url = format!("{}/_control/faults", self.fleet.sandbox);
        let faults = json!({ "results_hang_ms": ms }).to_string();
        let (status, answer) = curl(&["-H", "Content-Type: application/json", "-d", &faults, &url]);
        assert!((200..300).contains(&status), "{status} {answer}");
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

    fn code(&self, args: &[&str]) -> Option<i32> {
        self.forebay(args).status.code()
    }

    /// Pauses a queue, and waits until what works leaves it alone.
    fn pause(&self, queue: &str) {
        self.done(&["queue", "pause", queue, "--reason", "a test"]);
        self.roles.last().unwrap().leaves_alone(queue);
    }

    fn resume(&self, queue: &str) {
        self.done(&["queue", "resume", queue, "--reason", "the test goes on"]);
    }

    fn ready(&self, queue: &str) -> u64 {
        self.done(&["queue", "show", queue])["ready"].as_u64().unwrap_or(0)
    }

    fn workers(&self) -> Vec<Value> {
        self.done(&["worker", "list"])["items"].as_array().unwrap().clone()
    }

    fn publish(&self, returns: std::ops::Range<usize>) {
        let events: Vec<String> = returns.map(a_return).collect();
        for batch in events.chunks(BATCH) {
            self.fleet.publish(batch);
        }
    }

    /// What the shop has taken: calls, and distinct results.
    fn taken(&self) -> (u64, u64) {
        let total = self.fleet.saw("results").unwrap()["total"].as_u64().unwrap();
        (total, self.fleet.saw("record").unwrap()["results_distinct"].as_u64().unwrap())
    }

    fn nothing_is_taken(&self) {
        let before = self.taken();
        std::thread::sleep(QUIET);
        assert_eq!(self.taken(), before, "a result was sent");
    }

    fn dead(&self) -> usize {
        let listed = self.done(&["dlq", "list", "--status", "any", "--limit", "200"]);
        listed["items"].as_array().unwrap().len()
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

fn time(text: &Value) -> DateTime<Utc> {
    text.as_str().unwrap().parse().unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Looks at the messages of a queue of RabbitMQ as the next consumer would get them: none has lost an attempt, and next
/// to none was counted: a broker that is slow to deliver counts what was on its way when fetching stopped. Looking
/// counts.
fn no_pause_was_paid_for_on_rabbitmq(scene: &Scene, queue: &str, count: u64) {
    let vhost = scene.fleet.queue.rsplit('/').next().unwrap();
    let management = setting("FOREBAY_TEST_RABBITMQ_MANAGEMENT_URL");
    let amqp = setting("FOREBAY_TEST_AMQP_URL");
    let login = amqp.split("//").nth(1).unwrap().split('@').next().unwrap();
    let url = format!("{management}/api/queues/{vhost}/{queue}/get");
    let ask = json!({ "count": count, "ackmode": "ack_requeue_true", "encoding": "auto" }).to_string();
    let (status, answer) = curl(&["-u", login, "-H", "content-type: application/json", "-d", &ask, &url]);
    assert_eq!(status, 200, "{answer}");
    let messages: Vec<Value> = serde_json::from_str(&answer).unwrap();
    assert_eq!(messages.len() as u64, count, "{answer}");
    let header = |message: &Value, name: &str| message["properties"]["headers"][name].clone();
    for message in &messages {
        assert_eq!(header(message, "forebay-attempt"), Value::Null, "an attempt was lost: {message}");
    }
    let counts = messages.iter().filter_map(|message| header(message, "x-delivery-count").as_u64());
    let counted: Vec<u64> = counts.filter(|count| *count > 0).collect();
    assert!(counted.len() <= PREFETCH && counted.iter().all(|count| *count == 1), "{counted:?}");
}

fn a_paused_queue_is_left_alone(embedded: bool) {
    const RETURNS: usize = 400;
    let mut scene = Scene::new(embedded);
    scene.shop_takes_ms(1_000);
    scene.publish(0..RETURNS);
    eventually("results are sent", PATIENCE, || scene.taken().0 > 0);
    // Again and again with messages in flight; each time nothing is taken once the order is obeyed.
    for round in 0..5 {
        scene.pause("results");
        scene.nothing_is_taken();
        let before = scene.taken().0;
        assert!(before < RETURNS as u64, "all of it was sent before the pause of round {round}");
        scene.resume("results");
        eventually("it goes on", PATIENCE, || scene.taken().0 > before);
    }
    scene.pause("results");
    let sent = scene.taken().0;
    assert!(sent < RETURNS as u64, "nothing is left to be paused");
    // A worker that starts later leaves it alone, too, and other queues are worked on.
    scene.rest();
    let left = RETURNS as u64 - sent;
    if embedded {
        let file = scene.fleet.folder().join("shop.db");
        assert_eq!(sql(&file, "select max(delivery_count) from queue_message"), "0", "a pause was counted");
    }
    scene.work();
    eventually("the one that was stopped has signed off", PATIENCE, || scene.workers().len() == 1);
    eventually("what was put off is back", PATIENCE, || scene.ready("results") == left);
    scene.roles.last().unwrap().leaves_alone("results");
    scene.nothing_is_taken();
    let shown = scene.done(&["queue", "show", "results"]);
    assert_eq!((&shown["paused"]["reason"], &shown["workers"]), (&json!("a test"), &json!(1)), "{shown}");
    if !embedded {
        no_pause_was_paid_for_on_rabbitmq(&scene, "forebay.results", left);
    }
    scene.publish(RETURNS..RETURNS + 1);
    eventually("other queues are worked on", PATIENCE, || scene.ready("results") == left + 1);
    scene.shop_takes_ms(0);
    scene.resume("results");
    let all = RETURNS as u64 + 1;
    eventually("every result is sent", PATIENCE, || scene.taken().1 == all);
    scene.nothing_is_taken();
    assert_eq!(scene.taken(), (all, all), "each result once");
    assert_eq!(scene.dead(), 0);
    let log = scene.done(&["audit"]);
    assert_eq!(log["items"].as_array().unwrap().len(), 12, "{log}");
}

fn a_pause_for_a_time_ends_by_itself(embedded: bool) {
    let scene = Scene::new(embedded);
    // First without an end, so that it is obeyed and everything is there before its time begins.
    scene.pause("returns");
    scene.publish(0..20);
    let paused = scene.done(&["queue", "pause", "returns", "--for", "3s", "--reason", "a short test"]);
    let until = time(&paused["paused"]["until"]);
    eventually("every result is sent", PATIENCE, || scene.taken() == (20, 20));
    let results = scene.fleet.saw("results").unwrap();
    let first = results["items"].as_array().unwrap().iter().map(|result| time(&result["at"])).min();
    assert!(first >= Some(until), "the first result came at {first:?}, the pause ended at {until}");
    assert_eq!(scene.done(&["queue", "show", "returns"])["paused"], Value::Null);
    assert_eq!(scene.code(&["queue", "resume", "returns", "--reason", "late"]), Some(5), "it is over");
}

fn a_drained_worker_takes_no_more(embedded: bool) {
    let mut scene = Scene::new(embedded);
    scene.publish(0..200);
    eventually("it works", PATIENCE, || scene.taken().0 > 0);
    let drained = scene.workers()[0]["id"].as_str().unwrap().to_owned();
    let view = scene.done(&["worker", "drain", &drained, "--reason", "a worn disk", "--wait"]);
    assert_eq!((&view["state"], &view["in_flight"]), (&json!("drained"), &json!(0)), "{view}");
    scene.publish(200..300);
    scene.nothing_is_taken();
    // The shop is asked for returns now and then, by messages of the same queue.
    assert!(scene.ready("returns") >= 100, "it is there, and takes nothing");
    assert_eq!(scene.done(&["queue", "show", "returns"])["workers"], 0);
    if embedded {
        scene.rest();
        scene.work();
    } else {
        scene.work();
    }
    eventually("another one does its work", PATIENCE, || scene.taken().1 == 300);
    assert_eq!(scene.taken(), (300, 300), "each result once");
    assert_eq!(scene.dead(), 0);
    let states: BTreeSet<String> =
        scene.workers().iter().map(|worker| worker["state"].as_str().unwrap().to_owned()).collect();
    let expected: &[&str] = if embedded { &["running"] } else { &["drained", "running"] };
    assert_eq!(states, expected.iter().map(|state| (*state).to_owned()).collect(), "{:?}", scene.workers());
    while let Some(role) = scene.roles.pop() {
        role.stop();
    }
}

#[test]
fn a_paused_queue_is_left_alone_over_restarts_and_no_message_pays_for_it_on_the_embedded_set() {
    a_paused_queue_is_left_alone(true);
}

#[test]
fn a_paused_queue_is_left_alone_over_restarts_and_no_message_pays_for_it_on_servers() {
    a_paused_queue_is_left_alone(false);
}

#[test]
fn a_pause_for_a_time_ends_by_itself_on_the_embedded_set() {
    a_pause_for_a_time_ends_by_itself(true);
}

#[test]
fn a_pause_for_a_time_ends_by_itself_on_servers() {
    a_pause_for_a_time_ends_by_itself(false);
}

#[test]
fn a_drained_worker_takes_no_more_and_one_that_is_started_takes_it_on_the_embedded_set() {
    a_drained_worker_takes_no_more(true);
}

#[test]
fn a_drained_worker_takes_no_more_and_another_one_goes_on_on_servers() {
    a_drained_worker_takes_no_more(false);
}

#[test]
fn what_can_not_be_steered_is_told_by_its_exit_code() {
    let scene = Scene::new(true);
    let nobody = "0190a7c4-7b1e-7c3a-8f00-000000000001";
    for (code, args) in [
        (4, &["queue", "show", "nothing"][..]),
        (4, &["queue", "show", "tracking.nobody"]),
        (4, &["queue", "pause", "tracking.nobody", "--reason", "why"]),
        (4, &["worker", "drain", nobody, "--reason", "why"]),
        (5, &["queue", "resume", "returns", "--reason", "why"]),
        (5, &["queue", "pause", "delay.5s", "--reason", "why"]),
        (2, &["queue", "pause", "returns"]),
        (2, &["queue", "pause", "returns", "--reason", "why", "--for", "soon"]),
        (2, &["worker", "drain", nobody]),
        (2, &["worker", "drain", "x", "--reason", "why"]),
        (0, &["queue", "list"]),
        (0, &["worker", "list"]),
    ] {
        let output = scene.forebay(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", told(&output));
    }
    let table = String::from_utf8(scene.forebay(&["queue", "list"]).stdout).unwrap();
    assert!(table.contains("QUEUE") && table.contains("forebay.tracking.sweettracker"), "{table}");
}
