//! The outbox: taken by one relay at a time, removed when published, given back when not.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use forebay_domain::NewOutbox;
use forebay_schemas::events::CollectReturns;
use forebay_schemas::{Queue, Route};

use super::{Harness, drain, later, now};
use crate::{OutboxLag, OutboxRow, Store};

const LEASE: Duration = Duration::from_secs(30);

/// A command that is due at this time; its event id is `id`.
#[must_use]
pub fn row(id: &str, due_at: DateTime<Utc>) -> NewOutbox {
    let data = CollectReturns { because_of: id.to_owned() };
    NewOutbox { due_at, ..NewOutbox::command(id, Route::Work(Queue::Returns), now(), &data) }
}

fn ids(rows: &[OutboxRow]) -> Vec<i64> {
    rows.iter().map(|row| row.id).collect()
}

fn events(rows: &[OutboxRow]) -> Vec<&str> {
    rows.iter().map(|row| row.event_id.as_str()).collect()
}

pub async fn a_row_is_read_as_it_was_written(harness: &dyn Harness) {
    let store = harness.store().await;
    let mut new = row("a", now());
    new.event.traceparent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into());
    let linked = NewOutbox { links: vec!["one".into(), "two".into()], ..row("b", now()) };
    store.outbox_add(vec![new.clone(), linked]).await.unwrap();
    let mut both = store.outbox_take(2, LEASE, now()).await.unwrap();
    let (linked, taken) = (both.pop().unwrap(), both.pop().unwrap());
    assert_eq!(linked.headers.into_iter().collect::<Vec<_>>(), [("tracelinks".into(), "one,two".into())]);
    assert!(taken.headers.is_empty());
    assert_eq!(taken.route, "work:forebay.returns");
    assert_eq!((taken.event_id.as_str(), &taken.kind), ("a", &new.event.kind));
    assert_eq!(taken.traceparent, new.event.traceparent);
    assert_eq!(taken.body, new.event.encode());
}

pub async fn a_row_is_taken_once_until_its_lease_ends(harness: &dyn Harness) {
    let store = harness.store().await;
    store.outbox_add(vec![row("a", now())]).await.unwrap();
    assert_eq!(events(&store.outbox_take(10, LEASE, now()).await.unwrap()), ["a"]);
    assert_eq!(store.outbox_take(10, LEASE, later(29)).await.unwrap(), []);
    assert_eq!(events(&store.outbox_take(10, LEASE, later(30)).await.unwrap()), ["a"], "its relay died");
}

pub async fn rows_are_taken_when_they_are_due_and_oldest_first(harness: &dyn Harness) {
    let store = harness.store().await;
    let rows = [("a", 0), ("b", 1), ("c", 2), ("d", 60)].map(|(id, seconds)| row(id, later(seconds)));
    store.outbox_add(rows.to_vec()).await.unwrap();
    assert_eq!(events(&store.outbox_take(2, LEASE, later(5)).await.unwrap()), ["a", "b"]);
    assert_eq!(events(&store.outbox_take(2, LEASE, later(5)).await.unwrap()), ["c"]);
    assert_eq!(store.outbox_take(2, LEASE, later(6)).await.unwrap(), []);
}

pub async fn a_published_row_is_gone(harness: &dyn Harness) {
    let store = harness.store().await;
    store.outbox_add(vec![row("a", now()), row("b", now())]).await.unwrap();
    let taken = store.outbox_take(1, LEASE, now()).await.unwrap();
    store.outbox_published(&ids(&taken)).await.unwrap();
    assert_eq!(events(&store.outbox_take(10, LEASE, later(3600)).await.unwrap()), ["b"]);
    assert_eq!(store.tally().await.unwrap().outbox, 1);
    store.outbox_published(&[]).await.unwrap();
}

pub async fn a_released_row_comes_again_at_its_time(harness: &dyn Harness) {
    let store = harness.store().await;
    store.outbox_add(vec![row("a", now())]).await.unwrap();
    let taken = store.outbox_take(1, LEASE, now()).await.unwrap();
    store.outbox_release(&ids(&taken), later(5)).await.unwrap();
    assert_eq!(store.outbox_take(1, LEASE, later(4)).await.unwrap(), []);
    let again = store.outbox_take(1, LEASE, later(5)).await.unwrap();
    assert_eq!(ids(&again), ids(&taken));
}

pub async fn two_relays_never_share_a_row(harness: &dyn Harness) {
    let store = harness.store().await;
    store.outbox_add((0..300).map(|n| row(&format!("e{n}"), now())).collect()).await.unwrap();
    let relays: Vec<_> = (0..4)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut mine = Vec::new();
                loop {
                    let rows = store.outbox_take(7, LEASE, now()).await.unwrap();
                    if rows.is_empty() {
                        return mine;
                    }
                    mine.extend(ids(&rows));
                }
            })
        })
        .collect();
    let mut all = Vec::new();
    for relay in relays {
        all.extend(relay.await.unwrap());
    }
    all.extend(ids(&drain(store.as_ref(), now()).await));
    assert_eq!((all.len(), all.iter().collect::<BTreeSet<_>>().len()), (300, 300));
}

pub async fn lag_counts_what_is_due(harness: &dyn Harness) {
    let store = harness.store().await;
    assert_eq!(store.outbox_lag(now()).await.unwrap(), OutboxLag::default());
    store.outbox_add(vec![row("a", now()), row("b", later(1)), row("c", later(60))]).await.unwrap();
    assert_eq!(store.outbox_lag(later(10)).await.unwrap(), OutboxLag { due: 2, oldest: Some(now()) });
    let taken = store.outbox_take(1, LEASE, later(10)).await.unwrap();
    assert_eq!(store.outbox_lag(later(10)).await.unwrap(), OutboxLag { due: 2, oldest: Some(now()) });
    store.outbox_published(&ids(&taken)).await.unwrap();
    assert_eq!(store.outbox_lag(later(10)).await.unwrap(), OutboxLag { due: 1, oldest: Some(later(1)) });
}

pub async fn a_row_that_can_not_be_published_grows_older_however_often_it_is_tried(harness: &dyn Harness) {
    let store = harness.store().await;
    store.outbox_add(vec![row("a", now())]).await.unwrap();
    for tried in [0, 2, 4] {
        let taken = store.outbox_take(1, LEASE, later(tried)).await.unwrap();
        assert_eq!(store.outbox_lag(later(tried)).await.unwrap(), OutboxLag { due: 1, oldest: Some(now()) });
        store.outbox_release(&ids(&taken), later(tried + 2)).await.unwrap();
        assert_eq!(store.outbox_lag(later(tried)).await.unwrap(), OutboxLag { due: 1, oldest: Some(now()) });
    }
}

pub async fn a_list_is_cut_to_the_page(harness: &dyn Harness) {
    let store = harness.store().await;
    store.outbox_add((0..501).map(|n| row(&format!("e{n}"), now())).collect()).await.unwrap();
    assert_eq!(store.outbox_take(u32::MAX, LEASE, now()).await.unwrap().len(), 500);
}

pub async fn a_relay_is_woken_or_waits_no_longer_than_it_said(harness: &dyn Harness) {
    let store = harness.store().await;
    let most = Duration::from_millis(20);
    let began = Instant::now();
    store.outbox_changed(most).await;
    store.outbox_changed(most).await;
    assert!(began.elapsed() < Duration::from_secs(30));
    let relay = {
        let store = Arc::clone(&store);
        tokio::spawn(async move { first_row(store.as_ref()).await })
    };
    store.outbox_add(vec![row("a", now())]).await.unwrap();
    let waited = tokio::time::timeout(Duration::from_secs(30), relay).await;
    assert_eq!(events(&waited.unwrap().unwrap()), ["a"]);
}

/// Waits as a relay does, with a bound that is far beyond the test's.
async fn first_row(store: &dyn Store) -> Vec<OutboxRow> {
    loop {
        let rows = store.outbox_take(1, LEASE, now()).await.unwrap();
        if !rows.is_empty() {
            return rows;
        }
        store.outbox_changed(Duration::from_secs(600)).await;
    }
}
