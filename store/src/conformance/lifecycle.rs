//! Start, check and stop.

use std::sync::Arc;

use super::{Harness, check_in, now, programme, settle};
use crate::Error;

pub async fn migrations_are_repeatable_from_several_sides_at_once(harness: &dyn Harness) {
    let store = harness.store().await;
    store.put_programme(&programme(), now()).await.unwrap();
    let sides: Vec<_> = (0..3)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.migrate().await })
        })
        .collect();
    for side in sides {
        side.await.unwrap().unwrap();
    }
    let status = store.status().await.unwrap();
    assert!(status.schema_version > 0);
    assert_eq!(status.schema_version, status.schema_wanted);
    assert_eq!(store.programmes().await.unwrap(), [programme()]);
}

pub async fn a_closed_store_is_unavailable(harness: &dyn Harness) {
    let store = harness.store().await;
    store.put_programme(&programme(), now()).await.unwrap();
    settle(store.as_ref(), vec![check_in("a", 1, now())]).await;
    store.close().await;
    let settled = store.settle_rewards(vec![check_in("b", 1, now())], now()).await;
    assert!(matches!(settled, Err(Error::Unavailable(_))), "{settled:?}");
    let read = store.programmes().await;
    assert!(matches!(read, Err(Error::Unavailable(_))), "{read:?}");
    store.close().await;
}
