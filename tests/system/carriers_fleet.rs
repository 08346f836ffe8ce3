//! Carriers' systems and a fleet of workers, on RabbitMQ and PostgreSQL: what a carrier counts when four processes share
//! its quota and two of them are killed; and one that is well beside one that is down, one that is slow and one whose
//! day is spent.
//!
//! The long form of both takes some minutes:
//!
//! ```text
//! scripts/servers -- cargo test --test system carriers_fleet -- --ignored --nocapture --test-threads=1
//! ```

#![expect(clippy::print_stderr, reason = "the long proofs are run for their figures")]

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use forebay_domain::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::fleet::{Fleet, Role};
use crate::support::{curl, eventually, free_port};

const PATIENCE: Duration = Duration::from_secs(120);
const WORKERS: usize = 4;
const BATCH: usize = 100;
/// The rate r = (L − b) / (T + J) of 50 a second with a burst of 2 and a margin of 100 ms.
const STEADY: f64 = 48.0 / 1.1;

/// The roles of a fleet, with the workers apart.
struct Scene {
    fleet: Fleet,
    workers: Vec<(Role, u16)>,
    started: usize,
    _others: Vec<Role>,
}

impl Scene {
    fn new(carriers: &str) -> Self {
        let fleet = Fleet::prepared();
        // A carrier's day that is nearly over: its budget is spent evenly, so that all of it may be used by now.
        let reset = (SystemClock.now() + Duration::from_secs(40 * 60)).format("%H:%M UTC").to_string();
        let settings = carriers.replace("SANDBOX", &fleet.sandbox).replace("RESET", &reset);
        std::fs::write(fleet.folder().join("forebay.toml"), settings).unwrap();
        assert!(fleet.command(&["topology", "apply"]).output().unwrap().status.success());
        let others: [&[&str]; 4] = [&["serve", "intake"], &["serve", "api"], &["relay"], &["schedule"]];
        let started = others.iter().enumerate().map(|(n, args)| fleet.start(&format!("role-{n}"), args));
        let others = started.collect();
        let mut scene = Self { fleet, workers: Vec::new(), started: 0, _others: others };
        (0..WORKERS).for_each(|_| scene.work());
        scene
    }

    fn work(&mut self) {
        let operations = free_port();
        let mut command: Command = self.fleet.command(&["work"]);
        command.env("FOREBAY_OPERATIONS__LISTEN", format!("127.0.0.1:{operations}"));
        let name = format!("worker-{}", self.started);
        self.started += 1;
        self.workers.push((Role::ready(command, &name, operations, self.fleet.folder()), operations));
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let url = format!("{}{path}", self.fleet.api);
        let content = "Content-Type: application/json";
        let (status, answer) = self.fleet.call(&["-H", content, "-d", &body.to_string(), &url]);
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    fn limit(&self, carrier: &str, limits: &Value) {
        let body = json!({ "reason": "a test", "limits": limits });
        self.post(&format!("/v1/carriers/{carrier}/limits"), &body);
    }

    fn carrier(&self, id: &str) -> Value {
        self.fleet.call(&[&format!("{}/v1/carriers/{id}", self.fleet.api)]).1
    }

    fn state(&self, id: &str) -> String {
        self.carrier(id)["breaker"]["state"].as_str().unwrap_or_default().to_owned()
    }

    fn faults(&self, faults: &Value) {
        let url = format!("{}/_control/faults", self.fleet.sandbox);
        let (status, answer) =
            curl(&["-H", "Content-Type: application/json", "-d", &faults.to_string(), &url]);
        assert!((200..300).contains(&status), "{status} {answer}");
    }

    /// Returns whose parcels this carrier has.
    fn publish(&self, carrier: &str, parcels: std::ops::Range<usize>, number: impl Fn(usize) -> String) {
        let a_return = |n: usize| {
            let data = json!({
                "return_id": format!("{carrier}-{n}"), "order_id": format!("o-{carrier}-{n}"),
                "requested_at": "2026-11-20T00:00:00Z",
                "parcel": { "carrier": carrier, "tracking_number": number(n) },
            });
            let (id, kind) = (format!("{carrier}-{n}"), "return.requested.v1");
            json!({ "specversion": "1.0", "id": id, "source": "/s", "type": kind, "data": data }).to_string()
        };
        let events: Vec<String> = parcels.map(a_return).collect();
        events.chunks(BATCH).for_each(|batch| self.fleet.publish(batch));
    }

    /// Waits until so many parcels of a carrier are known, and lets all of them be due: first checks are spread over
    /// some time.
    fn due(&self, carrier: &str, parcels: usize) {
        let known = format!("select count(*) from parcel where carrier = '{carrier}'");
        eventually("the parcels are known", PATIENCE, || self.fleet.count(&known) == parcels);
        self.fleet.count(&format!(
            "with due as (update parcel set next_check_at = now() where carrier = '{carrier}' and status = 'unknown'
             and check_until is null returning 1) select count(*) from due"
        ));
    }

    fn calls(&self, carrier: &str) -> u64 {
        self.fleet.saw(&format!("carriers/{carrier}")).unwrap()["calls"].as_u64().unwrap()
    }

    /// When a carrier's calls arrived, in milliseconds.
    fn arrivals(&self, carrier: &str) -> Vec<f64> {
        let mut all: Vec<f64> = Vec::new();
        loop {
            let page = format!("carriers/{carrier}/arrivals?after={}&limit=1000", all.len());
            let page = self.fleet.saw(&page).unwrap();
            let times = page["at_ms"].as_array().unwrap();
            if times.is_empty() {
                return all;
            }
            all.extend(times.iter().filter_map(Value::as_f64));
        }
    }

    /// A counter of all workers, over those of its labels that hold this text.
    fn counted(&self, metric: &str, label: &str) -> u64 {
        let read = |port: u16| {
            let (_, text) = curl(&[&format!("http://127.0.0.1:{port}/metrics")]);
            let lines = text.lines().filter(|line| line.starts_with(metric) && line.contains(label));
            lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>() as u64
        };
        self.workers.iter().map(|(_, port)| read(*port)).sum()
    }

    fn tracked(&self, carrier: &str) -> usize {
        let sql = format!("select count(*) from parcel where carrier = '{carrier}' and status = 'picked_up'");
        self.fleet.count(&sql)
    }
}

/// The most arrivals in any window of a second.
fn fullest_second(arrivals: &[f64]) -> usize {
    let within = |i: usize| arrivals[i..].iter().take_while(|at| **at < arrivals[i] + 1000.0).count();
    (0..arrivals.len()).map(within).max().unwrap_or(0)
}

/// `least` is the share of the rate that is used at least, `most` arrive within a second. Beside other tests the
/// processors are not the workers' alone: a call that waits for one arrives late, beside those of the next second, so that
/// both promises are held to the letter in the long run only; the short one sees a rate that is doubled (some 87 arrive)
/// and one that stops with the workers that are killed.
fn quota_is_kept_and_used(measured: Duration, least: f64, most: usize) {
    let mut scene = Scene::new("");
    scene.limit("sweettracker", &json!({ "limit": 50, "burst": 2, "window_ms": 1000 }));
    let parcels = (STEADY * (measured.as_secs_f64() + 20.0)) as usize;
    scene.publish("cj", 0..parcels, |n| format!("700{n:09}"));
    scene.due("cj", parcels);
    eventually("the carrier is asked", PATIENCE, || scene.calls("sweettracker") >= 20);
    let begun = Instant::now();
    let from = *scene.arrivals("sweettracker").last().unwrap();
    std::thread::sleep(measured / 2);
    for _ in 0..2 {
        scene.workers.pop().unwrap().0.kill();
    }
    std::thread::sleep(measured.saturating_sub(begun.elapsed()));
    let arrivals = scene.arrivals("sweettracker");
    let until = from + measured.as_secs_f64() * 1000.0;
    let seen = arrivals.iter().filter(|at| **at > from && **at <= until).count();
    let used = seen as f64 / (STEADY * measured.as_secs_f64());
    let fullest = fullest_second(&arrivals);
    eprintln!(
        "quota: {seen} calls in {measured:?}, {:.1} a second of {STEADY:.1}: {:.1} % used; fullest second {fullest} of 50; \
         two of {WORKERS} workers killed half-way",
        seen as f64 / measured.as_secs_f64(),
        used * 100.0
    );
    assert!(fullest <= most, "{fullest} calls arrived within a second");
    assert!(used >= least, "only {:.1} % of the rate was used", used * 100.0);
}

const CARRIERS: &str = r#"
[carriers.tracker_delivery]
url = "SANDBOX/tracker_delivery/"
client_id = "sandbox-client"
key = "sandbox-tracker-delivery-secret"
serves = ["yamato"]
limit = 100
burst = 5
timeout_s = 5
breaker_pause_s = 2

[carriers.dhl]
url = "SANDBOX/dhl/"
key = "sandbox-dhl-key"
limit = 100
burst = 5
daily = 6
daily_reset = "RESET"
reserve_percent = 0

[carriers.ups]
url = "SANDBOX/ups/"
client_id = "sandbox-ups-client"
key = "sandbox-ups-secret"
limit = 100
burst = 5
timeout_s = 20
"#;

/// `least` is the share of its pace alone that the well one keeps at least: as above, the promised one in the long run.
fn well_beside_the_others(measured: Duration, least: f64) {
    let scene = Scene::new(CARRIERS);
    scene.limit("sweettracker", &json!({ "limit": 22, "burst": 2, "window_ms": 1000 }));
    let rate = 20.0 / 1.1;
    let parcels = (rate * (2.0 * measured.as_secs_f64() + 60.0)) as usize;
    scene.publish("cj", 0..parcels, |n| format!("700{n:09}"));
    scene.due("cj", parcels);
    eventually("the carrier is asked", PATIENCE, || scene.calls("sweettracker") >= 20);
    let in_a_while = || {
        let (before, begun) = (scene.calls("sweettracker"), Instant::now());
        std::thread::sleep(measured);
        (scene.calls("sweettracker") - before) as f64 / begun.elapsed().as_secs_f64()
    };
    let alone = in_a_while();

    let fails = json!({ "fail_percent": 100 });
    scene.faults(&json!({ "carriers": { "tracker_delivery": fails, "ups": { "latency_ms": 8_000 } } }));
    let others = 100;
    for carrier in ["yamato", "dhl", "ups"] {
        scene.publish(carrier, 0..others, |n| format!("7000{n:06}"));
        scene.due(carrier, others);
    }
    eventually("the breaker opens", PATIENCE, || scene.state("tracker_delivery") != "closed");
    // Within two seconds every worker has heard of it, or some more on a busy machine.
    std::thread::sleep(Duration::from_secs(5));
    let attempts = || scene.counted("forebay_retries_total", "tracking.tracker_delivery");
    let (called, tried) = (scene.calls("tracker_delivery"), attempts());
    let probes = || scene.counted("forebay_permits_total", "result=\"probe\"");
    let probed = probes();
    let beside = in_a_while();
    let (calls, probes) = (scene.calls("tracker_delivery") - called, probes() - probed);
    eprintln!(
        "one well: {alone:.1} calls a second alone, {beside:.1} beside one down, one slow, one spent: {:.1} %; the one \
         down got {calls} calls in {measured:?}, {probes} of them probes",
        beside / alone * 100.0
    );
    assert!(beside >= least * alone, "{beside:.2} a second, {alone:.2} alone");
    assert!(calls.abs_diff(probes) <= 1, "{calls} calls, {probes} probes");
    // Pauses of 2, 4, 8 ... seconds.
    assert!(
        (calls as f64) <= (measured.as_secs_f64() / 2.0 + 2.0).log2() + 1.0,
        "{calls} probes in {measured:?}"
    );
    assert_eq!(attempts(), tried, "an open breaker burns no attempt");
    eventually("the day is spent", PATIENCE, || scene.carrier("dhl")["left_today"] == json!(0));
    // A permit that a busy machine uses too late is thrown away, so that there may be fewer.
    let made = scene.calls("dhl");
    assert!(made <= 6, "{made} calls of 6 a day");
    assert!(scene.calls("ups") > 0);

    scene.faults(&json!({}));
    let begun = Instant::now();
    let long = 4 * PATIENCE;
    eventually("the breaker closes", long, || scene.state("tracker_delivery") == "closed");
    let back = begun.elapsed();
    eventually("all is tracked", long, || {
        scene.tracked("yamato") == others && scene.tracked("ups") == others
    });
    eprintln!("mended: closed after {back:?}, all tracked after {:?}", begun.elapsed());
    let dead = scene.fleet.count("select count(*) from dead_letter");
    assert_eq!(dead, 0, "nothing died");
    let incidents: BTreeMap<&str, usize> = ["breaker/%", "budget/%"]
        .into_iter()
        .map(|like| (like, format!("select count(*) from incident where fingerprint like '{like}'")))
        .map(|(like, sql)| (like, scene.fleet.count(&sql)))
        .collect();
    assert_eq!(incidents, BTreeMap::from([("breaker/%", 1), ("budget/%", 1)]));
}

const FEW_PLACES: &str = r#"
[carriers.ups]
url = "SANDBOX/ups/"
client_id = "sandbox-ups-client"
key = "sandbox-ups-secret"
limit = 200
burst = 20
concurrency = 3
timeout_s = 10
"#;

#[test]
fn workers_share_the_calls_under_way_and_one_that_is_killed_gives_its_places_back() {
    const PLACES: usize = 3;
    const LATENCY: u32 = 300;
    let mut scene = Scene::new(FEW_PLACES);
    scene.faults(&json!({ "carriers": { "ups": { "latency_ms": LATENCY } } }));
    let parcels = 40;
    scene.publish("ups", 0..parcels, |n| format!("7000{n:06}"));
    scene.due("ups", parcels);
    eventually("the carrier is asked", PATIENCE, || scene.calls("ups") >= 10);
    scene.workers.pop().unwrap().0.kill();
    eventually("all is tracked", PATIENCE, || scene.tracked("ups") == parcels);
    // A call takes its latency at least: those that began within less of it were under way at once.
    let arrivals = scene.arrivals("ups");
    let at_once = |i: usize| {
        arrivals[i..].iter().take_while(|at| **at < arrivals[i] + 0.9 * f64::from(LATENCY)).count()
    };
    let most = (0..arrivals.len()).map(at_once).max().unwrap_or(0);
    eprintln!("places: {} calls, at most {most} of {PLACES} at once", arrivals.len());
    assert!(most <= PLACES, "{most} calls at once");
    eventually("no place is held", PATIENCE, || {
        scene.fleet.count("select count(*) from call_place where until > clock_timestamp() and held > 0") == 0
    });
}

#[test]
fn workers_share_a_quota_and_two_that_are_killed_take_nothing_of_it_along() {
    quota_is_kept_and_used(Duration::from_secs(12), 0.5, 75);
}

#[test]
fn a_carrier_that_is_well_does_not_feel_those_that_are_not() {
    well_beside_the_others(Duration::from_secs(10), 0.5);
}

#[test]
#[ignore = "takes a minute; see the top of the file"]
fn workers_share_a_quota_for_a_minute() {
    quota_is_kept_and_used(Duration::from_secs(60), 0.95, 50);
}

#[test]
#[ignore = "takes some minutes; see the top of the file"]
fn a_carrier_that_is_well_does_not_feel_those_that_are_not_for_a_minute() {
    well_beside_the_others(Duration::from_secs(60), 0.95);
}
