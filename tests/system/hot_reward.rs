//! One hot reward: many claims at once from 64 connections, few to give out, a worker (or the one process) killed in
//! between. As many are granted as there are, everybody else is refused, people hear of it once when it is low and once
//! when it is out, and the books agree.
//!
//! With 100,000 claims, on both sets, a few minutes each:
//!
//! ```text
//! scripts/servers -- cargo test --release --test system hot_reward -- --ignored --nocapture --test-threads=1
//! ```

#![expect(clippy::print_stderr, reason = "the long proofs are run for their figures")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::TimeDelta;
use forebay_domain::{Clock as _, SystemClock};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::fleet::{Fleet, Role};
use crate::support::{self, curl, eventually, setting, sql};

const CONNECTIONS: usize = 64;
const WORKERS: usize = 4;
const STOCK: usize = 50;
/// Told when so many are left.
const LOW_AT: usize = 10;
const POINTS: usize = 500;
const PATIENCE: Duration = Duration::from_secs(900);
/// Where facts of the stock are caught, on RabbitMQ.
const CAUGHT: &str = "caught";

/// A set with one reward of points in stock, and members who have a day each.
struct Scene {
    fleet: Fleet,
    workers: Vec<Role>,
    others: Vec<Role>,
    embedded: bool,
    claims: usize,
}

impl Scene {
    fn new(embedded: bool, claims: usize) -> Self {
        let fleet = if embedded { Fleet::embedded() } else { Fleet::prepared() };
        let mut scene = Self { fleet, workers: Vec::new(), others: Vec::new(), embedded, claims };
        if embedded {
            scene.start_dev();
        } else {
            scene.catch_facts();
            for (name, args) in [("api", &["serve", "api"][..]), ("relay", &["relay"])] {
                scene.others.push(scene.fleet.start(name, args));
            }
            for n in 0..WORKERS {
                scene.workers.push(scene.fleet.start(&format!("worker-{n}"), &["work"]));
            }
        }
        scene.open_programme();
        scene.check_everybody_in();
        scene
    }

    fn start_dev(&mut self) {
        let role = self.fleet.start("dev", &["dev", "--data", "shop.db", "--no-sandbox"]);
        self.workers.push(role);
    }

    fn open_programme(&self) {
        let day = |days| (SystemClock.now() + TimeDelta::days(days)).date_naive().to_string();
        let programme = json!({
            "id": "hot", "name": "Hot", "tz": "UTC", "count_mode": "total", "state": "active",
            "starts_on": day(-5), "ends_on": day(30),
            "claim_until": (SystemClock.now() + TimeDelta::days(60)).to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
            "rules": [{
                "id": "one-day", "days_required": 1, "max_per_member": 1,
                "reward": {
                    "id": "hot", "name": "Hot points", "kind": "points", "points": POINTS,
                    "stock": { "total": STOCK, "low_at": LOW_AT },
                },
            }],
        });
        let url = format!("{}/v1/programmes/hot", self.fleet.api);
        let content = "Content-Type: application/json";
        let (status, answer) =
            self.fleet.call(&["-X", "PUT", "-H", content, "-d", &programme.to_string(), &url]);
        assert!(matches!(status, 200 | 201), "{status} {answer}");
    }

    /// Yesterday, each, so that the night makes no difference.
    fn check_everybody_in(&self) {
        let claims = self.claims;
        if self.embedded {
            self.sql(&format!(
                "insert into attendance (programme_id, member_id, on_date, received_at, source, event_id)
                 with recursive n (i) as (select 0 union all select i + 1 from n where i + 1 < {claims})
                 select 'hot', 'm-' || i, date('now', '-1 day'), 0, '/test', 'c-' || i from n"
            ));
        } else {
            self.sql(&format!(
                "with days as (
                     insert into attendance (programme_id, member_id, on_date, received_at, source, event_id)
                     select 'hot', 'm-' || i, (now() at time zone 'UTC')::date - 1, now(), '/test', 'c-' || i
                     from generate_series(0, {claims} - 1) i returning 1)
                 select count(*) from days"
            ));
        }
        assert_eq!(self.count("select count(*) from attendance"), claims);
    }

    /// A queue of the test's own that hears what is told of stock.
    fn catch_facts(&self) {
        let (queue, binding) =
            (self.management("queues", CAUGHT), self.management("bindings", "e/forebay.facts/q"));
        let put = json!({ "durable": true, "arguments": { "x-queue-type": "quorum" } });
        assert_eq!(self.manage("PUT", &queue, &put).0, 201);
        let routed = json!({ "routing_key": "reward.stock.#", "arguments": {} });
        assert_eq!(self.manage("POST", &format!("{binding}/{CAUGHT}"), &routed).0, 201);
    }

    /// How often each fact of the stock was told, so far.
    fn facts(&self) -> Vec<String> {
        let ask = json!({ "count": 1_000, "ackmode": "ack_requeue_true", "encoding": "auto" });
        let (status, answer) =
            self.manage("POST", &format!("{}/get", self.management("queues", CAUGHT)), &ask);
        assert_eq!(status, 200, "{answer}");
        let told = answer.as_array().unwrap().iter().map(|m| m["routing_key"].as_str().unwrap().to_owned());
        let mut told: Vec<String> = told.collect();
        told.sort();
        // Published at least once.
        told.dedup();
        told
    }

    fn management(&self, what: &str, name: &str) -> String {
        let vhost = self.fleet.queue.rsplit('/').next().unwrap();
        format!("{}/api/{what}/{vhost}/{name}", setting("FOREBAY_TEST_RABBITMQ_MANAGEMENT_URL"))
    }

    fn manage(&self, method: &str, url: &str, body: &Value) -> (u16, Value) {
        let login = self.fleet.queue.split("//").nth(1).unwrap().split('@').next().unwrap();
        let content = "content-type: application/json";
        let (status, answer) =
            curl(&["-u", login, "-X", method, "-H", content, "-d", &body.to_string(), url]);
        (status, serde_json::from_str(&answer).unwrap_or(Value::Null))
    }

    fn sql(&self, statement: &str) -> String {
        if self.embedded {
            sql(&self.fleet.folder().join("shop.db"), statement)
        } else {
            self.fleet.count(statement).to_string()
        }
    }

    fn count(&self, statement: &str) -> usize {
        self.sql(statement).parse().unwrap()
    }

    fn settled(&self) -> usize {
        self.count("select count(*) from claim")
    }

    /// What people were told of the reward in the channel: the message as it stands, and how often it was updated.
    fn told(&self) -> Vec<(String, u64)> {
        let posts = self.posts().into_iter().filter(|post| post["thread_ts"].is_null());
        posts.map(|p| (p["text"].as_str().unwrap().to_owned(), p["updates"].as_u64().unwrap())).collect()
    }

    /// What they were told in its thread.
    fn replies(&self) -> Vec<String> {
        let posts = self.posts().into_iter().filter(|post| !post["thread_ts"].is_null());
        posts.map(|post| post["text"].as_str().unwrap().to_owned()).collect()
    }

    /// Everything that Slack took and that names the reward.
    fn posts(&self) -> Vec<Value> {
        let slack = self.fleet.saw("slack").unwrap();
        let of_it = |post: &&Value| post["text"].as_str().is_some_and(|text| text.contains("Hot points"));
        slack["items"].as_array().unwrap().iter().filter(of_it).cloned().collect()
    }

    /// Claims of these members over 64 connections, side by side with what is done meanwhile.
    fn claim(&self, members: std::ops::Range<usize>, meanwhile: impl FnOnce()) {
        let load = Load {
            address: self.fleet.api.trim_start_matches("http://").to_owned(),
            key: self.fleet.key.clone(),
            next: AtomicUsize::new(members.start),
            end: members.end,
        };
        let load = Arc::new(load);
        let running = {
            let load = Arc::clone(&load);
            std::thread::spawn(move || load.run())
        };
        meanwhile();
        running.join().unwrap();
    }

    /// Everything agrees, and nobody heard of anything twice.
    fn prove(&self) {
        let claims = self.claims;
        eventually("every claim is settled", PATIENCE, || self.settled() == claims);
        assert_eq!(self.count("select count(*) from claim where state = 'granted'"), STOCK);
        let refused = "select count(*) from claim where reject_code = 'out_of_stock'";
        assert_eq!(self.count(refused), claims - STOCK);
        assert_eq!(self.count("select issued from stock where reward_id = 'hot'"), STOCK);
        assert_eq!(self.count("select count(*) from movement where reward_id = 'hot'"), STOCK);
        assert_eq!(self.count("select count(*) from ledger_txn where kind = 'claim_grant'"), STOCK);
        assert_eq!(self.count("select coalesce(sum(amount), 0) from ledger_entry"), 0, "the ledger balances");
        assert_eq!(self.count("select coalesce(sum(balance), 0) from member"), STOCK * POINTS);
        assert_eq!(self.count("select count(distinct member_id) from claim where state = 'granted'"), STOCK);
        assert_eq!(self.count("select count(*) from dead_letter"), 0);
        // One raise a crossing, and both are one incident.
        assert_eq!(self.count("select count(*) from incident where fingerprint = 'stock/hot'"), 1);
        assert_eq!(self.count("select count from incident where fingerprint = 'stock/hot'"), 2);
        eventually("people hear that it is out", PATIENCE, || {
            self.told().iter().any(|(text, _)| text.contains("out of stock"))
        });
        let told = self.told();
        assert_eq!(told.len(), 1, "one message, which is updated: {told:?}");
        assert!(told[0].1 <= 1, "low and out, each once: {told:?}");
        if !self.embedded {
            eventually("the facts are out", PATIENCE, || self.count("select count(*) from outbox") == 0);
            assert_eq!(self.facts(), ["reward.stock.low.v1", "reward.stock.out.v1"]);
        }
    }
}

/// Claims that are sent, each until it is accepted, however often a connection breaks meanwhile.
struct Load {
    address: String,
    key: String,
    next: AtomicUsize,
    end: usize,
}

impl Load {
    fn run(self: &Arc<Self>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let connections: Vec<_> = (0..CONNECTIONS)
                .map(|_| {
                    let load = Arc::clone(self);
                    tokio::spawn(async move { load.over_one_connection().await })
                })
                .collect();
            for connection in connections {
                connection.await.unwrap();
            }
        });
    }

    async fn over_one_connection(&self) {
        let mut sender = None;
        loop {
            let n = self.next.fetch_add(1, Ordering::Relaxed);
            if n >= self.end {
                return;
            }
            let deadline = Instant::now() + PATIENCE;
            while !self.accepted(&mut sender, n).await {
                assert!(Instant::now() < deadline, "claim {n} was never accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }

    async fn accepted(&self, sender: &mut Option<SendRequest<Full<Bytes>>>, n: usize) -> bool {
        if sender.is_none() {
            *sender = self.connect().await;
        }
        let Some(open) = sender else { return false };
        // The same claim each time, so that a repeat is no second one.
        let claim = format!("00000000-0000-4000-8000-{n:012x}");
        let body =
            json!({ "member_id": format!("m-{n}"), "rule_id": "one-day", "claim_id": claim }).to_string();
        let request = Request::post("/v1/programmes/hot/claims")
            .header(header::HOST, &self.address)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.key))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .unwrap();
        let answer = match open.send_request(request).await {
            Ok(answer) => answer,
            Err(_) => {
                *sender = None;
                return false;
            }
        };
        let status = answer.status().as_u16();
        let said = answer.into_body().collect().await;
        assert!(matches!(status, 202 | 503), "{status}: {said:?}");
        if said.is_err() {
            *sender = None;
        }
        status == 202
    }

    async fn connect(&self) -> Option<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(&self.address).await.ok()?;
        stream.set_nodelay(true).ok()?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.ok()?;
        tokio::spawn(connection);
        Some(sender)
    }
}

/// So many claims at once; when a third of them is settled a worker is killed, or the one process, which is started
/// again.
fn all_at_once(embedded: bool, claims: usize) {
    let mut scene = Scene::new(embedded, claims);
    let begun = Instant::now();
    let victim = scene.workers.pop().unwrap();
    let mut back = None;
    scene.claim(0..claims, || {
        eventually("a third is settled", PATIENCE, || scene.settled() > claims / 3);
        victim.kill();
        if embedded {
            back = Some(scene.fleet.start("dev-again", &["dev", "--data", "shop.db", "--no-sandbox"]));
        }
    });
    let accepted = begun.elapsed();
    scene.workers.extend(back);
    scene.prove();
    eprintln!(
        "{}: {claims} claims from {CONNECTIONS} connections: {STOCK} granted, {} refused; accepted after {accepted:.1?}, \
         settled and told after {:.1?}; told in Slack: {:?}",
        if embedded { "embedded" } else { "RabbitMQ and PostgreSQL" },
        claims - STOCK,
        begun.elapsed(),
        scene.told()
    );
}

/// First as many as leave it low, and people hear of that; then all the others.
fn low_and_then_out(embedded: bool, claims: usize) -> Scene {
    let scene = Scene::new(embedded, claims);
    let first = STOCK - LOW_AT;
    scene.claim(0..first, || {});
    eventually("people hear that it is low", PATIENCE, || {
        scene.told().iter().any(|(text, _)| text.contains("10 of 50 left"))
    });
    scene.claim(first..claims, || {});
    scene.prove();
    assert_eq!(scene.told()[0].1, 1, "told as low, then as out");
    eventually("the thread says that it got worse", PATIENCE, || scene.replies().len() == 1);
    let replies = scene.replies();
    assert!(replies[0].contains("It got worse"), "{replies:?}");
    scene
}

/// What people do with the commands: they see what came of it, take one back, restock, and get it all as CSV.
fn people_see_to_it(scene: &Scene) {
    let key = scene.fleet.folder().join("key");
    std::fs::write(&key, &scene.fleet.key).unwrap();
    let run = |args: &[&str]| {
        let mut command = scene.fleet.command(args);
        command.args(["--api-url", &scene.fleet.api, "--token-file", key.to_str().unwrap()]);
        command.output().unwrap()
    };
    let answered = |args: &[&str]| {
        let output = run(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    };
    let granted = support::json(&answered(&["claim", "list", "--state", "granted", "--all", "--json"]));
    assert_eq!(granted["items"].as_array().unwrap().len(), STOCK);
    let one = granted["items"][0]["claim_id"].as_str().unwrap();
    let ship = ["claim", "ship", one, "--carrier", "cj", "--number", "600000000001", "--reason", "a test"];
    assert_eq!(run(&ship).status.code(), Some(5), "points are not shipped");
    let back = support::json(&answered(&["claim", "cancel", one, "--reason", "a test", "--json"]));
    assert_eq!(back["state"], "reversed");
    let receive = [
        "stock", "adjust", "hot", "--by", "20", "--kind", "receive", "--reason", "a test", "--key", "k",
        "--json",
    ];
    let first = support::json(&answered(&receive));
    assert_eq!((&first["left"], &first["total"]), (&json!(21), &json!(70)));
    assert_eq!(support::json(&answered(&receive)), first, "the same key has its effect once");
    assert_eq!(run(&["stock", "set", "hot", "--total", "10", "--reason", "a test"]).status.code(), Some(5));
    assert_eq!(run(&["stock", "show", "cold"]).status.code(), Some(4));
    assert!(String::from_utf8_lossy(&answered(&["stock", "list"]).stdout).contains("21"));
    let file = scene.fleet.folder().join("stock.csv");
    answered(&["stock", "export", "hot", "--out", file.to_str().unwrap()]);
    // The columns, each claim, what was taken back and the restock.
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 1 + STOCK + 2);
    let exported = answered(&["claim", "export", "--state", "rejected", "--out", "-"]);
    let lines = String::from_utf8_lossy(&exported.stdout).lines().count();
    assert_eq!(lines, 1 + scene.claims - STOCK, "over several pages");
}

#[test]
fn people_hear_of_a_hot_reward_once_when_it_is_low_and_once_when_it_is_out() {
    low_and_then_out(false, 2_000);
}

#[test]
fn people_hear_of_a_hot_reward_once_each_on_the_embedded_set_too_and_see_to_what_came_of_it() {
    people_see_to_it(&low_and_then_out(true, 2_000));
}

#[test]
#[ignore = "100,000 claims; see the top of the file"]
fn a_hundred_thousand_claims_are_settled_by_four_workers_of_which_one_is_killed() {
    all_at_once(false, 100_000);
}

#[test]
#[ignore = "100,000 claims; see the top of the file"]
fn a_hundred_thousand_claims_are_settled_by_one_process_that_is_killed_and_started_again() {
    all_at_once(true, 100_000);
}
