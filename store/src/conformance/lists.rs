//! Returns and parcels as people look for them: filtered, a page at a time.

use chrono::Duration;
use forebay_domain::due::Stopped;
use forebay_domain::parcel::Lookup;
use forebay_schemas::events::ParcelStatus;
use forebay_schemas::{AdapterId, CarrierCode, ReturnId};
use uuid::Uuid;

use super::parcels::{check, checkpoint, found, picked_up};
use super::returns::{adapter, carrier, new_return, number, parcel, register, requested, return_id};
use super::{Harness, identity, later, now};
use crate::{Handled, ParcelFilter, ParcelView, ReturnFilter, ReturnState, Store};

/// The ids of all pages of two.
async fn returns(store: &dyn Store, filter: &ReturnFilter) -> Vec<String> {
    let (mut all, mut after) = (Vec::new(), None::<ReturnId>);
    loop {
        let page = store.list_returns(filter, after.as_ref(), 2).await.unwrap();
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { return all };
        after = Some(return_id(&last.return_id));
        all.extend(page.into_iter().map(|view| view.return_id));
    }
}

async fn parcels(store: &dyn Store, filter: &ParcelFilter) -> Vec<ParcelView> {
    let (mut all, mut after) = (Vec::new(), None::<Uuid>);
    loop {
        let page = store.list_parcels(filter, after, 2).await.unwrap();
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { return all };
        after = Some(last.parcel_id);
        all.extend(page);
    }
}

async fn numbers(store: &dyn Store, filter: &ParcelFilter) -> Vec<String> {
    let mut numbers: Vec<_> = parcels(store, filter).await.into_iter().map(|p| p.tracking_number).collect();
    numbers.sort();
    numbers
}

fn texts(numbers: &[u32]) -> Vec<String> {
    numbers.iter().map(|n| number(*n).as_str().to_owned()).collect()
}

pub async fn returns_are_listed_page_by_page_those_registered_last_first(harness: &dyn Harness) {
    let store = harness.store().await;
    register(store.as_ref(), &[("R-1", Some(1)), ("R-2", None), ("R-3", Some(2))]).await;
    let late = [requested("R-0", Some(3)), requested("R-4", None)].to_vec();
    assert_eq!(store.register_returns(late, later(10)).await.unwrap(), [Handled::Done; 2]);
    check(store.as_ref(), "c-1", 1, picked_up(), later(60)).await;
    let of = |state| ReturnFilter { state: Some(state), order_id: None };
    let every = ReturnFilter::default();
    assert_eq!(returns(store.as_ref(), &every).await, ["R-4", "R-0", "R-3", "R-2", "R-1"]);
    assert_eq!(returns(store.as_ref(), &of(ReturnState::Requested)).await, ["R-4", "R-2"]);
    assert_eq!(returns(store.as_ref(), &of(ReturnState::Tracking)).await, ["R-0", "R-3"]);
    assert_eq!(returns(store.as_ref(), &of(ReturnState::PickedUp)).await, ["R-1"]);
    assert_eq!(returns(store.as_ref(), &of(ReturnState::Reported)).await, [""; 0]);
    let message = identity("results", "m-1", 1);
    store.result_delivered("key", &return_id("R-1"), &message, later(90)).await.unwrap();
    assert_eq!(returns(store.as_ref(), &of(ReturnState::Reported)).await, ["R-1"]);
    let order = ReturnFilter { state: None, order_id: Some("O-R-3".parse().unwrap()) };
    let found = store.list_returns(&order, None, 10).await.unwrap();
    assert_eq!(found, [store.return_by_id(&return_id("R-3")).await.unwrap().unwrap()], "as it is by itself");
    assert_eq!(found[0].registered_at, now());
    let both = ReturnFilter { state: Some(ReturnState::Requested), ..order };
    assert_eq!(returns(store.as_ref(), &both).await, [""; 0]);
}

pub async fn a_page_of_returns_stays_where_it_is_while_others_come(harness: &dyn Harness) {
    let store = harness.store().await;
    register(store.as_ref(), &[("R-1", None), ("R-2", None), ("R-3", None)]).await;
    let first = store.list_returns(&ReturnFilter::default(), None, 2).await.unwrap();
    let late = vec![requested("R-9", None)];
    assert_eq!(store.register_returns(late, later(10)).await.unwrap(), [Handled::Done]);
    let after = return_id(&first[1].return_id);
    let rest = store.list_returns(&ReturnFilter::default(), Some(&after), 2).await.unwrap();
    let ids: Vec<_> = first.iter().chain(&rest).map(|view| view.return_id.as_str()).collect();
    assert_eq!(ids, ["R-3", "R-2", "R-1"]);
}

pub async fn parcels_are_listed_page_by_page_with_the_last_checkpoint(harness: &dyn Harness) {
    let store = harness.store().await;
    let mut elsewhere = requested("R-4", Some(4));
    let other = AdapterId::new("other").unwrap();
    let hanjin = CarrierCode::new("hanjin").unwrap();
    let moved = elsewhere.1.parcel.as_mut().unwrap();
    (moved.adapter, moved.carrier) = (other.clone(), hanjin.clone());
    register(store.as_ref(), &[("R-1", Some(1)), ("R-2", Some(2)), ("R-3", Some(3))]).await;
    assert_eq!(store.register_returns(vec![elsewhere], now()).await.unwrap(), [Handled::Done]);
    let steps = vec![checkpoint(0, ParcelStatus::PickedUp), checkpoint(5, ParcelStatus::InTransit)];
    check(store.as_ref(), "c-1", 1, found(steps), later(600)).await;
    check(store.as_ref(), "c-2", 2, Lookup::InvalidNumber, later(600)).await;
    check(store.as_ref(), "c-3", 3, found(vec![checkpoint(9, ParcelStatus::Delivered)]), later(600)).await;

    let every = parcels(store.as_ref(), &ParcelFilter::default()).await;
    let ids: Vec<Uuid> = every.iter().map(|parcel| parcel.parcel_id).collect();
    assert!(ids.len() == 4 && ids.is_sorted_by(|a, b| a > b), "each once: {ids:?}");
    let one = every.into_iter().find(|p| p.tracking_number == number(1).as_str()).unwrap();
    let mut whole = parcel(store.as_ref(), 1).await;
    whole.checkpoints.remove(0);
    assert_eq!(one, whole, "with the last of its checkpoints alone");

    let with = |change: fn(&mut ParcelFilter)| {
        let mut filter = ParcelFilter::default();
        change(&mut filter);
        filter
    };
    for (filter, expected) in [
        (ParcelFilter { carrier: Some(carrier()), ..ParcelFilter::default() }, &[1, 2, 3][..]),
        (ParcelFilter { adapter: Some(other), ..ParcelFilter::default() }, &[4]),
        (with(|filter| filter.status = Some(ParcelStatus::Unknown)), &[2, 4]),
        (with(|filter| filter.status = Some(ParcelStatus::InTransit)), &[1]),
        (with(|filter| filter.stopped = Some(Stopped::Finished)), &[3]),
        (with(|filter| filter.stopped = Some(Stopped::Refused)), &[2]),
        (with(|filter| filter.stopped = Some(Stopped::Silent)), &[]),
    ] {
        assert_eq!(numbers(store.as_ref(), &filter).await, texts(expected), "{filter:?}");
    }
    let both = ParcelFilter { carrier: Some(hanjin), adapter: Some(adapter()), ..ParcelFilter::default() };
    assert_eq!(numbers(store.as_ref(), &both).await, texts(&[]));
}

pub async fn lists_are_cut_to_the_page(harness: &dyn Harness) {
    let store = harness.store().await;
    let page = (0..crate::PAGE_MAX + 1).map(|n| new_return(&format!("R-{n:04}"), Some(n))).collect();
    store.save_collected(None, Some("a"), page, now()).await.unwrap();
    let most = crate::PAGE_MAX as usize;
    let returns = store.list_returns(&ReturnFilter::default(), None, u32::MAX).await.unwrap();
    let parcels = store.list_parcels(&ParcelFilter::default(), None, u32::MAX).await.unwrap();
    assert_eq!((returns.len(), parcels.len()), (most, most));
    let earlier = now() - Duration::days(1);
    let overdue = crate::Overdue { since: earlier, before: later(1) };
    assert_eq!(store.overdue_results(overdue, None, u32::MAX).await.unwrap(), [], "none is picked up");
}
