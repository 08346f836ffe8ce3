//! Points in lots: spent, ended, taken back, given back, corrected.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use forebay_domain::programme::Programme;
use forebay_domain::settlement::{Answer, Ask, Reversed};
use forebay_schemas::events::{PointsExpiring, RejectCode, SpendRequested};
use forebay_schemas::{Event, EventData, EventType};
use uuid::Uuid;

use super::dead_letters::by;
use super::{Harness, at, check_in, claim, drain, identity, member, now, paid, programme, refunded, settle};
use crate::{Adjusted, Adjustment, BooksCheck, Handled, OutboxRow, Reversal, RewardMessage, Store};

/// [`programme`] whose points are good for so many days.
fn good_for(days: u32) -> Programme {
    Programme { points_valid_days: Some(days), ..programme() }
}

async fn with_programme(harness: &dyn Harness, days: u32) -> Arc<dyn Store> {
    let store = harness.store().await;
    store.put_programme(&good_for(days), now()).await.unwrap();
    store
}

/// A spending of a member, received [`now`]; its event id is `spend-<spend>`.
#[must_use]
pub fn spend(spend: u128, n: u32, points: i64) -> RewardMessage {
    let ask = SpendRequested {
        spend_id: Uuid::from_u128(spend),
        member_id: member(n),
        points,
        reference: Some(format!("cart-{spend}")),
    };
    let identity = identity("rewards", &format!("spend-{spend}"), 1);
    RewardMessage { identity, ask: Ask::Spend(ask, now()) }
}

/// Settles then, and gives what was decided.
async fn settle_at(store: &dyn Store, messages: Vec<RewardMessage>, when: &str) -> Vec<Answer> {
    let settled = store.settle_rewards(messages, at(when)).await.unwrap();
    settled.answers.into_iter().map(Option::unwrap).collect()
}

/// What is left of each lot and when it ends, the next to end first.
async fn lots(store: &dyn Store, n: u32) -> Vec<(i64, Option<DateTime<Utc>>)> {
    let view = store.member_points(&member(n), now()).await.unwrap();
    view.lots.iter().map(|lot| (lot.points, lot.expires_at)).collect()
}

async fn balance(store: &dyn Store, n: u32) -> i64 {
    store.member_balance(&member(n)).await.unwrap().balance
}

/// The books agree, and this many points are with this member.
async fn assert_agrees(store: &dyn Store, n: u32, points: i64) {
    let check = store.check_books().await.unwrap();
    assert_eq!((check.differences(), &check.examples), (0, &vec![]), "{check:?}");
    assert_eq!(check.incident(), None);
    assert_eq!(balance(store, n).await, points);
}

/// Every fact of a type in the outbox.
fn facts<D: EventData + serde::de::DeserializeOwned>(rows: &[OutboxRow]) -> Vec<D> {
    let of_type = rows.iter().filter(|row| row.kind == D::TYPE.name());
    of_type.map(|row| serde_json::from_str(Event::decode(&row.body).unwrap().data.get()).unwrap()).collect()
}

/// The newest transaction of a member's of this kind.
async fn txn(store: &dyn Store, n: u32, kind: &str) -> Uuid {
    let lines = store.member_ledger(&member(n), None, 100).await.unwrap();
    lines.iter().find(|line| line.kind == kind).unwrap().txn_id
}

pub async fn a_grant_is_a_lot_that_ends_with_a_day_of_its_programme(harness: &dyn Harness) {
    let store = with_programme(harness, 30).await;
    let days = (16..=20).map(|d| check_in(&format!("d{d}"), 1, at(&format!("2026-11-{d}T02:00:00Z"))));
    settle(store.as_ref(), days.chain([claim(1, 1, "five-days"), paid("o-1", Some(1), 9_900)]).collect())
        .await;
    let end = Some(at("2026-12-20T15:00:00Z"));
    assert_eq!(lots(store.as_ref(), 1).await, [(5_000, end), (99, end)]);
    let view = store.member_points(&member(1), at("2026-12-20T14:59:59Z")).await.unwrap();
    assert_eq!((view.balance, view.usable), (5_099, 5_099));
    let view = store.member_points(&member(1), at("2026-12-20T15:00:00Z")).await.unwrap();
    assert_eq!((view.balance, view.usable), (5_099, 0));
    assert_agrees(store.as_ref(), 1, 5_099).await;
}

pub async fn points_are_spent_the_next_to_end_first_and_all_or_none(harness: &dyn Harness) {
    let store = with_programme(harness, 30).await;
    settle(store.as_ref(), vec![paid("o-1", Some(1), 10_000)]).await;
    store.put_programme(&good_for(5), now()).await.unwrap();
    settle(store.as_ref(), vec![paid("o-2", Some(1), 5_000)]).await;
    let set = vec![spend(1, 1, 60), spend(2, 1, 91), spend(3, 1, 90), spend(4, 9, 1)];
    let answers = settle(store.as_ref(), set).await;
    let refused = (Handled::Done, Some(Answer::SpendRefused(RejectCode::InsufficientBalance)));
    let spent = (Handled::Done, Some(Answer::Spent));
    assert_eq!(answers, [spent.clone(), refused.clone(), spent, refused]);
    assert!(lots(store.as_ref(), 1).await.is_empty());
    let view = store.spend(Uuid::from_u128(1)).await.unwrap().unwrap();
    assert_eq!(
        (view.state.as_str(), view.points, view.reference.as_deref()),
        ("settled", 60, Some("cart-1"))
    );
    assert!(view.txn_id.is_some() && view.reversed_by.is_none());
    let view = store.spend(Uuid::from_u128(2)).await.unwrap().unwrap();
    assert_eq!((view.state.as_str(), view.reject_code.as_deref()), ("refused", Some("insufficient_balance")));
    assert_eq!(store.spend(Uuid::from_u128(77)).await.unwrap(), None);
    let rows = drain(store.as_ref(), now()).await;
    assert_eq!(rows.iter().filter(|row| row.kind == EventType::SpendSettled.name()).count(), 4);
    assert_agrees(store.as_ref(), 1, 0).await;
}

pub async fn a_spending_is_settled_once_whatever_message_carries_it(harness: &dyn Harness) {
    let store = with_programme(harness, 30).await;
    settle(store.as_ref(), vec![paid("o-1", Some(1), 10_000), spend(1, 1, 60)]).await;
    let mut renamed = spend(1, 1, 60);
    renamed.identity.id = "another-message".into();
    let again = settle(store.as_ref(), vec![spend(1, 1, 60), renamed]).await;
    assert_eq!(again, [(Handled::Duplicate, None), (Handled::Done, Some(Answer::SettledBefore))]);
    assert_agrees(store.as_ref(), 1, 40).await;
}

pub async fn points_that_have_ended_can_not_be_spent_even_when_nobody_has_taken_them_yet(
    harness: &dyn Harness,
) {
    let store = with_programme(harness, 30).await;
    settle(store.as_ref(), vec![paid("o-1", Some(1), 10_000)]).await;
    let late = settle_at(store.as_ref(), vec![spend(1, 1, 1)], "2026-12-20T15:00:00Z").await;
    assert_eq!(late, [Answer::SpendRefused(RejectCode::InsufficientBalance)]);
    let in_time = settle_at(store.as_ref(), vec![spend(2, 1, 1)], "2026-12-20T14:59:59Z").await;
    assert_eq!(in_time, [Answer::Spent]);
    assert_agrees(store.as_ref(), 1, 99).await;
}

pub async fn what_has_ended_is_taken_once_by_however_many_jobs(harness: &dyn Harness) {
    let store = with_programme(harness, 30).await;
    let orders = (0..40).map(|n| paid(&format!("o-{n}"), Some(n % 8), 10_000));
    settle(store.as_ref(), orders.collect()).await;
    settle(store.as_ref(), vec![spend(1, 0, 450)]).await;
    drain(store.as_ref(), now()).await;
    assert_eq!(store.expire_points(500, at("2026-12-20T14:59:59Z")).await.unwrap(), 0);
    let end = at("2026-12-20T15:00:00Z");
    let jobs: Vec<_> = (0..4)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut ended = 0;
                for _ in 0..40 {
                    ended += store.expire_points(3, end).await.unwrap();
                }
                ended
            })
        })
        .collect();
    let mut ended = 0;
    for job in jobs {
        ended += job.await.unwrap();
    }
    assert_eq!(ended, 36, "four lots were spent");
    let rows = drain(store.as_ref(), end).await;
    let told: Vec<forebay_schemas::events::PointsChanged> = facts(&rows);
    assert_eq!(told.len(), 36);
    assert_eq!(told.iter().map(|fact| fact.delta).sum::<i64>(), -(40 * 100 - 450));
    assert_agrees(store.as_ref(), 3, 0).await;
}

pub async fn a_member_is_told_once_of_points_that_end_soon(harness: &dyn Harness) {
    let store = with_programme(harness, 30).await;
    settle(store.as_ref(), vec![paid("o-1", Some(1), 10_000), spend(1, 1, 40)]).await;
    drain(store.as_ref(), now()).await;
    let (when, until) = (at("2026-12-15T00:00:00Z"), at("2026-12-22T00:00:00Z"));
    let early = at("2026-12-01T00:00:00Z");
    assert_eq!(store.warn_of_expiry(at("2026-12-08T00:00:00Z"), 500, early).await.unwrap(), 0);
    assert_eq!(store.warn_of_expiry(until, 500, when).await.unwrap(), 1);
    assert_eq!(store.warn_of_expiry(until, 500, when).await.unwrap(), 0);
    let told: Vec<PointsExpiring> = facts(&drain(store.as_ref(), when).await);
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].points, told[0].expires_at), (60, at("2026-12-20T15:00:00Z")));
    assert_eq!(told[0].member_id, member(1));
}

pub async fn a_refund_takes_of_its_own_order_first_and_notes_what_is_missing(harness: &dyn Harness) {
    let store = with_programme(harness, 10).await;
    settle(store.as_ref(), vec![paid("o-1", Some(1), 10_000)]).await;
    store.put_programme(&good_for(30), now()).await.unwrap();
    settle(store.as_ref(), vec![paid("o-2", Some(1), 10_000)]).await;
    let (first, second) = (Some(at("2026-11-30T15:00:00Z")), Some(at("2026-12-20T15:00:00Z")));
    settle(store.as_ref(), vec![refunded("o-2", "r-1", 5_000)]).await;
    assert_eq!(lots(store.as_ref(), 1).await, [(100, first), (50, second)], "not the next to end");
    settle(store.as_ref(), vec![spend(1, 1, 130)]).await;
    assert_eq!(lots(store.as_ref(), 1).await, [(20, second)]);
    let rest = settle(store.as_ref(), vec![refunded("o-2", "r-2", 10_000)]).await;
    assert_eq!(rest[0].1, Some(Answer::TakenBack(20)));
    let lines = store.member_ledger(&member(1), None, 1).await.unwrap();
    assert_eq!((lines[0].delta, lines[0].shortfall, lines[0].balance_after), (-20, 30, Some(0)));
    // What was not there is not taken later.
    settle(store.as_ref(), vec![paid("o-3", Some(1), 10_000)]).await;
    let again = settle(store.as_ref(), vec![refunded("o-2", "r-3", 10_000)]).await;
    assert_eq!(again[0].1, Some(Answer::TakenBack(0)));
    assert_agrees(store.as_ref(), 1, 100).await;
}

pub async fn what_ended_by_itself_is_not_taken_once_more_by_a_refund(harness: &dyn Harness) {
    let store = with_programme(harness, 10).await;
    settle(store.as_ref(), vec![paid("o-1", Some(1), 10_000), spend(1, 1, 30)]).await;
    let later = at("2026-12-05T00:00:00Z");
    assert_eq!(store.expire_points(500, later).await.unwrap(), 1);
    store.put_programme(&good_for(30), now()).await.unwrap();
    settle(store.as_ref(), vec![paid("o-2", Some(1), 10_000)]).await;
    let refund = settle(store.as_ref(), vec![refunded("o-1", "r-1", 10_000)]).await;
    assert_eq!(refund[0].1, Some(Answer::TakenBack(30)), "seventy had ended");
    assert_agrees(store.as_ref(), 1, 70).await;
}

pub async fn points_whose_end_was_taken_back_are_taken_by_a_refund(harness: &dyn Harness) {
    let store = with_programme(harness, 10).await;
    settle(store.as_ref(), vec![paid("o-1", Some(1), 10_000), paid("o-2", Some(2), 10_000)]).await;
    let late = at("2026-12-05T00:00:00Z");
    assert_eq!(store.expire_points(500, late).await.unwrap(), 2);
    for (key, n) in [(1, 1), (2, 2)] {
        let ended = txn(store.as_ref(), n, "expire").await;
        let back = store.reverse_txn(ended, &by(key), late).await.unwrap();
        assert!(matches!(back, Reversal::Done(Reversed { delta: 100, .. })), "{back:?}");
    }
    let refund = settle(store.as_ref(), vec![refunded("o-1", "r-1", 10_000)]).await;
    assert_eq!(refund[0].1, Some(Answer::TakenBack(100)));
    let earned = txn(store.as_ref(), 2, "earn").await;
    let Reversal::Done(done) = store.reverse_txn(earned, &by(3), late).await.unwrap() else {
        panic!("not done")
    };
    assert_eq!((done.delta, done.shortfall), (-100, 0));
    assert_agrees(store.as_ref(), 1, 0).await;
    assert_agrees(store.as_ref(), 2, 0).await;
}

pub async fn a_spending_is_taken_back_once_and_its_lots_get_what_they_had(harness: &dyn Harness) {
    let store = with_programme(harness, 30).await;
    settle(store.as_ref(), vec![paid("o-1", Some(1), 10_000), paid("o-2", Some(1), 5_000)]).await;
    let before = lots(store.as_ref(), 1).await;
    settle(store.as_ref(), vec![spend(1, 1, 120)]).await;
    let spent = store.spend(Uuid::from_u128(1)).await.unwrap().unwrap().txn_id.unwrap();
    let Reversal::Done(done) = store.reverse_txn(spent, &by(1), now()).await.unwrap() else {
        panic!("not done")
    };
    assert_eq!((done.delta, done.balance_after, done.shortfall), (120, 150, 0));
    assert_eq!(lots(store.as_ref(), 1).await, before);
    let back = done.txn_id.unwrap();
    assert_eq!(store.reverse_txn(spent, &by(2), now()).await.unwrap(), Reversal::Before(back));
    assert_eq!(store.reverse_txn(back, &by(3), now()).await.unwrap(), Reversal::OfReversal);
    let nowhere = store.reverse_txn(Uuid::from_u128(404), &by(4), now()).await.unwrap();
    assert_eq!(nowhere, Reversal::NotThere);
    assert_eq!(store.spend(Uuid::from_u128(1)).await.unwrap().unwrap().reversed_by, Some(back));
    let entries = store.audit_log(None, 10).await.unwrap();
    let entries: Vec<_> = entries.iter().filter(|entry| entry.action == "points.reverse").collect();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].subject, format!("ledger/{spent}"));
    assert_eq!((&entries[0].before["balance"], &entries[0].after["balance"]), (&30.into(), &150.into()));
    assert_agrees(store.as_ref(), 1, 150).await;
}

pub async fn what_is_given_back_after_its_end_is_good_for_a_week(harness: &dyn Harness) {
    let store = with_programme(harness, 30).await;
    settle(store.as_ref(), vec![paid("o-1", Some(1), 10_000), spend(1, 1, 60)]).await;
    let late = at("2027-01-10T00:00:00Z");
    assert_eq!(store.expire_points(500, late).await.unwrap(), 1);
    let spent = txn(store.as_ref(), 1, "spend").await;
    store.reverse_txn(spent, &by(1), late).await.unwrap();
    assert_eq!(lots(store.as_ref(), 1).await, [(60, Some(at("2027-01-17T00:00:00Z")))]);
    assert_eq!(store.expire_points(500, at("2027-01-17T00:00:00Z")).await.unwrap(), 1);
    assert_agrees(store.as_ref(), 1, 0).await;
}

pub async fn an_earning_that_is_taken_back_is_not_taken_once_more_by_refunds(harness: &dyn Harness) {
    let store = with_programme(harness, 30).await;
    settle(store.as_ref(), vec![paid("o-1", Some(1), 10_000), refunded("o-1", "r-1", 2_000)]).await;
    settle(store.as_ref(), vec![paid("o-2", Some(1), 2_000), spend(1, 1, 50)]).await;
    let earned = {
        let lines = store.member_ledger(&member(1), None, 100).await.unwrap();
        lines.iter().find(|line| line.fact == "order:o-1:earn").unwrap().txn_id
    };
    let Reversal::Done(done) = store.reverse_txn(earned, &by(1), now()).await.unwrap() else {
        panic!("not done")
    };
    let Reversed { delta, shortfall, balance_after, .. } = done;
    assert_eq!((delta, shortfall, balance_after), (-50, 30, 0), "80 were left of it, the member has 50");
    settle(store.as_ref(), vec![paid("o-3", Some(1), 10_000)]).await;
    let refund = settle(store.as_ref(), vec![refunded("o-1", "r-2", 10_000)]).await;
    assert_eq!(refund[0].1, Some(Answer::TakenBack(0)));
    assert_agrees(store.as_ref(), 1, 100).await;
}

pub async fn a_refund_that_is_taken_back_can_come_again(harness: &dyn Harness) {
    let store = with_programme(harness, 30).await;
    settle(store.as_ref(), vec![paid("o-1", Some(1), 10_000), refunded("o-1", "r-1", 5_000)]).await;
    let taken = txn(store.as_ref(), 1, "refund").await;
    assert!(matches!(store.reverse_txn(taken, &by(1), now()).await.unwrap(), Reversal::Done(_)));
    assert_agrees(store.as_ref(), 1, 100).await;
    let right = settle(store.as_ref(), vec![refunded("o-1", "r-2", 2_000)]).await;
    assert_eq!(right[0].1, Some(Answer::TakenBack(20)));
    assert_agrees(store.as_ref(), 1, 80).await;
}

pub async fn points_of_a_claim_are_taken_back_with_the_claim_and_not_without_it(harness: &dyn Harness) {
    let store = with_programme(harness, 30).await;
    let days = (16..=20).map(|d| check_in(&format!("d{d}"), 1, at(&format!("2026-11-{d}T02:00:00Z"))));
    settle(store.as_ref(), days.chain([claim(1, 1, "five-days")]).collect()).await;
    let granted = txn(store.as_ref(), 1, "claim_grant").await;
    assert_eq!(store.reverse_txn(granted, &by(1), now()).await.unwrap(), Reversal::OfClaim);
    assert_agrees(store.as_ref(), 1, 5_000).await;
}

fn adjustment(n: u32, delta: i64, key: u128) -> Adjustment {
    Adjustment { member_id: member(n), delta, key: Uuid::from_u128(key) }
}

pub async fn a_correction_is_made_once_a_key_and_never_below_nothing(harness: &dyn Harness) {
    let store = with_programme(harness, 30).await;
    settle(store.as_ref(), vec![paid("o-1", Some(1), 10_000)]).await;
    let more = store.adjust_points(&adjustment(1, 30, 1), &by(1), now()).await.unwrap();
    let Adjusted::Done { txn_id, balance_after: 130, before: false } = more else { panic!("{more:?}") };
    let again = store.adjust_points(&adjustment(1, 30, 1), &by(2), now()).await.unwrap();
    assert_eq!(again, Adjusted::Done { txn_id, balance_after: 130, before: true });
    for other in [adjustment(1, 31, 1), adjustment(2, 30, 1)] {
        assert_eq!(store.adjust_points(&other, &by(3), now()).await.unwrap(), Adjusted::Reused);
    }
    let less = store.adjust_points(&adjustment(1, -110, 2), &by(4), now()).await.unwrap();
    assert!(matches!(less, Adjusted::Done { balance_after: 20, .. }), "{less:?}");
    assert_eq!(lots(store.as_ref(), 1).await, [(20, None)], "the next to end is taken first");
    let below = store.adjust_points(&adjustment(1, -21, 3), &by(5), now()).await.unwrap();
    assert_eq!(below, Adjusted::Below { balance: 20 });
    let stranger = store.adjust_points(&adjustment(404, -1, 4), &by(6), now()).await.unwrap();
    assert_eq!(stranger, Adjusted::Below { balance: 0 });
    let entries = store.audit_log(None, 10).await.unwrap();
    let told: Vec<_> = entries.iter().filter(|entry| entry.action == "points.adjust").collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().any(|entry| entry.before["balance"] == 130 && entry.after["balance"] == 20));
    assert_agrees(store.as_ref(), 1, 20).await;
    store.erase_member(&member(1), &by(7), now()).await.unwrap();
    let erased = store.adjust_points(&adjustment(1, 5, 5), &by(8), now()).await.unwrap();
    assert_eq!(erased, Adjusted::Erased);
    assert_eq!(harness.mentions(member(1).as_str()).await, Vec::<String>::new());
}

pub async fn a_members_ledger_is_read_page_by_page_the_newest_first(harness: &dyn Harness) {
    let store = with_programme(harness, 30).await;
    for (n, minute) in (1..=5).zip(0..) {
        let when = format!("2026-11-20T03:0{minute}:00Z");
        settle_at(store.as_ref(), vec![paid(&format!("o-{n}"), Some(1), 1_000 * n)], &when).await;
    }
    settle(store.as_ref(), vec![paid("other", Some(2), 1_000)]).await;
    let first = store.member_ledger(&member(1), None, 2).await.unwrap();
    let told: Vec<_> =
        first.iter().map(|line| (line.delta, line.balance_after, line.fact.as_str())).collect();
    assert_eq!(told, [(50, Some(150), "order:o-5:earn"), (40, Some(100), "order:o-4:earn")]);
    let rest = store.member_ledger(&member(1), Some(first[1].txn_id), 10).await.unwrap();
    assert_eq!(rest.iter().map(|line| line.delta).collect::<Vec<_>>(), [30, 20, 10]);
    assert!(store.member_ledger(&member(404), None, 10).await.unwrap().is_empty());
}

pub async fn whoever_settles_spends_and_ends_at_once_keeps_the_books(harness: &dyn Harness) {
    let store = with_programme(harness, 30).await;
    settle(store.as_ref(), (0..10).map(|n| paid(&format!("a-{n}"), Some(n), 10_000)).collect()).await;
    let end = at("2026-12-20T15:00:00Z");
    let workers: Vec<_> = (0..4_u32)
        .map(|worker| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for round in 0..10_u32 {
                    let spends = (0..5).map(|n| {
                        let id = u128::from(worker) * 1_000 + u128::from(round) * 10 + u128::from(n);
                        spend(id + 1, (round + n) % 10, 7)
                    });
                    let order = format!("b-{worker}-{round}");
                    let set = spends.chain([paid(&order, Some(round), 1_000), refunded(&order, "r", 500)]);
                    settle(store.as_ref(), set.collect()).await;
                    if worker == 0 {
                        store.expire_points(5, end).await.unwrap();
                    }
                    if worker == 1 {
                        let more = adjustment(round, 3, u128::from(round) + 1);
                        store.adjust_points(&more, &by(u128::from(round) + 100), now()).await.unwrap();
                    }
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    let check = store.check_books().await.unwrap();
    assert_eq!(BooksCheck { txns: 0, members: 0, ..check }, BooksCheck::default());
}
