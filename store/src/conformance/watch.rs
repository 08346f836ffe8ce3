//! Watching: what processes say, what is done, what is open, which tokens were not renewed.

use std::time::Duration;

use chrono::{DateTime, Utc};
use forebay_domain::incident::{AlertRule, Raise, Severity};
use forebay_domain::watch::{Condition, OpenOne, Sign, Task};
use secrecy::SecretString;

use super::{Harness, later, now};

const DAY: Duration = Duration::from_secs(86_400);

fn long_ago() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH
}

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
    let said = async || {
        let heard = store.signs(long_ago()).await.unwrap();
        heard.into_iter().map(|heard| heard.sign).collect::<Vec<_>>()
    };
    say(&[], "a", 5).await;
    say(&[sign("b", 10)], "b", 10).await;
    say(&[refuses(10), sign("a", 10)], "a", 10).await;
    assert_eq!(said().await, [refuses(10), sign("a", 10), sign("b", 10)]);
    say(&[sign("a", 30)], "a", 30).await;
    say(&[sign("a", 20)], "a", 20).await;
    assert_eq!(said().await, [sign("a", 30), sign("b", 10)], "the last word counts");
    say(&[], "a", 40).await;
    assert_eq!(said().await, [sign("b", 10)]);
}

pub async fn a_sign_is_as_old_as_it_is_here_whatever_its_process_takes_the_time_for(harness: &dyn Harness) {
    let store = harness.store().await;
    let begun = store.status().await.unwrap().now;
    for (process, said_at) in [("behind", begun - DAY), ("ahead", begun + 2 * DAY)] {
        let sign = Sign { since: said_at, seen_at: said_at, ..sign(process, 0) };
        store.note_signs(process, said_at, &[sign]).await.unwrap();
    }
    let ended = store.status().await.unwrap().now;
    let heard = store.signs(begun).await.unwrap();
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert!(heard.iter().all(|heard| begun <= heard.heard_at && heard.heard_at <= ended), "{heard:?}");
    assert!(store.signs(ended + DAY).await.unwrap().is_empty());
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
    let one = |fingerprint: &str| OpenOne {
        fingerprint: fingerprint.into(),
        severity: Severity::Warning,
        last_seen: now(),
    };
    assert_eq!(open, [one("outbox_old/1"), one("queue_old/1")]);
    assert!(store.open_of(&[]).await.unwrap().is_empty());
}

pub async fn the_words_of_what_is_open_are_made_new_and_nothing_is_told(harness: &dyn Harness) {
    let store = harness.store().await;
    let raise = |title: &str| Raise {
        fingerprint: "queue_old/q".into(),
        rule: AlertRule::QueueOld,
        about: None,
        severity: Severity::Warning,
        title: title.into(),
        impact: String::new(),
        action: String::new(),
        sample: String::new(),
        count: 1,
    };
    store.refresh(&[raise("nobody has opened it")], now()).await.unwrap();
    store.raise(vec![raise("for 15 min")], now()).await.unwrap();
    let before = store.open_incidents(10).await.unwrap().remove(0);
    store.refresh(&[raise("for 20 min")], later(300)).await.unwrap();
    store.refresh(&[raise("for 19 min")], later(240)).await.unwrap();
    let after = store.open_incidents(10).await.unwrap().remove(0);
    assert_eq!((after.raise.title.as_str(), after.last_seen), ("for 20 min", later(300)));
    assert_eq!(
        (after.revision, after.tell_due_at, after.raise.count),
        (before.revision, before.tell_due_at, 1)
    );
}

pub async fn a_token_that_was_sought_and_not_brought_is_told_of(harness: &dyn Harness) {
    let store = harness.store().await;
    let at = store.status().await.unwrap().now;
    let hour = chrono::Duration::hours(1);
    // Who has the lease brings nothing; of the other system a token is brought.
    store.token("carrier/dhl/cc", Duration::from_secs(600)).await.unwrap();
    store.token("carrier/fedex/aa", Duration::ZERO).await.unwrap();
    store.token("carrier/ups/bb", Duration::ZERO).await.unwrap();
    store.keep_token("carrier/ups/bb", &SecretString::from("t"), Duration::from_secs(60)).await.unwrap();
    let found = store.not_renewed(at - hour).await.unwrap();
    let found: Vec<_> = found.iter().map(|r| (r.system.as_str(), r.good_until)).collect();
    assert_eq!(found, [("carrier/dhl", None), ("carrier/fedex", None)], "time to bring it is no token");
    assert!(store.not_renewed(at + hour).await.unwrap().is_empty());
    // Somebody set other credentials, and with these there is one.
    store.keep_token("carrier/fedex/dd", &SecretString::from("t"), Duration::from_secs(60)).await.unwrap();
    let found = store.not_renewed(at - hour).await.unwrap();
    assert_eq!(found.iter().map(|r| r.system.as_str()).collect::<Vec<_>>(), ["carrier/dhl"]);
}
