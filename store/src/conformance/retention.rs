//! What is remembered for a while only.

use std::collections::BTreeSet;

use forebay_domain::incident::Severity;

use super::incidents::raise;
use super::returns::register;
use super::{Harness, later, now};
use crate::{Firing, Intent, Memory, Store};

const DAY: u64 = 86_400;

async fn forget_all(store: &dyn Store, memory: Memory, before_s: u64) -> u32 {
    let mut gone = 0;
    loop {
        match store.forget(memory, later(before_s), 2).await.unwrap() {
            0 => return gone,
            some => gone += some,
        }
    }
}

pub async fn the_inbox_forgets_what_is_old_and_nothing_else(harness: &dyn Harness) {
    let store = harness.store().await;
    register(store.as_ref(), &[("R-1", None), ("R-2", None), ("R-3", None)]).await;
    let before = store.tally().await.unwrap();
    assert_eq!(store.forget(Memory::Inbox, now() - chrono::Duration::days(1), 10).await.unwrap(), 0);
    assert_eq!(store.forget(Memory::Inbox, later(DAY), 2).await.unwrap(), 2, "no more than it was asked to");
    assert_eq!(forget_all(store.as_ref(), Memory::Inbox, DAY).await, 1);
    let after = store.tally().await.unwrap();
    assert_eq!((after.inbox, after.returns), (before.inbox - 3, before.returns));
}

pub async fn the_effect_ledger_forgets_by_the_last_change(harness: &dyn Harness) {
    let store = harness.store().await;
    for key in ["a", "b", "c"] {
        store.effect_intend(key, "result", now()).await.unwrap();
    }
    store.effect_failed("b", true, "no answer", later(2 * DAY)).await.unwrap();
    assert_eq!(forget_all(store.as_ref(), Memory::Effects, DAY).await, 2);
    let kept = store.effect_intend("b", "result", later(3 * DAY)).await.unwrap();
    assert_eq!(kept, Intent::Proceed { tries: 1 });
}

pub async fn the_schedule_forgets_old_slots(harness: &dyn Harness) {
    let store = harness.store().await;
    for (slot, at) in [("1", now()), ("2", later(DAY)), ("3", later(2 * DAY))] {
        let firing = Firing { job: "j", slot: slot.into(), outbox: Vec::new(), raises: Vec::new() };
        assert!(store.fire_once(firing, at).await.unwrap());
    }
    assert_eq!(forget_all(store.as_ref(), Memory::Firings, 2 * DAY).await, 2);
    let firing = Firing { job: "j", slot: "3".into(), outbox: Vec::new(), raises: Vec::new() };
    assert!(!store.fire_once(firing, later(3 * DAY)).await.unwrap(), "the newest is still known");
}

pub async fn an_open_incident_is_never_forgotten(harness: &dyn Harness) {
    let store = harness.store().await;
    for fingerprint in ["open", "closed"] {
        store.raise(vec![raise(fingerprint, Severity::Info)], now()).await.unwrap();
    }
    store.resolve(&["closed".to_owned()], later(1)).await.unwrap();
    assert_eq!(forget_all(store.as_ref(), Memory::Incidents, DAY).await, 1);
    let open: BTreeSet<_> =
        store.open_incidents(10).await.unwrap().into_iter().map(|i| i.raise.fingerprint).collect();
    assert_eq!(open, BTreeSet::from(["open".to_owned()]));
}
