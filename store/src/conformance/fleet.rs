//! Steering: pauses, drain orders, and what workers tell of themselves.

use std::collections::BTreeSet;

use forebay_domain::scale::Work;
use forebay_schemas::Queue;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::dead_letters::by;
use super::{Harness, later, now};
use crate::fleet::{WorkerQueue, WorkerState};
use crate::{By, Memory, Pause, Store, WorkerBeat};

fn worker(n: u128) -> WorkerBeat {
    let work = Work { pace_milli: 9_000, cost_us: 250, calls_milli: 100 };
    WorkerBeat {
        id: Uuid::from_u128(n),
        host: format!("host-{n}"),
        version: "1.2.3".into(),
        role: "work".into(),
        started_at: later(n as u64),
        state: WorkerState::Running,
        queues: vec![WorkerQueue { queue: "forebay.returns".into(), in_flight: 3, work }],
    }
}

fn because(n: u128, reason: &str) -> By {
    By { reason: reason.into(), ..by(n) }
}

async fn paused(store: &dyn Store, at_s: u64) -> Vec<String> {
    store.pauses(later(at_s)).await.unwrap().into_iter().map(|pause| pause.queue).collect()
}

pub async fn a_worker_is_listed_as_it_last_told_of_itself(harness: &dyn Harness) {
    let store = harness.store().await;
    assert!(store.workers(10).await.unwrap().is_empty());
    store.beat(&worker(1), now()).await.unwrap();
    store.beat(&worker(2), later(2)).await.unwrap();
    let busy = WorkerBeat {
        state: WorkerState::Draining,
        queues: vec![WorkerQueue { queue: "forebay.dead".into(), in_flight: 7, work: Work::default() }],
        ..worker(1)
    };
    store.beat(&busy, later(5)).await.unwrap();
    let listed = store.workers(10).await.unwrap();
    assert_eq!(listed.iter().map(|view| view.beat.id.as_u128()).collect::<Vec<_>>(), [2, 1]);
    assert_eq!((&listed[1].beat, listed[1].seen_at, &listed[1].drain), (&busy, later(5), &None));
    assert!(!listed[0].is_lost(later(32)) && listed[0].is_lost(later(33)));
    assert_eq!(store.workers(1).await.unwrap().len(), 1);
}

pub async fn a_worker_that_signs_off_or_is_long_silent_is_forgotten(harness: &dyn Harness) {
    let store = harness.store().await;
    for (n, seen) in [(1, 0), (2, 10), (3, 20)] {
        store.beat(&worker(n), later(seen)).await.unwrap();
    }
    store.sign_off(worker(3).id).await.unwrap();
    store.sign_off(worker(9).id).await.unwrap();
    assert_eq!(store.forget(Memory::Workers, later(10), 10).await.unwrap(), 1);
    let left: Vec<_> = store.workers(10).await.unwrap().into_iter().map(|view| view.beat.id).collect();
    assert_eq!(left, [worker(2).id]);
}

pub async fn an_order_to_drain_reaches_that_worker_and_stays(harness: &dyn Harness) {
    let store = harness.store().await;
    assert_eq!(store.drain_worker(worker(1).id, &by(1), now()).await.unwrap(), None, "nobody knows it");
    for n in [1, 2] {
        store.beat(&worker(n), now()).await.unwrap();
    }
    let asked = because(2, "its disk is worn");
    let view = store.drain_worker(worker(1).id, &asked, later(1)).await.unwrap().unwrap();
    let order = view.drain.clone().unwrap();
    assert_eq!((order.at, order.reason.as_str()), (later(1), "its disk is worn"));
    let again = store.drain_worker(worker(1).id, &by(3), later(2)).await.unwrap().unwrap();
    assert_eq!(again.drain, view.drain, "it was asked before");
    store.beat(&WorkerBeat { state: WorkerState::Drained, ..worker(1) }, later(3)).await.unwrap();
    assert!(store.orders(worker(1).id, later(3)).await.unwrap().drain);
    assert!(!store.orders(worker(2).id, later(3)).await.unwrap().drain);
    assert!(!store.orders(worker(9).id, later(3)).await.unwrap().drain);
    let log = store.audit_log(None, 10).await.unwrap();
    assert_eq!(log.len(), 1, "{log:?}");
    assert_eq!((log[0].action.as_str(), &log[0].subject), ("workers.drain", &worker(1).id.to_string()));
    assert_eq!((log[0].reason.as_str(), log[0].count), ("its disk is worn", 1));
}

pub async fn a_paused_queue_is_told_to_every_worker_until_it_is_resumed(harness: &dyn Harness) {
    let store = harness.store().await;
    let begun = store.pause_queue(&Queue::Results, None, &because(1, "the shop moves"), now()).await.unwrap();
    let expected = Pause {
        queue: "forebay.results".into(),
        since: now(),
        until: None,
        actor: by(1).actor,
        reason: "the shop moves".into(),
    };
    assert_eq!(begun, expected);
    for n in [1, 2] {
        let orders = store.orders(worker(n).id, later(86_400)).await.unwrap();
        assert_eq!((orders.pauses.as_slice(), orders.drain), ([expected.clone()].as_slice(), false));
    }
    let ended = store.resume_queue(&Queue::Results, &because(2, "it has moved"), later(60)).await.unwrap();
    assert_eq!(ended, Some(expected));
    assert_eq!(store.resume_queue(&Queue::Results, &by(3), later(61)).await.unwrap(), None);
    assert!(paused(store.as_ref(), 61).await.is_empty());
    let log = store.audit_log(None, 10).await.unwrap();
    let told: Vec<_> =
        log.iter().map(|e| (e.action.as_str(), e.subject.as_str(), e.reason.as_str(), e.at)).collect();
    let name = "forebay.results";
    assert_eq!(
        told,
        [("queues.resume", name, "it has moved", later(60)), ("queues.pause", name, "the shop moves", now())]
    );
}

pub async fn a_pause_ends_at_its_time_and_one_of_the_same_queue_takes_its_place(harness: &dyn Harness) {
    let store = harness.store().await;
    let until = |seconds: u64| Some(later(seconds));
    store.pause_queue(&Queue::Returns, until(60), &by(1), now()).await.unwrap();
    store.pause_queue(&Queue::Rewards, until(60), &by(2), now()).await.unwrap();
    let longer = store.pause_queue(&Queue::Returns, until(120), &by(3), later(30)).await.unwrap();
    assert_eq!((longer.since, longer.until), (now(), until(120)), "it goes on");
    assert_eq!(paused(store.as_ref(), 59).await, ["forebay.returns", "forebay.rewards"]);
    assert_eq!(paused(store.as_ref(), 60).await, ["forebay.returns"]);
    assert!(paused(store.as_ref(), 120).await.is_empty());
    assert_eq!(store.resume_queue(&Queue::Rewards, &by(4), later(60)).await.unwrap(), None, "it is over");
    let anew = store.pause_queue(&Queue::Rewards, None, &by(5), later(90)).await.unwrap();
    assert_eq!((anew.since, anew.until), (later(90), None), "another one");
    assert_eq!(store.audit_log(None, 10).await.unwrap().len(), 4, "what failed is not told");
}

pub async fn people_who_pause_and_resume_at_once_are_each_told_the_truth(harness: &dyn Harness) {
    let store = harness.store().await;
    let mut pausing = JoinSet::new();
    for n in 1..=8 {
        let store = store.clone();
        pausing.spawn(async move { store.pause_queue(&Queue::Dead, None, &by(n), now()).await.unwrap() });
    }
    assert!(pausing.join_all().await.iter().all(|pause| pause.since == now()));
    let mut resuming = JoinSet::new();
    for n in 101..=108 {
        let store = store.clone();
        resuming.spawn(async move { store.resume_queue(&Queue::Dead, &by(n), later(1)).await.unwrap() });
    }
    assert_eq!(resuming.join_all().await.into_iter().flatten().count(), 1, "one has ended it");
    let log = store.audit_log(None, 50).await.unwrap();
    assert_eq!(log.iter().map(|entry| entry.id).collect::<BTreeSet<_>>().len(), 9, "{log:?}");
}

pub async fn odd_text_of_an_order_is_kept(harness: &dyn Harness) {
    let store = harness.store().await;
    let reason = "a\0b 'quoted' \u{1f680}";
    let pause = store.pause_queue(&Queue::Notices, None, &because(1, reason), now()).await.unwrap();
    assert_eq!(pause.reason, reason);
    let kept = store.pauses(now()).await.unwrap().remove(0).reason;
    assert!(kept.ends_with("b 'quoted' \u{1f680}"), "{kept:?}");
}
