//! Dead letters: kept whole, once, in groups.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use forebay_domain::incident::Severity;
use forebay_schemas::Code;
use forebay_schemas::trail::Headers;

use super::returns::nobody;
use super::{Harness, later, now};
use crate::{DeadLetter, DeadLetterFilter, EffectKind, NewDeadLetter, Store};

/// A dead letter; what differs between two of them is in `id`, of at most 32 bytes.
fn letter(id: &str, group: &str) -> NewDeadLetter {
    let mut key = [0; 32];
    key[..id.len()].copy_from_slice(id.as_bytes());
    NewDeadLetter {
        key,
        message_id: id.into(),
        source: Some("/shops/main".into()),
        subject: Some(format!("return/{id}")),
        kind: "return.requested.v1".into(),
        queue: "forebay.returns".into(),
        code: Code::Rejected,
        error: "no such carrier".into(),
        fingerprint: group.into(),
        attempts: 3,
        first_seen: Some(now()),
        headers: Headers::from([("forebay-attempt".into(), "3".into())]),
        body: format!("{{\"id\":\"{id}\"}}").into_bytes(),
    }
}

async fn archive(store: &dyn Store, letters: Vec<NewDeadLetter>, at: DateTime<Utc>) -> u32 {
    store.archive(letters, at).await.unwrap()
}

async fn listed(store: &dyn Store, filter: DeadLetterFilter) -> Vec<String> {
    ids(store.dead_letters(&filter, None, 100).await.unwrap())
}

fn ids(letters: Vec<DeadLetter>) -> Vec<String> {
    letters.into_iter().map(|letter| letter.message_id).collect()
}

pub async fn a_dead_letter_is_kept_whole(harness: &dyn Harness) {
    let store = harness.store().await;
    let mut new = letter("m-1", "g");
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
    assert_eq!((whole.error.as_str(), whole.fingerprint.as_str()), ("no such carrier", "g"));
    assert_eq!((whole.first_seen, whole.dead_at), (Some(now()), later(5)));
    assert_eq!(DeadLetter { headers: Headers::new(), body: Vec::new(), ..whole }, listed);
    assert_eq!(store.dead_letter(nobody()).await.unwrap(), None);
}

pub async fn copies_alike_to_the_byte_are_one_dead_letter(harness: &dyn Harness) {
    let store = harness.store().await;
    let copies = vec![letter("m-1", "g"), letter("m-2", "g"), letter("m-1", "g")];
    assert_eq!(archive(store.as_ref(), copies, now()).await, 2);
    assert_eq!(archive(store.as_ref(), vec![letter("m-1", "g")], later(1)).await, 0);
    assert_eq!(archive(store.as_ref(), vec![letter("m-2", "g"), letter("m-3", "g")], later(2)).await, 1);
    assert_eq!(archive(store.as_ref(), Vec::new(), later(3)).await, 0);
    assert_eq!(store.tally().await.unwrap().dead_letters, 3);
    let incident = store.open_incidents(10).await.unwrap().remove(0);
    assert_eq!(incident.raise.count, 3, "a copy is no new occurrence");
    let (effects, _) = store.effects(EffectKind::DeadLetters, None, 10).await.unwrap();
    assert_eq!(effects, ["m-1", "m-2", "m-3"]);
}

pub async fn each_group_that_grows_raises_its_incident(harness: &dyn Harness) {
    let store = harness.store().await;
    let letters = vec![letter("m-1", "g1"), letter("m-2", "g2"), letter("m-3", "g1")];
    archive(store.as_ref(), letters, now()).await;
    let mut open = store.open_incidents(10).await.unwrap();
    open.sort_by(|a, b| a.raise.fingerprint.cmp(&b.raise.fingerprint));
    let raised: Vec<_> = open.iter().map(|i| (i.raise.fingerprint.as_str(), i.raise.count)).collect();
    assert_eq!(raised, [("dead_letters/g1", 2), ("dead_letters/g2", 1)]);
    let raise = &open[0].raise;
    assert_eq!((raise.rule.as_str(), raise.severity), ("dead_letters", Severity::Warning));
    assert!(raise.title.contains("forebay.returns") && raise.action.contains("g1"), "{raise:?}");
}

pub async fn groups_are_counted_newest_first(harness: &dyn Harness) {
    let store = harness.store().await;
    archive(store.as_ref(), vec![letter("m-1", "g1"), letter("m-2", "g2")], now()).await;
    archive(store.as_ref(), vec![letter("m-3", "g1")], later(60)).await;
    let groups = store.dead_letter_groups(10).await.unwrap();
    let counted: Vec<_> =
        groups.iter().map(|g| (g.fingerprint.as_str(), g.count, g.first_at, g.last_at)).collect();
    assert_eq!(counted, [("g1", 2, now(), later(60)), ("g2", 1, now(), now())]);
    let first = &groups[0];
    assert_eq!((first.code, first.queue.as_str()), (Code::Rejected, "forebay.returns"));
    assert_eq!(
        (first.kind.as_str(), first.sample_error.as_str()),
        ("return.requested.v1", "no such carrier")
    );
    assert_eq!(store.dead_letter_groups(1).await.unwrap().len(), 1);
}

pub async fn each_condition_of_a_filter_holds(harness: &dyn Harness) {
    let store = harness.store().await;
    let plain = letter("plain", "g1");
    let coded = NewDeadLetter { code: Code::Expired, ..letter("coded", "g1") };
    let queued = NewDeadLetter { queue: "forebay.rewards".into(), ..letter("queued", "g1") };
    let typed = NewDeadLetter { kind: String::new(), ..letter("typed", "g1") };
    archive(store.as_ref(), vec![plain, coded, queued, typed, letter("grouped", "g2")], now()).await;
    archive(store.as_ref(), vec![letter("late", "g1")], later(60)).await;
    let none = DeadLetterFilter::default;
    for (filter, expected) in [
        (DeadLetterFilter { code: Some(Code::Expired), ..none() }, "coded"),
        (DeadLetterFilter { queue: Some("forebay.rewards".into()), ..none() }, "queued"),
        (DeadLetterFilter { kind: Some(String::new()), ..none() }, "typed"),
        (DeadLetterFilter { fingerprint: Some("g2".into()), ..none() }, "grouped"),
        (DeadLetterFilter { message_id: Some("plain".into()), ..none() }, "plain"),
        (DeadLetterFilter { subject: Some("return/plain".into()), ..none() }, "plain"),
        (DeadLetterFilter { since: Some(later(60)), ..none() }, "late"),
    ] {
        assert_eq!(listed(store.as_ref(), filter.clone()).await, [expected], "{filter:?}");
    }
    let two = DeadLetterFilter { code: Some(Code::Expired), queue: Some("forebay.rewards".into()), ..none() };
    assert_eq!(listed(store.as_ref(), two).await, Vec::<String>::new(), "all conditions at once");
    assert_eq!(listed(store.as_ref(), none()).await.len(), 6);
}

pub async fn dead_letters_are_paged_newest_first(harness: &dyn Harness) {
    let store = harness.store().await;
    for n in 0..4u64 {
        let letters = (0..3).map(|i| letter(&format!("m-{n}-{i}"), "g")).collect();
        archive(store.as_ref(), letters, later(n)).await;
    }
    let all = store.dead_letters(&DeadLetterFilter::default(), None, 100).await.unwrap();
    assert_eq!(all.len(), 12);
    assert!(all.windows(2).all(|w| w[0].dead_at >= w[1].dead_at));
    for limit in [1, 5, 12] {
        let (mut paged, mut after) = (Vec::new(), None);
        loop {
            let page = store.dead_letters(&DeadLetterFilter::default(), after, limit).await.unwrap();
            let Some(last) = page.last() else { break };
            assert!(page.len() <= limit as usize);
            after = Some(last.id);
            paged.extend(page);
        }
        assert_eq!(paged, all, "pages of {limit}");
    }
}

pub async fn odd_text_of_a_dead_letter_does_not_hold_up_its_set(harness: &dyn Harness) {
    let store = harness.store().await;
    let mut odd = letter("", "g");
    odd.message_id = "a\0b".into();
    odd.source = None;
    odd.subject = Some("\0".into());
    odd.kind = "type\0".into();
    odd.error = "byte \0 at 3, 'quoted' \u{202e}".into();
    odd.first_seen = None;
    assert_eq!(archive(store.as_ref(), vec![odd, letter("m-1", "g")], now()).await, 2);
    let kept = store.dead_letters(&DeadLetterFilter::default(), None, 10).await.unwrap();
    let kept = kept.iter().find(|l| l.message_id != "m-1").unwrap();
    assert!(kept.error.contains("at 3, 'quoted'"), "{kept:?}");
    assert_eq!((kept.source.as_deref(), kept.first_seen), (None, None));
}

pub async fn archivers_at_once_keep_each_dead_letter_once(harness: &dyn Harness) {
    let store = harness.store().await;
    let archivers: Vec<_> = (0..4)
        .map(|archiver| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut new = 0;
                for set in 0..5 {
                    let mut letters: Vec<_> = (0..20).map(|n| letter(&format!("m-{set}-{n}"), "g")).collect();
                    letters.rotate_left(archiver * 5);
                    new += store.archive(letters, now()).await.unwrap();
                }
                new
            })
        })
        .collect();
    let mut new = 0;
    for archiver in archivers {
        new += archiver.await.unwrap();
    }
    assert_eq!((new, store.tally().await.unwrap().dead_letters), (100, 100));
    assert_eq!(store.open_incidents(10).await.unwrap()[0].raise.count, 100);
}
