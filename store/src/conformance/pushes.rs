//! What carriers send by themselves: merged like answers, and fewer questions while it comes.

use std::time::Duration;

use forebay_domain::parcel::Lookup;
use forebay_schemas::events::ParcelStatus;

use super::parcels::{check, checkpoint, found};
use super::returns::{adapter, carrier, number, parcel, register};
use super::{Harness, later, now};

const LEASE: Duration = Duration::from_secs(600);

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
