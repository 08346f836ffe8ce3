//! Permits in real time, against a store in memory that keeps the rule of the real ones.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::breaker::BreakerPolicy;
use forebay_domain::daily::{Daily, Purpose};
use forebay_domain::limits::{LiveLimits, Terms};
use forebay_domain::pacing::Quota;
use forebay_domain::{Clock as _, Ids as _, RandomIds, SystemClock};
use forebay_outbound::{Pacer, PacerOptions, Why};
use forebay_store::{Closed, Closing, Error, Pacing, Permits, Places, Wish};
use forebay_telemetry::Metrics;
use tokio::time::Instant;
use uuid::Uuid;

#[derive(Debug, Default)]
struct Row {
    tat: DateTime<Utc>,
    closed: Option<(DateTime<Utc>, String)>,
    statements: u32,
    granted: u32,
    given_back: u32,
    gone: bool,
    /// How long a statement takes.
    slow: Duration,
    /// What people set, and its version.
    live: (i64, LiveLimits),
    /// Calls that are left of the day for what is planned.
    left: Option<u32>,
    probe: bool,
    /// What each process holds of the places.
    places: BTreeMap<Uuid, u32>,
}

#[derive(Debug, Default)]
struct MemoryPacing(Mutex<Row>);

#[async_trait]
impl Pacing for MemoryPacing {
    async fn permits(&self, wish: &Wish<'_>) -> Result<Permits, Error> {
        let slow = self.0.lock().unwrap().slow;
        tokio::time::sleep(slow).await;
        let mut row = self.0.lock().unwrap();
        let now = SystemClock.now();
        row.statements += 1;
        if row.gone {
            return Err(Error::Unavailable("down".into()));
        }
        if row.live.0 != wish.version {
            return Ok(Permits::Changed { version: row.live.0, live: row.live.1 });
        }
        if std::mem::take(&mut row.probe) {
            return Ok(Permits::Probe);
        }
        if row.left == Some(0) && wish.purpose == Purpose::Routine {
            return Ok(Permits::Closed(Closed { left: Duration::from_secs(3600), reason: "kept".into() }));
        }
        if let Some((until, reason)) = row.closed.clone().filter(|(until, _)| *until > now) {
            return Ok(Permits::Closed(Closed { left: (until - now).to_std().unwrap(), reason }));
        }
        let Places { holder, held, most, .. } = wish.places.unwrap();
        let others =
            row.places.iter().filter(|(other, _)| **other != holder).map(|(_, held)| held).sum::<u32>();
        let room = most.saturating_sub(held + others);
        row.places.insert(holder, held);
        if room == 0 && wish.want > 0 {
            return Ok(Permits::Full);
        }
        let (grant, tat) = wish.terms.quota.grant(row.tat, now, wish.want.min(room));
        row.places.insert(holder, held + grant.count);
        row.tat = tat;
        row.granted += grant.count;
        Ok(Permits::Granted(grant))
    }

    async fn give_back_calls(&self, _: &str, calls: u32, _: Duration) -> Result<(), Error> {
        self.0.lock().unwrap().given_back += calls;
        Ok(())
    }

    async fn close_gate(&self, _: &str, length: Duration, reason: &str, _: Closing) -> Result<(), Error> {
        self.0.lock().unwrap().closed = Some((SystemClock.now() + length, reason.to_owned()));
        Ok(())
    }

    async fn gate(&self, _: &str) -> Result<Option<Closed>, Error> {
        Ok(None)
    }
}

fn quota(limit: u32, burst: u32) -> Quota {
    Quota { limit, burst, window: Duration::from_secs(1), margin: Duration::from_millis(50) }
}

fn terms(quota: Quota) -> Terms {
    Terms { quota, daily: None, adaptive: false, breaker: BreakerPolicy::default() }
}

fn pacer(store: &Arc<MemoryPacing>, quota: Quota, max_wait: Duration) -> Pacer {
    with_places(store, 500, quota, max_wait)
}

fn with_places(store: &Arc<MemoryPacing>, concurrency: usize, quota: Quota, max_wait: Duration) -> Pacer {
    with_terms(store, concurrency, terms(quota), max_wait)
}

fn with_terms(store: &Arc<MemoryPacing>, concurrency: usize, terms: Terms, max_wait: Duration) -> Pacer {
    let options = PacerOptions {
        key: "carrier/test".into(),
        terms,
        concurrency,
        holder: RandomIds.next(),
        lease: Duration::from_secs(60),
        max_wait,
    };
    Pacer::new(Arc::clone(store) as Arc<dyn Pacing + Send + Sync>, options, Metrics::new("test"))
}

#[tokio::test]
async fn what_came_too_late_to_be_used_is_given_back_to_the_day_and_a_call_that_was_made_is_not() {
    let store = Arc::new(MemoryPacing::default());
    let with_margin = |margin| {
        let daily = Daily { most: 1_000, reset: "00:00 UTC".parse().unwrap(), reserve_percent: 0 };
        let terms = Terms { daily: Some(daily), ..terms(Quota { margin, ..quota(50, 5) }) };
        with_terms(&store, 5, terms, Duration::from_millis(300))
    };
    let told = |what: fn(&Row) -> bool| {
        let store = Arc::clone(&store);
        async move {
            let deadline = Instant::now() + Duration::from_secs(30);
            while !what(&store.0.lock().unwrap()) {
                assert!(Instant::now() < deadline, "{:?}", store.0.lock().unwrap());
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    };
    // Without a margin a grant is too old by the time that it is told.
    let late = with_margin(Duration::ZERO);
    assert_eq!(late.permit().await.unwrap_err().why, Why::Paced);
    told(|row| row.granted > 0 && row.given_back == row.granted).await;
    drop(late);

    let in_time = with_margin(Duration::from_secs(30));
    drop(in_time.permit().await.unwrap());
    // That its place is free is told after what was not used.
    told(|row| row.granted == row.given_back + 1 && row.places.values().all(|held| *held == 0)).await;
}

/// Keeps `callers` of each pacer busy until the end; when each call was made.
async fn flood(pacers: &[Pacer], callers: usize, end: Instant) -> Vec<Instant> {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for pacer in pacers.iter().flat_map(|p| std::iter::repeat_n(p, callers)) {
        let (pacer, calls) = (pacer.clone(), Arc::clone(&calls));
        tasks.push(tokio::spawn(async move {
            while Instant::now() < end {
                match pacer.permit().await {
                    Ok(_permit) => calls.lock().unwrap().push(Instant::now()),
                    Err(not_now) => tokio::time::sleep(not_now.after.min(Duration::from_millis(50))).await,
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let mut calls = std::mem::take(&mut *calls.lock().unwrap());
    calls.sort_unstable();
    calls
}

/// The most calls in any second.
fn fullest_second(calls: &[Instant]) -> usize {
    let within = |i: usize| calls[i..].iter().take_while(|c| **c < calls[i] + Duration::from_secs(1)).count();
    (0..calls.len()).map(within).max().unwrap_or(0)
}

/// Calls of two processes at each limit; so much of the rate must be used at least.
async fn the_limit_is_kept_and_used(least: f64) {
    for limit in [100, 1000] {
        let store = Arc::new(MemoryPacing::default());
        let quota = quota(limit, 5);
        // Two pacers stand for two processes of the fleet.
        let pacers = [0, 1].map(|_| pacer(&store, quota, Duration::from_secs(1)));
        let length = Duration::from_secs(3);
        let end = Instant::now() + length;
        let calls = flood(&pacers, limit as usize / 4, end).await;
        let fullest = fullest_second(&calls);
        // A call is written down a moment after its permit was given: a busy machine brings some closer together.
        let most = limit as usize + limit as usize / 10;
        assert!(fullest <= most, "{fullest} calls in a second, the limit is {limit}");
        let used = calls.partition_point(|c| *c < end) as f64 / (quota.rate() * length.as_secs_f64());
        assert!(used >= least, "only {:.0} % of the rate were used, limit {limit}", used * 100.0);
        let statements = store.0.lock().unwrap().statements;
        assert!((statements as usize) < calls.len(), "{statements} statements for {} calls", calls.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_second_sees_more_than_the_limit_and_the_rate_is_used() {
    the_limit_is_kept_and_used(0.5).await;
}

/// How often the store was asked a second, and the share of the rate that was granted.
async fn asked_by(processes: usize, quota: Quota) -> (f64, f64) {
    let store = Arc::new(MemoryPacing::default());
    let pacers: Vec<Pacer> = (0..processes).map(|_| pacer(&store, quota, Duration::from_secs(10))).collect();
    // What a rest has left is not what is looked at.
    let warm = Instant::now() + Duration::from_secs(1);
    let end = warm + Duration::from_secs(4);
    let flooding = tokio::spawn(async move { flood(&pacers, 4, end).await });
    tokio::time::sleep_until(warm).await;
    let seen = || {
        let row = store.0.lock().unwrap();
        (row.statements, row.granted)
    };
    let (before, begun) = (seen(), Instant::now());
    tokio::time::sleep_until(end).await;
    let (after, took) = (seen(), begun.elapsed().as_secs_f64());
    flooding.abort();
    let rate = f64::from(after.1 - before.1) / took / quota.rate();
    (f64::from(after.0 - before.0) / took, rate)
}

/// Fleets of several sizes wait for a slow rate, of which so much must be used at least.
async fn the_store_is_asked_seldom_and_the_rate_used(least: f64) {
    let quota = Quota { margin: Duration::from_millis(100), ..quota(50, 1) };
    for (processes, most) in [(64, 300.0), (8, 200.0), (2, 100.0)] {
        let (statements, used) = asked_by(processes, quota).await;
        assert!(statements <= most, "{processes} processes: {statements:.0} statements a second");
        assert!(used >= least, "{processes} processes: only {:.1} % of the rate were granted", used * 100.0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_wait_in_vain_ask_seldom_and_the_rate_is_used_all_the_same() {
    the_store_is_asked_seldom_and_the_rate_used(0.5).await;
}

/// The same in sharp figures, which a busy machine does not reach:
/// `cargo test -p forebay-outbound --test outside almost_all_of_a_rate -- --ignored`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "its figures need a machine that does nothing else"]
async fn almost_all_of_a_rate_is_used_when_the_machine_is_at_rest() {
    the_limit_is_kept_and_used(0.9).await;
    the_store_is_asked_seldom_and_the_rate_used(0.95).await;
}

#[tokio::test]
async fn callers_that_wait_together_share_one_statement() {
    let store = Arc::new(MemoryPacing::default());
    // None of them is too old to be used, so that nobody asks again.
    let quota = Quota { margin: Duration::from_secs(5), ..quota(1000, 20) };
    let pacer = pacer(&store, quota, Duration::from_secs(10));
    let permits = futures::future::join_all((0..20).map(|_| pacer.permit())).await;
    assert!(permits.iter().all(Result::is_ok));
    assert!(store.0.lock().unwrap().statements <= 2, "{:?}", store.0.lock().unwrap());
}

#[tokio::test]
async fn who_would_wait_too_long_is_told_so_at_once() {
    let store = Arc::new(MemoryPacing::default());
    let minute = Quota { window: Duration::from_secs(60), ..quota(2, 1) };
    let pacer = pacer(&store, minute, Duration::from_secs(20));
    let _first = pacer.permit().await.unwrap();
    let begun = Instant::now();
    let refused = futures::future::join_all((0..50).map(|_| pacer.permit())).await;
    let not_now: Vec<_> = refused.into_iter().filter_map(Result::err).collect();
    assert_eq!(not_now.len(), 50);
    assert!(not_now.iter().all(|n| n.why == Why::Paced && !n.after.is_zero()));
    assert!(begun.elapsed() < Duration::from_secs(10), "they did not wait for 20 s");
}

#[tokio::test]
async fn a_system_that_takes_few_calls_says_when_to_come_back() {
    let store = Arc::new(MemoryPacing::default());
    let minute = Quota { window: Duration::from_secs(60), ..quota(2, 1) };
    let pacer = pacer(&store, minute, Duration::from_secs(40));
    let _first = pacer.permit().await.unwrap();
    let begun = Instant::now();
    let not_now = pacer.permit().await.unwrap_err();
    assert_eq!(not_now.why, Why::Paced);
    // What is left of the minute, less what the test took so far.
    assert!(not_now.after > Duration::from_secs(40), "{not_now}");
    assert!(begun.elapsed() < Duration::from_secs(20), "it did not wait for 40 s");
}

#[tokio::test]
async fn a_penalty_keeps_every_worker_away() {
    let store = Arc::new(MemoryPacing::default());
    let one = pacer(&store, quota(100, 5), Duration::from_secs(1));
    let other = pacer(&store, quota(100, 5), Duration::from_secs(1));
    one.penalise(Duration::from_secs(60), "429", Closing::TooFast).await.unwrap();
    for pacer in [one, other] {
        let not_now = pacer.permit().await.unwrap_err();
        assert_eq!(not_now.why, Why::Closed("429".into()));
        assert!(not_now.after > Duration::from_secs(30), "{not_now}");
    }
}

#[tokio::test]
async fn without_the_store_nobody_calls_and_afterwards_all_goes_on() {
    let store = Arc::new(MemoryPacing::default());
    let pacer = pacer(&store, quota(100, 5), Duration::from_secs(10));
    store.0.lock().unwrap().gone = true;
    assert!(matches!(pacer.permit().await.unwrap_err().why, Why::StoreGone(_)));
    store.0.lock().unwrap().gone = false;
    assert!(pacer.permit().await.is_ok());
}

#[tokio::test]
async fn a_permit_that_comes_later_than_the_margin_is_not_used() {
    let store = Arc::new(MemoryPacing::default());
    store.0.lock().unwrap().slow = Duration::from_millis(120);
    let pacer = pacer(&store, quota(100, 5), Duration::from_secs(2));
    assert_eq!(pacer.permit().await.unwrap_err().why, Why::Paced);
    store.0.lock().unwrap().slow = Duration::ZERO;
    assert!(pacer.permit().await.is_ok());
}

#[tokio::test]
async fn no_more_calls_are_under_way_than_the_concurrency_allows() {
    let store = Arc::new(MemoryPacing::default());
    let pacer = with_places(&store, 2, quota(1000, 50), Duration::from_secs(2));
    let first = pacer.permit().await.unwrap();
    let _second = pacer.permit().await.unwrap();
    assert_eq!(pacer.permit().await.unwrap_err().why, Why::Paced);
    drop(first);
    assert!(pacer.permit().await.is_ok());
}

#[tokio::test]
async fn calls_that_ended_make_room_for_other_workers_whether_or_not_more_are_made() {
    let store = Arc::new(MemoryPacing::default());
    let [one, other] =
        [200, 10_000].map(|ms| with_places(&store, 2, quota(1000, 50), Duration::from_millis(ms)));
    let held = [other.permit().await.unwrap(), other.permit().await.unwrap()];
    assert_eq!(one.permit().await.unwrap_err().why, Why::Paced);
    let late = with_places(&store, 2, quota(1000, 50), Duration::from_secs(10));
    let (waiting, ()) = tokio::join!(late.permit(), async { drop(held) });
    drop(waiting.unwrap());
    // What ended is told, though none of them asks for more.
    let until = Instant::now() + Duration::from_secs(10);
    while store.0.lock().unwrap().places.values().any(|held| *held > 0) {
        assert!(Instant::now() < until, "{:?}", store.0.lock().unwrap().places);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_permit_that_nobody_took_holds_no_place() {
    let store = Arc::new(MemoryPacing::default());
    store.0.lock().unwrap().slow = Duration::from_millis(20);
    let pacer = with_places(&store, 1, quota(1000, 50), Duration::from_secs(10));
    drop(tokio::time::timeout(Duration::from_millis(5), pacer.permit()).await);
    assert!(pacer.permit().await.is_ok());
}

#[tokio::test]
async fn other_limits_that_people_set_hold_from_the_next_permit_on() {
    let store = Arc::new(MemoryPacing::default());
    let pacer = pacer(&store, quota(1000, 20), Duration::from_secs(10));
    assert!(pacer.permit().await.is_ok());
    let live =
        LiveLimits { limit: Some(2), burst: Some(1), window_ms: Some(60_000), ..LiveLimits::default() };
    store.0.lock().unwrap().live = (1, live);
    assert!(pacer.permit().await.is_ok(), "the first of the new rate");
    let not_now = pacer.permit().await.unwrap_err();
    assert!(not_now.why == Why::Paced && not_now.after > Duration::from_secs(30), "{not_now}");
}

#[tokio::test]
async fn people_get_what_is_kept_of_the_day_for_them() {
    let store = Arc::new(MemoryPacing::default());
    let pacer = pacer(&store, quota(1000, 20), Duration::from_secs(10));
    store.0.lock().unwrap().left = Some(0);
    let refused = pacer.permit().await.unwrap_err();
    assert_eq!(refused.why, Why::Closed("kept".into()));
    assert!(pacer.permit_for(Purpose::Person).await.is_ok());
    let (routine, person) = tokio::join!(pacer.permit(), pacer.permit_for(Purpose::Person));
    assert!(routine.is_err() && person.is_ok());
}

#[tokio::test]
async fn a_permit_says_that_it_is_a_probe() {
    let store = Arc::new(MemoryPacing::default());
    let pacer = pacer(&store, quota(1000, 20), Duration::from_secs(10));
    store.0.lock().unwrap().probe = true;
    assert!(pacer.permit().await.unwrap().is_probe());
    assert!(!pacer.permit().await.unwrap().is_probe());
}
