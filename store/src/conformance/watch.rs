//! Watching: what processes say, what is done, what is open, which tokens were not renewed.

use std::time::Duration;

use forebay_domain::incident::{AlertRule, Raise, Severity};
use forebay_domain::watch::{Condition, Sign, Task};
use secrecy::SecretString;

use super::{Harness, later, now};

fn sign(process: &str, seen_s: u64) -> Sign {
    Sign {
        process: process.into(),
        condition: Condition::SpoolInUse,
        subject: String::new(),
        since: now(),
        seen_at: later(seen_s),
        detail: format!("seen after {seen_s} s"),
    }
}

pub async fn a_process_is_known_by_what_it_said_last(harness: &dyn Harness) {
    let store = harness.store().await;
    let say = async |signs: &[Sign], process: &str, said_s| {
        store.note_signs(process, later(said_s), signs).await.unwrap();
    };
    let refuses =
        |seen_s| Sign { condition: Condition::IntakeRefuses, subject: "x".into(), ..sign("a", seen_s) };
    say(&[], "a", 5).await;
    say(&[sign("b", 10)], "b", 10).await;
    say(&[refuses(10), sign("a", 10)], "a", 10).await;
    assert_eq!(store.signs(now()).await.unwrap(), [refuses(10), sign("a", 10), sign("b", 10)]);
    say(&[sign("a", 30)], "a", 30).await;
    say(&[sign("a", 20)], "a", 20).await;
    assert_eq!(store.signs(now()).await.unwrap(), [sign("a", 30), sign("b", 10)], "the last word counts");
    assert_eq!(store.signs(later(11)).await.unwrap(), [sign("a", 30)]);
    say(&[], "a", 40).await;
    assert_eq!(store.signs(now()).await.unwrap(), [sign("b", 10)]);
    say(&[sign("c", 2 * 86_400)], "c", 2 * 86_400).await;
    assert_eq!(store.signs(now()).await.unwrap(), [sign("c", 2 * 86_400)], "what is a day old is forgotten");
}

pub async fn a_task_is_known_by_when_it_was_last_done(harness: &dyn Harness) {
    let store = harness.store().await;
    let task = |name: &str, done_s| Task { name: name.into(), done_at: later(done_s) };
    assert!(store.tasks().await.unwrap().is_empty());
    store.note_tasks(&[task("planner", 5), task("clock", 9)]).await.unwrap();
    store.note_tasks(&[task("clock", 7), task("planner", 8)]).await.unwrap();
    assert_eq!(store.tasks().await.unwrap(), [task("clock", 9), task("planner", 8)]);
}

pub async fn open_incidents_are_found_by_their_rules(harness: &dyn Harness) {
    let store = harness.store().await;
    let raise = |rule: AlertRule, n: u32| Raise {
        fingerprint: format!("{rule}/{n}"),
        rule,
        about: None,
        severity: Severity::Warning,
        title: String::new(),
        impact: String::new(),
        action: String::new(),
        sample: String::new(),
        count: 1,
    };
    let raises = [
        (AlertRule::QueueOld, 2),
        (AlertRule::QueueOld, 1),
        (AlertRule::StockLow, 1),
        (AlertRule::OutboxOld, 1),
    ];
    store.raise(raises.map(|(rule, n)| raise(rule, n)).to_vec(), now()).await.unwrap();
    store.resolve(&["queue_old/2".to_owned()], later(1)).await.unwrap();
    let open = store.open_of(&["queue_old", "outbox_old", "drain_late"]).await.unwrap();
    assert_eq!(open, ["outbox_old/1", "queue_old/1"]);
    assert!(store.open_of(&[]).await.unwrap().is_empty());
}

pub async fn a_token_that_was_sought_and_not_brought_is_told_of(harness: &dyn Harness) {
    let store = harness.store().await;
    let at = store.status().await.unwrap().now;
    let hour = chrono::Duration::hours(1);
    // Who has the lease brings nothing; of the other system a token is brought.
    store.token("carrier/fedex/aa", Duration::ZERO).await.unwrap();
    store.token("carrier/ups/bb", Duration::ZERO).await.unwrap();
    store.keep_token("carrier/ups/bb", &SecretString::from("t"), Duration::from_secs(60)).await.unwrap();
    let found = store.not_renewed(at - hour, at + hour).await.unwrap();
    let found: Vec<_> = found.iter().map(|r| (r.system.as_str(), r.good_until)).collect();
    assert_eq!(found, [("carrier/fedex", None)]);
    assert!(store.not_renewed(at - hour, at - hour / 2).await.unwrap().is_empty());
}
