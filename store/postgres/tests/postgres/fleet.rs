//! Several processes' worth of stores on one database: each with a pool of its own.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use forebay_domain::breaker::BreakerPolicy;
use forebay_domain::daily::Purpose;
use forebay_domain::limits::Terms;
use forebay_domain::pacing::Quota;
use forebay_store::conformance::{check_in, claim, now, paid, programme_with_mugs, refunded};
use forebay_store::{
    Audit as _, Handled, Pacing as _, Permits, Programmes as _, RewardMessage, Rewards as _, Wish,
};

use crate::database::Database;

const PROCESSES: usize = 4;
const MEMBERS: u32 = 60;
const MUGS: i64 = 25;

/// What all processes get: each member checks in, claims, pays and is refunded; in this order, since a refund before
/// its order is not yet known.
fn messages() -> Vec<RewardMessage> {
    let days = (0..MEMBERS).map(|n| check_in(&format!("day-{n}"), n, now()));
    let claims = (0..MEMBERS).map(|n| claim(u128::from(n) + 1, n, "one-day"));
    let orders = (0..MEMBERS).map(|n| paid(&format!("o-{n}"), (n % 3 > 0).then_some(n), 20_000));
    let refunds = (0..MEMBERS).map(|n| refunded(&format!("o-{n}"), "r", 5_000));
    days.chain(claims).chain(orders).chain(refunds).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_settle_overlapping_sets_each_message_once() {
    let database = Database::new().await;
    database.store().put_programme(&programme_with_mugs(MUGS, 5), now()).await.unwrap();
    let processes: Vec<_> = (0..PROCESSES)
        .map(|process| {
            let store = database.store();
            tokio::spawn(async move {
                let mut done = BTreeMap::new();
                // Sets of sizes of their own, so that the same messages meet in different company.
                for set in messages().chunks(17 + process * 7) {
                    let settled = store.settle_rewards(set.to_vec(), now()).await.unwrap();
                    for (message, handled) in set.iter().zip(settled.handled) {
                        assert_ne!(handled, Handled::NotYetKnown, "{message:?}");
                        *done.entry(message.identity.id.clone()).or_insert(0) +=
                            u32::from(handled == Handled::Done);
                    }
                }
                done
            })
        })
        .collect();
    let mut done: BTreeMap<String, u32> = BTreeMap::new();
    for process in processes {
        for (id, count) in process.await.unwrap() {
            *done.entry(id).or_insert(0) += count;
        }
    }
    assert!(done.values().all(|count| *count == 1), "{done:?}");
    let tally = database.store().tally().await.unwrap();
    let members = i64::from(MEMBERS);
    assert_eq!(
        (tally.inbox, tally.done.attendance, tally.done.claims, tally.done.orders),
        (members * 4, members, members, members)
    );
    assert_eq!((tally.ledger_sum, tally.ledger_unbalanced, tally.balances_off), (0, 0, 0));
    assert_eq!(tally.points, 40 * (200 - 50), "two of three orders are a member's");
    let mug = tally.rewards.iter().find(|r| r.reward_id == "mug").unwrap();
    assert_eq!((mug.issued, mug.granted, mug.movements), (Some(MUGS), MUGS, MUGS));
    assert_eq!(tally.incidents, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_share_one_quota() {
    let database = Database::new().await;
    let quota =
        Quota { limit: 50, window: Duration::from_millis(500), burst: 5, margin: Duration::from_millis(100) };
    let terms = Terms { quota, daily: None, adaptive: false, breaker: BreakerPolicy::default() };
    let began = Instant::now();
    let processes: Vec<_> = (0..PROCESSES)
        .map(|_| {
            let store = database.store();
            tokio::spawn(async move {
                let (key, purpose) = ("carrier/one", Purpose::Routine);
                let wish = Wish { key, terms: &terms, version: 0, want: 3, purpose, places: None };
                let mut granted = 0;
                while began.elapsed() < Duration::from_secs(2) {
                    match store.permits(&wish).await.unwrap() {
                        Permits::Granted(grant) => granted += grant.count,
                        other => panic!("nobody closed it: {other:?}"),
                    }
                }
                granted
            })
        })
        .collect();
    let mut granted = 0;
    for process in processes {
        granted += process.await.unwrap();
    }
    let span = (began.elapsed() + quota.margin).as_secs_f64();
    let most = quota.rate() * span + f64::from(quota.burst) + 1.0;
    assert!(f64::from(granted) <= most, "{granted} granted in {span:.3} s, at most {most:.1} fit");
    // How much of it they use depends on the machine.
    assert!(granted > 0);
}
