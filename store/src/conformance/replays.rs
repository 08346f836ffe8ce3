//! Replays: each letter back once, at a pace, no further than it does good, and on after a crash.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use forebay_domain::dead_letter::replay::{Stage, State};
use forebay_schemas::Trail;
use uuid::Uuid;

use super::dead_letters::{by, counts, failing, indexed, letter, one};
use super::returns::nobody;
use super::{Harness, drain, later, now};
use crate::{
    DeadLetter, DeadLetterFilter, NewDeadLetter, NewReplay, OutboxRow, Replay, Revived, Status, Store,
};

/// So fast that its pace is not in the way.
const FAST: u32 = 1000;

fn all(canary: bool) -> NewReplay {
    NewReplay { filter: DeadLetterFilter::default(), rate: FAST, canary }
}

async fn died(store: &dyn Store, count: usize) {
    let letters = (0..count).map(|n| letter(&format!("m-{n:03}"))).collect();
    store.archive(letters, now()).await.unwrap();
}

/// Steps until nothing is to be done at that time.
async fn step_all(store: &dyn Store, at: DateTime<Utc>) -> u32 {
    let mut published = 0;
    while let Some(step) = store.step_replay(at).await.unwrap() {
        published += step.published;
    }
    published
}

async fn replay(store: &dyn Store, id: Uuid) -> Replay {
    store.replay(id).await.unwrap().unwrap()
}

/// What a worker notes of messages that had their effect.
fn revived(rows: &[OutboxRow]) -> Vec<Revived> {
    rows.iter()
        .map(|row| {
            let trail = Trail::read(&row.headers);
            let key = forebay_domain::dead_letter::key(Some("/shops/main"), &row.event_id, &row.body);
            Revived { id: trail.letter.unwrap(), replay: trail.replay, key }
        })
        .collect()
}

/// What the archive makes of messages that died again.
fn dead_again(rows: &[OutboxRow]) -> Vec<NewDeadLetter> {
    rows.iter()
        .map(|row| {
            let trail = Trail::read(&row.headers);
            let again = failing(&row.event_id, &format!("still down, replay {}", trail.replay));
            indexed(NewDeadLetter { replay: trail.replay, letter: trail.letter, ..again })
        })
        .collect()
}

pub async fn a_replayed_letter_goes_back_byte_for_byte_with_a_fresh_past(harness: &dyn Harness) {
    let store = harness.store().await;
    let mut odd = letter("m-1");
    odd.body = (0..=255).collect();
    odd.headers.insert("traceparent".into(), "00-1-2-01".into());
    store.archive(vec![odd.clone()], later(9)).await.unwrap();
    let id = one(store.as_ref(), "m-1").await.id;
    let begun = store.start_replay(all(true), &by(1), later(10)).await.unwrap();
    assert_eq!((begun.id, begun.total, begun.capped), (by(1).id, 1, false));
    assert_eq!(drain(store.as_ref(), later(10)).await, [], "nothing is sent yet");
    let step = store.step_replay(later(10)).await.unwrap().unwrap();
    assert_eq!((step.published, step.skipped), (1, 0));
    let rows = drain(store.as_ref(), later(10)).await;
    let [row] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!((row.route.as_str(), row.event_id.as_str()), ("work:forebay.returns", "m-1"));
    assert_eq!((&row.body, row.kind.as_str()), (&odd.body, "return.requested.v1"));
    assert_eq!((row.created_at, row.traceparent.as_deref()), (now(), Some("00-1-2-01")));
    assert_eq!(row.headers.get("shop-tag").map(String::as_str), Some("a"));
    let trail = Trail::read(&row.headers);
    assert_eq!(trail, Trail { replay: 1, letter: Some(id), ..Trail::default() });
    let letter = one(store.as_ref(), "m-1").await;
    assert_eq!((letter.status, letter.replays, letter.replay_id), (Status::Replaying, 1, Some(by(1).id)));
    assert_eq!(counts(store.as_ref()).await, [0, 1, 0, 0]);
}

pub async fn a_letter_whose_message_had_its_effect_is_resolved(harness: &dyn Harness) {
    let store = harness.store().await;
    died(store.as_ref(), 3).await;
    store.start_replay(all(false), &by(1), later(1)).await.unwrap();
    assert_eq!(step_all(store.as_ref(), later(1)).await, 3);
    let sent: Vec<_> = drain(store.as_ref(), later(1)).await.into_iter().filter(is_replayed).collect();
    let done = revived(&sent);
    let forged = [
        Revived { key: [0; 32], ..done[0] },
        Revived { replay: 2, ..done[0] },
        Revived { id: nobody(), ..done[0] },
    ];
    assert_eq!(store.revived(forged.to_vec(), later(2)).await.unwrap(), 0);
    assert_eq!(store.revived(done[..2].to_vec(), later(2)).await.unwrap(), 2);
    assert_eq!(counts(store.as_ref()).await, [0, 1, 2, 0]);
    assert_eq!(store.open_incidents(9).await.unwrap().len(), 1, "one is still on its way");
    assert_eq!(store.revived(done.clone(), later(3)).await.unwrap(), 1, "a repeat resolves nothing");
    assert_eq!(counts(store.as_ref()).await, [0, 0, 3, 0]);
    assert_eq!(store.open_incidents(9).await.unwrap(), []);
    let first = store.dead_letter(done[0].id).await.unwrap().unwrap();
    assert_eq!((first.status, first.closed_at), (Status::Resolved, Some(later(2))));
    step_all(store.as_ref(), later(4)).await;
    let replay = replay(store.as_ref(), by(1).id).await;
    let progress = &replay.progress;
    assert_eq!((progress.state, progress.done, progress.failed, progress.waiting()), (State::Done, 3, 0, 0));
}

fn is_replayed(row: &OutboxRow) -> bool {
    Trail::read(&row.headers).letter.is_some()
}

async fn sent(store: &dyn Store, at: DateTime<Utc>) -> Vec<OutboxRow> {
    drain(store, at).await.into_iter().filter(is_replayed).collect()
}

pub async fn a_letter_that_dies_of_its_replay_is_open_again(harness: &dyn Harness) {
    let store = harness.store().await;
    died(store.as_ref(), 2).await;
    store.start_replay(all(false), &by(1), later(1)).await.unwrap();
    step_all(store.as_ref(), later(1)).await;
    let rows = sent(store.as_ref(), later(1)).await;
    // A copy from before the replay comes late: it says nothing of the replay.
    let stale = NewDeadLetter { copy: [5; 32], ..letter("m-000") };
    assert_eq!(store.archive(vec![stale], later(2)).await.unwrap().again, 0);
    let again = dead_again(&rows);
    let archived = store.archive(again.clone(), later(2)).await.unwrap();
    assert_eq!((archived.new, archived.again, archived.replayed), (0, 2, 2));
    assert_eq!(store.archive(again, later(3)).await.unwrap().again, 0, "the archive's own repeat");
    assert_eq!(step_all(store.as_ref(), later(3)).await, 0, "it is not taken twice");
    let replay = replay(store.as_ref(), by(1).id).await;
    assert_eq!((replay.progress.state, replay.progress.failed), (State::Done, 2));
    let letter = one(store.as_ref(), "m-000").await;
    assert_eq!(
        (letter.status, letter.deaths, letter.replays, letter.dead_at),
        (Status::Open, 2, 1, later(2))
    );
    assert_eq!(letter.history[0].error, "no such carrier");
    store.start_replay(all(false), &by(2), later(4)).await.unwrap();
    assert_eq!(step_all(store.as_ref(), later(4)).await, 2);
    let rows = sent(store.as_ref(), later(4)).await;
    assert!(rows.iter().all(|row| Trail::read(&row.headers).replay == 2), "{rows:?}");
    assert_eq!(store.revived(revived(&rows), later(5)).await.unwrap(), 2);
}

pub async fn a_canary_goes_first_and_a_replay_that_kills_it_stops(harness: &dyn Harness) {
    let store = harness.store().await;
    died(store.as_ref(), 30).await;
    store.start_replay(all(true), &by(1), later(1)).await.unwrap();
    assert_eq!(step_all(store.as_ref(), later(1)).await, 1);
    assert_eq!(step_all(store.as_ref(), later(60)).await, 0, "it waits for its outcome");
    let rows = sent(store.as_ref(), later(60)).await;
    store.archive(dead_again(&rows), later(61)).await.unwrap();
    assert_eq!(step_all(store.as_ref(), later(62)).await, 0);
    let stopped = replay(store.as_ref(), by(1).id).await.progress;
    assert_eq!((stopped.state, stopped.stage), (State::Stopped, Stage::One));
    assert_eq!(counts(store.as_ref()).await, [30, 0, 0, 0]);

    store.start_replay(all(true), &by(2), later(70)).await.unwrap();
    for (at, stage, count) in [(70, Stage::One, 1), (71, Stage::Ten, 10), (72, Stage::Rest, 19)] {
        assert_eq!(step_all(store.as_ref(), later(at)).await, count, "{stage:?}");
        assert_eq!(replay(store.as_ref(), by(2).id).await.progress.stage, stage);
        let rows = sent(store.as_ref(), later(at)).await;
        assert_eq!(store.revived(revived(&rows), later(at)).await.unwrap(), count);
    }
    step_all(store.as_ref(), later(73)).await;
    let done = replay(store.as_ref(), by(2).id).await.progress;
    assert_eq!((done.state, done.published, done.done), (State::Done, 30, 30));
}

pub async fn a_replay_of_which_too_many_die_stops_in_its_tracks(harness: &dyn Harness) {
    let store = harness.store().await;
    died(store.as_ref(), 40).await;
    let slow = NewReplay { rate: 20, ..all(false) };
    store.start_replay(slow, &by(1), later(1)).await.unwrap();
    assert_eq!(step_all(store.as_ref(), later(1)).await, 10);
    let rows = sent(store.as_ref(), later(1)).await;
    store.archive(dead_again(&rows[..4]), later(1)).await.unwrap();
    assert_eq!(
        replay(store.as_ref(), by(1).id).await.progress.state,
        State::Running,
        "a fifth of twenty is borne"
    );
    store.archive(dead_again(&rows[4..5]), later(1)).await.unwrap();
    assert_eq!(replay(store.as_ref(), by(1).id).await.progress.state, State::Stopped);
    assert_eq!(step_all(store.as_ref(), later(60)).await, 0);
    assert_eq!(
        store.revived(revived(&rows[5..]), later(61)).await.unwrap(),
        5,
        "what was sent has its outcome"
    );
    let ended = replay(store.as_ref(), by(1).id).await.progress;
    assert_eq!((ended.state, ended.done, ended.failed), (State::Stopped, 5, 5));
    assert_eq!(counts(store.as_ref()).await, [35, 0, 5, 0]);
}

pub async fn a_replay_keeps_its_pace_over_processes(harness: &dyn Harness) {
    let store = harness.store().await;
    died(store.as_ref(), 30).await;
    store.start_replay(NewReplay { rate: 10, ..all(false) }, &by(1), later(0)).await.unwrap();
    let mut published = 0;
    for tenth in 0..=10u64 {
        let at = now() + std::time::Duration::from_millis(100 * tenth);
        published += step_all(store.as_ref(), at).await;
    }
    assert_eq!(published, 15, "5 at once, then 10 in a second");
}

pub async fn steppers_at_once_send_each_letter_once(harness: &dyn Harness) {
    let store = harness.store().await;
    died(store.as_ref(), 200).await;
    store.start_replay(NewReplay { rate: 20, ..all(false) }, &by(1), now()).await.unwrap();
    let steppers: Vec<_> = (0..4)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut published = 0;
                for tenth in 0..200u64 {
                    let at = now() + std::time::Duration::from_millis(100 * tenth);
                    published += step_all(store.as_ref(), at).await;
                }
                published
            })
        })
        .collect();
    let mut published = 0;
    for stepper in steppers {
        published += stepper.await.unwrap();
    }
    // Steppers that were a tick ahead of the others may have left some for later.
    for tenth in 200..400u64 {
        published += step_all(store.as_ref(), now() + std::time::Duration::from_millis(100 * tenth)).await;
    }
    let rows = sent(store.as_ref(), later(60)).await;
    let distinct: BTreeSet<_> = rows.iter().map(|row| row.event_id.as_str()).collect();
    assert_eq!((published, rows.len(), distinct.len()), (200, 200, 200));
    assert_eq!(counts(store.as_ref()).await, [0, 200, 0, 0]);
}

pub async fn an_aborted_replay_leaves_the_rest_alone(harness: &dyn Harness) {
    let store = harness.store().await;
    died(store.as_ref(), 20).await;
    store.start_replay(NewReplay { rate: 10, ..all(false) }, &by(1), now()).await.unwrap();
    assert_eq!(step_all(store.as_ref(), now()).await, 5);
    let aborted = store.abort_replay(by(1).id, &by(2), later(1)).await.unwrap().unwrap();
    assert_eq!((aborted.progress.state, aborted.progress.published), (State::Aborted, 5));
    assert_eq!(step_all(store.as_ref(), later(60)).await, 0);
    let rows = sent(store.as_ref(), later(60)).await;
    assert_eq!(store.revived(revived(&rows), later(61)).await.unwrap(), 5);
    assert_eq!(counts(store.as_ref()).await, [15, 0, 5, 0]);
    let again = store.abort_replay(by(1).id, &by(3), later(62)).await.unwrap().unwrap();
    assert_eq!((again.progress.state, again.progress.done), (State::Aborted, 5));
    assert_eq!(store.abort_replay(nobody(), &by(4), later(62)).await.unwrap(), None);
    let log = store.audit_log(None, 10).await.unwrap();
    let said: Vec<_> = log.iter().map(|e| (e.action.as_str(), e.subject.clone(), e.count)).collect();
    let id = by(1).id.to_string();
    assert_eq!(
        said,
        [("dead_letters.replay.abort", id.clone(), 5), ("dead_letters.replay", id, 20)],
        "an abort of what had ended is none"
    );
}

pub async fn a_replay_takes_what_its_filter_names_and_what_died_before_it(harness: &dyn Harness) {
    let store = harness.store().await;
    let mut letters: Vec<_> =
        (0..3).map(|n| failing(&format!("a-{n}"), "no system for \"Nobody\"")).collect();
    letters.push(letter("other"));
    store.archive(letters, now()).await.unwrap();
    let text = |text: &str| DeadLetterFilter { text: Some(text.into()), ..DeadLetterFilter::default() };
    let begin = async |filter: DeadLetterFilter, n: u128| {
        let new = NewReplay { filter, ..all(false) };
        store.start_replay(new, &by(n), later(1)).await.unwrap().total
    };
    assert_eq!(begin(text("nobody"), 1).await, 3);
    store.archive(vec![failing("a-9", "no system for \"Nobody\"")], later(2)).await.unwrap();
    assert_eq!(step_all(store.as_ref(), later(3)).await, 3, "a-9 died later");
    let other = one(store.as_ref(), "other").await.id;
    assert_eq!(begin(DeadLetterFilter { ids: vec![other], ..DeadLetterFilter::default() }, 2).await, 1);
    assert_eq!(step_all(store.as_ref(), later(3)).await, 1);
    assert_eq!(begin(text("nothing of the kind"), 3).await, 0);
    step_all(store.as_ref(), later(3)).await;
    assert_eq!(replay(store.as_ref(), by(3).id).await.progress.state, State::Done);
    let listed = store.replays(None, 2).await.unwrap();
    let ids: Vec<_> = listed.iter().map(|r| r.id).collect();
    assert_eq!(ids, [by(3).id, by(2).id], "newest first");
    assert_eq!(store.replays(Some(by(2).id), 2).await.unwrap()[0].id, by(1).id);
    assert_eq!(listed[1].filter.ids, [other]);
    assert_eq!(
        (listed[1].actor.as_str(), listed[1].reason.as_str()),
        ("key-of-ops", "the carrier is mended")
    );
}

pub async fn a_letter_without_a_way_back_is_passed_over(harness: &dyn Harness) {
    let store = harness.store().await;
    let lost = NewDeadLetter { queue: "forebay.dead".into(), kind: "unknown.v9".into(), ..letter("lost") };
    store.archive(vec![lost, letter("found")], now()).await.unwrap();
    store.start_replay(all(true), &by(1), later(1)).await.unwrap();
    step_all(store.as_ref(), later(5)).await;
    let rows = sent(store.as_ref(), later(5)).await;
    store.revived(revived(&rows), later(5)).await.unwrap();
    step_all(store.as_ref(), later(6)).await;
    let done = replay(store.as_ref(), by(1).id).await.progress;
    assert_eq!((done.state, done.published, done.skipped, done.done), (State::Done, 1, 1, 1));
    assert_eq!(one(store.as_ref(), "lost").await.status, Status::Open);
}

pub async fn what_no_queue_took_is_a_new_letter_when_it_dies_further_on(harness: &dyn Harness) {
    let store = harness.store().await;
    store
        .archive(vec![NewDeadLetter { queue: "forebay.unrouted".into(), ..letter("m-1") }], now())
        .await
        .unwrap();
    store.start_replay(all(false), &by(1), later(1)).await.unwrap();
    step_all(store.as_ref(), later(1)).await;
    let rows = sent(store.as_ref(), later(1)).await;
    assert_eq!(rows[0].route, "event:return.requested.v1");
    let archived = store.archive(dead_again(&rows), later(2)).await.unwrap();
    assert_eq!((archived.new, archived.again, archived.replayed), (1, 0, 1));
    let found: Vec<DeadLetter> = store.dead_letters(&DeadLetterFilter::default(), None, 10).await.unwrap();
    let said: BTreeSet<_> = found.iter().map(|l| (l.queue.as_str(), l.status)).collect();
    let wanted = [("forebay.returns", Status::Open), ("forebay.unrouted", Status::Resolved)];
    assert_eq!(said, BTreeSet::from(wanted));
    step_all(store.as_ref(), later(3)).await;
    let ended = replay(store.as_ref(), by(1).id).await.progress;
    assert_eq!((ended.state, ended.failed), (State::Done, 1));
}

pub async fn a_letter_of_which_nothing_is_heard_is_opened_again(harness: &dyn Harness) {
    let store = harness.store().await;
    died(store.as_ref(), 3).await;
    store.start_replay(all(false), &by(1), later(1)).await.unwrap();
    step_all(store.as_ref(), later(1)).await;
    let rows = sent(store.as_ref(), later(1)).await;
    assert_eq!(store.give_back(later(1), 10, later(100)).await.unwrap(), 0);
    assert_eq!(store.give_back(later(2), 2, later(100)).await.unwrap(), 2);
    assert_eq!(store.give_back(later(2), 2, later(100)).await.unwrap(), 1);
    assert_eq!(counts(store.as_ref()).await, [3, 0, 0, 0]);
    step_all(store.as_ref(), later(101)).await;
    let ended = replay(store.as_ref(), by(1).id).await.progress;
    assert_eq!((ended.state, ended.failed), (State::Done, 3));
    assert_eq!(store.revived(revived(&rows), later(102)).await.unwrap(), 3, "it was only late");
    assert_eq!(counts(store.as_ref()).await, [0, 0, 3, 0]);
    let ended = replay(store.as_ref(), by(1).id).await.progress;
    assert_eq!((ended.done, ended.failed), (0, 3));
}

pub async fn archivers_workers_and_steppers_at_once_keep_the_counts(harness: &dyn Harness) {
    let store = harness.store().await;
    died(store.as_ref(), 120).await;
    store.start_replay(NewReplay { rate: 60, ..all(false) }, &by(1), now()).await.unwrap();
    let stepper = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for tenth in 0..60u64 {
                let at = now() + std::time::Duration::from_millis(100 * tenth);
                step_all(store.as_ref(), at).await;
                let rows = sent(store.as_ref(), at).await;
                // Two of all die again.
                let (dead, done): (Vec<_>, Vec<_>) =
                    rows.into_iter().partition(|row| row.event_id.ends_with("00"));
                let (again, done) = (dead_again(&dead), revived(&done));
                let (archived, resolved) = tokio::join!(store.archive(again, at), store.revived(done, at));
                archived.unwrap();
                resolved.unwrap();
            }
        })
    };
    let archiver = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for n in 0..60 {
                store.archive(vec![letter(&format!("x-{n}"))], later(3600)).await.unwrap();
            }
        })
    };
    stepper.await.unwrap();
    archiver.await.unwrap();
    assert_eq!(counts(store.as_ref()).await, [60 + 2, 0, 118, 0]);
    let ended = replay(store.as_ref(), by(1).id).await.progress;
    assert_eq!((ended.published, ended.done, ended.failed), (120, 118, 2));
}
