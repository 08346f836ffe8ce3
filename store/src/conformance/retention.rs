//! What is remembered for a while only.

use std::collections::BTreeSet;

use forebay_domain::incident::Severity;

use super::dead_letters::{by, counts, failing, letter, listed};
use super::incidents::raise;
use super::returns::register;
use super::{Harness, later, now};
use crate::{DeadLetterFilter, Firing, Intent, Memory, NewReplay, Store};

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
    assert_eq!((after.inbox, after.done.returns), (before.inbox - 3, before.done.returns));
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

pub async fn dead_letters_are_kept_by_their_first_death_and_by_their_end(harness: &dyn Harness) {
    let store = harness.store().await;
    let old = ["a", "b", "c", "gone"].map(letter);
    store.archive(old.to_vec(), now()).await.unwrap();
    store.archive(vec![failing("a", "again")], later(20 * DAY)).await.unwrap();
    store.archive(vec![letter("new"), letter("closed late")], later(20 * DAY)).await.unwrap();
    let named = |id: &str| DeadLetterFilter { message_id: Some(id.into()), ..DeadLetterFilter::default() };
    store.discard(&named("gone"), 1, &by(1), later(DAY)).await.unwrap();
    store.discard(&named("closed late"), 1, &by(2), later(25 * DAY)).await.unwrap();
    let only_b = NewReplay { filter: named("b"), rate: 10, canary: false };
    store.start_replay(only_b, &by(3), later(2 * DAY)).await.unwrap();
    store.step_replay(later(2 * DAY)).await.unwrap().unwrap();
    assert_eq!(forget_all(store.as_ref(), Memory::OpenDeadLetters, DAY).await, 2, "a and c; b is on its way");
    assert_eq!(forget_all(store.as_ref(), Memory::ClosedDeadLetters, 20 * DAY).await, 1);
    let left: BTreeSet<_> = listed(store.as_ref(), DeadLetterFilter::default()).await.into_iter().collect();
    assert_eq!(left, BTreeSet::from(["b", "closed late", "new"].map(str::to_owned)));
    assert_eq!(counts(store.as_ref()).await, [1, 1, 0, 1]);
    let group = failing("a", "again").fingerprint();
    let groups = store.dead_letter_groups(true, 10).await.unwrap();
    assert!(groups.iter().all(|g| g.fingerprint != group), "a group goes with its last letter: {groups:?}");
    let open = store.open_incidents(10).await.unwrap();
    assert!(
        open.iter().all(|i| !i.raise.fingerprint.ends_with(&group)),
        "and so does its incident: {open:?}"
    );
}

pub async fn ended_replays_and_old_entries_are_forgotten(harness: &dyn Harness) {
    let store = harness.store().await;
    store.archive(vec![letter("a")], now()).await.unwrap();
    let new = NewReplay { filter: DeadLetterFilter::default(), rate: 10, canary: false };
    for n in 1..=3 {
        store.start_replay(new.clone(), &by(n), later(n as u64)).await.unwrap();
    }
    store.abort_replay(by(1).id, &by(4), later(10)).await.unwrap();
    store.abort_replay(by(3).id, &by(5), later(3 * DAY)).await.unwrap();
    assert_eq!(forget_all(store.as_ref(), Memory::Replays, 2 * DAY).await, 1, "one runs, one ended late");
    assert_eq!(store.replay(by(1).id).await.unwrap(), None);
    assert_eq!(forget_all(store.as_ref(), Memory::AuditLog, 2 * DAY).await, 4);
    assert_eq!(store.audit_log(None, 10).await.unwrap()[0].id, by(5).id);
}
