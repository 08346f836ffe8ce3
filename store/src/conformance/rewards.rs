//! Check-ins and claims: each has its effect once, and every refusal has its reason.

use std::sync::Arc;

use forebay_domain::programme::ProgrammeState;
use forebay_domain::settlement::Answer;
use forebay_schemas::events::RejectCode;
use forebay_schemas::{Digest, EventType, ProgrammeId};
use uuid::Uuid;

use super::{Harness, at, check_in, claim, day, drain, later, member, now, programme, settle};
use crate::{Handled, RewardMessage, Store};

async fn with_programme(harness: &dyn Harness) -> Arc<dyn Store> {
    let store = harness.store().await;
    store.put_programme(&programme(), now()).await.unwrap();
    store
}

fn with_digest(mut message: RewardMessage, digest: u8) -> RewardMessage {
    message.identity.digest = Digest([digest; 32]);
    message
}

pub async fn a_check_in_counts_once_a_day_in_the_programmes_zone(harness: &dyn Harness) {
    let store = with_programme(harness).await;
    let set = vec![
        check_in("a", 1, at("2026-11-20T14:59:59Z")),
        check_in("b", 1, at("2026-11-20T01:00:00Z")),
        check_in("c", 1, at("2026-11-20T15:00:00Z")),
    ];
    let settled = settle(store.as_ref(), set).await;
    assert_eq!(
        settled,
        [
            (Handled::Done, Some(Answer::CheckedIn(day("2026-11-20")))),
            (Handled::Done, Some(Answer::CheckedInBefore(day("2026-11-20")))),
            (Handled::Done, Some(Answer::CheckedIn(day("2026-11-21")))),
        ]
    );
    let again = settle(store.as_ref(), vec![check_in("d", 1, at("2026-11-20T02:00:00Z"))]).await;
    assert_eq!(again, [(Handled::Done, Some(Answer::CheckedInBefore(day("2026-11-20"))))]);
    let days = store.member_days(&programme().id, &member(1)).await.unwrap().days;
    assert_eq!(days, [day("2026-11-20"), day("2026-11-21")]);
    assert_eq!(store.tally().await.unwrap().done.attendance, 2);
}

pub async fn a_repeated_message_has_no_second_effect(harness: &dyn Harness) {
    let store = with_programme(harness).await;
    let set = || vec![check_in("a", 1, now()), claim(1, 1, "one-day")];
    settle(store.as_ref(), set()).await;
    let before = store.tally().await.unwrap();
    let again = settle(store.as_ref(), set()).await;
    assert_eq!(again, [(Handled::Duplicate, None), (Handled::Duplicate, None)]);
    assert_eq!(store.tally().await.unwrap(), before);
}

pub async fn a_reused_identity_is_told_from_a_repeat(harness: &dyn Harness) {
    let store = with_programme(harness).await;
    settle(store.as_ref(), vec![check_in("a", 1, now())]).await;
    let before = store.tally().await.unwrap();
    let reused = settle(store.as_ref(), vec![with_digest(check_in("a", 2, now()), 2)]).await;
    assert_eq!(reused, [(Handled::Reused, None)]);
    assert_eq!(store.tally().await.unwrap(), before);
}

pub async fn of_one_identity_in_a_set_the_first_counts(harness: &dyn Harness) {
    let store = with_programme(harness).await;
    let set = vec![check_in("a", 1, now()), check_in("a", 1, now()), with_digest(check_in("a", 2, now()), 2)];
    let settled = settle(store.as_ref(), set).await;
    assert_eq!(
        settled,
        [
            (Handled::Done, Some(Answer::CheckedIn(day("2026-11-20")))),
            (Handled::Duplicate, None),
            (Handled::Reused, None),
        ]
    );
    let tally = store.tally().await.unwrap();
    assert_eq!((tally.inbox, tally.done.attendance), (1, 1));
}

pub async fn one_id_from_two_sources_is_two_messages(harness: &dyn Harness) {
    let store = with_programme(harness).await;
    let mut other = check_in("a", 2, now());
    other.identity.source = "/shops/other".into();
    let settled = settle(store.as_ref(), vec![check_in("a", 1, now()), other]).await;
    assert!(settled.iter().all(|(handled, _)| *handled == Handled::Done), "{settled:?}");
    assert_eq!(store.tally().await.unwrap().inbox, 2);
}

pub async fn a_claim_of_the_same_set_sees_the_check_in_before_it(harness: &dyn Harness) {
    let store = with_programme(harness).await;
    let settled = settle(store.as_ref(), vec![check_in("a", 1, now()), claim(1, 1, "one-day")]).await;
    assert_eq!(settled[1], (Handled::Done, Some(Answer::Granted)));
    let view = store.claim(Uuid::from_u128(1)).await.unwrap().unwrap();
    assert_eq!(
        (view.state.as_str(), view.reject_code.as_deref(), view.reward_id.as_deref(), view.days_seen),
        ("granted", None, Some("mug"), 1)
    );
    assert_eq!((view.accepted_at, view.settled_at), (now(), now()));
    assert_eq!(
        (view.member_id.as_str(), view.programme_id.as_str(), view.rule_id.as_str()),
        ("m-1", "autumn", "one-day")
    );
}

pub async fn a_claim_under_an_unknown_rule_or_programme_is_refused(harness: &dyn Harness) {
    let store = with_programme(harness).await;
    let mut nowhere = claim(2, 1, "one-day");
    if let forebay_domain::settlement::Ask::Claim(ask, _) = &mut nowhere.ask {
        ask.programme_id = ProgrammeId::new("no-such").unwrap();
    }
    let settled = settle(store.as_ref(), vec![claim(1, 1, "no-such"), nowhere]).await;
    assert_eq!(settled, [refused(RejectCode::UnknownRule), refused(RejectCode::UnknownRule)]);
    let view = store.claim(Uuid::from_u128(1)).await.unwrap().unwrap();
    assert_eq!((view.state.as_str(), view.reject_code.as_deref()), ("rejected", Some("unknown_rule")));
    assert_eq!(view.reward_id, None);
}

pub async fn a_claim_in_a_paused_programme_is_refused(harness: &dyn Harness) {
    let store = with_programme(harness).await;
    settle(store.as_ref(), vec![check_in("a", 1, now())]).await;
    let mut paused = programme();
    paused.state = ProgrammeState::Paused;
    store.put_programme(&paused, now()).await.unwrap();
    let settled = settle(store.as_ref(), vec![claim(1, 1, "one-day"), check_in("b", 2, now())]).await;
    assert_eq!(settled[0], refused(RejectCode::ProgrammeNotActive));
    assert_eq!(settled[1].1, Some(Answer::CheckInRefused(RejectCode::ProgrammeNotActive)));
}

pub async fn a_claim_after_the_window_is_refused(harness: &dyn Harness) {
    let store = with_programme(harness).await;
    let mut closed = programme();
    closed.claim_until = at("2026-11-19T00:00:00Z");
    store.put_programme(&closed, now()).await.unwrap();
    settle(store.as_ref(), vec![check_in("a", 1, now())]).await;
    let settled = settle(store.as_ref(), vec![claim(1, 1, "one-day")]).await;
    assert_eq!(settled, [refused(RejectCode::ClaimWindowClosed)]);
}

pub async fn a_claim_with_too_few_days_is_refused_and_a_later_one_granted(harness: &dyn Harness) {
    let store = with_programme(harness).await;
    let days = |from: u32, to: u32| {
        (from..=to).map(|d| check_in(&format!("d{d}"), 1, at(&format!("2026-11-{d}T02:00:00Z")))).collect()
    };
    settle(store.as_ref(), days(15, 18)).await;
    let early = settle(store.as_ref(), vec![claim(1, 1, "five-days")]).await;
    assert_eq!(early, [refused(RejectCode::NotEnoughDays)]);
    assert_eq!(store.claim(Uuid::from_u128(1)).await.unwrap().unwrap().days_seen, 4);
    settle(store.as_ref(), days(19, 19)).await;
    let late = settle(store.as_ref(), vec![claim(2, 1, "five-days")]).await;
    assert_eq!(late, [(Handled::Done, Some(Answer::Granted))]);
}

pub async fn a_member_claims_no_more_often_than_the_rule_allows(harness: &dyn Harness) {
    let store = harness.store().await;
    let mut twice = programme();
    twice.rules[0].max_per_member = 2;
    store.put_programme(&twice, now()).await.unwrap();
    settle(store.as_ref(), vec![check_in("a", 1, now()), claim(1, 1, "one-day")]).await;
    let settled = settle(store.as_ref(), vec![claim(2, 1, "one-day"), claim(3, 1, "one-day")]).await;
    assert_eq!(settled, [(Handled::Done, Some(Answer::Granted)), refused(RejectCode::AlreadyClaimed)]);
    let again = settle(store.as_ref(), vec![claim(4, 1, "one-day")]).await;
    assert_eq!(again, [refused(RejectCode::AlreadyClaimed)]);
}

pub async fn a_claim_id_is_settled_once_whatever_message_carries_it(harness: &dyn Harness) {
    let store = with_programme(harness).await;
    settle(store.as_ref(), vec![check_in("a", 1, now()), claim(1, 1, "one-day")]).await;
    let mut other = claim(1, 1, "one-day");
    other.identity.id = "another-message".into();
    let settled = settle(store.as_ref(), vec![other.clone()]).await;
    assert_eq!(settled, [(Handled::Done, Some(Answer::SettledBefore))]);
    let tally = store.tally().await.unwrap();
    assert_eq!((tally.done.claims, tally.inbox), (1, 3));
}

pub async fn facts_of_a_set_are_in_the_outbox(harness: &dyn Harness) {
    let store = with_programme(harness).await;
    let set = vec![check_in("a", 1, now()), claim(1, 1, "one-day"), claim(2, 1, "no-such")];
    settle(store.as_ref(), set).await;
    let rows = drain(store.as_ref(), now()).await;
    let kinds: Vec<&str> = rows.iter().map(|row| row.kind.as_str()).collect();
    let (checked_in, settled) = (EventType::CheckedIn.name(), EventType::ClaimSettled.name());
    assert_eq!(kinds, [checked_in, settled, settled]);
    assert!(rows.iter().all(|row| row.route == format!("fact:{}", row.kind)), "{rows:?}");
    let event = forebay_schemas::Event::decode(&rows[1].body).unwrap();
    assert_eq!((event.id.as_str(), event.kind.as_str()), (rows[1].event_id.as_str(), settled));
    assert!(event.data.get().contains("granted"), "{}", event.data);
}

pub async fn concurrent_workers_settle_each_message_once(harness: &dyn Harness) {
    let store = with_programme(harness).await;
    let set = || -> Vec<RewardMessage> {
        let days = (0..60).map(|n| check_in(&format!("c{n}"), n, now()));
        days.chain((0..60).map(|n| claim(u128::from(n) + 1, n, "one-day"))).collect()
    };
    let workers: Vec<_> = (0..4)
        .map(|worker| {
            let (store, mut set) = (Arc::clone(&store), set());
            set.rotate_left(worker * 7);
            // The claims stay behind their check-ins, in whatever order these are.
            set.sort_by_key(|message| message.identity.id.starts_with("claim"));
            tokio::spawn(async move { settle(store.as_ref(), set).await })
        })
        .collect();
    let mut done = 0;
    for worker in workers {
        done += worker.await.unwrap().iter().filter(|(handled, _)| *handled == Handled::Done).count();
    }
    assert_eq!(done, 120, "each message is done by one worker and a repeat for the others");
    let tally = store.tally().await.unwrap();
    assert_eq!((tally.done.attendance, tally.done.claims, tally.inbox), (60, 60, 120));
    assert_eq!((tally.rewards[0].granted, tally.rewards[0].issued), (10, Some(10)));
}

pub async fn a_members_newest_claims_come_first(harness: &dyn Harness) {
    let store = with_programme(harness).await;
    store.settle_rewards(vec![check_in("a", 1, now()), claim(1, 1, "one-day")], now()).await.unwrap();
    store.settle_rewards(vec![claim(2, 1, "one-day"), claim(9, 2, "one-day")], later(1)).await.unwrap();
    let ids = |claims: Vec<crate::ClaimView>| claims.iter().map(|c| c.claim_id.as_u128()).collect::<Vec<_>>();
    assert_eq!(ids(store.member_claims(&member(1), 10).await.unwrap()), [2, 1]);
    assert_eq!(ids(store.member_claims(&member(1), 1).await.unwrap()), [2]);
    assert_eq!(ids(store.member_claims(&member(3), 10).await.unwrap()), []);
    assert_eq!(store.claim(Uuid::from_u128(77)).await.unwrap(), None);
}

pub async fn an_empty_set_is_settled(harness: &dyn Harness) {
    let store = with_programme(harness).await;
    assert_eq!(settle(store.as_ref(), Vec::new()).await, []);
}

fn refused(code: RejectCode) -> (Handled, Option<Answer>) {
    (Handled::Done, Some(Answer::Refused(code)))
}
