//! Points: in balanced double entry, earned by orders and claims, taken back by refunds.

use std::sync::Arc;

use forebay_domain::settlement::Answer;
use forebay_schemas::EventType;
use uuid::Uuid;

use super::{Harness, at, check_in, claim, drain, member, now, paid, programme, refunded, settle};
use crate::{By, Handled, Reversal, Store, Tally};

async fn with_programme(harness: &dyn Harness) -> Arc<dyn Store> {
    let store = harness.store().await;
    store.put_programme(&programme(), now()).await.unwrap();
    store
}

fn assert_balanced(tally: &Tally, points: i64) {
    let off = (tally.ledger_sum, tally.ledger_unbalanced, tally.balances_off, tally.balances_negative);
    assert_eq!((off, tally.points), ((0, 0, 0, 0), points));
}

async fn balance(store: &dyn Store, n: u32) -> i64 {
    store.member_balance(&member(n)).await.unwrap().balance
}

pub async fn a_granted_claim_for_points_is_booked_in_double_entry(harness: &dyn Harness) {
    let store = with_programme(harness).await;
    let days = (16..=20).map(|d| check_in(&format!("d{d}"), 1, at(&format!("2026-11-{d}T02:00:00Z"))));
    let settled = settle(store.as_ref(), days.chain([claim(1, 1, "five-days")]).collect()).await;
    assert_eq!(settled[5], (Handled::Done, Some(Answer::Granted)));
    assert_eq!(balance(store.as_ref(), 1).await, 5000);
    let tally = store.tally().await.unwrap();
    assert_balanced(&tally, 5000);
    let endless = tally.rewards.iter().find(|r| r.reward_id == "points-5000").unwrap();
    assert_eq!((endless.total, endless.issued, endless.granted, endless.movements), (None, None, 1, 0));
    let rows = drain(store.as_ref(), now()).await;
    let fact = rows.iter().find(|row| row.kind == EventType::PointsChanged.name()).unwrap();
    let event = forebay_schemas::Event::decode(&fact.body).unwrap();
    let data: serde_json::Value = serde_json::from_str(event.data.get()).unwrap();
    assert_eq!((&data["delta"], &data["balance_after"]), (&5000.into(), &5000.into()));
}

pub async fn a_paid_order_earns_once(harness: &dyn Harness) {
    let store = with_programme(harness).await;
    let set = vec![paid("o-1", Some(1), 12_345), paid("o-2", None, 50_000), paid("o-3", Some(2), 99)];
    let settled = settle(store.as_ref(), set).await;
    let answers: Vec<_> = settled.into_iter().map(|(_, answer)| answer.unwrap()).collect();
    assert_eq!(answers, [Answer::Earned(123), Answer::Earned(0), Answer::Earned(0)]);
    let mut renamed = paid("o-1", Some(1), 12_345);
    renamed.identity.id = "another-message".into();
    assert_eq!(settle(store.as_ref(), vec![renamed]).await, [(Handled::Done, Some(Answer::SettledBefore))]);
    assert_eq!((balance(store.as_ref(), 1).await, balance(store.as_ref(), 2).await), (123, 0));
    let tally = store.tally().await.unwrap();
    assert_eq!(tally.done.orders, 3);
    assert_balanced(&tally, 123);
}

pub async fn refunds_take_back_in_proportion_and_cumulatively(harness: &dyn Harness) {
    let store = with_programme(harness).await;
    settle(store.as_ref(), vec![paid("o-1", Some(1), 9_999)]).await;
    let first = settle(store.as_ref(), vec![refunded("o-1", "r-1", 5_000)]).await;
    assert_eq!(first, [(Handled::Done, Some(Answer::TakenBack(49)))]);
    let mut renamed = refunded("o-1", "r-1", 5_000);
    renamed.identity.id = "another-message".into();
    assert_eq!(settle(store.as_ref(), vec![renamed]).await, [(Handled::Done, Some(Answer::SettledBefore))]);
    let rest =
        settle(store.as_ref(), vec![refunded("o-1", "r-3", 9_999), refunded("o-1", "r-2", 7_000)]).await;
    assert_eq!(rest[0].1, Some(Answer::TakenBack(50)));
    assert_eq!(rest[1].1, Some(Answer::TakenBack(0)), "an earlier state that comes late takes nothing");
    assert_eq!(balance(store.as_ref(), 1).await, 0);
    assert_balanced(&store.tally().await.unwrap(), 0);
}

pub async fn an_order_and_its_refund_settle_in_one_set(harness: &dyn Harness) {
    let store = with_programme(harness).await;
    let set = vec![paid("o-1", Some(1), 10_000), refunded("o-1", "r-1", 2_500)];
    let settled = settle(store.as_ref(), set).await;
    assert_eq!(settled[1], (Handled::Done, Some(Answer::TakenBack(25))));
    let later = settle(store.as_ref(), vec![refunded("o-1", "r-2", 10_000)]).await;
    assert_eq!(later, [(Handled::Done, Some(Answer::TakenBack(75)))]);
    assert_balanced(&store.tally().await.unwrap(), 0);
}

pub async fn ids_that_look_like_parts_of_each_other_are_facts_of_their_own(harness: &dyn Harness) {
    let store = with_programme(harness).await;
    let orders = [("o", 1), ("o:refund:r", 2), ("o:refund", 3), ("o:refund:earn", 4)];
    let paid = orders.map(|(order, member)| paid(order, Some(member), 10_000));
    settle(store.as_ref(), paid.to_vec()).await;
    let refunds =
        [("o", "r:refund:s"), ("o:refund:r", "s"), ("o", "earn"), ("o", "r:earn"), ("o:refund", "earn:earn")];
    for (n, (order, refund)) in (1..).zip(refunds) {
        let settled = settle(store.as_ref(), vec![refunded(order, refund, n * 1_000)]).await;
        assert!(matches!(settled[0].1, Some(Answer::TakenBack(1..))), "{order} {refund}: {settled:?}");
    }
    // What is taken back by hand is found with the order that it belongs to.
    let lines = store.member_ledger(&member(2), None, 10).await.unwrap();
    let taken = lines.iter().find(|line| line.kind == "refund").unwrap();
    let by = By { id: Uuid::from_u128(1), actor: "a-person".into(), reason: "a mistake".into() };
    assert!(matches!(store.reverse_txn(taken.txn_id, &by, now()).await.unwrap(), Reversal::Done(_)));
    let again = settle(store.as_ref(), vec![refunded("o:refund:r", "t", 2_000)]).await;
    assert_eq!(again[0].1, Some(Answer::TakenBack(20)));
    assert_eq!(store.check_books().await.unwrap().differences(), 0);
}

pub async fn a_refund_before_its_order_leaves_no_trace_and_succeeds_later(harness: &dyn Harness) {
    let store = with_programme(harness).await;
    let early = settle(store.as_ref(), vec![check_in("a", 1, now()), refunded("o-1", "r-1", 5_000)]).await;
    assert_eq!(early[0].0, Handled::Done, "the others of the set are not held up");
    assert_eq!(early[1].0, Handled::NotYetKnown);
    assert_eq!(store.tally().await.unwrap().inbox, 1);
    settle(store.as_ref(), vec![paid("o-1", Some(1), 10_000)]).await;
    let late = settle(store.as_ref(), vec![refunded("o-1", "r-1", 5_000)]).await;
    assert_eq!(late, [(Handled::Done, Some(Answer::TakenBack(50)))]);
    assert_eq!(balance(store.as_ref(), 1).await, 50);
    assert_eq!(store.tally().await.unwrap().inbox, 3);
}

pub async fn a_repeat_of_what_is_not_yet_known_is_not_called_handled(harness: &dyn Harness) {
    let store = with_programme(harness).await;
    let settled =
        settle(store.as_ref(), vec![refunded("o-1", "r-1", 5_000), refunded("o-1", "r-1", 5_000)]).await;
    assert!(settled.iter().all(|(handled, _)| *handled == Handled::NotYetKnown), "{settled:?}");
}

pub async fn concurrent_workers_book_each_order_and_refund_once(harness: &dyn Harness) {
    let store = with_programme(harness).await;
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for n in 0..20 {
                    // Five members, so that the workers meet at their accounts.
                    let order = format!("o-{n}");
                    settle(store.as_ref(), vec![paid(&order, Some(n % 5), 10_000)]).await;
                    settle(store.as_ref(), vec![refunded(&order, "r-1", 4_000)]).await;
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    let tally = store.tally().await.unwrap();
    assert_eq!((tally.done.orders, tally.inbox), (20, 40));
    assert_balanced(&tally, 20 * 60);
    assert_eq!(balance(store.as_ref(), 3).await, 4 * 60);
}

pub async fn a_member_never_seen_has_nothing(harness: &dyn Harness) {
    let store = with_programme(harness).await;
    let view = store.member_balance(&member(404)).await.unwrap();
    assert_eq!((view.balance, view.blocked), (0, false));
    assert!(store.member_days(&programme().id, &member(404)).await.unwrap().days.is_empty());
}
