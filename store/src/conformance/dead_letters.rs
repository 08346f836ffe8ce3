//! Dead letters: kept whole, once, in groups, and found.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use forebay_domain::dead_letter::{key, terms};
use forebay_domain::incident::Severity;
use forebay_schemas::trail::Headers;
use forebay_schemas::{Code, Event};
use uuid::Uuid;

use super::returns::nobody;
use super::{Harness, later, now};
use crate::dead_letters::Death;
use crate::{
    Archived, By, Cursor, DeadLetter, DeadLetterFilter, DeadLetterGroup, EffectKind, NewDeadLetter, Status,
    Store,
};

/// A dead letter of a return; its id and what is in it are named after `id`.
pub fn letter(id: &str) -> NewDeadLetter {
    let body = format!(
        r#"{{"specversion":"1.0","id":"{id}","source":"/shops/main","type":"return.requested.v1","subject":"return/{id}",
            "data":{{"return_id":"{id}","order_id":"O-{id}","member_id":"m-{id}","parcel":{{"tracking_number":"P-{id}"}}}}}}"#
    );
    let new = NewDeadLetter {
        key: key(Some("/shops/main"), id, body.as_bytes()),
        copy: [0; 32],
        message_id: id.into(),
        source: Some("/shops/main".into()),
        subject: Some(format!("return/{id}")),
        kind: "return.requested.v1".into(),
        queue: "forebay.returns".into(),
        code: Code::Rejected,
        error: "no such carrier".into(),
        terms: Vec::new(),
        attempts: 3,
        first_seen: Some(now()),
        sent_at: Some(now()),
        replay: 0,
        letter: None,
        headers: Headers::from([("forebay-attempt".into(), "3".into()), ("shop-tag".into(), "a".into())]),
        body: body.into_bytes(),
    };
    indexed(new)
}

/// The letter with the terms of its contents and its error.
pub(super) fn indexed(letter: NewDeadLetter) -> NewDeadLetter {
    let event = Event::decode(&letter.body).ok();
    let terms = terms::of_letter(&letter.message_id, event.as_ref(), &letter.error);
    NewDeadLetter { terms, ..letter }
}

/// The same message, dead of another error: another copy.
pub(super) fn failing(id: &str, error: &str) -> NewDeadLetter {
    let mut copy = [1; 32];
    copy[..error.len().min(32)].copy_from_slice(&error.as_bytes()[..error.len().min(32)]);
    indexed(NewDeadLetter { error: error.into(), copy, ..letter(id) })
}

pub(super) fn by(n: u128) -> By {
    By { id: Uuid::from_u128(n), actor: "key-of-ops".into(), reason: "the carrier is mended".into() }
}

async fn archive(store: &dyn Store, letters: Vec<NewDeadLetter>, at: DateTime<Utc>) -> u32 {
    store.archive(letters, at).await.unwrap().new
}

pub(super) async fn listed(store: &dyn Store, filter: DeadLetterFilter) -> Vec<String> {
    ids(store.dead_letters(&filter, None, 100).await.unwrap())
}

fn ids(letters: Vec<DeadLetter>) -> Vec<String> {
    letters.into_iter().map(|letter| letter.message_id).collect()
}

pub(super) async fn one(store: &dyn Store, message_id: &str) -> DeadLetter {
    let filter = DeadLetterFilter { message_id: Some(message_id.into()), ..DeadLetterFilter::default() };
    store.dead_letters_whole(&filter, None, 1).await.unwrap().remove(0)
}

/// The one group, as (open, replaying, resolved, discarded).
pub(super) async fn counts(store: &dyn Store) -> [i64; 4] {
    let groups = store.dead_letter_groups(true, 10).await.unwrap();
    let of = |count: fn(&DeadLetterGroup) -> i64| groups.iter().map(count).sum();
    [of(|g| g.open), of(|g| g.replaying), of(|g| g.resolved), of(|g| g.discarded)]
}

pub async fn a_dead_letter_is_kept_whole(harness: &dyn Harness) {
    let store = harness.store().await;
    let mut new = letter("m-1");
    new.body = (0..=255).collect();
    new.headers.insert("odd".into(), "nul \0, quote \", line\nbreak, 🎁".into());
    assert_eq!(archive(store.as_ref(), vec![new.clone()], later(5)).await, 1);
    let listed = store.dead_letters(&DeadLetterFilter::default(), None, 10).await.unwrap().remove(0);
    assert!(listed.body.is_empty() && listed.headers.is_empty(), "a list shows neither");
    let whole = store.dead_letter(listed.id).await.unwrap().unwrap();
    assert_eq!((&whole.body, &whole.headers), (&new.body, &new.headers));
    assert_eq!((whole.message_id.as_str(), whole.kind.as_str()), ("m-1", "return.requested.v1"));
    assert_eq!(
        (whole.source.as_deref(), whole.subject.as_deref()),
        (Some("/shops/main"), Some("return/m-1"))
    );
    assert_eq!((whole.queue.as_str(), whole.code, whole.attempts), ("forebay.returns", Code::Rejected, 3));
    assert_eq!((&whole.error, &whole.fingerprint), (&new.error, &new.fingerprint()));
    assert_eq!((whole.first_seen, whole.first_dead_at, whole.dead_at), (Some(now()), later(5), later(5)));
    assert_eq!((whole.status, whole.deaths, whole.replays), (Status::Open, 1, 0));
    assert_eq!((whole.closed_at, whole.closed_by, whole.replay_id), (None, None, None));
    let bare = DeadLetter { headers: Headers::new(), body: Vec::new(), ..whole.clone() };
    assert_eq!(bare, listed);
    let all = store.dead_letters_whole(&DeadLetterFilter::default(), None, 10).await.unwrap();
    assert_eq!(all, [whole]);
    assert_eq!(store.dead_letter(nobody()).await.unwrap(), None);
}

pub async fn copies_of_a_message_are_one_dead_letter(harness: &dyn Harness) {
    let store = harness.store().await;
    let other_copy = || NewDeadLetter { copy: [9; 32], ..letter("m-1") };
    let copies = vec![letter("m-1"), letter("m-2"), letter("m-1"), other_copy()];
    let archived = store.archive(copies, now()).await.unwrap();
    assert_eq!(archived, Archived { new: 2, again: 1, replayed: 0 });
    assert_eq!(store.archive(vec![other_copy()], later(1)).await.unwrap(), Archived::default(), "repeated");
    let archived = store.archive(vec![letter("m-2"), letter("m-3")], later(2)).await.unwrap();
    assert_eq!(archived, Archived { new: 1, again: 0, replayed: 0 });
    assert_eq!(archive(store.as_ref(), Vec::new(), later(3)).await, 0);
    assert_eq!(store.tally().await.unwrap().done.dead_letters, 3);
    assert_eq!(counts(store.as_ref()).await, [3, 0, 0, 0]);
    let incident = store.open_incidents(10).await.unwrap().remove(0);
    assert_eq!(incident.raise.count, 4, "each death is an occurrence, a repeat is none");
    let (effects, _) = store.effects(EffectKind::DeadLetters, None, 10).await.unwrap();
    assert_eq!(effects, ["m-1", "m-2", "m-3"]);
    // Without an id the body tells, and one message may die in two queues.
    let bodied = |body: &[u8], queue: &str| NewDeadLetter {
        key: key(None, "", body),
        message_id: String::new(),
        source: None,
        queue: queue.into(),
        body: body.to_vec(),
        ..letter("m-9")
    };
    let set = vec![bodied(b"a", "q"), bodied(b"b", "q"), bodied(b"a", "r"), bodied(b"a", "q")];
    assert_eq!(archive(store.as_ref(), set, later(4)).await, 3);
}

pub async fn a_letter_that_dies_again_is_the_same_with_a_history(harness: &dyn Harness) {
    let store = harness.store().await;
    archive(store.as_ref(), vec![letter("m-1")], now()).await;
    let first = one(store.as_ref(), "m-1").await;
    for n in 1..=22 {
        let again =
            NewDeadLetter { attempts: n, code: Code::Expired, ..failing("m-1", &format!("late {n} times")) };
        let archived = store.archive(vec![again], later(u64::from(n))).await.unwrap();
        assert_eq!((archived.new, archived.again), (0, 1));
    }
    let last = one(store.as_ref(), "m-1").await;
    assert_eq!((last.id, last.deaths, last.status), (first.id, 23, Status::Open));
    assert_eq!((last.code, last.error.as_str(), last.attempts), (Code::Expired, "late 22 times", 22));
    assert_eq!((last.first_dead_at, last.dead_at), (now(), later(22)));
    assert_eq!(last.history.len(), 20, "bounded");
    let before =
        Death { at: later(21), code: Code::Expired, error: "late 21 times".into(), attempts: 21, replay: 0 };
    assert_eq!(last.history.last(), Some(&before));
    let groups = store.dead_letter_groups(true, 10).await.unwrap();
    let open: Vec<_> = groups.iter().map(|g| (g.code, g.open)).collect();
    assert_eq!(open, [(Code::Expired, 1), (Code::Rejected, 0)], "it left its group");
    assert_eq!(
        listed(store.as_ref(), DeadLetterFilter { text: Some("22".into()), ..Default::default() }).await,
        ["m-1"]
    );
    assert_eq!(
        listed(store.as_ref(), DeadLetterFilter { text: Some("21".into()), ..Default::default() })
            .await
            .len(),
        0
    );
}

pub async fn each_group_that_grows_raises_its_incident(harness: &dyn Harness) {
    let store = harness.store().await;
    let letters = vec![letter("m-1"), failing("m-2", "too late"), letter("m-3")];
    archive(store.as_ref(), letters, now()).await;
    let open = store.open_incidents(10).await.unwrap();
    let of = |letter: &NewDeadLetter| {
        let fingerprint = format!("dead_letters/{}", letter.fingerprint());
        open.iter().find(|i| i.raise.fingerprint == fingerprint).unwrap()
    };
    assert_eq!((of(&letter("m-1")).raise.count, of(&failing("m-2", "too late")).raise.count), (2, 1));
    let raise = &of(&letter("m-1")).raise;
    assert_eq!((raise.rule.as_str(), raise.severity), ("dead_letters", Severity::Warning));
    assert!(raise.title.contains("forebay.returns"), "{raise:?}");
    assert!(raise.action.contains(&letter("m-1").fingerprint()), "{raise:?}");
    archive(store.as_ref(), vec![failing("m-4", "too late")], later(1)).await;
    let grown = store.incident(of(&failing("m-2", "too late")).id).await.unwrap().unwrap();
    assert_eq!((grown.raise.count, grown.last_seen), (2, later(1)));
}

pub async fn groups_are_counted_newest_first(harness: &dyn Harness) {
    let store = harness.store().await;
    archive(store.as_ref(), vec![letter("m-1"), failing("m-2", "too late")], now()).await;
    archive(store.as_ref(), vec![letter("m-3")], later(60)).await;
    let groups = store.dead_letter_groups(false, 10).await.unwrap();
    let counted: Vec<_> = groups.iter().map(|g| (g.open, g.first_at, g.last_at)).collect();
    assert_eq!(counted, [(2, now(), later(60)), (1, now(), now())]);
    let first = &groups[0];
    assert_eq!((first.code, first.queue.as_str()), (Code::Rejected, "forebay.returns"));
    assert_eq!(
        (first.kind.as_str(), first.sample_error.as_str()),
        ("return.requested.v1", "no such carrier")
    );
    assert_eq!(store.dead_letter_groups(false, 1).await.unwrap().len(), 1);
    let filter = DeadLetterFilter { fingerprint: Some(first.fingerprint.clone()), ..Default::default() };
    assert_eq!(store.discard(&filter, 10, &by(1), later(61)).await.unwrap(), 2);
    assert_eq!(
        store.dead_letter_groups(false, 10).await.unwrap().len(),
        1,
        "nothing of it is left to see to"
    );
    let all = store.dead_letter_groups(true, 10).await.unwrap();
    assert_eq!((all[0].open, all[0].discarded), (0, 2));
}

pub async fn each_condition_of_a_filter_holds(harness: &dyn Harness) {
    let store = harness.store().await;
    let coded = NewDeadLetter { code: Code::Expired, ..letter("coded") };
    let queued = NewDeadLetter { queue: "forebay.rewards".into(), ..letter("queued") };
    let typed = NewDeadLetter { kind: String::new(), ..letter("typed") };
    let worded = failing("worded", "no system for \"Nobody 7\"");
    archive(store.as_ref(), vec![letter("plain"), coded, queued, typed, worded.clone()], later(1)).await;
    archive(store.as_ref(), vec![letter("early")], now()).await;
    archive(store.as_ref(), vec![letter("late")], later(60)).await;
    archive(store.as_ref(), vec![letter("gone")], later(2)).await;
    let none = DeadLetterFilter::default;
    let gone = DeadLetterFilter { message_id: Some("gone".into()), ..none() };
    assert_eq!(store.discard(&gone, 10, &by(1), later(3)).await.unwrap(), 1);
    let plain = one(store.as_ref(), "plain").await.id;
    let text = |text: &str| DeadLetterFilter { text: Some(text.into()), ..none() };
    for (filter, expected) in [
        (DeadLetterFilter { code: Some(Code::Expired), ..none() }, "coded"),
        (DeadLetterFilter { queue: Some("forebay.rewards".into()), ..none() }, "queued"),
        (DeadLetterFilter { kind: Some(String::new()), ..none() }, "typed"),
        (DeadLetterFilter { fingerprint: Some(worded.fingerprint()), ..none() }, "worded"),
        (DeadLetterFilter { message_id: Some("plain".into()), ..none() }, "plain"),
        (DeadLetterFilter { ids: vec![plain, nobody()], ..none() }, "plain"),
        (DeadLetterFilter { subject: Some("return/plain".into()), ..none() }, "plain"),
        (DeadLetterFilter { order: Some("O-plain".into()), ..none() }, "plain"),
        (DeadLetterFilter { parcel: Some("P-plain".into()), ..none() }, "plain"),
        (DeadLetterFilter { member: Some("m-plain".into()), ..none() }, "plain"),
        (DeadLetterFilter { since: Some(later(60)), ..none() }, "late"),
        (DeadLetterFilter { until: Some(later(1)), ..none() }, "early"),
        (DeadLetterFilter { statuses: vec![Status::Discarded], ..none() }, "gone"),
        (DeadLetterFilter { code: Some(Code::Rejected), since: Some(later(60)), ..none() }, "late"),
        (text("O-plain"), "plain"),
        (text("return/plain"), "plain"),
        (text("P-plain"), "plain"),
        (text("nobody 7"), "worded"),
        (text("No System"), "worded"),
        (text("no system for \"Nobody 7\""), "worded"),
        (DeadLetterFilter { order: Some("O-worded".into()), ..text("no system") }, "worded"),
        (DeadLetterFilter { queue: Some("forebay.rewards".into()), ..text("such carrier") }, "queued"),
    ] {
        assert_eq!(listed(store.as_ref(), filter.clone()).await, [expected], "{filter:?}");
        let count = store.count_dead_letters(&filter).await.unwrap();
        assert_eq!((count.total, count.capped), (1, false), "{filter:?}");
    }
    for filter in [
        DeadLetterFilter { code: Some(Code::Expired), queue: Some("forebay.rewards".into()), ..none() },
        DeadLetterFilter { order: Some("O-plain".into()), member: Some("m-late".into()), ..none() },
        DeadLetterFilter { order: Some("O-plain".into()), ..text("no system") },
        DeadLetterFilter { message_id: Some("plain".into()), code: Some(Code::Expired), ..none() },
        DeadLetterFilter { statuses: vec![Status::Open], ..gone },
        text("no system for \"Somebody\""),
        text("O-pla"),
        text("100 %"),
    ] {
        assert_eq!(listed(store.as_ref(), filter.clone()).await, Vec::<String>::new(), "{filter:?}");
        assert_eq!(store.count_dead_letters(&filter).await.unwrap().total, 0, "{filter:?}");
    }
    assert_eq!(listed(store.as_ref(), none()).await.len(), 8);
    assert_eq!(listed(store.as_ref(), DeadLetterFilter::open()).await.len(), 7);
    let count = store.count_dead_letters(&DeadLetterFilter::open()).await.unwrap();
    assert_eq!((count.total, count.by_code), (7, vec![(Code::Rejected, 6), (Code::Expired, 1)]));
    let timed = DeadLetterFilter { until: Some(later(100)), ..none() };
    let count = store.count_dead_letters(&timed).await.unwrap();
    assert_eq!((count.total, count.by_code), (8, vec![(Code::Rejected, 7), (Code::Expired, 1)]));
}

pub async fn dead_letters_are_paged_newest_first(harness: &dyn Harness) {
    let store = harness.store().await;
    for n in 0..4u64 {
        let letters = (0..3).map(|i| failing(&format!("m-{n}-{i}"), ["no", "late"][usize::from(i == 1)]));
        archive(store.as_ref(), letters.collect(), later(n)).await;
    }
    let none = DeadLetterFilter::default;
    let every_way = [
        none(),
        DeadLetterFilter { code: Some(Code::Rejected), ..none() },
        DeadLetterFilter { text: Some("o".into()), ..none() },
        DeadLetterFilter { text: Some("a".into()), ..none() },
    ];
    for (filter, found) in every_way.into_iter().zip([12, 12, 8, 4]) {
        let all = store.dead_letters(&filter, None, 100).await.unwrap();
        assert_eq!(all.len(), found, "{filter:?}");
        assert!(all.windows(2).all(|w| (w[0].dead_at, w[0].id) > (w[1].dead_at, w[1].id)));
        for limit in [1, 5, 12] {
            let (mut paged, mut after) = (Vec::new(), None);
            loop {
                let page = store.dead_letters(&filter, after, limit).await.unwrap();
                let Some(last) = page.last() else { break };
                assert!(page.len() <= limit as usize);
                after = Some(last.cursor());
                paged.extend(page);
            }
            assert_eq!(paged, all, "pages of {limit}");
        }
    }
    let begin = Cursor { dead_at: later(2), id: Uuid::nil() };
    assert_eq!(
        store.dead_letters(&none(), Some(begin), 100).await.unwrap().len(),
        6,
        "its letter need not be there"
    );
}

pub async fn odd_text_of_a_dead_letter_does_not_hold_up_its_set(harness: &dyn Harness) {
    let store = harness.store().await;
    let mut odd = letter("");
    odd.message_id = "a\0b".into();
    odd.source = None;
    odd.subject = Some("\0".into());
    odd.kind = "type\0".into();
    odd.error = "byte \0 at 3, 'quoted' \u{202e}".into();
    odd.first_seen = None;
    assert_eq!(archive(store.as_ref(), vec![odd, letter("m-1")], now()).await, 2);
    let kept = store.dead_letters(&DeadLetterFilter::default(), None, 10).await.unwrap();
    let kept = kept.iter().find(|l| l.message_id != "m-1").unwrap();
    assert!(kept.error.contains("at 3, 'quoted'"), "{kept:?}");
    assert_eq!((kept.source.as_deref(), kept.first_seen), (None, None));
    for text in ["%", "'", "\\", "_", "\0", "\u{202e}", "\"", "` or 1=1"] {
        let filter = DeadLetterFilter { text: Some(text.into()), ..DeadLetterFilter::default() };
        store.dead_letters(&filter, None, 10).await.unwrap();
    }
}

pub async fn archivers_at_once_keep_each_dead_letter_once(harness: &dyn Harness) {
    let store = harness.store().await;
    let archivers: Vec<_> = (0..4)
        .map(|archiver| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut new = 0;
                for set in 0..5 {
                    let mut letters: Vec<_> = (0..20).map(|n| letter(&format!("m-{set}-{n}"))).collect();
                    letters.rotate_left(archiver * 5);
                    new += store.archive(letters, now()).await.unwrap().new;
                }
                new
            })
        })
        .collect();
    let mut new = 0;
    for archiver in archivers {
        new += archiver.await.unwrap();
    }
    assert_eq!((new, store.tally().await.unwrap().done.dead_letters), (100, 100));
    assert_eq!(counts(store.as_ref()).await, [100, 0, 0, 0]);
    assert_eq!(store.open_incidents(10).await.unwrap()[0].raise.count, 100);
}

pub async fn what_is_discarded_is_told_with_who_and_why(harness: &dyn Harness) {
    let store = harness.store().await;
    let letters = (0..5).map(|n| letter(&format!("m-{n}"))).collect();
    archive(store.as_ref(), letters, now()).await;
    let rejected = DeadLetterFilter { code: Some(Code::Rejected), ..DeadLetterFilter::default() };
    assert_eq!(store.discard(&rejected, 2, &by(1), later(1)).await.unwrap(), 2);
    assert!(!store.open_incidents(10).await.unwrap().is_empty(), "letters are left to see to");
    assert_eq!(store.discard(&rejected, 10, &by(1), later(2)).await.unwrap(), 3);
    assert_eq!(store.discard(&rejected, 10, &by(2), later(3)).await.unwrap(), 0, "closed ones stay closed");
    assert_eq!(counts(store.as_ref()).await, [0, 0, 0, 5]);
    assert_eq!(store.open_incidents(10).await.unwrap(), [], "nothing of the group is left to see to");
    let gone = one(store.as_ref(), "m-0").await;
    assert_eq!((gone.status, gone.closed_by), (Status::Discarded, Some(by(1).id)));
    let log = store.audit_log(None, 10).await.unwrap();
    let said: Vec<_> = log.iter().map(|e| (e.id, e.action.as_str(), e.count)).collect();
    assert_eq!(said, [(by(2).id, "dead_letters.discard", 0), (by(1).id, "dead_letters.discard", 5)]);
    let entry = &log[1];
    assert_eq!((entry.actor.as_str(), entry.reason.as_str()), ("key-of-ops", "the carrier is mended"));
    assert_eq!((entry.at, &entry.before["filter"]["code"]), (later(1), &serde_json::json!("rejected")));
    assert_eq!(store.audit_log(Some(log[0].id), 10).await.unwrap(), std::slice::from_ref(entry));
    // A message that dies after all is not lost behind the decision about an earlier copy.
    archive(store.as_ref(), vec![NewDeadLetter { copy: [7; 32], ..letter("m-0") }], later(9)).await;
    let again = one(store.as_ref(), "m-0").await;
    assert_eq!((again.status, again.closed_at, again.closed_by), (Status::Open, None, None));
    assert_eq!(counts(store.as_ref()).await, [1, 0, 0, 4]);
}

pub async fn words_with_a_number_are_found_in_full_among_very_many(harness: &dyn Harness) {
    let store = harness.store().await;
    // Two groups in turn, their numbers spread unevenly: often among the newest of one, only among the oldest of the
    // other.
    let error = |n: usize| {
        let (who, number) = if n.is_multiple_of(2) {
            ("the shop", if n.is_multiple_of(3) { 410 } else { 422 })
        } else {
            ("the carrier", if n < 1_500 { 410 } else { 422 })
        };
        format!("{who} said status {number}")
    };
    const LETTERS: usize = 6_000;
    for first in (0..LETTERS).step_by(500) {
        let set = (first..first + 500).map(|n| failing(&format!("m-{n}"), &error(n))).collect();
        archive(store.as_ref(), set, later(first as u64)).await;
    }
    for (text, meant) in [("status 410", 410), ("status 422", 422), ("carrier said status 410", 410)] {
        let filter = DeadLetterFilter { text: Some(text.into()), ..DeadLetterFilter::default() };
        let meant = |n: &usize| error(*n).contains(text) && error(*n).ends_with(&meant.to_string());
        let (mut paged, mut after, mut last) = (Vec::new(), None, None);
        loop {
            let page = store.dead_letters(&filter, after, 400).await.unwrap();
            if page.is_empty() {
                break;
            }
            for letter in page {
                let place = (letter.dead_at, letter.id);
                assert!(last.is_none_or(|last| last > place), "{text}: out of order");
                last = Some(place);
                after = Some(letter.cursor());
                paged.push(letter.message_id);
            }
        }
        paged.sort();
        let mut expected: Vec<String> = (0..LETTERS).filter(meant).map(|n| format!("m-{n}")).collect();
        expected.sort();
        assert_eq!(paged.len(), expected.len(), "{text}");
        assert_eq!(paged, expected, "{text}");
    }
}
