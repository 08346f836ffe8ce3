//! Breakers: opened by what workers report, tried by one of them, forced by people.

use std::sync::Arc;
use std::time::{Duration, Instant};

use forebay_domain::breaker::{BreakerPolicy, CallEnd, Cause, Change, Force, Phase, Tally};
use forebay_domain::daily::Purpose;
use forebay_domain::incident::Severity;
use forebay_domain::limits::Terms;
use forebay_domain::pacing::Quota;
use forebay_domain::{Clock as _, SystemClock};
use tokio::task::JoinSet;

use super::Harness;
use super::dead_letters::by;
use super::pacing::ask;
use crate::{Permits, Standing, Store, SystemView};

const KEY: &str = "carrier/sweettracker";
const QUOTA: Quota =
    Quota { limit: 1_000, window: Duration::from_secs(1), burst: 100, margin: Duration::from_millis(100) };

fn policy(pause: Duration) -> BreakerPolicy {
    BreakerPolicy { pause, pause_denied: pause, ..BreakerPolicy::default() }
}

fn tally(ends: &[CallEnd]) -> Tally {
    let mut tally = Tally::default();
    ends.iter().for_each(|end| tally.count(*end));
    tally
}

async fn report(store: &dyn Store, ends: &[CallEnd], pause: Duration) -> Standing {
    store.report_calls(KEY, &tally(ends), "503 \0", "c1", &policy(pause)).await.unwrap()
}

async fn permits(store: &dyn Store, want: u32) -> Permits {
    let terms = Terms { quota: QUOTA, daily: None, adaptive: false, breaker: BreakerPolicy::default() };
    ask(store, KEY, &terms, 0, want, Purpose::Routine).await
}

async fn view(store: &dyn Store) -> SystemView {
    store.systems().await.unwrap().into_iter().find(|view| view.key == KEY).unwrap()
}

const FAILS: &[CallEnd] = &[CallEnd::Failed; 5];

pub async fn a_breaker_that_opens_lets_nobody_call_and_raises_an_incident(harness: &dyn Harness) {
    let store = harness.store().await;
    assert!(store.systems().await.unwrap().is_empty());
    let minute = Duration::from_secs(60);
    let standing = report(store.as_ref(), &FAILS[..4], minute).await;
    assert_eq!((standing.phase, standing.change), (Phase::Closed, Change::None));
    assert!(matches!(permits(store.as_ref(), 1).await, Permits::Granted(_)));
    let standing = report(store.as_ref(), &FAILS[..1], minute).await;
    assert_eq!((standing.phase, standing.change), (Phase::Open, Change::Opened));
    assert!(standing.left > Duration::from_secs(30) && standing.left <= minute, "{standing:?}");
    let Permits::Closed(closed) = permits(store.as_ref(), 1).await else { panic!("it is open") };
    assert!(closed.reason.starts_with("503") && closed.left <= minute, "{closed:?}");
    assert!(!store.claim_probe(KEY, minute).await.unwrap(), "not yet");
    let incidents = store.open_incidents(10).await.unwrap();
    assert_eq!(incidents.len(), 1, "{incidents:?}");
    assert_eq!(incidents[0].raise.fingerprint, "breaker/carrier/sweettracker");
    let late = report(store.as_ref(), &[CallEnd::Well], minute).await;
    assert_eq!((late.phase, late.change), (Phase::Open, Change::None), "a call that was under way");
}

pub async fn after_the_pause_one_worker_of_many_gets_the_probe(harness: &dyn Harness) {
    let store = harness.store().await;
    report(store.as_ref(), FAILS, Duration::ZERO).await;
    assert!(view(store.as_ref()).await.probe_due());
    let mut claiming = JoinSet::new();
    for _ in 0..8 {
        let store = Arc::clone(&store);
        claiming.spawn(async move { store.claim_probe(KEY, Duration::from_secs(60)).await.unwrap() });
    }
    assert_eq!(claiming.join_all().await.into_iter().filter(|claimed| *claimed).count(), 1);
    let mut asking = JoinSet::new();
    for _ in 0..8 {
        let store = Arc::clone(&store);
        asking.spawn(async move { permits(store.as_ref(), 10).await });
    }
    let answers = asking.join_all().await;
    assert_eq!(answers.iter().filter(|answer| **answer == Permits::Probe).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Permits::Closed(_))).count(), 7);
    let view = view(store.as_ref()).await;
    assert_eq!(view.breaker.phase(view.now), Phase::HalfOpen);
    assert!(!view.probe_due(), "it is out");
}

pub async fn a_good_probe_closes_it_and_the_rate_comes_back(harness: &dyn Harness) {
    let store = harness.store().await;
    report(store.as_ref(), FAILS, Duration::ZERO).await;
    assert_eq!(permits(store.as_ref(), 1).await, Permits::Probe);
    let standing = report(store.as_ref(), &[CallEnd::Well], Duration::ZERO).await;
    assert_eq!((standing.phase, standing.change), (Phase::Closed, Change::Closed));
    let Permits::Granted(grant) = permits(store.as_ref(), 100).await else { panic!("it is closed") };
    assert!(grant.spacing >= Duration::from_micros(QUOTA.interval_us().unsigned_abs() * 31), "{grant:?}");
    assert!(store.open_incidents(10).await.unwrap().is_empty());
}

pub async fn a_bad_probe_opens_it_for_longer(harness: &dyn Harness) {
    let store = harness.store().await;
    let pause = Duration::from_secs(1);
    report(store.as_ref(), FAILS, pause).await;
    let deadline = Instant::now() + Duration::from_secs(20);
    while permits(store.as_ref(), 1).await != Permits::Probe {
        assert!(Instant::now() < deadline, "there was never a probe");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let standing = report(store.as_ref(), &[CallEnd::Failed], pause).await;
    assert_eq!((standing.phase, standing.change), (Phase::Open, Change::Reopened));
    assert!(standing.left > pause && standing.left <= 2 * pause, "{standing:?}");
    let open = store.open_incidents(10).await.unwrap();
    assert_eq!((open.len(), open[0].raise.count), (1, 1), "the same one");
    // While it is away our credentials end: somebody has to do something.
    let standing = report(store.as_ref(), &[CallEnd::Denied], pause).await;
    assert_eq!((standing.phase, standing.change), (Phase::Open, Change::Opened));
    let open = store.open_incidents(10).await.unwrap();
    assert_eq!((open.len(), open[0].raise.severity), (1, Severity::Critical), "the same one, and worse");
}

pub async fn reports_of_workers_at_once_all_count(harness: &dyn Harness) {
    let store = harness.store().await;
    let mut reporting = JoinSet::new();
    for _ in 0..10 {
        let store = Arc::clone(&store);
        reporting.spawn(async move {
            let ends = [CallEnd::Failed, CallEnd::Well, CallEnd::Well];
            report(store.as_ref(), &ends, Duration::from_secs(60)).await
        });
    }
    reporting.join_all().await;
    let recent = view(store.as_ref()).await.breaker.recent;
    let (calls, failed) = recent.iter().fold((0, 0), |sum, b| (sum.0 + b.calls, sum.1 + b.failed));
    assert_eq!((calls, failed), (30, 10));
}

pub async fn people_force_a_breaker_and_let_it_go(harness: &dyn Harness) {
    let store = harness.store().await;
    let force = |open| {
        let (actor, reason) = (by(1).actor, "moving".to_owned());
        Some(Force { open, until: None, since: SystemClock.now(), actor, reason })
    };
    store.force_breaker(KEY, force(true), &by(1)).await.unwrap();
    let Permits::Closed(closed) = permits(store.as_ref(), 1).await else { panic!("it is forced open") };
    assert_eq!(closed.reason, "moving");
    assert!(store.open_incidents(10).await.unwrap().is_empty(), "nobody need be told of what people want");
    store.force_breaker(KEY, force(false), &by(2)).await.unwrap();
    let standing = report(store.as_ref(), FAILS, Duration::from_secs(60)).await;
    assert_eq!(standing.phase, Phase::Closed, "whatever happens");
    assert!(matches!(permits(store.as_ref(), 1).await, Permits::Granted(_)));
    store.force_breaker(KEY, None, &by(3)).await.unwrap();
    let standing = report(store.as_ref(), FAILS, Duration::from_secs(60)).await;
    assert_eq!(standing.phase, Phase::Open);
    let log = store.audit_log(None, 10).await.unwrap();
    let told: Vec<_> = log.iter().map(|entry| (entry.action.as_str(), &entry.after["forced"])).collect();
    let null = &serde_json::Value::Null;
    let words = [null, &serde_json::json!("closed"), &serde_json::json!("open")];
    assert_eq!(told, words.map(|word| ("carriers.breaker", word)));
}

pub async fn other_credentials_are_tried_at_once(harness: &dyn Harness) {
    let store = harness.store().await;
    let standing = report(store.as_ref(), &[CallEnd::Denied], Duration::from_secs(600)).await;
    assert_eq!(standing.change, Change::Opened);
    assert_eq!(view(store.as_ref()).await.breaker.bar.unwrap().cause, Cause::Denied);
    store.renew_credential(KEY, "c1").await.unwrap();
    assert!(matches!(permits(store.as_ref(), 1).await, Permits::Closed(_)), "they are the same");
    store.renew_credential(KEY, "c2").await.unwrap();
    assert_eq!(permits(store.as_ref(), 1).await, Permits::Probe);
}
