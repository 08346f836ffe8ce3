//! Parcels: planned, asked about, merged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use forebay_domain::due::Due;
use forebay_domain::parcel::{Checkpoint, EventTime, Lookup, Snapshot};
use forebay_schemas::events::{CheckParcels, ParcelStatus, ParcelStatusChanged, ReturnPickedUp};
use forebay_schemas::{AdapterId, Event};
use uuid::Uuid;

use super::returns::{adapter, carrier, new_return, nobody, number, parcel, register, said};
use super::{Harness, day, drain, identity, later, now};
use crate::{CheckDone, Handled, OutboxRow, Store};

const LEASE: Duration = Duration::from_secs(600);
const HOUR: u64 = 3600;

/// A checkpoint so many minutes after [`now`].
#[must_use]
pub fn checkpoint(minutes: i64, status: ParcelStatus) -> Checkpoint {
    Checkpoint {
        at: EventTime::Exact(now() + chrono::Duration::minutes(minutes)),
        status,
        raw_code: Some(status.as_str().to_owned()),
        text: None,
        place: None,
    }
}

/// A carrier's answer.
#[must_use]
pub fn found(checkpoints: Vec<Checkpoint>) -> Lookup {
    Lookup::Found(Snapshot { status: None, checkpoints, eta: None })
}

/// The answer that a parcel was picked up, [`now`].
#[must_use]
pub fn picked_up() -> Lookup {
    found(vec![checkpoint(0, ParcelStatus::PickedUp)])
}

/// Merges the answer of one check of a parcel.
pub async fn check(store: &dyn Store, event: &str, n: u32, lookup: Lookup, at: DateTime<Utc>) {
    let done = answer(event, vec![(parcel(store, n).await.parcel_id, lookup)]);
    assert_eq!(store.apply_checks(vec![done], at).await.unwrap(), [Handled::Done]);
}

fn answer(event: &str, lookups: Vec<(Uuid, Lookup)>) -> CheckDone {
    CheckDone { identity: identity("tracking", event, 1), lookups }
}

fn commands(rows: &[OutboxRow]) -> Vec<CheckParcels> {
    said(rows, "parcel.check.due.v1")
}

/// Registers a return whose parcel has this number and is due then.
async fn register_due(store: &dyn Store, n: u32, due: Due) {
    let mut new = new_return(&format!("R-{n}"), Some(n));
    new.parcel.as_mut().unwrap().due = due;
    let message = (identity("returns", &format!("return-{n}"), 1), new);
    assert_eq!(store.register_returns(vec![message], now()).await.unwrap(), [Handled::Done]);
}

async fn planned(store: &dyn Store, most: u32, at: DateTime<Utc>) -> Vec<String> {
    store.plan_checks(&adapter(), 100, most, LEASE, at).await.unwrap();
    let commands = commands(&drain(store, at).await);
    commands.iter().flat_map(|c| &c.parcels).map(|p| p.tracking_number.as_str().to_owned()).collect()
}

pub async fn where_calls_are_scarce_who_can_wait_the_shortest_goes_first(harness: &dyn Harness) {
    let store = harness.store().await;
    for (n, at, by) in [(1, 0, 9_000), (2, 60, 100), (3, 30, 4_000), (4, 200, 200)] {
        register_due(store.as_ref(), n, Due { at: later(at), by: later(by) }).await;
    }
    assert_eq!(planned(store.as_ref(), 2, later(60)).await, [2, 3].map(|n| number(n).as_str().to_owned()));
    assert_eq!(planned(store.as_ref(), 9, later(200)).await, [4, 1].map(|n| number(n).as_str().to_owned()));
}

pub async fn what_is_due_is_counted_and_since_when(harness: &dyn Harness) {
    let store = harness.store().await;
    let other = AdapterId::new("other").unwrap();
    let due = async |most, at| {
        let mut due = store.checks_due(&[(other.clone(), 9), (adapter(), most)], later(at)).await.unwrap();
        assert_eq!(due.remove(&other), None);
        due.remove(&adapter())
    };
    assert_eq!(due(9, 0).await, None);
    for n in 1..=3 {
        let at = later(u64::from(n) * 10);
        register_due(store.as_ref(), n, Due { at, by: at }).await;
    }
    assert_eq!(due(9, 9).await, None);
    assert_eq!(due(9, 20).await, Some((2, later(10))));
    assert_eq!(due(2, 99).await.map(|(count, _)| count), Some(2), "counted no further than asked for");
    planned(store.as_ref(), 1, later(20)).await;
    assert_eq!(due(9, 20).await, Some((1, later(20))), "the other one is outstanding");
    assert_eq!(store.checks_due(&[(other.clone(), 9)], later(99)).await.unwrap(), BTreeMap::new());
}

pub async fn a_parcel_that_is_not_asked_about_any_more_says_why(harness: &dyn Harness) {
    let store = harness.store().await;
    register(store.as_ref(), &[("R-1", Some(1)), ("R-2", Some(2)), ("R-3", Some(3))]).await;
    let ends = [
        (1, found(vec![checkpoint(0, ParcelStatus::Delivered)]), later(10), "finished"),
        (2, Lookup::InvalidNumber, later(10), "refused"),
        (3, Lookup::NotYetKnown, later(11 * 24 * HOUR), "never_used"),
    ];
    for (n, lookup, at, why) in ends {
        assert_eq!(parcel(store.as_ref(), n).await.stopped, None);
        check(store.as_ref(), &format!("c-{n}"), n, lookup, at).await;
        let view = parcel(store.as_ref(), n).await;
        assert_eq!((view.next_check_at, view.stopped.as_deref()), (None, Some(why)));
    }
}

pub async fn what_a_carrier_expects_is_kept_until_it_says_otherwise(harness: &dyn Harness) {
    let store = harness.store().await;
    register(store.as_ref(), &[("R-1", Some(1))]).await;
    let expects =
        |eta| Lookup::Found(Snapshot { status: Some(ParcelStatus::InTransit), checkpoints: vec![], eta });
    let days = 4 * 24 * HOUR;
    let answers = [(Some(later(days)), days), (None, days), (Some(later(2 * days)), 2 * days)];
    for (n, (eta, kept)) in answers.into_iter().enumerate() {
        check(store.as_ref(), &format!("c-{n}"), 1, expects(eta), now()).await;
        let view = parcel(store.as_ref(), 1).await;
        assert_eq!(view.eta, Some(later(kept)));
        assert!(view.next_check_at.unwrap() > later(8 * HOUR), "it is not expected soon: {view:?}");
    }
}

pub async fn due_parcels_are_planned_oldest_first_in_batches(harness: &dyn Harness) {
    let store = harness.store().await;
    for n in [3, 1, 2, 0, 4] {
        let at = later(u64::from(n));
        let mut page = vec![new_return(&format!("R-{n}"), Some(n))];
        page[0].parcel.as_mut().unwrap().due = Due { at, by: at };
        let cursor = store.collection_cursor().await.unwrap();
        let to = format!("page-{n}");
        store.save_collected(cursor.as_deref(), Some(&to), page, later(u64::from(n))).await.unwrap();
    }
    assert_eq!(
        store.plan_checks(&adapter(), 2, 4, LEASE, later(3)).await.unwrap(),
        4,
        "the fifth is not due"
    );
    let rows = drain(store.as_ref(), later(3)).await;
    let planned: Vec<Vec<String>> = commands(&rows)
        .iter()
        .map(|c| c.parcels.iter().map(|p| p.tracking_number.as_str().to_owned()).collect())
        .collect();
    let expected: Vec<String> = (0..4).map(|n| number(n).as_str().to_owned()).collect();
    assert_eq!(planned, [&expected[..2], &expected[2..]]);
    assert_eq!(rows[0].route, "work:forebay.tracking.sweettracker");
    let first = &commands(&rows)[0].parcels[0];
    assert_eq!((first.parcel_id, &first.carrier), (parcel(store.as_ref(), 0).await.parcel_id, &carrier()));
}

pub async fn a_parcel_has_one_check_outstanding_until_its_lease_ends(harness: &dyn Harness) {
    let store = harness.store().await;
    register(store.as_ref(), &[("R-1", Some(1)), ("R-2", Some(2))]).await;
    assert_eq!(store.plan_checks(&adapter(), 10, 1, LEASE, now()).await.unwrap(), 1);
    assert_eq!(store.checks_outstanding(&adapter(), now()).await.unwrap(), 1);
    assert_eq!(store.plan_checks(&adapter(), 10, 10, LEASE, later(1)).await.unwrap(), 1, "the other one");
    assert_eq!(store.checks_outstanding(&adapter(), later(1)).await.unwrap(), 2);
    assert_eq!(store.plan_checks(&adapter(), 10, 10, LEASE, later(599)).await.unwrap(), 0);
    assert_eq!(store.checks_outstanding(&adapter(), later(600)).await.unwrap(), 1);
    assert_eq!(
        store.plan_checks(&adapter(), 10, 10, LEASE, later(700)).await.unwrap(),
        2,
        "the answers were lost"
    );
}

pub async fn an_answer_clears_the_outstanding_check(harness: &dyn Harness) {
    let store = harness.store().await;
    register(store.as_ref(), &[("R-1", Some(1))]).await;
    store.plan_checks(&adapter(), 10, 10, LEASE, now()).await.unwrap();
    check(store.as_ref(), "c-1", 1, Lookup::NotYetKnown, later(10)).await;
    assert_eq!(store.checks_outstanding(&adapter(), later(10)).await.unwrap(), 0);
    let view = parcel(store.as_ref(), 1).await;
    let next = view.next_check_at.unwrap();
    let (least, most) = (later(HOUR), later(3 * HOUR));
    assert!(view.checks == 1 && next > least && next < most, "{view:?}");
    let second = chrono::Duration::seconds(1);
    assert_eq!(store.plan_checks(&adapter(), 10, 10, LEASE, next - second).await.unwrap(), 0);
    assert_eq!(store.plan_checks(&adapter(), 10, 10, LEASE, next).await.unwrap(), 1);
}

pub async fn a_carriers_system_is_planned_for_by_itself(harness: &dyn Harness) {
    let store = harness.store().await;
    register(store.as_ref(), &[("R-1", Some(1))]).await;
    let other = AdapterId::new("other").unwrap();
    assert_eq!(store.plan_checks(&other, 10, 10, LEASE, now()).await.unwrap(), 0);
    assert_eq!(store.plan_checks(&adapter(), 10, 10, LEASE, now()).await.unwrap(), 1);
    assert_eq!(store.checks_outstanding(&other, now()).await.unwrap(), 0);
}

pub async fn planners_at_once_take_each_parcel_once(harness: &dyn Harness) {
    let store = harness.store().await;
    let ids: Vec<String> = (0..60).map(|n| format!("R-{n}")).collect();
    let returns: Vec<(&str, Option<u32>)> = (0..60).map(|n| (ids[n as usize].as_str(), Some(n))).collect();
    register(store.as_ref(), &returns).await;
    let planners: Vec<_> = (0..4)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut taken = 0;
                for _ in 0..10 {
                    taken += store.plan_checks(&adapter(), 3, 7, LEASE, now()).await.unwrap();
                }
                taken
            })
        })
        .collect();
    let mut taken = 0;
    for planner in planners {
        taken += planner.await.unwrap();
    }
    let rows = drain(store.as_ref(), now()).await;
    let asked: Vec<Uuid> = commands(&rows).iter().flat_map(|c| &c.parcels).map(|p| p.parcel_id).collect();
    assert_eq!((taken, asked.len(), asked.iter().collect::<BTreeSet<_>>().len()), (60, 60, 60));
}

pub async fn a_state_that_is_entered_is_told_once(harness: &dyn Harness) {
    let store = harness.store().await;
    register(store.as_ref(), &[("R-1", Some(1))]).await;
    drain(store.as_ref(), now()).await;
    let steps = vec![checkpoint(0, ParcelStatus::PickedUp), checkpoint(5, ParcelStatus::InTransit)];
    check(store.as_ref(), "c-1", 1, found(steps.clone()), later(600)).await;
    check(store.as_ref(), "c-2", 1, found(steps), later(1200)).await;
    let rows = drain(store.as_ref(), later(1200)).await;
    let told: Vec<ParcelStatusChanged> = said(&rows, "parcel.status.changed.v1");
    let expected = (ParcelStatus::InTransit, Some(later(300)), number(1));
    assert_eq!(
        told.into_iter().map(|t| (t.status, t.status_at, t.tracking_number)).collect::<Vec<_>>(),
        [expected]
    );
    assert_eq!(said::<ReturnPickedUp>(&rows, "return.picked_up.v1").len(), 1);
    let view = parcel(store.as_ref(), 1).await;
    assert_eq!((view.status.as_str(), view.status_at), ("in_transit", Some(later(300))));
    assert_eq!((view.picked_up_at, view.checks, view.checkpoints.len()), (Some(now()), 2, 2));
}

pub async fn a_repeated_answer_is_told_from_a_reused_one(harness: &dyn Harness) {
    let store = harness.store().await;
    register(store.as_ref(), &[("R-1", Some(1))]).await;
    let id = parcel(store.as_ref(), 1).await.parcel_id;
    let first = answer("c-1", vec![(id, picked_up())]);
    let mut reused = first.clone();
    reused.identity.digest.0 = [2; 32];
    let handled =
        store.apply_checks(vec![first.clone(), first.clone(), reused.clone()], now()).await.unwrap();
    assert_eq!(handled, [Handled::Done, Handled::Duplicate, Handled::Reused]);
    let handled = store.apply_checks(vec![first, reused], now()).await.unwrap();
    assert_eq!(handled, [Handled::Duplicate, Handled::Reused]);
    assert_eq!(parcel(store.as_ref(), 1).await.checks, 1);
}

pub async fn a_finished_parcel_is_never_due_again(harness: &dyn Harness) {
    let store = harness.store().await;
    register(store.as_ref(), &[("R-1", Some(1)), ("R-2", Some(2))]).await;
    check(store.as_ref(), "c-1", 1, found(vec![checkpoint(0, ParcelStatus::Delivered)]), later(60)).await;
    check(store.as_ref(), "c-2", 2, Lookup::InvalidNumber, later(60)).await;
    let views = [parcel(store.as_ref(), 1).await, parcel(store.as_ref(), 2).await];
    assert_eq!(views.each_ref().map(|v| v.next_check_at), [None, None]);
    assert_eq!(views.each_ref().map(|v| v.status.as_str()), ["delivered", "unknown"]);
    assert_eq!(store.plan_checks(&adapter(), 10, 10, LEASE, later(1000 * HOUR)).await.unwrap(), 0);
}

pub async fn checkpoints_are_read_as_they_were_learned(harness: &dyn Harness) {
    let store = harness.store().await;
    register(store.as_ref(), &[("R-1", Some(1))]).await;
    let wall = day("2026-11-20").and_hms_opt(9, 30, 0).unwrap();
    let of = |at, status, text: Option<&str>| Checkpoint {
        at,
        status,
        raw_code: None,
        text: text.map(str::to_owned),
        place: Some("Seoul \"Gangnam\" 강남".into()),
    };
    let first = vec![
        of(EventTime::Exact(later(7)), ParcelStatus::Registered, Some("label made")),
        of(EventTime::Local(wall), ParcelStatus::InTransit, Some("on its way")),
    ];
    let second = vec![
        of(EventTime::Date(day("2026-11-19")), ParcelStatus::PickedUp, Some("taken")),
        of(EventTime::Missing, ParcelStatus::Unknown, None),
    ];
    check(store.as_ref(), "c-1", 1, found(first.clone()), later(60)).await;
    check(store.as_ref(), "c-2", 1, found([second.clone(), first.clone()].concat()), later(120)).await;
    let view = parcel(store.as_ref(), 1).await;
    let learned: Vec<_> = view.checkpoints.iter().map(|c| c.learned_at).collect();
    assert_eq!(learned, [later(60), later(60), later(120), later(120)]);
    let kept: Vec<_> = view.checkpoints.into_iter().map(|c| c.checkpoint).collect();
    assert_eq!(kept, [first, second].concat());
}

pub async fn odd_text_of_a_carrier_does_not_hold_up_its_set(harness: &dyn Harness) {
    let store = harness.store().await;
    register(store.as_ref(), &[("R-1", Some(1)), ("R-2", Some(2))]).await;
    let mut odd = checkpoint(0, ParcelStatus::InTransit);
    odd.text = Some("nul \0, quote ', dollar $1, \u{202e} and 🎁".into());
    odd.raw_code = Some("\0".into());
    let ids = [parcel(store.as_ref(), 1).await.parcel_id, parcel(store.as_ref(), 2).await.parcel_id];
    let checks = vec![
        answer("c-1", vec![(ids[0], found(vec![odd]))]),
        answer("c-2", vec![(ids[1], found(vec![checkpoint(0, ParcelStatus::InTransit)]))]),
    ];
    assert_eq!(store.apply_checks(checks, later(60)).await.unwrap(), [Handled::Done; 2]);
    let text = parcel(store.as_ref(), 1).await.checkpoints.remove(0).checkpoint.text.unwrap();
    assert!(text.contains("quote ', dollar $1") && text.contains('🎁'), "{text:?}");
    assert_eq!(parcel(store.as_ref(), 2).await.status, "in_transit");
}

pub async fn a_parcel_that_is_not_there_is_passed_over(harness: &dyn Harness) {
    let store = harness.store().await;
    register(store.as_ref(), &[("R-1", Some(1))]).await;
    let id = parcel(store.as_ref(), 1).await.parcel_id;
    let done = answer("c-1", vec![(nobody(), picked_up()), (id, picked_up())]);
    assert_eq!(store.apply_checks(vec![done], now()).await.unwrap(), [Handled::Done]);
    assert_eq!(parcel(store.as_ref(), 1).await.status, "picked_up");
    assert_eq!(store.apply_checks(Vec::new(), now()).await.unwrap(), []);
}

pub async fn workers_at_once_merge_each_answer_once(harness: &dyn Harness) {
    let store = harness.store().await;
    register(store.as_ref(), &[("R-0", Some(0)), ("R-1", Some(1)), ("R-2", Some(2))]).await;
    let mut ids = Vec::new();
    for n in 0..3 {
        ids.push(parcel(store.as_ref(), n).await.parcel_id);
    }
    let workers: Vec<_> = (0..4u8)
        .map(|worker| {
            let (store, mut ids) = (Arc::clone(&store), ids.clone());
            ids.rotate_left(usize::from(worker) % 3);
            tokio::spawn(async move {
                for step in 0..10i64 {
                    let lookup =
                        || found((0..=step).map(|m| checkpoint(m, ParcelStatus::InTransit)).collect());
                    let lookups = ids.iter().map(|id| (*id, lookup())).collect();
                    let check = answer(&format!("c-{step}"), lookups);
                    store.apply_checks(vec![check], later(600)).await.unwrap();
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    for n in 0..3 {
        let view = parcel(store.as_ref(), n).await;
        assert_eq!((view.checks, view.checkpoints.len()), (10, 10), "parcel {n}");
    }
    let rows = drain(store.as_ref(), later(600)).await;
    let events: BTreeSet<String> = rows.iter().map(|row| Event::decode(&row.body).unwrap().id).collect();
    assert_eq!(events.len(), rows.len(), "each message has an id of its own");
    assert_eq!(said::<ParcelStatusChanged>(&rows, "parcel.status.changed.v1").len(), 3);
    assert_eq!(said::<ReturnPickedUp>(&rows, "return.picked_up.v1").len(), 3);
}
