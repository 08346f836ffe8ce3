//! What carriers send by themselves: merged like answers, and fewer questions while it comes.

use std::time::Duration;

use forebay_domain::parcel::{Lookup, Snapshot};
use forebay_schemas::events::{ParcelStatus, ReturnPickedUp};
use forebay_schemas::{AdapterId, TrackingNumber};
use uuid::Uuid;

use super::parcels::{check, checkpoint, found};
use super::returns::{adapter, carrier, new_return, number, parcel, register, said};
use super::{Harness, drain, identity, later, now};
use crate::codes::CODES_MAX;
use crate::{By, CheckAsked, CodeSeen, Handled, ParcelFilter, PushDone, PushTally, Store};

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
    assert_eq!(store.plan_checks(&adapter(), 10, 10, LEASE, later(750)).await.unwrap(), 1);
    check(store.as_ref(), "c-2", 1, steps(2), later(800)).await;
    let next = parcel(store.as_ref(), 1).await.next_check_at.unwrap();
    assert!(next > later(12 * HOUR), "{next}: it is told when something changes");
}

pub async fn what_changes_while_a_check_is_under_way_is_looked_at_again(harness: &dyn Harness) {
    let store = harness.store().await;
    register(store.as_ref(), &[("R-1", Some(1))]).await;
    assert_eq!(store.plan_checks(&adapter(), 10, 10, LEASE, later(60)).await.unwrap(), 1);
    push(store.as_ref(), poke("p-1", 1), 70).await;
    check(store.as_ref(), "c-1", 1, steps(1), later(80)).await;
    assert_eq!(parcel(store.as_ref(), 1).await.next_check_at, Some(later(80)), "its answer may be older");
    assert_eq!(store.plan_checks(&adapter(), 10, 10, LEASE, later(81)).await.unwrap(), 1);
    check(store.as_ref(), "c-2", 1, steps(2), later(90)).await;
    let view = parcel(store.as_ref(), 1).await;
    assert_eq!(view.status, "in_transit");
    assert!(view.next_check_at.unwrap() > later(12 * HOUR), "looked at once more, and no more");
    // What is over is over.
    assert_eq!(store.plan_checks(&adapter(), 10, 10, LEASE, later(48 * HOUR)).await.unwrap(), 1);
    push(store.as_ref(), poke("p-2", 1), 48 * HOUR + 1).await;
    let last = found(vec![checkpoint(20, ParcelStatus::Delivered)]);
    check(store.as_ref(), "c-3", 1, last, later(48 * HOUR + 2)).await;
    assert_eq!(parcel(store.as_ref(), 1).await.next_check_at, None);
}

pub async fn an_answer_that_is_older_than_a_push_moves_nothing(harness: &dyn Harness) {
    let store = harness.store().await;
    register(store.as_ref(), &[("R-1", Some(1)), ("R-2", Some(2))]).await;
    push(
        store.as_ref(),
        told("p-1", vec![(1, found(vec![checkpoint(9, ParcelStatus::OutForDelivery)]))]),
        600,
    )
    .await;
    check(store.as_ref(), "c-1", 1, steps(2), later(700)).await;
    let view = parcel(store.as_ref(), 1).await;
    assert_eq!((view.status.as_str(), view.checkpoints.len()), ("out_for_delivery", 3));
    let label = Snapshot { status: Some(ParcelStatus::Registered), checkpoints: vec![], eta: None };
    check(store.as_ref(), "c-2", 1, Lookup::Found(label), later(800)).await;
    assert_eq!(parcel(store.as_ref(), 1).await.status, "out_for_delivery", "asked before it was picked up");
    check(store.as_ref(), "c-3", 1, found(vec![checkpoint(30, ParcelStatus::AttemptFailed)]), later(900))
        .await;
    assert_eq!(parcel(store.as_ref(), 1).await.status, "attempt_failed");
    // A carrier that was asked only takes back what it said.
    check(store.as_ref(), "c-4", 2, steps(3), later(600)).await;
    check(store.as_ref(), "c-5", 2, steps(2), later(700)).await;
    assert_eq!(parcel(store.as_ref(), 2).await.status, "in_transit");
}

pub async fn a_parcel_is_the_same_in_every_spelling(harness: &dyn Harness) {
    let store = harness.store().await;
    let spelt = |text: &str| TrackingNumber::new(text).unwrap();
    for (n, given) in ["1234-5678-90ab", "1234567890AB", "1234-567890-ab"].into_iter().enumerate() {
        let mut new = new_return(&format!("R-{n}"), Some(1));
        new.parcel.as_mut().unwrap().number = spelt(given);
        let message = (identity("returns", &format!("return-{n}"), 1), new);
        assert_eq!(store.register_returns(vec![message], now()).await.unwrap(), [Handled::Done]);
    }
    assert_eq!(store.list_parcels(&ParcelFilter::default(), None, 10).await.unwrap().len(), 1);
    let push = |event: &str, number: &str, lookup: Lookup| PushDone {
        identity: identity("tracking", event, 1),
        told: vec![(carrier(), spelt(number), lookup)],
        changed: vec![(carrier(), spelt(number))],
    };
    let merged = PushTally { merged: 1, to_look_up: 1, ..PushTally::default() };
    for (event, number) in [("p-1", "1234567890AB"), ("p-2", "1234-5678-90AB")] {
        let applied = store.apply_pushes(vec![push(event, number, steps(1))], later(60)).await.unwrap();
        assert_eq!(applied.tally, merged, "{number}");
    }
    for text in ["1234567890ab", "1234-5678-90AB"] {
        let view = store.parcel(&carrier(), &spelt(text)).await.unwrap().unwrap();
        assert_eq!((view.tracking_number.as_str(), view.status.as_str()), ("1234-5678-90ab", "picked_up"));
        assert!(store.check_now(&carrier(), &spelt(text), later(90)).await.unwrap());
        let by = By { id: Uuid::from_u128(179), actor: "k".into(), reason: "r".into() };
        let asked = store.ask_check(&carrier(), &spelt(text), LEASE, &by, later(90)).await.unwrap();
        assert!(matches!(asked, CheckAsked::Written | CheckAsked::OnItsWay), "{asked:?}");
    }
}

pub async fn pushes_that_have_to_be_asked_for_are_asked_for_before_they_end(harness: &dyn Harness) {
    let store = harness.store().await;
    register(store.as_ref(), &[("R-1", Some(1)), ("R-2", Some(2)), ("R-3", Some(3))]).await;
    let mut ids = Vec::new();
    for n in 1..=3 {
        ids.push(parcel(store.as_ref(), n).await.parcel_id);
    }
    check(store.as_ref(), "c-3", 3, found(vec![checkpoint(0, ParcelStatus::Delivered)]), later(60)).await;
    let unsubscribed = async |before: u64| {
        let mut found = store.unsubscribed(&ids, later(before)).await.unwrap();
        found.sort();
        let mut wanted: Vec<_> = found.iter().filter_map(|id| ids.iter().position(|one| one == id)).collect();
        wanted.sort_unstable();
        wanted
    };
    assert_eq!(unsubscribed(0).await, [0, 1], "the last one is finished");
    store.subscribed(&ids[..1], later(48 * HOUR)).await.unwrap();
    assert_eq!(unsubscribed(48 * HOUR).await, [1]);
    assert_eq!(unsubscribed(48 * HOUR + 1).await, [0, 1]);
}

pub async fn codes_without_a_meaning_are_counted_and_bounded(harness: &dyn Harness) {
    let store = harness.store().await;
    let other = AdapterId::new("other").unwrap();
    assert_eq!(store.codes(&adapter()).await.unwrap(), []);
    let count = |code: &str, count| (code.to_owned(), count);
    store.note_codes(&adapter(), &[count("status:XY", 2), count("event", 1)], now()).await.unwrap();
    store.note_codes(&adapter(), &[count("event", 5)], later(60)).await.unwrap();
    store.note_codes(&other, &[count("status:XY", 9)], now()).await.unwrap();
    let seen = |code: &str, count, last| CodeSeen {
        code: code.to_owned(),
        count,
        first_seen: now(),
        last_seen: later(last),
    };
    let codes = store.codes(&adapter()).await.unwrap();
    assert_eq!(codes, [seen("event", 6, 60), seen("status:XY", 2, 0)]);
    let many: Vec<(String, u64)> = (0..CODES_MAX).map(|n| count(&format!("status:{n}"), 1)).collect();
    for part in many.chunks(50) {
        store.note_codes(&other, part, now()).await.unwrap();
    }
    store.note_codes(&other, &[count("status:new", 1), count("status:XY", 1)], now()).await.unwrap();
    let codes = store.codes(&other).await.unwrap();
    assert!(codes.len() <= CODES_MAX as usize + 50, "{} codes are kept", codes.len());
    assert!(
        codes[0].code == "status:XY" && codes[0].count == 10 && !codes.iter().any(|c| c.code == "status:new")
    );
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
