//! A mail server that hangs keeps nothing from Slack.

use std::time::Duration;

use forebay_domain::incident::{AlertRule, Raise, Severity, Timing};
use forebay_domain::{Clock as _, SystemClock};
use forebay_store::{Incidents as _, Lifecycle as _};
use forebay_store_postgres::{Options, PostgresStore};
use serde_json::{Value, json};

use crate::fleet::Fleet;
use crate::support::{curl, eventually};

const PATIENCE: Duration = Duration::from_secs(90);
/// Longer than anything here waits: it ends when the switch is off.
const HANGS_MS: u64 = 600_000;
/// More of them than are mailed within `PATIENCE` one after the other, each given up after 30 s.
const RECIPIENTS: &str = r#"["a@shop.example","b@shop.example","c@shop.example"]"#;

fn faults(fleet: &Fleet, faults: &Value) {
    let url = format!("{}/_control/faults", fleet.sandbox);
    let (status, _) = curl(&["-H", "Content-Type: application/json", "-d", &faults.to_string(), &url]);
    assert!((200..300).contains(&status), "{status}");
}

/// How many mails there are, and which incidents Slack tells of.
fn told(fleet: &Fleet) -> (u64, Vec<String>) {
    let (_, page) = curl(&[&format!("{}/_control/slack?after=0&limit=100", fleet.sandbox)]);
    let page: Value = serde_json::from_str(&page).unwrap();
    let texts = page["items"].as_array().unwrap().iter();
    let texts = texts.map(|post| post["text"].as_str().unwrap().to_owned()).collect();
    // Read last: a mail that came before one of these messages is counted.
    (fleet.saw("record").unwrap()["mails"].as_u64().unwrap(), texts)
}

#[test]
fn slack_is_told_of_other_incidents_while_mails_hang() {
    let fleet = Fleet::prepared();
    faults(&fleet, &json!({ "mail_hangs_ms": HANGS_MS }));
    let _relay = fleet.start("relay", &["relay"]);
    let _worker =
        fleet.start_with("notices", &["work", "--queues", "notices"], &[("FOREBAY_MAIL__TO", RECIPIENTS)]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let timing = Timing { group_wait: Duration::ZERO, ..Timing::default() };
    let options = Options { timing, ..Options::new(fleet.store.as_str().into()) };
    let store = runtime.block_on(async { PostgresStore::connect_lazy(options).unwrap() });
    let raise = |rule: AlertRule, severity: Severity, title: &str| {
        let raise = Raise {
            fingerprint: title.to_owned(),
            rule,
            about: None,
            severity,
            title: title.to_owned(),
            impact: String::new(),
            action: String::new(),
            sample: String::new(),
            count: 1,
        };
        runtime.block_on(store.raise(vec![raise], SystemClock.now())).unwrap();
    };
    let in_slack = |title: &str| {
        eventually(&format!("Slack tells of {title}"), PATIENCE, || {
            told(&fleet).1.iter().any(|text| text.contains(title))
        });
    };
    // Each is mailed to all.
    for title in ["the first mug is gone", "the second mug is gone"] {
        raise(AlertRule::StockOut, Severity::Critical, title);
        in_slack(title);
    }
    eventually("the mails are in the queue, before what follows", PATIENCE, || {
        fleet.count("select count(*) from incident where told_at is not null") == 2
            && fleet.count("select count(*) from outbox where due_at <= now()") == 0
    });
    raise(AlertRule::StockLow, Severity::Warning, "cups are few");
    in_slack("cups are few");
    assert_eq!(told(&fleet).0, 0, "no mail was taken before that");
    faults(&fleet, &json!({}));
    eventually("what hung arrives", PATIENCE, || told(&fleet).0 >= 3);
    runtime.block_on(store.close());
}
