//! What people ask for: a result sent again, returns collected, a parcel checked; and results that stay away.

use std::sync::Arc;
use std::time::Duration;

use forebay_domain::parcel::Lookup;
use forebay_schemas::events::{CheckParcels, CollectReturns, ParcelStatus, SendResult};
use serde_json::{Value, json};

use super::dead_letters::{by, indexed, letter};
use super::parcels::{check, checkpoint, found, picked_up};
use super::returns::{adapter, carrier, number, parcel, register, requested, return_id, said};
use super::{Harness, drain, identity, later, now};
use crate::{CheckAsked, DeadLetterFilter, EffectView, NewDeadLetter, Overdue, Resent, Store, result_key};

const LEASE: Duration = Duration::from_secs(600);
const DUE: &str = "return.result.due.v1";

/// What the audit log says: action, subject, what was there before it, and after it.
async fn log(store: &dyn Store) -> Vec<(String, String, Value, Value)> {
    let entries = store.audit_log(None, 10).await.unwrap();
    entries.into_iter().map(|entry| (entry.action, entry.subject, entry.before, entry.after)).collect()
}

pub async fn a_result_is_sent_again_when_a_person_asks(harness: &dyn Harness) {
    let store = harness.store().await;
    register(store.as_ref(), &[("R-1", Some(1))]).await;
    let resend = async |id: &str, n| store.resend_result(&return_id(id), &by(n), later(100)).await.unwrap();
    assert_eq!(resend("R-9", 1).await, Resent::NotThere);
    assert_eq!(resend("R-1", 2).await, Resent::NotPickedUp);
    check(store.as_ref(), "c-1", 1, picked_up(), later(60)).await;
    drain(store.as_ref(), later(60)).await;
    assert_eq!(log(store.as_ref()).await, [], "nothing was done yet");

    assert_eq!(resend("R-1", 3).await, Resent::Written { again: false });
    let message = identity("results", "m-1", 1);
    store.result_delivered("key", &return_id("R-1"), &message, later(90)).await.unwrap();
    assert_eq!(resend("R-1", 4).await, Resent::Written { again: true });
    let rows = drain(store.as_ref(), later(100)).await;
    assert!(rows.iter().all(|row| row.route == "work:forebay.results"), "{rows:?}");
    let of = |again| SendResult { return_id: return_id("R-1"), again };
    assert_eq!(said::<SendResult>(&rows, DUE), [of(false), of(true)]);
    let entries = log(store.as_ref()).await;
    let told: Vec<_> =
        entries.iter().map(|(action, subject, _, after)| (&**action, &**subject, after)).collect();
    let expected = [true, false].map(|again| json!({ "again": again }));
    assert_eq!(told, expected.each_ref().map(|after| ("returns.resend", "R-1", after)));
    let view = store.return_by_id(&return_id("R-1")).await.unwrap().unwrap();
    assert_eq!((view.state.as_str(), view.reported_at), ("reported", Some(later(90))), "it stays");
}

pub async fn a_collection_is_asked_for(harness: &dyn Harness) {
    let store = harness.store().await;
    store.ask_collection(&by(1), now()).await.unwrap();
    let rows = drain(store.as_ref(), now()).await;
    assert_eq!(rows.iter().map(|row| row.route.as_str()).collect::<Vec<_>>(), ["work:forebay.returns"]);
    assert_eq!(said::<CollectReturns>(&rows, "return.collection.due.v1").len(), 1);
    let entries = log(store.as_ref()).await;
    assert_eq!((entries.len(), entries[0].0.as_str()), (1, "returns.collect"));
}

pub async fn a_person_has_a_parcel_checked_beside_the_plan(harness: &dyn Harness) {
    let store = harness.store().await;
    register(store.as_ref(), &[("R-1", Some(1)), ("R-2", Some(2)), ("R-3", Some(3))]).await;
    check(store.as_ref(), "c-2", 2, found(vec![checkpoint(0, ParcelStatus::Delivered)]), later(60)).await;
    check(store.as_ref(), "c-3", 3, Lookup::InvalidNumber, later(60)).await;
    // One goes by the plan already, and may have to wait for its share of the day.
    assert_eq!(store.plan_checks(&adapter(), 10, 10, LEASE, later(60)).await.unwrap(), 1);
    drain(store.as_ref(), later(60)).await;
    let ask = async |n, at: u64| {
        store.ask_check(&carrier(), &number(n), LEASE, &by(u128::from(at)), later(at)).await.unwrap()
    };
    assert_eq!(ask(9, 70).await, CheckAsked::NotThere);
    assert_eq!(ask(2, 71).await, CheckAsked::Finished);
    assert_eq!(ask(1, 72).await, CheckAsked::Written);
    assert_eq!(ask(1, 73).await, CheckAsked::OnItsWay);
    assert_eq!(ask(3, 74).await, CheckAsked::Written, "people may know better");
    let rows = drain(store.as_ref(), later(80)).await;
    assert!(rows.iter().all(|row| row.route == "work:forebay.tracking.sweettracker"), "{rows:?}");
    let commands: Vec<CheckParcels> = said(&rows, "parcel.check.due.v1");
    let asked: Vec<_> =
        commands.iter().map(|c| (c.for_person, c.parcels[0].tracking_number.clone())).collect();
    assert_eq!(asked, [(true, number(1)), (true, number(3))]);
    let view = parcel(store.as_ref(), 3).await;
    assert_eq!((view.stopped, view.next_check_at), (None, Some(later(74))));
    assert_eq!(store.checks_outstanding(&adapter(), later(80)).await.unwrap(), 2);
    assert_eq!(store.plan_checks(&adapter(), 10, 10, LEASE, later(80)).await.unwrap(), 0, "it is on its way");
    let mut entries = log(store.as_ref()).await;
    entries.sort_by(|a, b| a.1.cmp(&b.1));
    let subjects: Vec<_> =
        entries.iter().map(|(action, subject, before, _)| (&**action, &**subject, before)).collect();
    let (first, third) = (format!("cj/{}", number(1)), format!("cj/{}", number(3)));
    assert_eq!(
        subjects,
        [
            ("parcels.check", first.as_str(), &json!({ "stopped": null })),
            ("parcels.check", third.as_str(), &json!({ "stopped": "refused" })),
        ]
    );

    check(store.as_ref(), "c-1", 1, Lookup::NotYetKnown, later(90)).await;
    assert_eq!(ask(1, 91).await, CheckAsked::Written, "the one before was answered");
    assert_eq!(ask(1, 690).await, CheckAsked::OnItsWay);
    assert_eq!(ask(1, 692).await, CheckAsked::Written, "its answer was lost");
}

pub async fn people_who_ask_at_once_have_one_check(harness: &dyn Harness) {
    let store = harness.store().await;
    register(store.as_ref(), &[("R-1", Some(1))]).await;
    let people: Vec<_> = (0..6u128)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                store.ask_check(&carrier(), &number(1), LEASE, &by(n), now()).await.unwrap()
            })
        })
        .collect();
    let mut written = 0;
    for person in people {
        written += usize::from(person.await.unwrap() == CheckAsked::Written);
    }
    assert_eq!((written, drain(store.as_ref(), now()).await.len()), (1, 1));
}

fn dead(id: &str, status_of: &str) -> NewDeadLetter {
    indexed(NewDeadLetter { kind: DUE.into(), subject: Some(format!("return/{status_of}")), ..letter(id) })
}

pub async fn a_result_is_overdue_when_nothing_of_it_is_left(harness: &dyn Harness) {
    let store = harness.store().await;
    let ids = ["R-1", "R-2", "R-3", "R-4", "R-5", "R-6"];
    let returns: Vec<_> = (1..).zip(ids).map(|(n, id)| (id, Some(n))).collect();
    register(store.as_ref(), &returns).await;
    // The carrier's own time of the pick-up, as it is told, is of no matter.
    for n in 1..=5 {
        check(store.as_ref(), &format!("c-{n}"), n, picked_up(), later(60 * u64::from(n))).await;
    }
    store
        .result_delivered("key", &return_id("R-2"), &identity("results", "m-2", 1), later(90))
        .await
        .unwrap();
    store.archive(vec![dead("m-3", "R-3"), dead("m-4", "R-4")], later(400)).await.unwrap();
    let overdue = async |since, before, after: Option<&str>| {
        let window = Overdue { since: later(since), before: later(before) };
        let after = after.map(return_id);
        let found = store.overdue_results(window, after.as_ref(), 10).await.unwrap();
        found.iter().map(|id| id.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(overdue(0, 301, None).await, ["R-1", "R-5"]);
    assert_eq!(overdue(0, 300, None).await, ["R-1"], "the other one was announced later");
    assert_eq!(overdue(61, 301, None).await, ["R-5"], "the other one is too old");
    assert_eq!(overdue(0, 301, Some("R-1")).await, ["R-5"]);
    // Somebody did not want it sent.
    let filter = DeadLetterFilter { message_id: Some("m-4".into()), ..DeadLetterFilter::default() };
    assert_eq!(store.discard(&filter, 10, &by(1), later(500)).await.unwrap(), 1);
    assert_eq!(overdue(0, 301, None).await, ["R-1", "R-5"]);
    // One that joins a parcel that was picked up long ago is announced when it comes.
    let late = store.register_returns(vec![requested("R-7", Some(1))], later(1000)).await.unwrap();
    assert_eq!(late.len(), 1);
    assert_eq!(overdue(0, 1000, None).await, ["R-1", "R-5"]);
    assert_eq!(overdue(0, 1001, None).await, ["R-1", "R-5", "R-7"]);
}

pub async fn a_call_is_read_as_it_stands_in_the_ledger(harness: &dyn Harness) {
    let store = harness.store().await;
    let key = result_key(&return_id("R-1"));
    assert_eq!(store.effect(&key).await.unwrap(), None);
    store.effect_intend(&key, "return-result", now()).await.unwrap();
    store.effect_intend(&key, "return-result", later(5)).await.unwrap();
    store.effect_failed(&key, true, "no answer", later(9)).await.unwrap();
    let expected = EffectView {
        state: "unknown".into(),
        tries: 2,
        error: Some("no answer".into()),
        intended_at: now(),
        changed_at: later(9),
    };
    assert_eq!(store.effect(&key).await.unwrap(), Some(expected));
}
