//! Faults in mid-work: what was not answered is tried again, and has its effect once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use forebay_store::conformance::{check_in, claim, now, programme_with_mugs};
use forebay_store::{
    Audit as _, EffectKind, Error, Handled, Lifecycle as _, Programmes as _, RewardMessage, Rewards as _,
};
use forebay_store_postgres::PostgresStore;

use crate::database::Database;
use crate::own_server::OwnServer;

const WORKERS: u32 = 4;
const SETS: u32 = 40;
const SET: u32 = 20;
const MUGS: i64 = 100;
const DEADLINE: Duration = Duration::from_secs(120);

/// A set of the run: half of it is check-ins, half claims of the same members.
fn set(worker: u32, n: u32) -> Vec<RewardMessage> {
    let members = (0..SET / 2).map(|i| (worker * SETS + n) * SET + i);
    let days = members.clone().map(|m| check_in(&format!("day-{m}"), m, now()));
    days.chain(members.map(|m| claim(u128::from(m) + 1, m, "one-day"))).collect()
}

/// Settles a worker's sets, each tried again until it is answered; counts the failures on the way.
async fn work(store: PostgresStore, worker: u32, failures: Arc<AtomicU32>, settled: Arc<AtomicU32>) {
    let began = Instant::now();
    for n in 0..SETS {
        loop {
            match store.settle_rewards(set(worker, n), now()).await {
                Ok(outcome) => {
                    let whole = [Handled::Done, Handled::Duplicate];
                    assert!(
                        whole.iter().any(|all| outcome.handled.iter().all(|handled| handled == all)),
                        "a set is written whole or not at all: {outcome:?}"
                    );
                    break;
                }
                Err(error @ (Error::Unavailable(_) | Error::Unknown(_))) => {
                    failures.fetch_add(1, Ordering::Relaxed);
                    assert!(began.elapsed() < DEADLINE, "the store did not come back: {error}");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error) => panic!("{error:?}"),
            }
        }
        settled.fetch_add(1, Ordering::Relaxed);
    }
}

/// Starts the workers, runs `fault` once so many sets are settled, and sees every message settled once.
async fn survives(database: &Database, fault: impl AsyncFnOnce(&AtomicU32)) -> u32 {
    let store = database.store();
    store.put_programme(&programme_with_mugs(MUGS, 5), now()).await.unwrap();
    let (failures, settled) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| tokio::spawn(work(store.clone(), worker, Arc::clone(&failures), Arc::clone(&settled))))
        .collect();
    fault(&settled).await;
    for worker in workers {
        worker.await.unwrap();
    }
    let tally = store.tally().await.unwrap();
    let half = i64::from(WORKERS * SETS * SET / 2);
    assert_eq!((tally.inbox, tally.done.attendance, tally.done.claims), (2 * half, half, half));
    // A fact for each check-in and claim, two for the crossings of the stock, and what tells of the incident.
    let tellings = tally.outbox - 2 * half - 2;
    assert!((1..=2).contains(&tellings), "{} rows in the outbox", tally.outbox);
    let mug = tally.rewards.iter().find(|r| r.reward_id == "mug").unwrap();
    assert_eq!((mug.issued, mug.granted, mug.movements), (Some(MUGS), MUGS, MUGS));
    let (first, _) = store.effects(EffectKind::Attendance, None, 500).await.unwrap();
    assert!(first.windows(2).all(|pair| pair[0] < pair[1]), "an event had its effect twice");
    store.close().await;
    failures.load(Ordering::Relaxed)
}

async fn until_settled(settled: &AtomicU32, count: u32) {
    let began = Instant::now();
    while settled.load(Ordering::Relaxed) < count {
        assert!(began.elapsed() < DEADLINE, "only {settled:?} sets were settled");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_in_mid_work_costs_no_message_and_doubles_none() {
    let server = OwnServer::start().await;
    let database = Database::on(&server.url()).await;
    let failures = survives(&database, async |settled| {
        for kill in 1..=3 {
            until_settled(settled, kill * WORKERS * SETS / 4).await;
            server.kill().await;
            server.again().await;
        }
    })
    .await;
    assert!(failures >= 3, "only {failures} failures: the kills hit nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_cut_under_load_are_made_anew() {
    let database = Database::new().await;
    let mut conn = database.connect().await;
    let mut cut = 0;
    let failures = survives(&database, async |settled| {
        for round in 1..=20 {
            until_settled(settled, round * WORKERS * SETS / 25).await;
            let cuts: i64 = sqlx::query_scalar(
                "select count(*) filter (where pg_terminate_backend(pid)) from pg_stat_activity
                 where datname = current_database() and application_name = 'forebay' and state <> 'idle'",
            )
            .fetch_one(&mut conn)
            .await
            .unwrap();
            cut += cuts;
        }
    })
    .await;
    assert!(cut > 0 && failures > 0, "{cut} connections were cut, {failures} sets failed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_starts_without_its_database_and_works_once_it_is_there() {
    let server = OwnServer::start().await;
    let url = server.url();
    server.kill().await;
    let store = PostgresStore::connect_lazy(forebay_store_postgres::Options::new(url.into())).unwrap();
    let away = store.programmes().await.unwrap_err();
    assert!(matches!(away, Error::Unavailable(_)), "{away:?}");
    let away = store.migrate().await.unwrap_err();
    assert!(matches!(away, Error::Unavailable(_)), "{away:?}");
    server.again().await;
    store.migrate().await.unwrap();
    assert_eq!(store.programmes().await.unwrap(), []);
    store.close().await;
}
