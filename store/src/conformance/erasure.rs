//! A person erased: nowhere to be found, and nothing else changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use forebay_domain::erasure::ERASED;
use forebay_domain::incident::{AlertRule, Raise, Severity};
use forebay_domain::settlement::{Answer, Ask};
use forebay_schemas::events::{CheckInRequested, OrderPaid, ParcelPushed};
use forebay_schemas::{Catalogue, Digest, Event, EventData, MemberId, Payload};

use super::dead_letters::{by, indexed, letter};
use super::{
    Harness, check_in, claim, drain, later, member, now, paid, programme, programme_with_mugs, refunded,
    settle,
};
use crate::{
    DeadLetterFilter, Done, Erasure, Handled, NewDeadLetter, NewReplay, RewardMessage, Store, Tally,
};

/// A member whose id can't be anything else.
const MAY: u32 = 471_147;

fn may() -> MemberId {
    member(MAY)
}

/// A dead letter about [`may`], in every one of its parts.
fn of_may(id: &str) -> NewDeadLetter {
    let who = may();
    let data = CheckInRequested { programme_id: programme().id, member_id: who.clone() };
    let event = Event::of(id, "/shops/main", now(), &data);
    let mut new = letter(id);
    new.body = event.encode();
    new.key = forebay_domain::dead_letter::key(Some("/shops/main"), id, &new.body);
    (new.kind, new.queue) = (CheckInRequested::TYPE.name().to_owned(), "forebay.rewards".to_owned());
    new.subject = event.subject;
    new.error = format!("no rule for member {who}, asked twice");
    new.headers.insert("shop-member".to_owned(), who.to_string());
    indexed(new)
}

async fn erase(store: &dyn Store, n: u128) -> Erasure {
    store.erase_member(&may(), &by(n), later(100)).await.unwrap()
}

/// Everything that the books add up to, but for how many rows wait and were handled.
fn sums(tally: Tally) -> Tally {
    Tally { inbox: 0, outbox: 0, incidents: 0, done: Done { dead_letters: 0, ..tally.done }, ..tally }
}

/// A shop in which [`may`] left traces everywhere, and so did somebody else of nearly the same id.
async fn scene(harness: &dyn Harness) -> Arc<dyn Store> {
    let store = harness.store().await;
    store.put_programme(&programme_with_mugs(10, 1), now()).await.unwrap();
    let other = 10 * MAY;
    let set = [
        check_in("day-may", MAY, now()),
        check_in("day-other", other, now()),
        claim(1, MAY, "one-day"),
        claim(2, MAY, "five-days"),
        claim(3, other, "one-day"),
        paid("O-may", Some(MAY), 100_000),
        paid("O-other", Some(other), 50_000),
        refunded("O-may", "F-1", 20_000),
        super::lots::spend(1, MAY, 300),
    ];
    settle(store.as_ref(), set.into()).await;
    let mut again = of_may("twice");
    again.copy = [9; 32];
    store.archive(vec![of_may("once"), of_may("twice"), letter("R-9")], now()).await.unwrap();
    store.archive(vec![again], later(1)).await.unwrap();
    let filter = DeadLetterFilter { member: Some(may().to_string()), ..DeadLetterFilter::default() };
    let replay = NewReplay { filter, rate: 50, canary: true };
    store.start_replay(replay, &by(1), later(2)).await.unwrap();
    assert_eq!(store.step_replay(later(2)).await.unwrap().unwrap().published, 1);
    let raise = Raise {
        fingerprint: "a/b".into(),
        rule: AlertRule::StockLow,
        about: None,
        severity: Severity::Info,
        title: "A title".into(),
        impact: String::new(),
        action: String::new(),
        sample: format!("\"{}\" asked", may()),
        count: 1,
    };
    store.raise(vec![raise], now()).await.unwrap();
    store.effect_intend("key", "return-result", now()).await.unwrap();
    store.effect_failed("key", false, &format!("refused for {}", may()), now()).await.unwrap();
    store
}

pub async fn a_push_that_named_the_member_does_so_no_more(harness: &dyn Harness) {
    let store = harness.store().await;
    let of = |id: &str| {
        let body = format!(r#"{{"result":{{"signed_by":"{}"}}}}"#, may());
        let data = ParcelPushed::new("easypost".parse().unwrap(), BTreeMap::new(), body.as_bytes());
        let event = Event::of(id, "/forebay/pushes/easypost", now(), &data);
        let mut new = letter(id);
        new.body = event.encode();
        new.key = forebay_domain::dead_letter::key(Some("/forebay/pushes/easypost"), id, &new.body);
        (new.kind, new.queue) = (ParcelPushed::TYPE.name().to_owned(), "forebay.pushes".to_owned());
        indexed(new)
    };
    store.archive(vec![of("before")], now()).await.unwrap();
    assert_eq!(erase(store.as_ref(), 2).await.dead_letters, 1);
    store.archive(vec![of("after")], later(200)).await.unwrap();
    for letter in store.dead_letters(&DeadLetterFilter::default(), None, 10).await.unwrap() {
        let whole = store.dead_letter(letter.id).await.unwrap().unwrap();
        let Payload::ParcelPushed(pushed) = Catalogue::new().decode(&whole.body).unwrap().payload else {
            panic!("{whole:?}")
        };
        let body = String::from_utf8(pushed.bytes().unwrap()).unwrap();
        assert_eq!(body, r#"{"result":{"signed_by":"forebay:erased"}}"#, "{}", whole.message_id);
    }
}

pub async fn an_erased_member_is_nowhere_and_the_books_are_what_they_were(harness: &dyn Harness) {
    let store = scene(harness).await;
    let before = sums(store.tally().await.unwrap());
    let places = harness.mentions(may().as_str()).await;
    for place in [
        "attendance.member_id",
        "claim.member_id",
        "ledger_entry.account",
        "member.id",
        "shop_order.member_id",
        "points_lot.member_id",
        "spend.member_id",
        "dead_letter.body",
        "dead_letter.subject",
        "dead_letter.error",
        "dead_letter.history",
        "dead_letter.headers",
        "outbox.body",
        "outbox.headers",
        "incident.sample",
        "effect.error",
        "replay.filter",
        "audit_entry.before",
    ] {
        assert!(places.iter().any(|found| found == place), "{place} is not among {places:?}");
    }
    let other = member(10 * MAY);
    let others =
        (store.member_balance(&other).await.unwrap(), store.member_claims(&other, 10).await.unwrap());

    let found = store.traces_of(&may()).await.unwrap();
    assert_eq!(sums(store.tally().await.unwrap()), before);
    assert_eq!(harness.mentions(may().as_str()).await, places, "looking changes nothing");
    let erasure = erase(store.as_ref(), 2).await;
    assert_eq!(Erasure { pseudonym: None, ..erasure.clone() }, found);
    assert_eq!((erasure.attendance, erasure.claims, erasure.orders, erasure.dead_letters), (1, 2, 1, 2));
    assert_eq!((erasure.ledger_entries, erasure.lots, erasure.spends), (3, 1, 1));
    assert!(erasure.outbox >= 5 && erasure.texts >= 4, "{erasure:?}");

    assert_eq!(harness.mentions(may().as_str()).await, Vec::<String>::new());
    // The other one's id begins with it.
    assert_eq!(
        (store.member_balance(&other).await.unwrap(), store.member_claims(&other, 10).await.unwrap()),
        others
    );
    assert_eq!(sums(store.tally().await.unwrap()), before, "sums and stock hold");
    let tally = store.tally().await.unwrap();
    assert_eq!((tally.ledger_sum, tally.ledger_unbalanced, tally.balances_off), (0, 0, 0));
    let pseudonym = MemberId::new(erasure.pseudonym.clone().unwrap()).unwrap();
    assert_eq!(store.member_claims(&pseudonym, 10).await.unwrap().len(), 2);
    assert_eq!(store.member_balance(&pseudonym).await.unwrap().balance, 500);
    assert_eq!(store.member_balance(&may()).await.unwrap().balance, 0);
    let entry = store.audit_log(None, 1).await.unwrap().remove(0);
    assert_eq!((entry.action.as_str(), entry.subject), ("member.erase", erasure.pseudonym.unwrap()));
}

pub async fn what_comes_later_about_an_erased_member_has_no_effect_and_leaves_no_trace(
    harness: &dyn Harness,
) {
    let store = scene(harness).await;
    erase(store.as_ref(), 2).await;
    let before = sums(store.tally().await.unwrap());
    let set = vec![
        check_in("day-may", MAY, now()),
        check_in("day-later", MAY, now()),
        claim(9, MAY, "one-day"),
        paid("O-later", Some(MAY), 70_000),
    ];
    let settled = settle(store.as_ref(), set).await;
    assert_eq!(
        settled,
        [
            (Handled::Duplicate, None),
            (Handled::Done, Some(Answer::Erased)),
            (Handled::Done, Some(Answer::Erased)),
            (Handled::Done, Some(Answer::Earned(0))),
        ]
    );
    let tally = sums(store.tally().await.unwrap());
    let one_more = Done { orders: before.done.orders + 1, ..before.done };
    assert_eq!(tally, Tally { done: one_more, ..before }, "the order is a guest's");
    // The refund of an earlier order goes to whoever has the points now.
    let refund = settle(store.as_ref(), vec![refunded("O-may", "F-2", 100_000)]).await;
    assert_eq!(refund, [(Handled::Done, Some(Answer::TakenBack(500)))]);
    store.archive(vec![of_may("late"), of_may("once")], later(200)).await.unwrap();
    assert_eq!(harness.mentions(may().as_str()).await, Vec::<String>::new());
    let late = super::dead_letters::one(store.as_ref(), "late").await;
    assert!(String::from_utf8(late.body).unwrap().contains(ERASED));
    assert_eq!(late.subject, Some(format!("member/{ERASED}")));
    let once = super::dead_letters::one(store.as_ref(), "once").await;
    assert_eq!(once.deaths, 1, "the same copy is the same letter still");
    let tally = store.tally().await.unwrap();
    assert_eq!((tally.ledger_sum, tally.balances_off, tally.balances_negative), (0, 0, 0));
}

/// The message of a row of the outbox, as a worker would read it.
fn read(body: &[u8]) -> RewardMessage {
    let event = Event::decode(body).unwrap();
    let identity = crate::Identity {
        consumer: "rewards",
        source: event.source.clone(),
        id: event.id.clone(),
        digest: event.digest(),
    };
    let ask: CheckInRequested = serde_json::from_str(event.data.get()).unwrap();
    RewardMessage { identity, ask: Ask::CheckIn(ask, now()) }
}

pub async fn a_letter_of_an_erased_member_is_replayed_without_effect(harness: &dyn Harness) {
    let store = scene(harness).await;
    erase(store.as_ref(), 2).await;
    let before = sums(store.tally().await.unwrap());
    drain(store.as_ref(), later(1_000)).await;
    let replay = NewReplay { filter: DeadLetterFilter::default(), rate: 50, canary: false };
    let filter = DeadLetterFilter { queue: Some("forebay.rewards".into()), ..replay.filter };
    store.start_replay(NewReplay { filter, ..replay }, &by(3), later(300)).await.unwrap();
    while store.step_replay(later(300)).await.unwrap().is_some_and(|step| step.published > 0) {}
    let rows = drain(store.as_ref(), later(1_000)).await;
    let of_letters: Vec<_> = rows.iter().filter(|row| row.kind == CheckInRequested::TYPE.name()).collect();
    assert!(!of_letters.is_empty());
    for row in of_letters {
        let message = read(&row.body);
        let settled = settle(store.as_ref(), vec![message.clone()]).await;
        assert_eq!(settled, [(Handled::Done, Some(Answer::Erased))]);
        // Had it had its effect before it was redacted, it would be a repeat, and not a reused identity.
        let mut other = message;
        other.identity.digest = Digest([77; 32]);
        assert_eq!(settle(store.as_ref(), vec![other]).await, [(Handled::Duplicate, None)]);
    }
    assert_eq!(sums(store.tally().await.unwrap()), before);
}

pub async fn erasing_again_and_erasing_a_stranger_change_nothing(harness: &dyn Harness) {
    let store = scene(harness).await;
    erase(store.as_ref(), 2).await;
    let before = store.tally().await.unwrap();
    assert_eq!(erase(store.as_ref(), 3).await, Erasure::default());
    let stranger = MemberId::new("nobody-knows").unwrap();
    let erasure = store.erase_member(&stranger, &by(4), later(101)).await.unwrap();
    assert_eq!(erasure, Erasure::default());
    assert_eq!(store.tally().await.unwrap(), before);
    assert_eq!(harness.mentions("nobody-knows").await, Vec::<String>::new());
    let settled = settle(store.as_ref(), vec![stranger_pays(&stranger)]).await;
    assert_eq!(settled, [(Handled::Done, Some(Answer::Earned(0)))], "whoever was erased stays so");
}

fn stranger_pays(stranger: &MemberId) -> RewardMessage {
    let RewardMessage { identity, ask } = paid("O-stranger", None, 100_000);
    let Ask::Paid(order) = ask else { panic!("a paid order") };
    RewardMessage { identity, ask: Ask::Paid(OrderPaid { member_id: Some(stranger.clone()), ..order }) }
}

pub async fn an_id_of_letters_alone_is_found_where_errors_are_searched(harness: &dyn Harness) {
    let store = harness.store().await;
    let member = MemberId::new("Ann-Other").unwrap();
    let error = "no rule for Ann-Other, asked by Ann-Others";
    store
        .archive(vec![indexed(NewDeadLetter { error: error.into(), ..letter("R-1") })], now())
        .await
        .unwrap();
    let masked = "dead_letter_group.masked".to_owned();
    assert!(harness.mentions("ann-other").await.contains(&masked));
    store.erase_member(&member, &by(2), now()).await.unwrap();
    for id in ["Ann-Other", "ann-other"] {
        assert_eq!(harness.mentions(id).await, Vec::<String>::new(), "{id}");
    }
    assert!(harness.mentions("ann-others").await.contains(&masked), "somebody else");
}

pub async fn a_member_who_is_erased_while_workers_settle_is_gone_all_the_same(harness: &dyn Harness) {
    let store = scene(harness).await;
    let workers: Vec<_> = (0..4_u32)
        .map(|worker| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for n in 0..20_u32 {
                    let id = format!("{worker}-{n}");
                    let day: DateTime<Utc> = now() - chrono::Duration::days(i64::from(n % 15));
                    let set = vec![
                        check_in(&format!("day-{id}"), MAY, day),
                        paid(&format!("O-{id}"), Some(MAY), 10_000),
                        check_in(&format!("other-{id}"), n, now()),
                    ];
                    store.settle_rewards(set, now()).await.unwrap();
                    store.archive(vec![of_may(&format!("letter-{id}"))], now()).await.unwrap();
                }
            })
        })
        .collect();
    let eraser = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            loop {
                match store.erase_member(&may(), &by(50), now()).await {
                    Ok(_) => break,
                    Err(error) => assert!(error.is_transient(), "{error}"),
                }
            }
        })
    };
    eraser.await.unwrap();
    for worker in workers {
        worker.await.unwrap();
    }
    assert_eq!(harness.mentions(may().as_str()).await, Vec::<String>::new());
    let tally = store.tally().await.unwrap();
    assert_eq!((tally.ledger_sum, tally.ledger_unbalanced, tally.balances_off), (0, 0, 0));
    assert_eq!(tally.done.orders, 82);
}
