//! What carriers send by themselves: merged like answers, and fewer questions while it comes.

use std::time::Duration;

use forebay_domain::parcel::Lookup;
use forebay_schemas::events::{ParcelStatus, ReturnPickedUp};

use super::parcels::{check, checkpoint, found};
use super::returns::{adapter, carrier, number, parcel, register, said};
use super::{Harness, drain, identity, later, now};
use crate::{Handled, PushDone, PushTally, Store};

const LEASE: Duration = Duration::from_secs(600);
const HOUR: u64 = 3600;

fn told(event: &str, parcels: Vec<(u32, Lookup)>) -> PushDone {
    let told = parcels.into_iter().map(|(n, lookup)| (carrier(), number(n), lookup)).collect();
    PushDone { identity: identity("tracking", event, 1), told, changed: Vec::new() }
}

fn poke(event: &str, n: u32) -> PushDone {
    let identity = identity("tracking", event, 1);
    PushDone { identity, told: Vec::new(), changed: vec![(carrier(), number(n))] }
}

async fn push(store: &dyn Store, push: PushDone, at: u64) -> (Handled, PushTally) {
    let applied = store.apply_pushes(vec![push], later(at)).await.unwrap();
    (applied.handled[0], applied.tally)
}

fn steps(upto: usize) -> Lookup {
    let all = [
        checkpoint(0, ParcelStatus::PickedUp),
        checkpoint(5, ParcelStatus::InTransit),
        checkpoint(9, ParcelStatus::OutForDelivery),
    ];
    found(all[..upto].to_vec())
}

pub async fn a_push_is_merged_like_an_answer_and_the_next_check_is_put_off(harness: &dyn Harness) {
    let store = harness.store().await;
    register(store.as_ref(), &[("R-1", Some(1))]).await;
    let merged = PushTally { merged: 1, ..PushTally::default() };
    assert_eq!(push(store.as_ref(), told("p-1", vec![(1, steps(2))]), 600).await, (Handled::Done, merged));
    let view = parcel(store.as_ref(), 1).await;
    assert_eq!((view.status.as_str(), view.checkpoints.len(), view.checks), ("in_transit", 2, 0));
    let next = view.next_check_at.unwrap();
    assert!(next > later(12 * HOUR) && next < later(36 * HOUR), "{next}: about once a day");
    let rows = drain(store.as_ref(), later(600)).await;
    assert_eq!(said::<ReturnPickedUp>(&rows, "return.picked_up.v1").len(), 1);
    let last = found(vec![checkpoint(20, ParcelStatus::Delivered)]);
    push(store.as_ref(), told("p-2", vec![(1, last)]), 1200).await;
    let view = parcel(store.as_ref(), 1).await;
    assert_eq!((view.status.as_str(), view.next_check_at), ("delivered", None));
}

pub async fn a_push_that_comes_again_has_no_second_effect(harness: &dyn Harness) {
    let store = harness.store().await;
    register(store.as_ref(), &[("R-1", Some(1))]).await;
    let all = vec![told("p-1", vec![(1, steps(1))]), told("p-1", vec![(1, steps(1))])];
    let applied = store.apply_pushes(all, later(60)).await.unwrap();
    assert_eq!(applied.handled, [Handled::Done, Handled::Duplicate]);
    let again = push(store.as_ref(), told("p-1", vec![(1, steps(1))]), 120).await;
    assert_eq!(again, (Handled::Duplicate, PushTally::default()));
    assert_eq!(parcel(store.as_ref(), 1).await.checkpoints.len(), 1);
    let rows = drain(store.as_ref(), later(120)).await;
    assert_eq!(said::<ReturnPickedUp>(&rows, "return.picked_up.v1").len(), 1);
}

pub async fn a_late_push_adds_what_happened_and_moves_nothing(harness: &dyn Harness) {
    let store = harness.store().await;
    register(store.as_ref(), &[("R-1", Some(1))]).await;
    check(store.as_ref(), "c-1", 1, found(vec![checkpoint(9, ParcelStatus::OutForDelivery)]), later(600))
        .await;
    let late = PushTally { late: 1, ..PushTally::default() };
    assert_eq!(push(store.as_ref(), told("p-2", vec![(1, steps(2))]), 700).await, (Handled::Done, late));
    assert_eq!(push(store.as_ref(), told("p-1", vec![(1, steps(1))]), 800).await.1, late);
    let view = parcel(store.as_ref(), 1).await;
    assert_eq!((view.status.as_str(), view.checkpoints.len()), ("out_for_delivery", 3));
    assert_eq!(push(store.as_ref(), told("p-3", vec![(1, steps(3))]), 900).await.1.merged, 1);
    assert_eq!(parcel(store.as_ref(), 1).await.checkpoints.len(), 3, "each checkpoint once");
}

pub async fn a_push_of_a_parcel_that_is_not_followed_is_passed_over(harness: &dyn Harness) {
    let store = harness.store().await;
    register(store.as_ref(), &[("R-1", Some(1))]).await;
    let tally = push(store.as_ref(), told("p-1", vec![(7, steps(1)), (1, steps(1))]), 60).await.1;
    assert_eq!(tally, PushTally { merged: 1, not_followed: 1, ..PushTally::default() });
    let tally = push(store.as_ref(), poke("p-2", 7), 60).await.1;
    assert_eq!(tally, PushTally { not_followed: 1, ..PushTally::default() });
    assert_eq!(store.parcel(&carrier(), &number(7)).await.unwrap(), None);
}

pub async fn a_parcel_of_which_something_changed_becomes_due(harness: &dyn Harness) {
    let store = harness.store().await;
    register(store.as_ref(), &[("R-1", Some(1))]).await;
    check(store.as_ref(), "c-1", 1, steps(1), later(600)).await;
    assert!(parcel(store.as_ref(), 1).await.next_check_at.unwrap() > later(700));
    let tally = push(store.as_ref(), poke("p-1", 1), 700).await.1;
    assert_eq!(tally, PushTally { to_look_up: 1, ..PushTally::default() });
    assert_eq!(parcel(store.as_ref(), 1).await.next_check_at, Some(later(700)));
    check(store.as_ref(), "c-2", 1, steps(2), later(800)).await;
    let next = parcel(store.as_ref(), 1).await.next_check_at.unwrap();
    assert!(next > later(12 * HOUR), "{next}: it is told when something changes");
}

pub async fn a_push_leaves_a_check_outstanding(harness: &dyn Harness) {
    let store = harness.store().await;
    register(store.as_ref(), &[("R-1", Some(1))]).await;
    assert_eq!(store.plan_checks(&adapter(), 10, 10, LEASE, now()).await.unwrap(), 1);
    push(store.as_ref(), told("p-1", vec![(1, steps(1))]), 60).await;
    assert_eq!(store.checks_outstanding(&adapter(), later(60)).await.unwrap(), 1);
}

pub async fn a_parcel_is_checked_now_unless_it_is_finished_or_unknown(harness: &dyn Harness) {
    let store = harness.store().await;
    register(store.as_ref(), &[("R-1", Some(1)), ("R-2", Some(2)), ("R-3", Some(3))]).await;
    check(store.as_ref(), "c-1", 1, found(vec![checkpoint(0, ParcelStatus::InTransit)]), later(60)).await;
    check(store.as_ref(), "c-2", 2, found(vec![checkpoint(0, ParcelStatus::Delivered)]), later(60)).await;
    check(store.as_ref(), "c-3", 3, Lookup::InvalidNumber, later(60)).await;
    for (n, known) in [(1, true), (2, true), (3, true), (4, false)] {
        assert_eq!(store.check_now(&carrier(), &number(n), later(90)).await.unwrap(), known, "parcel {n}");
    }
    let due = [1, 2, 3].map(|n| (n, (n != 2).then(|| later(90))));
    for (n, due) in due {
        assert_eq!(parcel(store.as_ref(), n).await.next_check_at, due, "parcel {n}");
    }
    assert_eq!(store.plan_checks(&adapter(), 10, 10, LEASE, later(90)).await.unwrap(), 2);
}

pub async fn what_has_been_due_for_longer_keeps_its_place(harness: &dyn Harness) {
    let store = harness.store().await;
    register(store.as_ref(), &[("R-1", Some(1))]).await;
    assert!(store.check_now(&carrier(), &number(1), later(90)).await.unwrap());
    assert_eq!(parcel(store.as_ref(), 1).await.next_check_at, Some(now()));
    assert_eq!(store.plan_checks(&adapter(), 10, 10, LEASE, later(90)).await.unwrap(), 1);
    assert!(store.check_now(&carrier(), &number(1), later(100)).await.unwrap());
    assert_eq!(
        store.plan_checks(&adapter(), 10, 10, LEASE, later(100)).await.unwrap(),
        0,
        "one is outstanding"
    );
}
