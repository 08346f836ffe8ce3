//! The schedule: a job fires once a slot, with what it sends and raises.

use std::sync::Arc;

use forebay_domain::incident::{AlertRule, Raise, Severity};

use super::{Harness, drain, later, now, outbox};
use crate::Firing;

fn firing(slot: &str) -> Firing {
    let raise = Raise {
        fingerprint: "stock/mug".into(),
        rule: AlertRule::StockLow,
        about: None,
        severity: Severity::Warning,
        title: "A mug: 2 of 10 left".into(),
        impact: "None yet.".into(),
        action: "Add stock.".into(),
        sample: String::new(),
        count: 1,
    };
    let sent = vec![outbox::row(&format!("fire-{slot}"), now())];
    Firing { job: "stock-check", slot: slot.into(), outbox: sent, raises: vec![raise] }
}

pub async fn a_job_fires_once_a_slot_however_many_try(harness: &dyn Harness) {
    let store = harness.store().await;
    let tries: Vec<_> = (0..8)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.fire_once(firing("2026-11-20"), now()).await.unwrap() })
        })
        .collect();
    let mut fired = 0;
    for attempt in tries {
        fired += usize::from(attempt.await.unwrap());
    }
    assert_eq!(fired, 1);
    let rows = drain(store.as_ref(), now()).await;
    assert_eq!(rows.iter().map(|row| row.event_id.as_str()).collect::<Vec<_>>(), ["fire-2026-11-20"]);
    let incidents = store.open_incidents(10).await.unwrap();
    assert_eq!(incidents.iter().map(|i| i.raise.count).collect::<Vec<_>>(), [1]);
}

pub async fn the_next_slot_and_another_job_fire_too(harness: &dyn Harness) {
    let store = harness.store().await;
    assert!(!store.fired(firing("").job, "2026-11-20").await.unwrap());
    assert!(store.fire_once(firing("2026-11-20"), now()).await.unwrap());
    assert!(store.fired(firing("").job, "2026-11-20").await.unwrap());
    assert!(!store.fired(firing("").job, "2026-11-21").await.unwrap());
    assert!(!store.fire_once(firing("2026-11-20"), later(60)).await.unwrap());
    assert!(store.fire_once(firing("2026-11-21"), later(86_400)).await.unwrap());
    let other = Firing { job: "collect", raises: Vec::new(), ..firing("2026-11-20") };
    assert!(store.fire_once(other, now()).await.unwrap());
    assert_eq!(store.open_incidents(10).await.unwrap()[0].raise.count, 2);
}
