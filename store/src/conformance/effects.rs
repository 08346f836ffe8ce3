//! The effect ledger: intended before the call, honest about what became of it.

use std::sync::Arc;

use super::parcels::{check, picked_up};
use super::returns::{register, return_id};
use super::{Harness, identity, later, now};
use crate::{Handled, Intent, ResultDelivered, Store, result_key};

const KEY: &str = "result/R-1";

async fn tries(store: &dyn Store) -> u32 {
    match store.effect_intend(KEY, "result", now()).await.unwrap() {
        Intent::Proceed { tries } => tries,
        Intent::Confirmed => panic!("nobody confirmed it"),
    }
}

async fn with_picked_up_return(harness: &dyn Harness) -> Arc<dyn Store> {
    let store = harness.store().await;
    register(store.as_ref(), &[("R-1", Some(1))]).await;
    check(store.as_ref(), "c-1", 1, picked_up(), later(60)).await;
    store
}

pub async fn an_intention_counts_the_earlier_ones(harness: &dyn Harness) {
    let store = harness.store().await;
    assert_eq!(tries(store.as_ref()).await, 0);
    assert_eq!(tries(store.as_ref()).await, 1, "the worker may have died after its call");
    store.effect_failed(KEY, false, "status 503", now()).await.unwrap();
    assert_eq!(tries(store.as_ref()).await, 2);
    store.effect_failed(KEY, true, "no answer \0", now()).await.unwrap();
    assert_eq!(tries(store.as_ref()).await, 3);
    let other = store.effect_intend("result/R-2", "result", now()).await.unwrap();
    assert_eq!(other, Intent::Proceed { tries: 0 });
}

pub async fn a_delivered_result_is_never_sent_again(harness: &dyn Harness) {
    let store = with_picked_up_return(harness).await;
    assert_eq!(tries(store.as_ref()).await, 0);
    let message = identity("results", "m-1", 1);
    let handled = store.result_delivered(KEY, &return_id("R-1"), &message, later(90)).await.unwrap();
    assert_eq!(handled, Handled::Done);
    assert_eq!(store.effect_intend(KEY, "result", later(91)).await.unwrap(), Intent::Confirmed);
    store.effect_failed(KEY, true, "a late worker", later(92)).await.unwrap();
    assert_eq!(store.effect_intend(KEY, "result", later(93)).await.unwrap(), Intent::Confirmed);
    let view = store.return_by_id(&return_id("R-1")).await.unwrap().unwrap();
    assert_eq!((view.state.as_str(), view.reported_at), ("reported", Some(later(90))));
    assert!(store.results_of(&[return_id("R-1")]).await.unwrap()[&return_id("R-1")].1, "reported before");
    assert_eq!(store.tally().await.unwrap().done.returns, (1, 1, 1));
}

pub async fn intentions_of_several_calls_are_answered_in_their_order(harness: &dyn Harness) {
    let store = with_picked_up_return(harness).await;
    let keys = ["z", KEY, "a"].map(str::to_owned);
    store.effect_intend("z", "result", now()).await.unwrap();
    let message = identity("results", "m-1", 1);
    store.result_delivered(KEY, &return_id("R-1"), &message, now()).await.unwrap();
    let intents = store.effects_intend(&keys, "result", later(1)).await.unwrap();
    let proceed = |tries| Intent::Proceed { tries };
    assert_eq!(intents, [proceed(1), Intent::Confirmed, proceed(0)]);
    assert_eq!(store.effects_intend(&[], "result", later(2)).await.unwrap(), []);
}

pub async fn results_that_were_delivered_together_are_each_noted_once(harness: &dyn Harness) {
    let store = harness.store().await;
    register(store.as_ref(), &[("R-1", Some(1)), ("R-2", Some(2))]).await;
    check(store.as_ref(), "c-1", 1, picked_up(), later(60)).await;
    check(store.as_ref(), "c-2", 2, picked_up(), later(60)).await;
    let delivered = |id: &str, message: &str, digest| ResultDelivered {
        key: result_key(&return_id(id)),
        return_id: return_id(id),
        identity: identity("results", message, digest),
    };
    let first = store.results_delivered(vec![delivered("R-1", "m-1", 1)], later(90)).await.unwrap();
    assert_eq!(first, [Handled::Done]);
    let together = vec![
        delivered("R-2", "m-2", 1),
        delivered("R-1", "m-1", 1),
        delivered("R-2", "m-2", 1),
        delivered("R-2", "m-1", 2),
        delivered("R-2", "m-3", 1),
    ];
    let handled = store.results_delivered(together, later(91)).await.unwrap();
    let expected = [Handled::Done, Handled::Duplicate, Handled::Duplicate, Handled::Reused, Handled::Done];
    assert_eq!(handled, expected);
    assert_eq!(store.tally().await.unwrap().done.returns, (2, 2, 2));
    for (id, reported_at) in [("R-1", later(90)), ("R-2", later(91))] {
        assert_eq!(
            store.effect_intend(&result_key(&return_id(id)), "result", later(92)).await.unwrap(),
            Intent::Confirmed
        );
        let view = store.return_by_id(&return_id(id)).await.unwrap().unwrap();
        assert_eq!(view.reported_at, Some(reported_at));
    }
}

pub async fn a_repeated_delivery_changes_nothing(harness: &dyn Harness) {
    let store = with_picked_up_return(harness).await;
    let message = identity("results", "m-1", 1);
    store.result_delivered(KEY, &return_id("R-1"), &message, later(90)).await.unwrap();
    let again = store.result_delivered(KEY, &return_id("R-1"), &message, later(500)).await.unwrap();
    assert_eq!(again, Handled::Duplicate);
    let reused = identity("results", "m-1", 2);
    let reused = store.result_delivered(KEY, &return_id("R-1"), &reused, later(500)).await.unwrap();
    assert_eq!(reused, Handled::Reused);
    let other = identity("results", "m-2", 1);
    let other = store.result_delivered(KEY, &return_id("R-1"), &other, later(500)).await.unwrap();
    assert_eq!(other, Handled::Done, "another message for the same result is done with, too");
    let view = store.return_by_id(&return_id("R-1")).await.unwrap().unwrap();
    assert_eq!(view.reported_at, Some(later(90)), "the first time stays");
}

pub async fn workers_at_once_deliver_a_result_once(harness: &dyn Harness) {
    let store = with_picked_up_return(harness).await;
    let workers: Vec<_> = (0..6)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let message = identity("results", "m-1", 1);
                store.result_delivered(KEY, &return_id("R-1"), &message, later(90)).await.unwrap()
            })
        })
        .collect();
    let mut done = 0;
    for worker in workers {
        done += usize::from(worker.await.unwrap() == Handled::Done);
    }
    assert_eq!(done, 1);
}

pub async fn workers_at_once_see_each_others_intentions(harness: &dyn Harness) {
    let store = harness.store().await;
    let workers: Vec<_> = (0..8)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { tries(store.as_ref()).await })
        })
        .collect();
    let mut seen = Vec::new();
    for worker in workers {
        seen.push(worker.await.unwrap());
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..8).collect::<Vec<_>>());
}
