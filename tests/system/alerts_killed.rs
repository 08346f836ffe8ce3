//! Workers that are killed while they tell people: never silent, and at most one message more a kill; none where what was
//! sent is found again.

use std::io::Write as _;
use std::time::{Duration, Instant};

use forebay_domain::incident::{INHIBITIONS, RULES, Raise, RuleOf, Severity, Timing, is_report};
use forebay_domain::{Clock as _, SystemClock};
use forebay_store::{Incidents as _, Lifecycle as _};
use forebay_store_postgres::{Options, PostgresStore};
use serde_json::Value;

use crate::fleet::Fleet;
use crate::support::{curl, eventually};

const KILLS: usize = 50;
const PATIENCE: Duration = Duration::from_secs(90);
/// How long Slack waits before it takes a message, and again before it answers; a kill comes at any moment of both.
const SLACK_MS: usize = 400;

/// The texts of the messages that Slack keeps.
fn texts(fleet: &Fleet) -> Vec<String> {
    let (status, body) = curl(&[&format!("{}/_control/slack?after=0&limit=1000", fleet.sandbox)]);
    assert_eq!(status, 200);
    let page: Value = serde_json::from_str(&body).unwrap();
    page["items"].as_array().unwrap().iter().map(|post| post["text"].as_str().unwrap().to_owned()).collect()
}

/// `cargo test --test system alerts_killed -- --ignored` under `scripts/servers --`; three to five minutes.
#[test]
#[ignore = "three to five minutes: fifty workers are killed"]
fn workers_killed_while_sending_leave_nothing_untold_and_send_at_most_one_message_more_a_kill() {
    let fleet = Fleet::prepared();
    let faults = format!(r#"{{"slack_hangs_ms":{SLACK_MS},"slack_takes_then_hangs_ms":{SLACK_MS}}}"#);
    let (status, _) = curl(&[
        "-d",
        &faults,
        "-H",
        "Content-Type: application/json",
        &format!("{}/_control/faults", fleet.sandbox),
    ]);
    assert!((200..300).contains(&status), "{status}");
    let _relay = fleet.start("relay", &["relay"]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let timing = Timing { group_wait: Duration::ZERO, ..Timing::default() };
    let silenced =
        |of: &&RuleOf| INHIBITIONS.iter().any(|i| i.silences.contains(&of.rule) || i.by == of.rule);
    let rules: Vec<&RuleOf> = RULES
        .iter()
        .filter(|of| !is_report(of.name) && !silenced(of) && !of.name.ends_with("_refused"))
        .collect();
    let store = runtime.block_on(async {
        let options = Options { timing, ..Options::new(fleet.store.as_str().into()) };
        PostgresStore::connect_lazy(options).unwrap()
    });
    let title = |n: usize| format!("kill number {n:03}");
    let mut worker = fleet.start("work-0", &["work"]);
    for n in 0..KILLS {
        let of = rules[n % rules.len()];
        let raise = Raise {
            fingerprint: format!("killed/{n}"),
            rule: of.rule,
            about: None,
            severity: Severity::Warning,
            title: title(n),
            impact: String::new(),
            action: String::new(),
            sample: String::new(),
            count: 1,
        };
        let calls = || fleet.saw("record").and_then(|seen| seen["slack_calls"].as_u64()).unwrap_or(0);
        let before = calls();
        // Of one rule five are told in a quarter of an hour; that is shown elsewhere.
        fleet.count("with gone as (delete from telling_pace returning 1) select count(*) from gone");
        runtime.block_on(store.raise(vec![raise], SystemClock.now())).unwrap();
        eventually("Slack is called", PATIENCE, || calls() > before);
        // Spread over the call, before Slack has it and after, and over what comes after that.
        std::thread::sleep(Duration::from_millis(((n * 37) % (5 * SLACK_MS / 2)) as u64));
        worker.kill();
        worker = fleet.start(&format!("work-{}", n + 1), &["work"]);
    }
    let begun = Instant::now();
    eventually("all are told", PATIENCE, || {
        let told = texts(&fleet);
        (0..KILLS).all(|n| told.iter().any(|text| text.contains(&title(n))))
    });
    let told = texts(&fleet).iter().filter(|text| text.contains("kill number")).count();
    let took = begun.elapsed();
    writeln!(
        std::io::stdout(),
        "{KILLS} incidents, {KILLS} kills: {told} messages, the last {took:?} after the last kill"
    )
    .unwrap();
    // What was sent is found again, unless Slack took it when the next worker had looked already.
    assert!(told <= KILLS + KILLS / 10, "{told} messages");
    runtime.block_on(store.close());
}
