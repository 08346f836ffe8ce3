//! Who gets the reward.

use chrono::{DateTime, Utc};
use forebay_schemas::events::{ClaimRequested, ClaimSettled, ClaimState, PointsKind, RejectCode};

use super::desk::{Desk, Share};
use super::{Answer, Books, NewClaim, NewMovement, Settlement};
use crate::ids::Ids;
use crate::outbox::NewOutbox;
use crate::programme::{ProgrammeState, RewardKind, Rule};

pub(super) fn answer(
    books: &mut Books,
    ask: &ClaimRequested,
    received_at: DateTime<Utc>,
    index: usize,
    now: DateTime<Utc>,
    ids: &dyn Ids,
    settlement: &mut Settlement,
) -> Answer {
    if !books.claims.insert(ask.claim_id) {
        return Answer::SettledBefore;
    }
    let rule = books.programmes.get(&ask.programme_id).and_then(|p| p.rule(&ask.rule_id)).cloned();
    let Judgement { days_seen, slot, refused } = judgement(books, ask, received_at);
    let claim = NewClaim {
        id: ask.claim_id,
        programme_id: ask.programme_id.clone(),
        rule_id: ask.rule_id.clone(),
        reward_id: rule.as_ref().map(|r| r.reward.id.clone()),
        member_id: ask.member_id.clone(),
        slot: slot.unwrap_or(0),
        state: if refused.is_some() { ClaimState::Rejected } else { ClaimState::Granted },
        reject_code: refused,
        days_seen,
        accepted_at: received_at,
        ask: index,
    };
    if let (None, Some(rule)) = (refused, &rule) {
        take(books, &claim);
        grant(books, &claim, rule, now, ids, settlement);
    }
    let fact = ClaimSettled {
        claim_id: claim.id,
        programme_id: claim.programme_id.clone(),
        rule_id: claim.rule_id.clone(),
        reward_id: claim.reward_id.clone(),
        member_id: claim.member_id.clone(),
        state: claim.state,
        reject_code: claim.reject_code,
    };
    settlement.outbox.push(NewOutbox::fact(ids.next().to_string(), now, &fact));
    settlement.claims.push(claim);
    refused.map_or(Answer::Granted, Answer::Refused)
}

/// What would become of a claim, and what it rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judgement {
    /// How many days count.
    pub days_seen: u32,
    /// Which of the member's claims under the rule it would be, from 1; none when it is refused.
    pub slot: Option<u32>,
    /// Why it is refused.
    pub refused: Option<RejectCode>,
}

/// What would become of a claim that is received then. Nothing is changed, so that it can also be asked without
/// making the claim; stock comes last, once nothing else stands against it. `books` holds what
/// [`Needs::of`](super::Needs::of) the claim names.
#[must_use]
pub fn judgement(books: &Books, ask: &ClaimRequested, received_at: DateTime<Utc>) -> Judgement {
    let refused = |days_seen, code| Judgement { days_seen, slot: None, refused: Some(code) };
    let Some(programme) = books.programmes.get(&ask.programme_id) else {
        return refused(0, RejectCode::UnknownRule);
    };
    let Some(rule) = programme.rule(&ask.rule_id) else { return refused(0, RejectCode::UnknownRule) };
    let key = (ask.programme_id.clone(), ask.member_id.clone());
    let days_seen =
        books.days.get(&key).map_or(0, |d| programme.counted(rule, d, programme.day_of(received_at)));
    let closed = matches!(programme.state, ProgrammeState::Draft | ProgrammeState::Paused);
    if closed && !programme.was_active(received_at) {
        return refused(days_seen, RejectCode::ProgrammeNotActive);
    }
    if received_at > programme.claim_until_of(rule) {
        return refused(days_seen, RejectCode::ClaimWindowClosed);
    }
    if books.members.get(&ask.member_id).is_some_and(|m| m.blocked) {
        return refused(days_seen, RejectCode::MemberBlocked);
    }
    if days_seen < rule.days_required {
        return refused(days_seen, RejectCode::NotEnoughDays);
    }
    let taken = books.slots.get(&(ask.programme_id.clone(), ask.rule_id.clone(), ask.member_id.clone()));
    let free = |slot: &u32| taken.is_none_or(|taken| !taken.contains(slot));
    let Some(slot) = (1..=rule.max_per_member).find(free) else {
        return refused(days_seen, RejectCode::AlreadyClaimed);
    };
    if books.stock.get(&rule.reward.id).is_some_and(|stock| !stock.has_one()) {
        return refused(days_seen, RejectCode::OutOfStock);
    }
    Judgement { days_seen, slot: Some(slot), refused: None }
}

/// Takes what a granted claim takes: its slot, and one out of the stock.
fn take(books: &mut Books, claim: &NewClaim) {
    let key = (claim.programme_id.clone(), claim.rule_id.clone(), claim.member_id.clone());
    books.slots.entry(key).or_default().insert(claim.slot);
    if let Some(stock) = claim.reward_id.as_ref().and_then(|reward| books.stock.get_mut(reward)) {
        let given = stock.issue();
        debug_assert!(given, "it was judged that one is left");
    }
}

fn grant(
    books: &mut Books,
    claim: &NewClaim,
    rule: &Rule,
    now: DateTime<Utc>,
    ids: &dyn Ids,
    settlement: &mut Settlement,
) {
    if let RewardKind::Points { points } = rule.reward.kind {
        let expires_at = books.programmes.get(&claim.programme_id).and_then(|p| p.points_end(now));
        let (key, shares) = (format!("claim:{}", claim.id), [Share { points, expires_at }]);
        let mut desk = Desk { books, settlement, now, ids };
        desk.grant(PointsKind::ClaimGrant, key, &claim.member_id, &shares);
    }
    let Some(stock) = books.stock.get_mut(&rule.reward.id) else { return };
    settlement.movements.push(NewMovement { reward_id: rule.reward.id.clone(), claim_id: claim.id });
    if !settlement.stock_changed.contains(&rule.reward.id) {
        settlement.stock_changed.push(rule.reward.id.clone());
    }
    if let Some((fact, raise)) = stock.told_crossing(now, ids) {
        settlement.outbox.push(fact);
        settlement.incidents.push(raise);
    }
}
