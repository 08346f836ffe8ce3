//! Pacing: one row a key, the store's own clock, the domain's arithmetic.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::DateTime;
use forebay_domain::pacing::{Grant, Quota};

use super::Harness;
use crate::{Closed, Permits, Store};

const KEY: &str = "carrier/sweettracker";
/// So slow that the time which a test takes does not count: about 36 minutes between two calls.
const SLOW: Quota =
    Quota { limit: 10, window: Duration::from_secs(10_000), burst: 3, margin: Duration::from_secs(5_000) };
/// What a test may take.
const TEST_TIME: Duration = Duration::from_secs(60);

async fn granted(store: &dyn Store, quota: &Quota, want: u32) -> Grant {
    match store.permits(KEY, quota, want).await.unwrap() {
        Permits::Granted(grant) => grant,
        Permits::Closed(closed) => panic!("nobody closed it: {closed:?}"),
    }
}

async fn closed(store: &dyn Store) -> Closed {
    match store.permits(KEY, &SLOW, 1).await.unwrap() {
        Permits::Closed(closed) => closed,
        Permits::Granted(grant) => panic!("it is closed: {grant:?}"),
    }
}

/// Times that the clock's progress during the test may have shortened.
fn near(got: Duration, expected: Duration) -> bool {
    got <= expected && got + TEST_TIME >= expected
}

pub async fn a_grant_is_the_one_of_the_domain(harness: &dyn Harness) {
    let store = harness.store().await;
    let start = DateTime::UNIX_EPOCH;
    let mut tat = start;
    for (step, want) in [1, 100, 100, 1].into_iter().enumerate() {
        let (expected, kept) = SLOW.grant(tat, start, want);
        tat = kept;
        let got = granted(store.as_ref(), &SLOW, want).await;
        assert_eq!(
            (got.count, got.at_once, got.spacing),
            (expected.count, expected.at_once, expected.spacing),
            "{step}"
        );
        assert!(near(got.first_in, expected.first_in), "{step}: {got:?}, expected {expected:?}");
        assert!(near(got.retry_in, expected.retry_in), "{step}: {got:?}, expected {expected:?}");
    }
}

pub async fn permits_asked_for_one_by_one_are_as_many_as_at_once(harness: &dyn Harness) {
    let store = harness.store().await;
    let mut one_by_one = 0;
    while granted(store.as_ref(), &SLOW, 1).await.count == 1 {
        one_by_one += 1;
    }
    let Permits::Granted(at_once) = store.permits("another", &SLOW, 100).await.unwrap() else {
        panic!("nobody closed it")
    };
    assert_eq!(one_by_one, at_once.count, "keys do not share");
    let nothing = granted(store.as_ref(), &SLOW, 0).await;
    assert_eq!(nothing.count, 0);
}

pub async fn a_closed_gate_grants_nothing_and_charges_nothing(harness: &dyn Harness) {
    let store = harness.store().await;
    assert_eq!(store.gate(KEY).await.unwrap(), None);
    store.close_gate(KEY, Duration::from_millis(300), "asked to wait \0").await.unwrap();
    let told = closed(store.as_ref()).await;
    assert!(told.left <= Duration::from_millis(300) && told.reason.starts_with("asked to wait"), "{told:?}");
    let deadline = Instant::now() + Duration::from_secs(20);
    while store.gate(KEY).await.unwrap().is_some() {
        assert!(Instant::now() < deadline, "the gate never opened");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let grant = granted(store.as_ref(), &SLOW, 100).await;
    let (fresh, _) = SLOW.grant(DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH, 100);
    assert_eq!(grant.count, fresh.count);
}

pub async fn a_longer_closing_stays(harness: &dyn Harness) {
    let store = harness.store().await;
    granted(store.as_ref(), &SLOW, 1).await;
    store.close_gate(KEY, Duration::from_secs(1000), "longer").await.unwrap();
    store.close_gate(KEY, Duration::from_secs(1), "shorter").await.unwrap();
    let kept = store.gate(KEY).await.unwrap().unwrap();
    assert!(near(kept.left, Duration::from_secs(1000)) && kept.reason == "longer", "{kept:?}");
    store.close_gate(KEY, Duration::from_secs(2000), "longest").await.unwrap();
    let kept = closed(store.as_ref()).await;
    assert!(near(kept.left, Duration::from_secs(2000)) && kept.reason == "longest", "{kept:?}");
    assert_eq!(store.gate("another").await.unwrap(), None);
    store.close_gate("another", Duration::MAX, "for good").await.unwrap();
    assert!(store.gate("another").await.unwrap().is_some());
}

pub async fn workers_at_once_keep_one_quota(harness: &dyn Harness) {
    let store = harness.store().await;
    let quota =
        Quota { limit: 60, window: Duration::from_millis(500), burst: 4, margin: Duration::from_millis(100) };
    let began = Instant::now();
    let workers: Vec<_> = [1, 100, 1, 7]
        .into_iter()
        .map(|want| {
            let store = Arc::clone(&store);
            tokio::spawn(
                async move { starts(store.as_ref(), &quota, want, began + Duration::from_secs(2)).await },
            )
        })
        .collect();
    let mut calls = Vec::new();
    for worker in workers {
        calls.extend(worker.await.unwrap());
    }
    calls.sort_unstable();
    let took = (*calls.last().unwrap() - calls[0]).as_secs_f64();
    assert!(calls.len() as f64 >= 0.3 * quota.rate() * took, "{} calls in {took:.3} s", calls.len());
    for (i, first) in calls.iter().enumerate() {
        let seen = calls[i..].iter().take_while(|at| **at < *first + quota.window).count();
        assert!(seen <= quota.limit as usize, "{seen} calls in a window, the limit is {}", quota.limit);
    }
}

/// When a worker's calls begin. An answer that is older than the margin is given back unused, as a worker does it.
async fn starts(store: &dyn Store, quota: &Quota, want: u32, until: Instant) -> Vec<Instant> {
    let mut calls = Vec::new();
    while Instant::now() < until {
        let asked = Instant::now();
        let grant = granted(store, quota, want).await;
        let answered = Instant::now();
        if answered - asked <= quota.margin {
            calls.extend((0..grant.count).map(|k| answered + grant.start_of(k)));
        }
        if grant.count < want {
            tokio::time::sleep(grant.retry_in.min(Duration::from_millis(20))).await;
        }
    }
    calls
}
