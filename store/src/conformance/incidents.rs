//! Incidents: one open a fingerprint, told in time and not too often.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use forebay_domain::incident::{Incident, Raise, Severity, SlackRef};
use forebay_schemas::events::TellIncident;

use super::returns::{nobody, said};
use super::{Harness, drain, later, now};
use crate::{OutboxRow, Store, Told};

/// After this the first telling of an incident is due.
const GROUP_WAIT_S: u64 = 30;

/// Something that people may have to know.
#[must_use]
pub fn raise(fingerprint: &str, severity: Severity) -> Raise {
    Raise {
        fingerprint: fingerprint.into(),
        rule: "stock_low",
        severity,
        title: "A mug: 2 of 10 left".into(),
        impact: "Claims go on.".into(),
        action: "Add stock.".into(),
        sample: "8 of 10".into(),
        count: 1,
    }
}

fn warning() -> Vec<Raise> {
    vec![raise("stock/mug", Severity::Warning)]
}

async fn the_open_one(store: &dyn Store) -> Incident {
    let mut open = store.open_incidents(10).await.unwrap();
    assert_eq!(open.len(), 1);
    open.remove(0)
}

/// The tellings that are due by then, taken out of the outbox.
async fn tellings(store: &dyn Store, by: DateTime<Utc>) -> Vec<TellIncident> {
    let rows: Vec<OutboxRow> = drain(store, by).await;
    assert!(rows.iter().all(|row| row.route == "work:forebay.notices"), "{rows:?}");
    said(&rows, "incident.changed.v1")
}

fn told(incident: &Incident, revision: i64, ts: Option<&str>) -> Told {
    let slack = ts.map(|ts| SlackRef { channel: "C1".into(), ts: ts.into() });
    Told { incident_id: incident.id, revision, slack }
}

pub async fn a_raise_opens_an_incident_and_plans_its_telling(harness: &dyn Harness) {
    let store = harness.store().await;
    store.raise(warning(), now()).await.unwrap();
    let open = the_open_one(store.as_ref()).await;
    assert_eq!(store.incident(open.id).await.unwrap().as_ref(), Some(&open));
    let kept =
        (open.raise.fingerprint.as_str(), open.raise.rule.as_str(), open.raise.severity, open.raise.count);
    assert_eq!(kept, ("stock/mug", "stock_low", Severity::Warning, 1));
    let words = [&open.raise.title, &open.raise.impact, &open.raise.action, &open.raise.sample];
    assert_eq!(words, ["A mug: 2 of 10 left", "Claims go on.", "Add stock.", "8 of 10"]);
    assert_eq!((open.revision, open.first_seen, open.last_seen), (1, now(), now()));
    assert_eq!(open.tell_due_at, Some(later(GROUP_WAIT_S)));
    assert_eq!((open.told_at, open.told_revision, open.resolved_at, open.slack), (None, 0, None, None));
    assert_eq!(tellings(store.as_ref(), later(GROUP_WAIT_S - 1)).await, []);
    let due = tellings(store.as_ref(), later(GROUP_WAIT_S)).await;
    assert_eq!(due, [TellIncident { incident_id: open.id, revision: 1 }]);
    assert_eq!(store.incident(nobody()).await.unwrap(), None);
}

pub async fn raises_of_one_fingerprint_are_one_incident(harness: &dyn Harness) {
    let store = harness.store().await;
    store.raise([warning(), warning()].concat(), now()).await.unwrap();
    let mut worse = raise("stock/mug", Severity::Critical);
    worse.title = "A mug: out of stock".into();
    worse.count = 5;
    store.raise(vec![worse], later(10)).await.unwrap();
    store.raise(warning(), later(20)).await.unwrap();
    let open = the_open_one(store.as_ref()).await;
    assert_eq!((open.raise.count, open.raise.severity), (8, Severity::Critical), "the worst stays");
    assert_eq!((open.first_seen, open.last_seen, open.revision), (now(), later(20), 3));
    assert_eq!(open.raise.title, "A mug: 2 of 10 left", "the last words");
    assert_eq!(open.tell_due_at, Some(later(10)), "what is worse is told at once");
    assert_eq!(store.tally().await.unwrap().incidents, 1);
}

pub async fn workers_at_once_open_one_incident(harness: &dyn Harness) {
    let store = harness.store().await;
    let workers: Vec<_> = (0..6)
        .map(|worker| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for _ in 0..5 {
                    let mut raises = vec![raise("a", Severity::Info), raise("b", Severity::Info)];
                    raises.rotate_left(worker % 2);
                    store.raise(raises, now()).await.unwrap();
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    let open = store.open_incidents(10).await.unwrap();
    assert_eq!(open.iter().map(|i| (i.raise.count, i.revision)).collect::<Vec<_>>(), [(30, 30); 2]);
    let told: Vec<_> =
        tellings(store.as_ref(), later(GROUP_WAIT_S)).await.iter().map(|t| t.incident_id).collect();
    assert_eq!(told.len(), 2, "each is told once");
    assert_eq!(BTreeSet::from_iter(told), open.iter().map(|i| i.id).collect());
}

pub async fn an_update_waits_for_its_distance_to_the_last_telling(harness: &dyn Harness) {
    let store = harness.store().await;
    store.raise(warning(), now()).await.unwrap();
    let open = the_open_one(store.as_ref()).await;
    assert_eq!(tellings(store.as_ref(), later(GROUP_WAIT_S)).await.len(), 1);
    store.told(told(&open, 1, Some("1.1")), later(GROUP_WAIT_S)).await.unwrap();
    let open = the_open_one(store.as_ref()).await;
    assert_eq!((open.told_at, open.told_revision, open.tell_due_at), (Some(later(GROUP_WAIT_S)), 1, None));
    assert_eq!(open.slack, Some(SlackRef { channel: "C1".into(), ts: "1.1".into() }));
    store.raise(warning(), later(40)).await.unwrap();
    store.raise(warning(), later(50)).await.unwrap();
    assert_eq!(tellings(store.as_ref(), later(GROUP_WAIT_S + 299)).await, []);
    let due = tellings(store.as_ref(), later(GROUP_WAIT_S + 300)).await;
    assert_eq!(due, [TellIncident { incident_id: open.id, revision: 2 }], "one telling tells both");
}

pub async fn a_telling_that_was_planned_meanwhile_stays(harness: &dyn Harness) {
    let store = harness.store().await;
    store.raise(warning(), now()).await.unwrap();
    let open = the_open_one(store.as_ref()).await;
    store.told(told(&open, 1, Some("1.1")), later(31)).await.unwrap();
    store.raise(warning(), later(32)).await.unwrap();
    // A slower worker notes what it told before that raise, without a message of its own.
    store.told(told(&open, 0, None), later(33)).await.unwrap();
    let open = the_open_one(store.as_ref()).await;
    assert_eq!(open.tell_due_at, Some(later(331)));
    assert_eq!(open.told_revision, 1, "never lower than before");
    assert_eq!(
        open.slack.map(|s| s.ts).as_deref(),
        Some("1.1"),
        "a telling without a message keeps the old one"
    );
}

pub async fn a_resolved_incident_is_told_only_to_those_who_heard_of_it(harness: &dyn Harness) {
    let store = harness.store().await;
    store
        .raise(vec![raise("heard", Severity::Warning), raise("unheard", Severity::Warning)], now())
        .await
        .unwrap();
    drain(store.as_ref(), later(GROUP_WAIT_S)).await;
    let open = store.open_incidents(10).await.unwrap();
    let heard = open.iter().find(|i| i.raise.fingerprint == "heard").unwrap();
    let unheard = open.iter().find(|i| i.raise.fingerprint == "unheard").unwrap();
    store.told(told(heard, 1, None), later(GROUP_WAIT_S)).await.unwrap();
    let both = ["heard".to_owned(), "unheard".to_owned(), "never-raised".to_owned()];
    store.resolve(&both, later(60)).await.unwrap();
    assert_eq!(store.open_incidents(10).await.unwrap(), []);
    let due = tellings(store.as_ref(), later(60)).await;
    assert_eq!(due, [TellIncident { incident_id: heard.id, revision: 2 }]);
    let ended = store.incident(unheard.id).await.unwrap().unwrap();
    assert_eq!((ended.resolved_at, ended.tell_due_at), (Some(later(60)), None));
    store.resolve(&both, later(70)).await.unwrap();
    assert_eq!(store.incident(heard.id).await.unwrap().unwrap().resolved_at, Some(later(60)));
}

pub async fn what_comes_back_is_a_new_incident(harness: &dyn Harness) {
    let store = harness.store().await;
    store.raise(warning(), now()).await.unwrap();
    let first = the_open_one(store.as_ref()).await;
    store.resolve(&["stock/mug".to_owned()], later(5)).await.unwrap();
    store.raise(warning(), later(10)).await.unwrap();
    let second = the_open_one(store.as_ref()).await;
    assert_ne!(first.id, second.id);
    assert_eq!((second.raise.count, second.first_seen), (1, later(10)));
    assert_eq!(store.tally().await.unwrap().incidents, 2);
}

pub async fn open_incidents_come_newest_first(harness: &dyn Harness) {
    let store = harness.store().await;
    for n in 0..5u64 {
        store.raise(vec![raise(&format!("f-{n}"), Severity::Info)], later(n)).await.unwrap();
    }
    let newest: Vec<_> =
        store.open_incidents(3).await.unwrap().into_iter().map(|i| i.raise.fingerprint).collect();
    assert_eq!(newest, ["f-4", "f-3", "f-2"]);
    store.raise(Vec::new(), now()).await.unwrap();
    assert_eq!(store.open_incidents(u32::MAX).await.unwrap().len(), 5);
}

pub async fn odd_text_of_a_raise_is_kept(harness: &dyn Harness) {
    let store = harness.store().await;
    let odd = Raise { sample: "error \0 at 'x' 🎁".into(), ..raise("odd", Severity::Info) };
    store.raise(vec![odd], now()).await.unwrap();
    let sample = the_open_one(store.as_ref()).await.raise.sample;
    assert!(sample.ends_with("at 'x' 🎁"), "{sample:?}");
}
