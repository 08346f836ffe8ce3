//! What permits cost the store: processes that call one carrier all the time, each with a pacer and a connection of its
//! own, on PostgreSQL. With places for calls under way, as every process asks, and without them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use forebay_domain::breaker::BreakerPolicy;
use forebay_domain::limits::Terms;
use forebay_domain::pacing::Quota;
use forebay_domain::{Ids as _, RandomIds};
use forebay_outbound::{Pacer, PacerOptions};
use forebay_store::{Closed, Closing, Error, Lifecycle as _, Pacing, Permits, Wish};
use forebay_store_postgres::PostgresStore;
use forebay_telemetry::Metrics;
use secrecy::SecretString;
use tokio::task::JoinSet;

use crate::Options;
use crate::back_ends::{self, ask};
use crate::report::Row;
use crate::support::fresh_servers;

/// Processes that call the carrier.
const PROCESSES: [usize; 4] = [1, 4, 16, 64];
/// What the carrier bears in a second.
const LIMITS: [u32; 2] = [100, 1_000];
/// Calls under way at once, of all processes together, and how long each takes.
const CONCURRENCY: usize = 64;
const CALL: Duration = Duration::from_millis(20);
/// Those who want to call, of all processes together, unless these are more.
const CALLERS: usize = 128;
/// How long they call, in milliseconds, and how long before it counts: a rest has left a burst.
const LENGTH_MS: usize = 5_000;
const WARM: Duration = Duration::from_secs(1);
const MAX_WAIT: Duration = Duration::from_secs(10);

/// A store that counts what it is asked, and can be asked without places.
#[derive(Debug)]
struct Counted {
    inner: PostgresStore,
    with_places: bool,
    seen: Arc<Seen>,
}

/// Of all processes.
#[derive(Debug, Default)]
struct Seen {
    statements: AtomicU64,
    granted: AtomicU64,
}

impl Seen {
    fn now(&self) -> (u64, u64) {
        (self.statements.load(Ordering::Relaxed), self.granted.load(Ordering::Relaxed))
    }
}

#[async_trait]
impl Pacing for Counted {
    async fn permits(&self, wish: &Wish<'_>) -> Result<Permits, Error> {
        let wish = if self.with_places { *wish } else { Wish { places: None, ..*wish } };
        let answer = self.inner.permits(&wish).await;
        self.seen.statements.fetch_add(1, Ordering::Relaxed);
        if let Ok(Permits::Granted(grant)) = &answer {
            self.seen.granted.fetch_add(u64::from(grant.count), Ordering::Relaxed);
        }
        answer
    }

    async fn give_back_calls(&self, key: &str, calls: u32, ago: Duration) -> Result<(), Error> {
        self.inner.give_back_calls(key, calls, ago).await
    }

    async fn close_gate(
        &self,
        key: &str,
        length: Duration,
        why: &str,
        closing: Closing,
    ) -> Result<(), Error> {
        self.inner.close_gate(key, length, why, closing).await
    }

    async fn gate(&self, key: &str) -> Result<Option<Closed>, Error> {
        self.inner.gate(key).await
    }
}

/// What a set of processes showed.
#[derive(Debug, Clone, Copy)]
struct Shown {
    /// Statements a permit.
    statements: f64,
    /// Time of the database's sessions a permit, in milliseconds; waiting for one another is a part of it.
    busy_ms: f64,
    /// Sessions that were at work at a time.
    sessions: f64,
    /// Share of the rate that was granted.
    used: f64,
}

pub(crate) async fn measure(options: &Options) -> Vec<Row> {
    let (_, database) = fresh_servers();
    back_ends::postgres(&database).await.close().await;
    let length = Duration::from_millis(options.scaled(LENGTH_MS).max(1_000) as u64);
    let mut rows = Vec::new();
    for limit in LIMITS {
        for processes in PROCESSES {
            let without = shown(&database, limit, processes, false, length).await;
            let with = shown(&database, limit, processes, true, length).await;
            for (what, shown) in [("without places", without), ("with places", with)] {
                println!(
                    "permits, {processes} processes, {limit}/s, {what}: {:.2} statements and {:.3} ms of the database a \
                     permit, {:.3} sessions at work, {:.1} % of the rate",
                    shown.statements,
                    shown.busy_ms,
                    shown.sessions,
                    shown.used * 100.0
                );
            }
            rows.push(Row::found(
                format!("a permit of {limit}/s, {processes} processes"),
                said(with),
                format!("{} (without places)", said(without)),
                with.busy_ms / without.busy_ms,
            ));
        }
    }
    rows
}

fn said(shown: Shown) -> String {
    let Shown { statements, busy_ms, used, .. } = shown;
    format!("{busy_ms:.2} ms, {statements:.2} statements, {:.0} % used", used * 100.0)
}

async fn shown(database: &str, limit: u32, processes: usize, with_places: bool, length: Duration) -> Shown {
    let seen = Arc::new(Seen::default());
    let key = format!("carrier/{limit}-{processes}-{with_places}");
    let quota =
        Quota { limit, burst: 20, window: Duration::from_secs(1), margin: Duration::from_millis(100) };
    let mut stores = Vec::new();
    let mut callers = JoinSet::new();
    let before = busy(database);
    let begun = Instant::now();
    let end = begun + WARM + length;
    for _ in 0..processes {
        let options = forebay_store_postgres::Options::new(SecretString::from(database));
        let inner = PostgresStore::connect_lazy(options).unwrap();
        stores.push(inner.clone());
        let store = Arc::new(Counted { inner, with_places, seen: Arc::clone(&seen) });
        let options = PacerOptions {
            key: key.clone(),
            terms: Terms { quota, daily: None, adaptive: false, breaker: BreakerPolicy::default() },
            concurrency: CONCURRENCY,
            holder: RandomIds.next(),
            lease: Duration::from_secs(60),
            max_wait: MAX_WAIT,
        };
        let pacer = Pacer::new(store, options, Metrics::new("bench"));
        for _ in 0..CALLERS.div_ceil(processes) {
            callers.spawn(call(pacer.clone(), end));
        }
    }
    tokio::time::sleep(WARM).await;
    let (warm, from) = (seen.now(), Instant::now());
    tokio::time::sleep(length).await;
    let (done, took) = (seen.now(), from.elapsed());
    callers.abort_all();
    while callers.join_next().await.is_some() {}
    for store in stores {
        // What a session has used is told at its end at the latest.
        store.close().await;
    }
    let elapsed = begun.elapsed();
    let busy_ms = busy(database) - before;
    let (statements, granted) = seen.now();
    assert!(granted > 0 && busy_ms > 0.0, "{granted} permits, {busy_ms} ms");
    let used = (done.1 - warm.1) as f64 / took.as_secs_f64() / quota.rate();
    Shown {
        statements: statements as f64 / granted as f64,
        busy_ms: busy_ms / granted as f64,
        sessions: busy_ms / 1_000.0 / elapsed.as_secs_f64(),
        used,
    }
}

/// Calls the carrier until the end, as often as it may.
async fn call(pacer: Pacer, end: Instant) {
    while Instant::now() < end {
        match pacer.permit().await {
            Ok(_permit) => tokio::time::sleep(CALL).await,
            Err(not_now) => tokio::time::sleep(not_now.after.min(Duration::from_millis(50))).await,
        }
    }
}

/// The time for which sessions of this database were at work so far, in milliseconds. What the asking takes itself is
/// told a moment later.
fn busy(database: &str) -> f64 {
    // A session that has ended told all that it had to tell before its end.
    ask(database, "select active_time from pg_stat_database where datname = current_database()")
        .parse()
        .unwrap()
}
