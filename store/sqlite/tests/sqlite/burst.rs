//! A promotion's burst on one hot reward.

use std::sync::Arc;

use forebay_store::conformance::{check_in, claim, now, programme_with_mugs};
use forebay_store::{Audit as _, Programmes as _, RewardMessage, Rewards as _};
use forebay_store_sqlite::SqliteStore;

use crate::support;

/// Messages in one set.
const SET: usize = 500;
/// Sets that are settled at once, as by so many workers.
const WORKERS: usize = 4;

async fn settle_all(store: &Arc<SqliteStore>, messages: Vec<RewardMessage>) {
    let mut shares: Vec<Vec<Vec<RewardMessage>>> = vec![Vec::new(); WORKERS];
    for (index, set) in messages.chunks(SET).enumerate() {
        shares[index % WORKERS].push(set.to_vec());
    }
    let workers: Vec<_> = shares
        .into_iter()
        .map(|sets| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                for set in sets {
                    store.settle_rewards(set, now()).await.unwrap();
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_on_one_hot_reward_adds_up() {
    let file = support::File::new();
    let store = support::store(&file.open().await).await;
    store.put_programme(&programme_with_mugs(3_000, 600), now()).await.unwrap();
    settle_all(&store, (0..13_500).map(|n| check_in(&format!("c{n}"), n, now())).collect()).await;
    settle_all(&store, (0..9_000).map(|n| claim(u128::from(n) + 1, n, "one-day")).collect()).await;
    let tally = store.tally().await.unwrap();
    assert_eq!((tally.done.attendance, tally.done.claims, tally.inbox), (13_500, 9_000, 22_500));
    let mug = &tally.rewards[0];
    assert_eq!((mug.issued, mug.granted, mug.movements), (Some(3_000), 3_000, 3_000));
    assert_eq!(tally.outbox, 13_500 + 9_000 + 2 + 2, "low and out are told once each");
}
