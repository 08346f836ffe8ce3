//! Pacing: one row a key, the store's own clock, the domain's arithmetic.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta};
use forebay_domain::breaker::BreakerPolicy;
use forebay_domain::daily::{Daily, DayReset, Purpose};
use forebay_domain::limits::{LiveLimits, Terms};
use forebay_domain::pacing::{Grant, Quota, Share};
use forebay_domain::{Clock as _, SystemClock};

use uuid::Uuid;

use super::Harness;
use super::dead_letters::by;
use crate::{Closed, Closing, Permits, Places, Store, Wish};

const KEY: &str = "carrier/sweettracker";
/// So slow that the time which a test takes does not count: about 36 minutes between two calls.
const SLOW: Quota =
    Quota { limit: 10, window: Duration::from_secs(10_000), burst: 3, margin: Duration::from_secs(5_000) };
/// What a test may take.
const TEST_TIME: Duration = Duration::from_secs(60);

/// So many calls that only the other terms count.
const FAST: Quota =
    Quota { limit: 10_000, window: Duration::from_secs(1), burst: 5_000, margin: Duration::from_millis(100) };

pub(super) fn terms(quota: Quota) -> Terms {
    Terms { quota, daily: None, adaptive: false, breaker: BreakerPolicy::default() }
}

pub(super) async fn ask(
    store: &dyn Store,
    key: &str,
    terms: &Terms,
    version: i64,
    want: u32,
    purpose: Purpose,
) -> Permits {
    store.permits(&Wish { key, terms, version, want, purpose, places: None }).await.unwrap()
}

async fn routine(store: &dyn Store, terms: &Terms, want: u32) -> Permits {
    ask(store, KEY, terms, 0, want, Purpose::Routine).await
}

async fn granted(store: &dyn Store, quota: &Quota, want: u32) -> Grant {
    match routine(store, &terms(*quota), want).await {
        Permits::Granted(grant) => grant,
        other => panic!("nobody closed it: {other:?}"),
    }
}

async fn closed(store: &dyn Store) -> Closed {
    match routine(store, &terms(SLOW), 1).await {
        Permits::Closed(closed) => closed,
        other => panic!("it is closed: {other:?}"),
    }
}

fn count(permits: &Permits) -> u32 {
    match permits {
        Permits::Granted(grant) => grant.count,
        _ => 0,
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
    let Permits::Granted(at_once) =
        ask(store.as_ref(), "another", &terms(SLOW), 0, 100, Purpose::Routine).await
    else {
        panic!("nobody closed it")
    };
    assert_eq!(one_by_one, at_once.count, "keys do not share");
    let nothing = granted(store.as_ref(), &SLOW, 0).await;
    assert_eq!(nothing.count, 0);
}

pub async fn a_closed_gate_grants_nothing_and_charges_nothing(harness: &dyn Harness) {
    let store = harness.store().await;
    assert_eq!(store.gate(KEY).await.unwrap(), None);
    let length = Duration::from_secs(3);
    store.close_gate(KEY, length, "asked to wait \0", Closing::Other).await.unwrap();
    let told = closed(store.as_ref()).await;
    assert!(told.left <= length && told.reason.starts_with("asked to wait"), "{told:?}");
    let deadline = Instant::now() + Duration::from_secs(20);
    while store.gate(KEY).await.unwrap().is_some() {
        assert!(Instant::now() < deadline, "the gate never opened");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let grant = granted(store.as_ref(), &SLOW, 100).await;
    let epoch = DateTime::UNIX_EPOCH;
    let (fresh, _) = SLOW.rhythm(Share(Share::WHOLE.0 / 32)).grant(epoch, epoch, 100);
    assert_eq!((grant.count, grant.spacing), (fresh.count, fresh.spacing), "it comes back step by step");
}

pub async fn a_rate_comes_back_step_by_step_after_a_pause(harness: &dyn Harness) {
    let store = harness.store().await;
    // Each step takes a second: the first look comes within three of them.
    let breaker = BreakerPolicy { pause: Duration::from_secs(5), ..BreakerPolicy::default() };
    let terms = Terms { breaker, ..terms(SLOW) };
    store.close_gate(KEY, Duration::from_millis(1), "429", Closing::TooFast).await.unwrap();
    let (mut seen, deadline) = (Vec::new(), Instant::now() + Duration::from_secs(60));
    while seen.last() != Some(&1) {
        assert!(Instant::now() < deadline, "{seen:?}");
        // Nothing is wanted that would be charged for long: each look is at a key's row that is still unused.
        if let Permits::Granted(grant) = ask(store.as_ref(), KEY, &terms, 0, 1, Purpose::Routine).await {
            let part = grant.spacing.as_micros().div_ceil(u128::from(SLOW.interval_us().unsigned_abs()));
            if seen.last() != Some(&part) {
                seen.push(part);
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(seen.is_sorted_by(|a, b| a > b) && seen[0] >= 8, "{seen:?}");
    assert!(seen.iter().all(|part| [32, 16, 8, 4, 2, 1].contains(part)), "{seen:?}");
}

/// A reset that is about so many hours ahead, so that no day ends during a test.
fn ends_in(hours: i64) -> DayReset {
    let then = SystemClock.now() + TimeDelta::hours(hours);
    format!("{}:00 UTC", then.format("%H")).parse().unwrap()
}

pub async fn a_day_has_its_budget_and_people_have_their_share_of_it(harness: &dyn Harness) {
    let store = harness.store().await;
    let daily = Daily { most: 10, reset: ends_in(6), reserve_percent: 20 };
    let terms = Terms { daily: Some(daily), ..terms(FAST) };
    assert_eq!(count(&routine(store.as_ref(), &terms, 5).await), 5);
    assert_eq!(count(&routine(store.as_ref(), &terms, 5).await), 3, "two are kept for people");
    let Permits::Closed(kept) = routine(store.as_ref(), &terms, 1).await else { panic!("the rest is kept") };
    assert!(kept.left <= Duration::from_secs(86_400) && kept.reason.contains("people"), "{kept:?}");
    let person = |want| ask(store.as_ref(), KEY, &terms, 0, want, Purpose::Person);
    assert_eq!(count(&person(5).await), 2);
    let Permits::Closed(full) = person(1).await else { panic!("nothing is left") };
    assert!(full.reason.contains("used up"), "{full:?}");
    let view = store.systems().await.unwrap().remove(0);
    assert_eq!((view.left_today(&terms, Purpose::Person), view.day.unwrap().used), (Some(0), 10));
    assert!(view.shut(&terms).is_some_and(|shut| shut.until == view.day.unwrap().until));
}

pub async fn what_was_granted_and_not_used_is_given_back_to_its_day_alone(harness: &dyn Harness) {
    let store = harness.store().await;
    let daily = Daily { most: 10, reset: ends_in(6), reserve_percent: 0 };
    let terms = Terms { daily: Some(daily), ..terms(FAST) };
    assert_eq!(count(&routine(store.as_ref(), &terms, 20).await), 10);
    // The day began 17 to 18 hours ago, so these were another one's.
    store.give_back_calls(KEY, 2, Duration::from_secs(19 * 3_600)).await.unwrap();
    assert!(matches!(routine(store.as_ref(), &terms, 1).await, Permits::Closed(_)));
    store.give_back_calls(KEY, 2, Duration::from_secs(60)).await.unwrap();
    assert_eq!(count(&routine(store.as_ref(), &terms, 20).await), 2);
    store.give_back_calls(KEY, 99, Duration::ZERO).await.unwrap();
    assert_eq!(count(&routine(store.as_ref(), &terms, 20).await), 10, "no day has more than its budget");
    store.give_back_calls("carrier/nobody", 1, Duration::ZERO).await.unwrap();
}

pub async fn a_new_day_has_a_budget_of_its_own(harness: &dyn Harness) {
    let store = harness.store().await;
    let at = |reset: DayReset| {
        let daily = Daily { most: 3, reset, reserve_percent: 0 };
        Terms { daily: Some(daily), ..terms(FAST) }
    };
    // The day that ends later began later: it is a new one after the other.
    let (early, late) = (at(ends_in(6)), at(ends_in(12)));
    assert_eq!(count(&routine(store.as_ref(), &early, 9).await), 3);
    assert!(matches!(routine(store.as_ref(), &early, 1).await, Permits::Closed(_)));
    assert_eq!(count(&routine(store.as_ref(), &late, 9).await), 3);
    assert!(matches!(routine(store.as_ref(), &early, 1).await, Permits::Closed(_)), "an old day stays over");
}

pub async fn workers_at_once_keep_one_budget(harness: &dyn Harness) {
    let store = harness.store().await;
    let daily = Daily { most: 100, reset: ends_in(6), reserve_percent: 10 };
    let terms = Terms { daily: Some(daily), ..terms(FAST) };
    let mut asking = tokio::task::JoinSet::new();
    for want in [1, 2, 3, 5, 7, 11] {
        let store = Arc::clone(&store);
        asking.spawn(async move {
            let mut all = 0;
            for _ in 0..40 {
                all += count(&routine(store.as_ref(), &terms, want).await);
            }
            all
        });
    }
    assert_eq!(asking.join_all().await.into_iter().sum::<u32>(), 90);
}

pub async fn a_rate_that_is_found_out_is_halved_once_by_many_who_are_told(harness: &dyn Harness) {
    let store = harness.store().await;
    let share = || async { store.systems().await.unwrap()[0].share };
    for _ in 0..5 {
        store.close_gate(KEY, Duration::from_secs(3), "429", Closing::TooFast).await.unwrap();
    }
    assert_eq!(share().await, Share(500_000));
    let deadline = Instant::now() + Duration::from_secs(20);
    while store.gate(KEY).await.unwrap().is_some() {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    store.close_gate(KEY, Duration::from_millis(1), "maintenance", Closing::Other).await.unwrap();
    assert_eq!(share().await, Share(500_000));
    let adaptive = Terms { adaptive: true, breaker: no_recovery(), ..terms(SLOW) };
    tokio::time::sleep(Duration::from_millis(20)).await;
    let Permits::Granted(grant) = routine(store.as_ref(), &adaptive, 1).await else { panic!("it is open") };
    assert_eq!(grant.spacing.as_micros() as i64, 2 * SLOW.interval_us(), "half the rate");
    let Permits::Granted(grant) = routine(store.as_ref(), &Terms { adaptive: false, ..adaptive }, 0).await
    else {
        panic!("it is open")
    };
    assert_eq!(grant.count, 0);
}

fn no_recovery() -> BreakerPolicy {
    BreakerPolicy { pause: Duration::ZERO, ..BreakerPolicy::default() }
}

pub async fn limits_that_people_set_are_told_to_whoever_goes_by_others(harness: &dyn Harness) {
    let store = harness.store().await;
    let live = LiveLimits { limit: Some(4), daily: Some(7), ..LiveLimits::default() };
    assert_eq!(
        store.set_limits(KEY, &live, Some(1), &by(1)).await.unwrap(),
        (0, false),
        "it has no version 1"
    );
    assert_eq!(store.set_limits(KEY, &live, Some(0), &by(2)).await.unwrap(), (1, true));
    assert_eq!(routine(store.as_ref(), &terms(FAST), 9).await, Permits::Changed { version: 1, live });
    let set = terms(FAST).with(&live);
    assert_eq!(count(&ask(store.as_ref(), KEY, &set, 1, 100, Purpose::Routine).await), 7);
    assert_eq!(store.set_limits(KEY, &LiveLimits::default(), None, &by(3)).await.unwrap(), (2, true));
    let view = store.systems().await.unwrap().remove(0);
    assert_eq!((view.version, view.live), (2, LiveLimits::default()));
    let log = store.audit_log(None, 10).await.unwrap();
    let told: Vec<_> = log.iter().map(|e| (e.action.as_str(), e.subject.as_str(), &e.after)).collect();
    assert_eq!(told[1], ("carriers.limit", KEY, &serde_json::json!({ "limit": 4, "daily": 7 })));
    assert_eq!((told.len(), &log[0].before), (2, &log[1].after));
}

pub async fn a_longer_closing_stays(harness: &dyn Harness) {
    let store = harness.store().await;
    granted(store.as_ref(), &SLOW, 1).await;
    store.close_gate(KEY, Duration::from_secs(1000), "longer", Closing::Other).await.unwrap();
    store.close_gate(KEY, Duration::from_secs(1), "shorter", Closing::Other).await.unwrap();
    let kept = store.gate(KEY).await.unwrap().unwrap();
    assert!(near(kept.left, Duration::from_secs(1000)) && kept.reason == "longer", "{kept:?}");
    store.close_gate(KEY, Duration::from_secs(2000), "longest", Closing::Other).await.unwrap();
    let kept = closed(store.as_ref()).await;
    assert!(near(kept.left, Duration::from_secs(2000)) && kept.reason == "longest", "{kept:?}");
    assert_eq!(store.gate("another").await.unwrap(), None);
    store.close_gate("another", Duration::MAX, "for good", Closing::Other).await.unwrap();
    assert!(store.gate("another").await.unwrap().is_some());
}

pub async fn workers_at_once_keep_one_quota(harness: &dyn Harness) {
    let store = harness.store().await;
    let quota =
        Quota { limit: 60, window: Duration::from_millis(500), burst: 4, margin: Duration::from_millis(300) };
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
    assert!(!calls.is_empty(), "nobody got anything in time to use it");
    let took = (*calls.last().unwrap() - calls[0]).as_secs_f64();
    assert!(calls.len() as f64 >= 0.05 * quota.rate() * took, "{} calls in {took:.3} s", calls.len());
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

/// A process of which a test plays the calls.
struct Process {
    store: Arc<dyn Store>,
    holder: Uuid,
    most: u32,
    lease: Duration,
    held: u32,
}

impl Process {
    fn new(store: &Arc<dyn Store>, n: u128, most: u32) -> Self {
        let (store, lease) = (Arc::clone(store), Duration::from_secs(3600));
        Self { store, holder: Uuid::from_u128(n), most, lease, held: 0 }
    }

    async fn ask(&mut self, want: u32) -> Permits {
        let Self { holder, held, most, lease, .. } = *self;
        let (terms, purpose) = (terms(FAST), Purpose::Routine);
        let places = Some(Places { holder, held, most, lease });
        let wish = Wish { key: KEY, terms: &terms, version: 0, want, purpose, places };
        let permits = self.store.permits(&wish).await.unwrap();
        self.held += count(&permits);
        permits
    }

    /// So many calls have ended, which is told.
    async fn end(&mut self, calls: u32) {
        self.held -= calls;
        assert_eq!(count(&self.ask(0).await), 0);
    }
}

pub async fn calls_under_way_are_bounded_over_the_fleet(harness: &dyn Harness) {
    let store = harness.store().await;
    let (mut one, mut other) = (Process::new(&store, 1, 5), Process::new(&store, 2, 5));
    assert_eq!(count(&one.ask(3).await), 3);
    assert_eq!(count(&other.ask(9).await), 2);
    assert_eq!(other.ask(1).await, Permits::Full);
    one.end(2).await;
    assert_eq!(count(&other.ask(9).await), 2);
    assert_eq!((one.held, other.held), (1, 4));
    let elsewhere = ask(store.as_ref(), "another", &terms(FAST), 0, 9, Purpose::Routine).await;
    assert_eq!(count(&elsewhere), 9, "keys do not share");
    // An answer that never came is granted for nothing only until the next one.
    one.held = 0;
    other.held = 0;
    assert_eq!(count(&one.ask(0).await) + count(&other.ask(5).await), 5);
}

pub async fn a_process_that_is_busy_all_the_time_leaves_places_to_others(harness: &dyn Harness) {
    let store = harness.store().await;
    let (mut busy, mut late) = (Process::new(&store, 1, 4), Process::new(&store, 2, 4));
    assert_eq!(count(&busy.ask(9).await), 4);
    assert_eq!(late.ask(9).await, Permits::Full);
    busy.held -= 1;
    assert_eq!(busy.ask(1).await, Permits::Full, "somebody waits who has less");
    assert_eq!(count(&late.ask(9).await), 1);
    busy.held -= 2;
    assert_eq!(count(&busy.ask(2).await), 1, "up to an equal share");
    assert_eq!(count(&late.ask(9).await), 1);
    busy.end(2).await;
    assert_eq!(count(&late.ask(9).await), 2, "what nobody else wants");
}

pub async fn places_of_a_process_that_is_gone_come_free_when_its_lease_ends(harness: &dyn Harness) {
    let store = harness.store().await;
    let (mut gone, mut left) = (Process::new(&store, 1, 3), Process::new(&store, 2, 3));
    gone.lease = Duration::from_millis(400);
    let begun = Instant::now();
    assert_eq!(count(&gone.ask(3).await), 3);
    let deadline = Instant::now() + Duration::from_secs(20);
    while count(&left.ask(3).await) == 0 {
        assert!(Instant::now() < deadline, "its places never came free");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(left.held, 3);
    // The store's clock is another one, and may count in coarser steps.
    assert!(begun.elapsed() + Duration::from_millis(20) >= gone.lease, "after {:?}", begun.elapsed());
}

pub async fn workers_at_once_keep_one_bound_of_calls_under_way(harness: &dyn Harness) {
    const MOST: u32 = 6;
    let store = harness.store().await;
    let under_way = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let workers = (1..=4_u32).map(|n| {
        let (mut process, under_way) = (Process::new(&store, u128::from(n), MOST), Arc::clone(&under_way));
        async move {
            use std::sync::atomic::Ordering::SeqCst;
            let mut served = 0;
            for _ in 0..40 {
                // Ended before it is told, and begun after it was granted: what is counted is never too much.
                let ended = process.held.min(n);
                under_way.fetch_sub(ended, SeqCst);
                process.held -= ended;
                let got = count(&process.ask(n).await);
                let now = under_way.fetch_add(got, SeqCst) + got;
                assert!(now <= MOST, "{now} calls under way");
                served += got;
            }
            under_way.fetch_sub(process.held, SeqCst);
            process.held = 0;
            process.ask(0).await;
            served
        }
    });
    let mut asking = tokio::task::JoinSet::new();
    workers.for_each(|worker| {
        asking.spawn(worker);
    });
    let served = asking.join_all().await;
    assert!(served.iter().all(|served| *served > 0), "{served:?}");
}
