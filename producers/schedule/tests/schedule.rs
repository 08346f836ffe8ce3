//! The schedule on a real store: what fires, how often, and what it leaves.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveTime, Utc};
use forebay_domain::breaker::{BreakerPolicy, Tally};
use forebay_domain::daily::{Daily, DayReset, Purpose};
use forebay_domain::incident::{AlertRule, Raise, Severity, Timing};
use forebay_domain::limits::{LiveLimits, Terms};
use forebay_domain::pacing::Quota;
use forebay_domain::programme::Programme;
use forebay_domain::settlement::Shipment;
use forebay_domain::{Clock, ManualClock, RandomIds};
use forebay_schedule::{Bookkeeper, Cleaner, Figures, Jobs, JobsOptions, Keep, Planner, Tracked};
use forebay_sqlite::Db;
use forebay_store::breakers::breaker_fingerprint;
use forebay_store::conformance::{
    self,
    parcels::{check, picked_up},
    returns::{adapter, register, return_id},
};
use forebay_store::{By, Firing, IncidentFilter, Intent, Lifecycle, Permits, Store, Wish};
use forebay_store_sqlite::SqliteStore;
use forebay_telemetry::{Health, Metrics};
use tempfile::TempDir;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const DAY: Duration = Duration::from_secs(24 * 3600);
const KEY: &str = "carrier/sweettracker";
const PATIENCE: Duration = Duration::from_secs(60);

struct Scene {
    store: Arc<dyn Store>,
    clock: Arc<ManualClock>,
    metrics: Metrics,
    _folder: TempDir,
}

impl Scene {
    /// A planner of one system.
    fn planner(&self, batch: u32, terms: Terms) -> Planner {
        let tracked = Tracked { adapter: adapter(), batch, key: KEY.into(), terms };
        let (store, metrics) = (Arc::clone(&self.store), self.metrics.clone());
        Planner::new(store, self.told(), metrics, Health::default(), vec![tracked])
    }

    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at("2026-11-21T00:30:00Z".parse().unwrap()));
        let db = Db::open(folder.path().join("store.db")).await.unwrap();
        let told: Arc<dyn Clock> = clock.clone();
        let store = SqliteStore::new(db, Arc::new(RandomIds), told, Timing::default());
        store.migrate().await.unwrap();
        Self { store: Arc::new(store), clock, metrics: Metrics::new("test"), _folder: folder }
    }

    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    fn told(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    fn cleaner(&self) -> Cleaner {
        let keep = Keep {
            inbox: 35 * DAY,
            incidents: 90 * DAY,
            dead_letters: 30 * DAY,
            closed_dead_letters: 7 * DAY,
            audit_log: 365 * DAY,
        };
        Cleaner::new(Arc::clone(&self.store), self.told(), self.metrics.clone(), keep)
    }

    fn jobs(&self) -> Jobs {
        let options = JobsOptions {
            collect_every: Some(Duration::from_secs(300)),
            tz: chrono_tz::Asia::Seoul,
            stock_check_at: NaiveTime::from_hms_opt(9, 0, 0).unwrap(),
            unshipped_after_days: 7,
            timing: Timing::default(),
        };
        Jobs::new(Arc::clone(&self.store), self.told(), self.metrics.clone(), Health::default(), options)
    }

    /// The ids of the messages in the outbox.
    async fn sent(&self) -> Vec<String> {
        let rows = self.store.outbox_take(500, Duration::ZERO, self.now()).await.unwrap();
        rows.into_iter().map(|row| row.event_id).collect()
    }
}

/// Runs several of one kind side by side until something holds.
macro_rules! side_by_side {
    ($parts:expr, $holds:expr) => {{
        let stop = CancellationToken::new();
        let tasks: Vec<_> = $parts
            .into_iter()
            .map(|part| {
                let stop = stop.clone();
                tokio::spawn(async move { part.run(stop).await })
            })
            .collect();
        let deadline = Instant::now() + PATIENCE;
        while !$holds.await {
            assert!(Instant::now() < deadline, "it never came true");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        stop.cancel();
        for task in tasks {
            task.await.unwrap();
        }
    }};
}

// They use the macro, so they come after it.
#[path = "schedule/daily.rs"]
mod daily;
#[path = "schedule/watch.rs"]
mod watch;

fn ten_a_second(breaker: BreakerPolicy) -> Terms {
    let (window, margin) = (Duration::from_secs(1), Duration::from_millis(100));
    Terms { quota: Quota { limit: 10, window, burst: 2, margin }, daily: None, adaptive: false, breaker }
}

#[tokio::test]
async fn the_clean_up_forgets_what_is_old_and_keeps_the_rest() {
    let scene = Scene::new().await;
    // More than one batch.
    for n in 0..600 {
        scene.store.effect_intend(&format!("old/{n}"), "result", scene.now()).await.unwrap();
    }
    scene.clock.advance(36 * DAY);
    scene.store.effect_intend("new", "result", scene.now()).await.unwrap();
    let forgotten = scene.metrics.forgotten.with_label_values(&["effects"]);
    side_by_side!([scene.cleaner(), scene.cleaner()], async { forgotten.get() == 600 });
    let kept = scene.store.effect_intend("new", "result", scene.now()).await.unwrap();
    assert_eq!(kept, Intent::Proceed { tries: 1 });
    let gone = scene.store.effect_intend("old/0", "result", scene.now()).await.unwrap();
    assert_eq!(gone, Intent::Proceed { tries: 0 });
    let fired = scene.metrics.schedule_firings.with_label_values(&["clean-up", "fired"]).get();
    assert_eq!(fired, 1, "one of the two did it");
}

#[tokio::test]
async fn returns_are_collected_once_a_slot_over_two_processes() {
    let scene = Scene::new().await;
    let elsewhere = scene.metrics.schedule_firings.with_label_values(&["collect-returns", "elsewhere"]);
    side_by_side!([scene.jobs(), scene.jobs()], async { elsewhere.get() == 1 });
    assert_eq!(scene.sent().await.len(), 1);
    scene.clock.advance(Duration::from_secs(300));
    side_by_side!([scene.jobs(), scene.jobs()], async { elsewhere.get() == 2 });
    assert_eq!(scene.sent().await.len(), 2, "the next slot");
}

/// A programme in a zone, whose reward has so many of 10 left that one is low.
fn programme(id: &str, tz: chrono_tz::Tz, total: i64) -> Programme {
    let mut programme = conformance::programme_with_mugs(total, 2);
    (programme.id, programme.tz) = (id.parse().unwrap(), tz);
    for rule in &mut programme.rules {
        rule.reward.id = format!("{id}-{}", rule.reward.id).parse().unwrap();
    }
    programme
}

#[tokio::test]
async fn what_is_low_is_reported_once_a_day_by_the_clock_of_each_programme_over_two_processes() {
    let scene = Scene::new().await;
    let seoul = programme("seoul", chrono_tz::Asia::Seoul, 1);
    let lisbon = programme("lisbon", chrono_tz::Europe::Lisbon, 0);
    let well = programme("well", chrono_tz::Asia::Seoul, 50);
    for programme in [&seoul, &lisbon, &well] {
        scene.store.put_programme(programme, scene.now()).await.unwrap();
    }
    let firings = |result| scene.metrics.schedule_firings.with_label_values(&["stock-digest", result]);
    let (fired, elsewhere) = (firings("fired"), firings("elsewhere"));
    // 09:30 in Seoul, half past midnight in Lisbon.
    side_by_side!([scene.jobs(), scene.jobs()], async { elsewhere.get() == 2 });
    assert_eq!(fired.get(), 2, "both programmes of Seoul, once");
    let told = async |open: Option<bool>| {
        let filter = IncidentFilter { rule: Some("stock_digest".to_owned()), open };
        scene.store.list_incidents(&filter, None, 10).await.unwrap().len()
    };
    assert_eq!(told(None).await, 1, "what is well is not told");
    assert_eq!(told(Some(true)).await, 0, "a report is over when it is written");
    scene.clock.advance(Duration::from_secs(9 * 3600));
    side_by_side!([scene.jobs(), scene.jobs()], async { elsewhere.get() >= 3 && fired.get() == 3 });
    assert_eq!(told(None).await, 2, "Lisbon's at nine there");
}

#[tokio::test]
async fn claims_that_wait_too_long_are_told_until_they_are_shipped_and_never_cancelled() {
    let scene = Scene::new().await;
    scene.store.put_programme(&conformance::programme(), scene.now()).await.unwrap();
    let set = vec![conformance::check_in("c", 1, conformance::now()), conformance::claim(1, 1, "one-day")];
    scene.store.settle_rewards(set, scene.now()).await.unwrap();
    let fired = scene.metrics.schedule_firings.with_label_values(&["claims-unshipped", "fired"]);
    side_by_side!([scene.jobs()], async { fired.get() == 1 });
    assert_eq!(scene.store.open_incidents(10).await.unwrap(), []);
    scene.clock.advance(8 * DAY);
    side_by_side!([scene.jobs(), scene.jobs()], async { fired.get() == 2 });
    let open = scene.store.open_incidents(10).await.unwrap();
    assert_eq!(open.len(), 1, "{open:?}");
    assert_eq!(open[0].raise.title, "A mug: 1 granted and not shipped for 7 days");
    let id = uuid::Uuid::from_u128(1);
    assert_eq!(scene.store.claim(id).await.unwrap().unwrap().state, "granted");
    let shipment =
        Shipment { carrier: "cj".parse().unwrap(), tracking_number: "600000000001".parse().unwrap() };
    let by = By { id: uuid::Uuid::from_u128(9), actor: "w".into(), reason: "packed".into() };
    scene.store.ship_claim(id, &shipment, false, &by, scene.now()).await.unwrap();
    scene.clock.advance(Duration::from_secs(60));
    side_by_side!([scene.jobs()], async { scene.store.open_incidents(10).await.unwrap().is_empty() });
}

#[tokio::test]
async fn a_result_that_stays_away_is_sent_again_once_a_day_over_two_processes() {
    let scene = Scene::new().await;
    register(scene.store.as_ref(), &[("R-1", Some(1)), ("R-2", Some(2))]).await;
    let announced = scene.now();
    for n in [1, 2] {
        check(scene.store.as_ref(), &format!("c-{n}"), n, picked_up(), announced).await;
    }
    let told = conformance::identity("results", "m-2", 1);
    scene.store.result_delivered("key", &return_id("R-2"), &told, announced).await.unwrap();
    let firings = |result| scene.metrics.schedule_firings.with_label_values(&["overdue-results", result]);
    let (fired, elsewhere) = (firings("fired"), firings("elsewhere"));
    let overdue = async || scene.sent().await.into_iter().filter(|id| id.starts_with("overdue-")).count();
    let collected = scene.metrics.schedule_firings.with_label_values(&["collect-returns", "fired"]);
    scene.clock.advance(Duration::from_secs(25 * 3600));
    side_by_side!([scene.jobs()], async { collected.get() == 1 });
    assert_eq!((fired.get(), overdue().await), (0, 0), "it may still be on its way");
    scene.clock.advance(Duration::from_secs(2 * 3600));
    side_by_side!([scene.jobs(), scene.jobs()], async { fired.get() == 1 && elsewhere.get() == 1 });
    assert_eq!(overdue().await, 1, "the other one was reported");
    scene.clock.advance(DAY);
    side_by_side!([scene.jobs()], async { fired.get() == 2 });
    assert_eq!(overdue().await, 2);
    scene.clock.advance(7 * DAY);
    side_by_side!([scene.jobs()], async { collected.get() >= 4 });
    assert_eq!((fired.get(), overdue().await), (2, 2), "it is too old");
}

#[tokio::test]
async fn no_more_checks_are_out_than_the_gate_passes_in_a_minute() {
    const PARCELS: usize = 1_000;
    let scene = Scene::new().await;
    let ids: Vec<_> = (0..PARCELS).map(|n| format!("R-{n}")).collect();
    let returns: Vec<_> = ids.iter().zip(0..).map(|(id, n)| (id.as_str(), Some(n))).collect();
    register(scene.store.as_ref(), &returns).await;
    scene.clock.set(conformance::later(60));
    let terms = ten_a_second(BreakerPolicy::default());
    let planner = scene.planner(1, terms);
    let planned = planner.pass().await.unwrap();
    let a_minute = (terms.quota.rate() * 60.0) as u32;
    assert!((a_minute - 1..=a_minute).contains(&planned), "{planned} of {a_minute}");
    assert_eq!(planner.pass().await.unwrap(), 0, "nothing until some are answered");
    assert_eq!(scene.sent().await.len(), planned as usize);
}

#[tokio::test]
async fn a_call_that_takes_many_parcels_waits_a_moment_until_it_is_full() {
    let scene = Scene::new().await;
    let planner = scene.planner(3, ten_a_second(BreakerPolicy::default()));
    scene.clock.set(conformance::later(1));
    register(scene.store.as_ref(), &[("R-1", Some(1)), ("R-2", Some(2))]).await;
    assert_eq!(planner.pass().await.unwrap(), 0, "two of three");
    register(scene.store.as_ref(), &[("R-3", Some(3))]).await;
    assert_eq!(planner.pass().await.unwrap(), 3, "a full call goes at once");
    register(scene.store.as_ref(), &[("R-4", Some(4))]).await;
    assert_eq!(planner.pass().await.unwrap(), 0);
    scene.clock.set(conformance::later(5));
    assert_eq!(planner.pass().await.unwrap(), 1, "nobody waits for long");
    assert_eq!(scene.sent().await.len(), 2, "two calls for four parcels");
}

#[tokio::test]
async fn nothing_is_planned_for_a_system_that_is_left_alone_but_one_check_to_try_it_with() {
    let scene = Scene::new().await;
    register(scene.store.as_ref(), &[("R-1", Some(1)), ("R-2", Some(2)), ("R-3", Some(3))]).await;
    scene.clock.set(conformance::later(60));
    let breaker = BreakerPolicy::default();
    let planner = scene.planner(1, ten_a_second(breaker));
    let tally = Tally { failed: 5, in_row: 5, ..Tally::default() };
    scene.store.report_calls(KEY, &tally, "503", "", &breaker).await.unwrap();
    assert_eq!(planner.pass().await.unwrap(), 0);
    scene.clock.advance(breaker.pause);
    assert_eq!(planner.pass().await.unwrap(), 1);
    assert_eq!(planner.pass().await.unwrap(), 0, "it is out");
}

#[tokio::test]
async fn an_incident_of_a_system_that_is_not_configured_any_more_is_ended() {
    let scene = Scene::new().await;
    let breaker = BreakerPolicy::default();
    let planner = scene.planner(1, ten_a_second(breaker));
    let tally = Tally { failed: 5, in_row: 5, ..Tally::default() };
    for key in [KEY, "carrier/gone"] {
        scene.store.report_calls(key, &tally, "503", "", &breaker).await.unwrap();
    }
    let open = async || {
        let open = scene.store.open_of(&[AlertRule::BreakerOpen.as_str()]).await.unwrap();
        open.into_iter().map(|open| open.fingerprint).collect::<Vec<_>>()
    };
    assert_eq!(open().await.len(), 2);
    side_by_side!(vec![planner], async { open().await == [breaker_fingerprint(KEY)] });
}

#[tokio::test]
async fn the_budget_of_a_day_is_spent_evenly_over_it() {
    let scene = Scene::new().await;
    let ids: Vec<_> = (0..30).map(|n| format!("R-{n}")).collect();
    let returns: Vec<_> = ids.iter().zip(0..).map(|(id, n)| (id.as_str(), Some(n))).collect();
    register(scene.store.as_ref(), &returns).await;
    let quota =
        Quota { limit: 100, window: Duration::from_secs(1), burst: 50, margin: Duration::from_millis(100) };
    let daily = Daily { most: 24, reset: DayReset::UTC_MIDNIGHT, reserve_percent: 0 };
    let terms = Terms { quota, daily: Some(daily), adaptive: false, breaker: BreakerPolicy::default() };
    let planner = scene.planner(1, terms);
    // One call an hour, and one hour's in hand.
    for (hour, planned) in [(6, 7), (6, 0), (9, 3), (11, 2)] {
        scene.clock.set(format!("2026-11-20T{hour:02}:00:00Z").parse().unwrap());
        assert_eq!(planner.pass().await.unwrap(), planned, "at {hour}:00");
    }
}

#[tokio::test]
async fn no_more_checks_are_out_than_are_left_of_the_day_and_people_hear_when_it_is_nearly_spent() {
    let scene = Scene::new().await;
    let ids: Vec<_> = (0..30).map(|n| format!("R-{n}")).collect();
    let returns: Vec<_> = ids.iter().zip(0..).map(|(id, n)| (id.as_str(), Some(n))).collect();
    register(scene.store.as_ref(), &returns).await;
    // Half an hour before the day is over all of it may be planned.
    scene.clock.set("2026-11-20T23:30:00Z".parse().unwrap());
    let quota =
        Quota { limit: 100, window: Duration::from_secs(1), burst: 50, margin: Duration::from_millis(100) };
    let daily = Daily { most: 20, reset: DayReset::UTC_MIDNIGHT, reserve_percent: 50 };
    let terms = Terms { quota, daily: Some(daily), adaptive: false, breaker: BreakerPolicy::default() };
    let planner = scene.planner(1, terms);
    assert_eq!(planner.pass().await.unwrap(), 10, "the other half is people's");
    let wish = Wish { key: KEY, terms: &terms, version: 0, want: 9, purpose: Purpose::Routine, places: None };
    assert!(matches!(scene.store.permits(&wish).await.unwrap(), Permits::Granted(grant) if grant.count == 9));
    for _ in 0..3 {
        planner.pass().await.unwrap();
    }
    let open = scene.store.open_incidents(10).await.unwrap();
    assert_eq!((open.len(), open[0].raise.count), (1, 1), "{open:?}");
    // The contract bears twice as many, and these are spent, too.
    let more = LiveLimits { daily: Some(40), ..LiveLimits::default() };
    let by = By { id: uuid::Uuid::max(), actor: "ops".into(), reason: "more by contract".into() };
    let (version, _) = scene.store.set_limits(KEY, &more, None, &by).await.unwrap();
    planner.pass().await.unwrap();
    assert!(scene.store.open_incidents(10).await.unwrap().is_empty());
    let terms = terms.with(&more);
    let wish = Wish { terms: &terms, version, ..wish };
    assert!(matches!(scene.store.permits(&wish).await.unwrap(), Permits::Granted(grant) if grant.count == 9));
    planner.pass().await.unwrap();
    assert_eq!(scene.store.open_incidents(10).await.unwrap().len(), 1);
    scene.clock.advance(Duration::from_secs(24 * 3600));
    let wish = Wish { want: 1, ..wish };
    assert!(matches!(scene.store.permits(&wish).await.unwrap(), Permits::Granted(_)), "a new day");
    planner.pass().await.unwrap();
    assert!(scene.store.open_incidents(10).await.unwrap().is_empty());
}

#[tokio::test]
async fn incidents_and_the_business_are_counted_and_what_is_over_is_not_told_any_more() {
    let scene = Scene::new().await;
    let figures = Figures::new(Arc::clone(&scene.store), scene.told(), scene.metrics.clone());
    let raise = Raise {
        fingerprint: "stock/mug".into(),
        rule: AlertRule::StockLow,
        about: None,
        severity: Severity::Warning,
        title: "Low".into(),
        impact: String::new(),
        action: String::new(),
        sample: String::new(),
        count: 1,
    };
    scene.store.raise(vec![raise], scene.now()).await.unwrap();
    register(scene.store.as_ref(), &[("R-1", Some(1))]).await;
    figures.count().await;
    figures.pulse().await;
    let told = scene.metrics.render();
    for line in [
        r#"forebay_incidents_open{rule="stock_low",severity="warning"} 1"#,
        r#"forebay_returns{state="tracking"} 1"#,
        r#"forebay_last_done_timestamp_seconds{task="figures"} 1"#,
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    assert!(told.contains("\nforebay_parcels{state="), "{told}");
    scene.store.resolve(&["stock/mug".to_owned()], scene.now()).await.unwrap();
    figures.pulse().await;
    assert!(!scene.metrics.render().contains("stock_low"));
}

#[tokio::test]
async fn a_look_over_the_books_that_somebody_began_and_never_ended_is_made_by_another() {
    let scene = Scene::new().await;
    // Half past nine in Seoul; whoever began died since.
    let begun = scene.now().timestamp();
    let slot = (begun - begun.rem_euclid(900)).to_string();
    let firing = Firing { job: "ledger-check-begun", slot, outbox: vec![], raises: vec![] };
    assert!(scene.store.fire_once(firing, scene.now()).await.unwrap());
    let run = |stop: &CancellationToken| {
        let (stop, tz) = (stop.clone(), chrono_tz::Asia::Seoul);
        let keeper = Bookkeeper::new(Arc::clone(&scene.store), scene.told(), scene.metrics.clone(), tz);
        tokio::spawn(async move { keeper.run(stop).await })
    };
    let asked =
        |job: &str, result: &str| scene.metrics.schedule_firings.with_label_values(&[job, result]).get();
    let until = Instant::now() + PATIENCE;
    let stop = CancellationToken::new();
    let first = run(&stop);
    while asked("ledger-check-begun", "elsewhere") == 0 {
        assert!(Instant::now() < until, "it was never asked for");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stop.cancel();
    first.await.unwrap();
    assert!(!scene.store.fired("ledger-check", "2026-11-21").await.unwrap(), "it is somebody else's");
    scene.clock.advance(Duration::from_secs(900));
    let stop = CancellationToken::new();
    let second = run(&stop);
    while !scene.store.fired("ledger-check", "2026-11-21").await.unwrap() {
        assert!(Instant::now() < until, "the books were never looked over");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stop.cancel();
    second.await.unwrap();
}
