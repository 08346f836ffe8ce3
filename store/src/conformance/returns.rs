//! Returns: registered once each, sharing parcels, collected page by page.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use forebay_domain::due::Due;
use forebay_schemas::events::{ReturnPickedUp, SendResult};
use forebay_schemas::{AdapterId, CarrierCode, Event, OrderId, ReturnId, TrackingNumber};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::parcels::{check, picked_up};
use super::{Harness, drain, identity, later, now};
use crate::{EffectKind, Handled, Identity, NewParcel, NewReturn, OutboxRow, ParcelView, Store};

/// The system that the tests ask about parcels.
#[must_use]
pub fn adapter() -> AdapterId {
    AdapterId::new("sweettracker").unwrap()
}

/// The carrier of the tests' parcels.
#[must_use]
pub fn carrier() -> CarrierCode {
    CarrierCode::new("cj").unwrap()
}

/// A tracking number.
#[must_use]
pub fn number(n: u32) -> TrackingNumber {
    TrackingNumber::new(format!("6000{n:06}")).unwrap()
}

/// A return id.
#[must_use]
pub fn return_id(id: &str) -> ReturnId {
    ReturnId::new(id).unwrap()
}

/// A return of order `O-<id>`, with the parcel of this number if there is one.
#[must_use]
pub fn new_return(id: &str, parcel: Option<u32>) -> NewReturn {
    NewReturn {
        return_id: return_id(id),
        order_id: OrderId::new(format!("O-{id}")).unwrap(),
        requested_at: now(),
        parcel: parcel.map(new_parcel),
    }
}

/// The parcel of this number, due [`now`].
fn new_parcel(n: u32) -> NewParcel {
    NewParcel {
        carrier: carrier(),
        number: number(n),
        adapter: adapter(),
        traceparent: None,
        due: Due { at: now(), by: now() },
    }
}

/// A message that asks for a return; its event id is `return-<id>`.
#[must_use]
pub fn requested(id: &str, parcel: Option<u32>) -> (Identity, NewReturn) {
    (identity("returns", &format!("return-{id}"), 1), new_return(id, parcel))
}

/// Registers returns by messages of their own.
pub async fn register(store: &dyn Store, returns: &[(&str, Option<u32>)]) {
    let messages: Vec<_> = returns.iter().map(|(id, parcel)| requested(id, *parcel)).collect();
    let handled = store.register_returns(messages, now()).await.unwrap();
    assert_eq!(handled, vec![Handled::Done; returns.len()]);
}

/// The parcel of this number, which must be there.
pub async fn parcel(store: &dyn Store, n: u32) -> ParcelView {
    store.parcel(&carrier(), &number(n)).await.unwrap().unwrap()
}

/// What the rows of one type say, in their order.
#[must_use]
pub fn said<D: DeserializeOwned>(rows: &[OutboxRow], kind: &str) -> Vec<D> {
    let data = |row: &OutboxRow| {
        let event = Event::decode(&row.body).unwrap();
        serde_json::from_str(event.data.get()).unwrap()
    };
    rows.iter().filter(|row| row.kind == kind).map(data).collect()
}

async fn state(store: &dyn Store, id: &str) -> String {
    store.return_by_id(&return_id(id)).await.unwrap().unwrap().state
}

pub async fn a_return_is_registered_with_its_parcel_due_at_once(harness: &dyn Harness) {
    let store = harness.store().await;
    register(store.as_ref(), &[("R-1", Some(1)), ("R-2", None)]).await;
    let view = store.return_by_id(&return_id("R-1")).await.unwrap().unwrap();
    assert_eq!((view.return_id.as_str(), view.order_id.as_str()), ("R-1", "O-R-1"));
    assert_eq!((view.state.as_str(), view.requested_at), ("tracking", now()));
    assert_eq!(view.tracking_number.as_deref(), Some(number(1).as_str()));
    assert_eq!((view.carrier.as_deref(), view.parcel_status.as_deref()), (Some("cj"), Some("unknown")));
    assert_eq!((view.picked_up_at, view.reported_at), (None, None));
    let parcel = parcel(store.as_ref(), 1).await;
    assert_eq!((view.parcel_id, parcel.next_check_at), (Some(parcel.parcel_id), Some(now())));
    assert_eq!((parcel.adapter.as_str(), parcel.checks), ("sweettracker", 0));
    let without = store.return_by_id(&return_id("R-2")).await.unwrap().unwrap();
    assert_eq!((without.state.as_str(), without.parcel_id), ("requested", None));
    assert_eq!(store.return_by_id(&return_id("R-3")).await.unwrap(), None);
    assert_eq!(store.tally().await.unwrap().done.returns, (2, 0, 0));
}

pub async fn a_repeated_request_is_told_from_a_reused_one(harness: &dyn Harness) {
    let store = harness.store().await;
    register(store.as_ref(), &[("R-1", Some(1))]).await;
    let repeat = requested("R-1", Some(1));
    let mut reused = requested("R-1", Some(2));
    reused.0.digest.0 = [2; 32];
    let handled = store.register_returns(vec![repeat, reused], later(1)).await.unwrap();
    assert_eq!(handled, [Handled::Duplicate, Handled::Reused]);
    assert_eq!(store.parcel(&carrier(), &number(2)).await.unwrap(), None);
    assert_eq!(store.tally().await.unwrap().inbox, 1);
}

pub async fn a_return_that_exists_only_gains_a_parcel(harness: &dyn Harness) {
    let store = harness.store().await;
    register(store.as_ref(), &[("R-1", None)]).await;
    for (event, n) in [("with-parcel", 1), ("with-another", 2)] {
        let mut message = requested("R-1", Some(n));
        message.0.id = event.into();
        message.1.order_id = OrderId::new("other").unwrap();
        assert_eq!(store.register_returns(vec![message], later(5)).await.unwrap(), [Handled::Done]);
    }
    let view = store.return_by_id(&return_id("R-1")).await.unwrap().unwrap();
    assert_eq!((view.state.as_str(), view.order_id.as_str()), ("tracking", "O-R-1"));
    assert_eq!(view.tracking_number.as_deref(), Some(number(1).as_str()));
    assert_eq!(store.parcel(&carrier(), &number(2)).await.unwrap(), None, "nobody would want its news");
    assert_eq!(store.tally().await.unwrap().done.returns, (1, 0, 0));
}

pub async fn messages_of_a_set_may_name_one_return(harness: &dyn Harness) {
    let store = harness.store().await;
    let mut second = requested("R-1", Some(1));
    second.0.id = "second".into();
    let handled = store.register_returns(vec![requested("R-1", None), second], now()).await.unwrap();
    assert_eq!(handled, [Handled::Done, Handled::Done]);
    assert_eq!(state(store.as_ref(), "R-1").await, "tracking");
    let (effects, _) = store.effects(EffectKind::Returns, None, 10).await.unwrap();
    assert_eq!(effects, ["return-R-1"], "the first message registered it");
}

pub async fn returns_share_a_parcel_and_are_picked_up_with_it(harness: &dyn Harness) {
    let store = harness.store().await;
    register(store.as_ref(), &[("R-1", Some(1)), ("R-2", Some(1)), ("R-3", Some(2))]).await;
    drain(store.as_ref(), now()).await;
    check(store.as_ref(), "c-1", 1, picked_up(), later(60)).await;
    for (id, expected) in [("R-1", "picked_up"), ("R-2", "picked_up"), ("R-3", "tracking")] {
        assert_eq!(state(store.as_ref(), id).await, expected, "{id}");
    }
    let rows = drain(store.as_ref(), later(60)).await;
    let told: Vec<ReturnPickedUp> = said(&rows, "return.picked_up.v1");
    assert_eq!(told.iter().map(|t| t.return_id.as_str()).collect::<Vec<_>>(), ["R-1", "R-2"]);
    let commands: Vec<SendResult> = said(&rows, "return.result.due.v1");
    assert_eq!(commands.iter().map(|c| c.return_id.as_str()).collect::<Vec<_>>(), ["R-1", "R-2"]);
    let routes: BTreeSet<&str> =
        rows.iter().filter(|row| row.kind == "return.result.due.v1").map(|row| row.route.as_str()).collect();
    assert_eq!(routes, BTreeSet::from(["work:forebay.results"]));
}

pub async fn a_return_of_a_picked_up_parcel_is_picked_up_at_once(harness: &dyn Harness) {
    let store = harness.store().await;
    register(store.as_ref(), &[("R-1", Some(1)), ("R-3", None)]).await;
    check(store.as_ref(), "c-1", 1, picked_up(), later(60)).await;
    let first = store.return_by_id(&return_id("R-1")).await.unwrap().unwrap();
    drain(store.as_ref(), later(60)).await;
    let mut gains = requested("R-3", Some(1));
    gains.0.id = "gains".into();
    let messages = vec![requested("R-2", Some(1)), gains];
    assert_eq!(store.register_returns(messages, later(120)).await.unwrap(), [Handled::Done; 2]);
    for id in ["R-2", "R-3"] {
        let view = store.return_by_id(&return_id(id)).await.unwrap().unwrap();
        assert_eq!((view.state.as_str(), view.picked_up_at), ("picked_up", first.picked_up_at), "{id}");
    }
    let rows = drain(store.as_ref(), later(120)).await;
    assert_eq!(said::<ReturnPickedUp>(&rows, "return.picked_up.v1").len(), 2);
    assert_eq!(said::<SendResult>(&rows, "return.result.due.v1").len(), 2);
}

pub async fn a_result_is_there_once_the_return_is_picked_up(harness: &dyn Harness) {
    let store = harness.store().await;
    register(store.as_ref(), &[("R-1", Some(1))]).await;
    let asked = ["R-1", "R-9"].map(return_id);
    assert_eq!(store.results_of(&asked).await.unwrap(), BTreeMap::new());
    check(store.as_ref(), "c-1", 1, picked_up(), later(60)).await;
    let (result, reported) = store.results_of(&asked).await.unwrap().remove(&asked[0]).unwrap();
    assert_eq!((result.return_id, result.order_id.as_str()), (return_id("R-1"), "O-R-1"));
    assert_eq!((result.carrier, result.tracking_number), (carrier(), number(1)));
    assert_eq!((result.picked_up_at, reported), (now(), false), "the carrier's own time");
}

pub async fn a_collected_page_moves_the_cursor_or_is_not_written(harness: &dyn Harness) {
    let store = harness.store().await;
    assert_eq!(store.collection_cursor().await.unwrap(), None);
    let page = || vec![new_return("R-1", Some(1)), new_return("R-2", None)];
    assert_eq!(store.save_collected(None, Some("a"), page(), now()).await.unwrap(), Some(2));
    assert_eq!(store.collection_cursor().await.unwrap().as_deref(), Some("a"));
    assert_eq!(
        store.save_collected(None, Some("b"), vec![new_return("R-3", None)], now()).await.unwrap(),
        None
    );
    assert_eq!(store.return_by_id(&return_id("R-3")).await.unwrap(), None, "another collector was faster");
    let next = vec![new_return("R-2", Some(2)), new_return("R-3", None)];
    assert_eq!(store.save_collected(Some("a"), Some("b"), next, now()).await.unwrap(), Some(1));
    assert_eq!(state(store.as_ref(), "R-2").await, "tracking");
    assert_eq!(store.collection_cursor().await.unwrap().as_deref(), Some("b"));
    let (effects, _) = store.effects(EffectKind::Returns, None, 10).await.unwrap();
    assert_eq!(effects, Vec::<String>::new(), "no event registered them");
}

pub async fn of_collectors_at_once_one_saves_its_page(harness: &dyn Harness) {
    let store = harness.store().await;
    for (from, to) in [(None, "a"), (Some("a"), "b")] {
        let collectors: Vec<_> = (0..4)
            .map(|n| {
                let store = Arc::clone(&store);
                let page = vec![new_return(&format!("{to}-{n}"), Some(n))];
                tokio::spawn(async move { store.save_collected(from, Some(to), page, now()).await.unwrap() })
            })
            .collect();
        let mut saved = Vec::new();
        for collector in collectors {
            saved.extend(collector.await.unwrap());
        }
        assert_eq!(saved, [1], "to {to}");
    }
    assert_eq!(store.tally().await.unwrap().done.returns.0, 2);
}

pub async fn workers_at_once_register_each_return_once(harness: &dyn Harness) {
    let store = harness.store().await;
    let workers: Vec<_> = (0..4u32)
        .map(|worker| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut handled = Vec::new();
                for set in 0..10u32 {
                    // Each return comes to every worker, in an order of the worker's own; two share a parcel.
                    let of = |n: u32| (set * 10 + (n * 3 + worker * 7) % 10, (n * 3 + worker * 7) % 10 / 2);
                    let messages =
                        (0..10u32).map(of).map(|(n, p)| requested(&format!("R-{n:03}"), Some(set * 10 + p)));
                    handled.extend(store.register_returns(messages.collect(), now()).await.unwrap());
                }
                handled
            })
        })
        .collect();
    let mut done = 0;
    for worker in workers {
        done += worker.await.unwrap().into_iter().filter(|h| *h == Handled::Done).count();
    }
    let tally = store.tally().await.unwrap();
    assert_eq!((done, tally.done.returns.0, tally.inbox), (100, 100, 100));
    let planned = store.plan_checks(&adapter(), 10, 1000, Duration::from_secs(60), now()).await.unwrap();
    assert_eq!(planned, 50, "two returns a parcel");
}

pub async fn workers_at_once_register_a_parcel_once_however_its_number_is_spelt(harness: &dyn Harness) {
    let store = harness.store().await;
    let workers: Vec<_> = (0..4_u32)
        .map(|worker| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for n in 0..25_u32 {
                    let mut message = requested(&format!("R-{worker}-{n}"), Some(n));
                    let spelt = [
                        format!("7000-00{n:04}"),
                        format!("70000-0{n:04}"),
                        format!("700000{n:04}"),
                        format!("7-00000{n:04}"),
                    ];
                    let number = TrackingNumber::new(spelt[worker as usize].clone()).unwrap();
                    message.1.parcel.as_mut().unwrap().number = number;
                    assert_eq!(store.register_returns(vec![message], now()).await.unwrap(), [Handled::Done]);
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    let planned = store.plan_checks(&adapter(), 10, 1000, Duration::from_secs(60), now()).await.unwrap();
    assert_eq!((planned, store.tally().await.unwrap().done.returns.0), (25, 100));
}

/// An id that no row has.
#[must_use]
pub fn nobody() -> Uuid {
    Uuid::from_u128(42)
}
