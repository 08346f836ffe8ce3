//! Incidents: one open a fingerprint, told in time and not too often.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use forebay_domain::incident::{About, AlertRule, Incident, Order, Raise, Severity, SlackRef};
use forebay_schemas::events::{MailOne, TellIncident};

use super::returns::{nobody, said};
use super::{Harness, drain, later, now};
use crate::{By, IncidentFilter, Ordered, OutboxRow, SinkAnswer, Store, Told};

/// After this the first telling of an incident is due.
const GROUP_WAIT_S: u64 = 30;
/// After its cause's end, what is open still is told so late: the time in which it would end, too, and the group wait.
const OUTLIVED_S: u64 = 60 + GROUP_WAIT_S;

/// Something that people may have to know.
#[must_use]
pub fn raise(fingerprint: &str, severity: Severity) -> Raise {
    Raise {
        fingerprint: fingerprint.into(),
        rule: AlertRule::StockLow,
        about: None,
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
    Told { revision, slack, ..Told::of(incident) }
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
    assert_eq!(due, [TellIncident::of(open.id, 1)]);
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
    assert_eq!(due, [TellIncident::of(open.id, 2)], "one telling tells both");
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

pub async fn what_came_while_people_were_told_is_planned_when_that_is_noted(harness: &dyn Harness) {
    let store = harness.store().await;
    let other = raise("stock/cup", Severity::Warning);
    store.raise(vec![raise("stock/mug", Severity::Warning), other], now()).await.unwrap();
    drain(store.as_ref(), later(GROUP_WAIT_S)).await;
    let open = store.open_incidents(10).await.unwrap();
    let read = |of: &str| open.iter().find(|incident| incident.raise.fingerprint == of).unwrap();
    let (mug, cup) = (read("stock/mug"), read("stock/cup"));
    store.resolve(&["stock/mug".to_owned()], later(32)).await.unwrap();
    store.raise(vec![raise("stock/cup", Severity::Critical)], later(32)).await.unwrap();
    assert_eq!(tellings(store.as_ref(), later(1_000)).await, [], "each is being told");
    store.told(told(mug, 1, None), later(33)).await.unwrap();
    assert_eq!(tellings(store.as_ref(), later(33)).await, [TellIncident::of(mug.id, 2)], "its end");
    store.told(told(cup, 1, None), later(34)).await.unwrap();
    assert_eq!(tellings(store.as_ref(), later(34)).await, [TellIncident::of(cup.id, 2)], "it got worse");
    let worse = the_open_one(store.as_ref()).await;
    assert_eq!(worse.tell_due_at, Some(later(34)));
    // While that is told it ends, which plans a telling: noting the older one leaves it alone.
    store.resolve(&["stock/cup".to_owned()], later(35)).await.unwrap();
    store.told(told(&worse, 2, None), later(36)).await.unwrap();
    assert_eq!(store.incident(cup.id).await.unwrap().unwrap().tell_due_at, Some(later(35)));
    assert_eq!(tellings(store.as_ref(), later(1_000)).await, [TellIncident::of(cup.id, 3)], "once");
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
    assert_eq!(due, [TellIncident::of(heard.id, 2)]);
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

fn by(n: u128) -> By {
    By { id: uuid::Uuid::from_u128(n), actor: "ops".into(), reason: "on it".into() }
}

fn done(ordered: Ordered) -> Incident {
    match ordered {
        Ordered::Done { incident, unchanged: false } => *incident,
        other => panic!("{other:?}"),
    }
}

pub async fn who_takes_an_incident_on_is_kept_told_and_audited(harness: &dyn Harness) {
    let store = harness.store().await;
    store.raise(warning(), now()).await.unwrap();
    let open = the_open_one(store.as_ref()).await;
    drain(store.as_ref(), later(GROUP_WAIT_S)).await;
    store.told(told(&open, 1, Some("1.1")), later(GROUP_WAIT_S)).await.unwrap();
    let acked = done(store.order_incident(open.id, Order::Acknowledge, &by(1), later(60)).await.unwrap());
    assert_eq!(the_open_one(store.as_ref()).await, acked);
    let who = acked.handling.acknowledged.clone().unwrap();
    assert_eq!((who.at, who.by.as_str()), (later(60), "ops"));
    let due = tellings(store.as_ref(), later(60)).await;
    assert_eq!(due, [TellIncident::of(open.id, 2)]);
    store.told(told(&open, 2, None), later(60)).await.unwrap();
    let again = store.order_incident(open.id, Order::Acknowledge, &by(2), later(70)).await.unwrap();
    assert!(matches!(again, Ordered::Done { unchanged: true, .. }), "{again:?}");
    store.raise(warning(), later(1_000)).await.unwrap();
    assert_eq!(tellings(store.as_ref(), later(10_000)).await, []);
    store.raise(vec![raise("stock/mug", Severity::Critical)], later(2_000)).await.unwrap();
    assert_eq!(tellings(store.as_ref(), later(2_000)).await.len(), 1, "it got worse");
    assert_eq!(the_open_one(store.as_ref()).await.handling.acknowledged, None);
    let entries = store.audit_log(None, 10).await.unwrap();
    let told: Vec<_> = entries.iter().map(|e| (e.action.as_str(), e.subject.clone())).collect();
    assert_eq!(told, [("incidents.ack", open.id.to_string())]);
    store.resolve(&["stock/mug".to_owned()], later(3_000)).await.unwrap();
    let over = store.order_incident(open.id, Order::Acknowledge, &by(3), later(3_001)).await.unwrap();
    assert_eq!(over, Ordered::Over);
    let nobodys = store.order_incident(nobody(), Order::Acknowledge, &by(4), later(3_001)).await.unwrap();
    assert_eq!(nobodys, Ordered::NotThere);
}

pub async fn a_snoozed_incident_is_told_at_the_end_of_the_silence(harness: &dyn Harness) {
    let store = harness.store().await;
    store.raise(warning(), now()).await.unwrap();
    let open = the_open_one(store.as_ref()).await;
    drain(store.as_ref(), later(GROUP_WAIT_S)).await;
    store.told(told(&open, 1, None), later(GROUP_WAIT_S)).await.unwrap();
    let order = Order::Snooze { until: later(7_200) };
    let snoozed = done(store.order_incident(open.id, order, &by(1), later(60)).await.unwrap());
    assert_eq!(the_open_one(store.as_ref()).await, snoozed);
    assert_eq!(snoozed.handling.snoozed.map(|(_, until)| until), Some(later(7_200)));
    let due = tellings(store.as_ref(), later(60)).await;
    assert_eq!(due, [TellIncident::of(open.id, 2)], "who wants silence is told");
    store.told(told(&open, 2, None), later(60)).await.unwrap();
    store.raise(warning(), later(600)).await.unwrap();
    store.resolve(&["stock/mug".to_owned()], later(700)).await.unwrap();
    assert_eq!(tellings(store.as_ref(), later(7_199)).await, []);
    let due = tellings(store.as_ref(), later(7_200)).await;
    assert!(due.iter().any(|told| told.revision == 4), "its end is told: {due:?}");
}

pub async fn incidents_are_listed_page_by_page_open_or_over(harness: &dyn Harness) {
    let store = harness.store().await;
    for n in 0..5u64 {
        store.raise(vec![raise(&format!("f-{n}"), Severity::Info)], later(n)).await.unwrap();
    }
    store.resolve(&["f-1".to_owned(), "f-3".to_owned()], later(9)).await.unwrap();
    let open = |open| IncidentFilter { open, rule: Some("stock_low".into()) };
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = store.list_incidents(&open(None), after, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        seen.extend(page.into_iter().map(|i| i.raise.fingerprint));
    }
    assert_eq!(seen, ["f-4", "f-3", "f-2", "f-1", "f-0"]);
    let of = async |filter: IncidentFilter| {
        let found = store.list_incidents(&filter, None, 10).await.unwrap();
        found.into_iter().map(|i| i.raise.fingerprint).collect::<Vec<_>>()
    };
    assert_eq!(of(open(Some(true))).await, ["f-4", "f-2", "f-0"]);
    assert_eq!(of(open(Some(false))).await, ["f-3", "f-1"]);
    let other = IncidentFilter { rule: Some("dead_letters".into()), ..IncidentFilter::default() };
    assert!(of(other).await.is_empty());
}

pub async fn what_comes_and_goes_stays_one_incident(harness: &dyn Harness) {
    let store = harness.store().await;
    for n in 0..6u64 {
        store.raise(warning(), later(n * 600)).await.unwrap();
        store.resolve(&["stock/mug".to_owned()], later(n * 600 + 60)).await.unwrap();
    }
    assert_eq!(
        store.tally().await.unwrap().incidents,
        3,
        "the third time that it came back, it stayed the same"
    );
    store.raise(warning(), later(3_600)).await.unwrap();
    let open = the_open_one(store.as_ref()).await;
    assert_eq!((open.flaps, open.is_flapping(), open.raise.count), (6, true, 5));
    store.resolve(&["stock/mug".to_owned()], later(3_700)).await.unwrap();
    store.raise(warning(), later(3_700 + 3_600)).await.unwrap();
    let new = the_open_one(store.as_ref()).await;
    assert_eq!((new.flaps, new.raise.count), (0, 1), "it had stayed away for an hour");
}

pub async fn of_one_rule_five_are_told_and_then_one_summary_counts_the_rest(harness: &dyn Harness) {
    let store = harness.store().await;
    let workers: Vec<_> = (0..4)
        .map(|worker| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for n in 0..5 {
                    let raises = vec![raise(&format!("{worker}-{n}"), Severity::Warning)];
                    store.raise(raises, now()).await.unwrap();
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    assert_eq!(tellings(store.as_ref(), later(900)).await.len(), 5, "over all workers");
    let due = tellings(store.as_ref(), later(930)).await;
    assert_eq!(due.len(), 1, "one summary");
    let summary = store.incident(due[0].incident_id).await.unwrap().unwrap();
    assert_eq!((summary.raise.rule.as_str(), summary.raise.count), ("alerts_held_back", 15));
    assert_eq!(summary.raise.severity, Severity::Warning);
    assert!(summary.raise.action.ends_with("alert list --rule stock_low"), "{}", summary.raise.action);
    assert_eq!(store.open_incidents(50).await.unwrap().len(), 21, "each is kept");
    store.told(told(&summary, summary.revision, None), later(930)).await.unwrap();
    let summary = store.incident(summary.id).await.unwrap().unwrap();
    assert_eq!(summary.resolved_at, Some(later(930)), "a summary is over when it was told");
    store.raise(vec![raise("later", Severity::Warning)], later(940)).await.unwrap();
    assert_eq!(tellings(store.as_ref(), later(970)).await.len(), 1, "there is room again");
}

fn of(fingerprint: &str, rule: AlertRule, about: Option<About>) -> Raise {
    Raise { rule, about, ..raise(fingerprint, Severity::Warning) }
}

fn letters(fingerprint: &str) -> Raise {
    of(fingerprint, AlertRule::DeadLetters, Some(About::Queue("forebay.tracking.fedex".into())))
}

fn breaker() -> Raise {
    of("breaker/fedex", AlertRule::BreakerOpen, Some(About::System("fedex".into())))
}

/// The fingerprints of the open incidents of which people are told by then.
async fn told_of(store: &dyn Store, by: DateTime<Utc>) -> Vec<String> {
    let mut told = Vec::new();
    for telling in tellings(store, by).await {
        told.push(store.incident(telling.incident_id).await.unwrap().unwrap().raise.fingerprint);
    }
    told.sort();
    told
}

pub async fn what_follows_from_an_open_incident_is_kept_and_told_only_when_it_outlives_it(
    harness: &dyn Harness,
) {
    let store = harness.store().await;
    store.raise(vec![breaker()], now()).await.unwrap();
    assert_eq!(told_of(store.as_ref(), later(30)).await, ["breaker/fedex"]);
    let other = of("other", AlertRule::DeadLetters, Some(About::Queue("forebay.tracking.dhl".into())));
    store.raise(vec![letters("follows"), letters("ends"), other], later(31)).await.unwrap();
    assert_eq!(store.open_incidents(10).await.unwrap().len(), 4, "each is kept");
    let silencing = store.silencing_incidents().await.unwrap();
    assert_eq!(silencing.iter().map(|i| i.raise.fingerprint.as_str()).collect::<Vec<_>>(), ["breaker/fedex"]);
    assert_eq!(silencing[0].raise.about, Some(About::System("fedex".into())));
    assert_eq!(told_of(store.as_ref(), later(1_000)).await, ["other"]);
    store.raise(vec![letters("follows")], later(1_000)).await.unwrap();
    store.resolve(&["ends".to_owned()], later(1_001)).await.unwrap();
    assert!(told_of(store.as_ref(), later(2_000)).await.is_empty());
    store.resolve(&["breaker/fedex".to_owned()], later(2_000)).await.unwrap();
    let early = told_of(store.as_ref(), later(2_000 + OUTLIVED_S - 1)).await;
    assert!(early.is_empty(), "it may end with its cause");
    assert_eq!(told_of(store.as_ref(), later(2_000 + OUTLIVED_S)).await, ["follows"]);
    assert!(store.silencing_incidents().await.unwrap().is_empty());
}

pub async fn what_two_incidents_silence_is_told_after_the_end_of_both(harness: &dyn Harness) {
    let store = harness.store().await;
    let broker = || of("broker", AlertRule::BrokerDown, None);
    store.raise(vec![breaker(), broker()], now()).await.unwrap();
    tellings(store.as_ref(), later(30)).await;
    store.raise(vec![letters("follows")], later(31)).await.unwrap();
    store.resolve(&["broker".to_owned()], later(40)).await.unwrap();
    assert!(told_of(store.as_ref(), later(1_000)).await.is_empty());
    store.resolve(&["breaker/fedex".to_owned()], later(1_000)).await.unwrap();
    assert_eq!(told_of(store.as_ref(), later(1_000 + OUTLIVED_S)).await, ["follows"]);
}

pub async fn a_telling_that_found_its_incident_silenced_is_planned_again_after_the_silence(
    harness: &dyn Harness,
) {
    let store = harness.store().await;
    store.raise(vec![letters("follows")], now()).await.unwrap();
    store.raise(vec![breaker()], later(5)).await.unwrap();
    let incident = store.open_incidents(10).await.unwrap().pop().unwrap();
    assert_eq!(incident.tell_due_at, Some(later(30)));
    assert_eq!(told_of(store.as_ref(), later(40)).await.len(), 2, "it was planned before");
    store.hush_incident(incident.id, later(40)).await.unwrap();
    assert_eq!(store.incident(incident.id).await.unwrap().unwrap().tell_due_at, None);
    store.resolve(&["breaker/fedex".to_owned()], later(50)).await.unwrap();
    store.hush_incident(incident.id, later(51)).await.unwrap();
    assert_eq!(
        store.incident(incident.id).await.unwrap().unwrap().tell_due_at,
        Some(later(50 + OUTLIVED_S)),
        "a newer one stays"
    );
    assert_eq!(told_of(store.as_ref(), later(50 + OUTLIVED_S)).await, ["follows"]);
}

pub async fn a_silencer_that_ends_while_others_open_what_it_silences_leaves_nothing_untold(
    harness: &dyn Harness,
) {
    let store = harness.store().await;
    for round in 0..5u64 {
        let at = later(round * 100_000);
        store.raise(vec![breaker()], at).await.unwrap();
        tellings(store.as_ref(), at + std::time::Duration::from_secs(30)).await;
        let opening = (0..3).map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(
                async move { store.raise(vec![letters(&format!("{round}/{n}"))], at).await.unwrap() },
            )
        });
        let opening: Vec<_> = opening.collect();
        store.resolve(&["breaker/fedex".to_owned()], at).await.unwrap();
        for opened in opening {
            opened.await.unwrap();
        }
        let told = told_of(store.as_ref(), at + std::time::Duration::from_secs(OUTLIVED_S)).await;
        let want: Vec<String> = (0..3).map(|n| format!("{round}/{n}")).collect();
        assert!(want.iter().all(|want| told.contains(want)), "{want:?} in {told:?}");
        store.resolve(&want, at + std::time::Duration::from_secs(OUTLIVED_S + 1)).await.unwrap();
    }
}

pub async fn a_telling_is_noted_with_what_it_said_and_the_mails_that_follow(harness: &dyn Harness) {
    let store = harness.store().await;
    store.raise(warning(), now()).await.unwrap();
    let open = the_open_one(store.as_ref()).await;
    drain(store.as_ref(), later(GROUP_WAIT_S)).await;
    let mail = |to| MailOne { to, why: "opened".into(), instead: to == 1 };
    let telling = Told { mails: vec![mail(0), mail(1)], ..Told::of(&open) };
    store.told(telling, later(30)).await.unwrap();
    let told = the_open_one(store.as_ref()).await;
    assert_eq!(
        (told.told.count, told.told.severity, told.heard_at),
        (1, Some(Severity::Warning), Some(later(30)))
    );
    let mut mails: Vec<_> =
        tellings(store.as_ref(), later(30)).await.into_iter().map(|t| t.mail.unwrap()).collect();
    mails.sort_by_key(|mail| mail.to);
    assert_eq!(mails, [mail(0), mail(1)]);
    store.raise(warning(), later(400)).await.unwrap();
    let grown = the_open_one(store.as_ref()).await;
    store.told(Told { heard: false, ..Told::of(&grown) }, later(401)).await.unwrap();
    let told = the_open_one(store.as_ref()).await;
    assert_eq!((told.told.count, told.heard_count, told.told_at), (2, 1, Some(later(401))));
    assert_eq!(told.heard_at, Some(later(30)), "nobody heard of what was changed in place");
}

pub async fn a_test_of_alerts_is_asked_for_audited_and_answered_once_the_sinks_did(harness: &dyn Harness) {
    let store = harness.store().await;
    let id = uuid::Uuid::from_u128(9);
    store.ask_alert_test(id, "stock_low", &by(1), now()).await.unwrap();
    let asked = tellings(store.as_ref(), now()).await;
    assert_eq!(asked, [TellIncident { test: Some("stock_low".into()), ..TellIncident::of(id, 0) }]);
    assert_eq!(store.alert_test(id).await.unwrap(), None);
    let answers = [SinkAnswer { sink: "slack".into(), taken: false, said: "invalid_auth".into() }];
    store.answer_alert_test(id, &answers).await.unwrap();
    assert_eq!(store.alert_test(id).await.unwrap().as_deref(), Some(&answers[..]));
    assert_eq!(store.alert_test(nobody()).await.unwrap(), None);
    let entries = store.audit_log(None, 10).await.unwrap();
    assert_eq!(entries.iter().map(|e| e.action.as_str()).collect::<Vec<_>>(), ["alerts.test"]);
    let later = now() + chrono::TimeDelta::days(2);
    store.ask_alert_test(uuid::Uuid::from_u128(10), "", &by(2), later).await.unwrap();
    assert_eq!(store.alert_test(id).await.unwrap(), None, "what is old is forgotten");
}
