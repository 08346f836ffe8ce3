//! A promotion's burst: one hot reward, large sets, several workers.

use std::sync::Arc;
use std::time::Instant;

use forebay_store::conformance::{check_in, claim, now, programme_with_mugs};
use forebay_store::{Audit as _, Handled, Programmes as _, RewardMessage, Rewards as _};

use crate::database::Database;

const WORKERS: usize = 4;
/// So many that several sets wait for the hot reward's row, so few that none waits longer than a lock is waited for.
const SET: usize = 200;
const CLAIMS: u32 = 9_000;
const CHECK_INS: u32 = 13_500;
const MUGS: i64 = 5_000;

/// Settles the messages in sets by all workers; answers how many a second.
async fn settled_a_second(database: &Database, messages: Vec<RewardMessage>) -> f64 {
    let (count, began) = (messages.len(), Instant::now());
    let sets = Arc::new(tokio::sync::Mutex::new(messages));
    let store = database.store();
    let workers: Vec<_> = (0..WORKERS)
        .map(|_| {
            let (sets, store) = (Arc::clone(&sets), store.clone());
            tokio::spawn(async move {
                loop {
                    let set = {
                        let mut sets = sets.lock().await;
                        let rest = sets.len().saturating_sub(SET);
                        sets.split_off(rest)
                    };
                    if set.is_empty() {
                        return;
                    }
                    let settled = store.settle_rewards(set, now()).await.unwrap();
                    assert!(settled.handled.iter().all(|handled| *handled == Handled::Done));
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    count as f64 / began.elapsed().as_secs_f64()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_on_one_hot_reward_is_settled_and_adds_up() {
    let database = Database::new().await;
    let store = database.store();
    store.put_programme(&programme_with_mugs(MUGS, 100), now()).await.unwrap();
    let check_ins = (0..CHECK_INS).map(|n| check_in(&format!("day-{n}"), n, now())).collect();
    let check_ins_a_second = settled_a_second(&database, check_ins).await;
    let claims = (0..CLAIMS).map(|n| claim(u128::from(n) + 1, n, "one-day")).collect();
    let claims_a_second = settled_a_second(&database, claims).await;
    let tally = store.tally().await.unwrap();
    assert_eq!((tally.done.attendance, tally.done.claims), (i64::from(CHECK_INS), i64::from(CLAIMS)));
    let mug = tally.rewards.iter().find(|r| r.reward_id == "mug").unwrap();
    assert_eq!((mug.issued, mug.granted, mug.movements), (Some(MUGS), MUGS, MUGS));
    // Far below what is usual, so that only a wrong plan or lock fails here.
    assert!(
        check_ins_a_second > 100.0 && claims_a_second > 100.0,
        "{check_ins_a_second:.0} check-ins and {claims_a_second:.0} claims a second"
    );
}
