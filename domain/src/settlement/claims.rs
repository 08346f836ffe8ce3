//! Who gets the reward.

use chrono::{DateTime, Utc};
use forebay_schemas::events::{
    ClaimRequested, ClaimSettled, ClaimState, PointsChanged, PointsKind, RejectCode, StockLow, StockOut,
};

use super::{Answer, Books, NewClaim, NewMovement, NewTxn, Settlement};
use crate::ids::Ids;
use crate::incident::{Raise, Severity};
use crate::outbox::NewOutbox;
use crate::programme::{ProgrammeState, RewardKind, Rule};
use crate::stock::{Crossing, Stock};

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
    let (days_seen, judged) = judge(books, ask, rule.as_ref(), received_at);
    let refused = judged.err();
    let claim = NewClaim {
        id: ask.claim_id,
        programme_id: ask.programme_id.clone(),
        rule_id: ask.rule_id.clone(),
        reward_id: rule.as_ref().map(|r| r.reward.id.clone()),
        member_id: ask.member_id.clone(),
        slot: judged.unwrap_or(0),
        state: if refused.is_some() { ClaimState::Rejected } else { ClaimState::Granted },
        reject_code: refused,
        days_seen,
        accepted_at: received_at,
        ask: index,
    };
    if let (None, Some(rule)) = (refused, &rule) {
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

/// How many days counted, and the slot that the claim gets or why it gets none. Stock is taken here, last, once
/// nothing else stands against the claim.
fn judge(
    books: &mut Books,
    ask: &ClaimRequested,
    rule: Option<&Rule>,
    received_at: DateTime<Utc>,
) -> (u32, Result<u32, RejectCode>) {
    let (Some(programme), Some(rule)) = (books.programmes.get(&ask.programme_id), rule) else {
        return (0, Err(RejectCode::UnknownRule));
    };
    let key = (ask.programme_id.clone(), ask.member_id.clone());
    let days_seen = books.days.get(&key).map_or(0, |d| programme.counted(d, programme.day_of(received_at)));
    if matches!(programme.state, ProgrammeState::Draft | ProgrammeState::Paused) {
        return (days_seen, Err(RejectCode::ProgrammeNotActive));
    }
    if received_at > programme.claim_until {
        return (days_seen, Err(RejectCode::ClaimWindowClosed));
    }
    if books.members.get(&ask.member_id).is_some_and(|m| m.blocked) {
        return (days_seen, Err(RejectCode::MemberBlocked));
    }
    if days_seen < rule.days_required {
        return (days_seen, Err(RejectCode::NotEnoughDays));
    }
    let taken = books
        .slots
        .entry((ask.programme_id.clone(), ask.rule_id.clone(), ask.member_id.clone()))
        .or_default();
    let Some(slot) = (1..=rule.max_per_member).find(|slot| !taken.contains(slot)) else {
        return (days_seen, Err(RejectCode::AlreadyClaimed));
    };
    if let Some(stock) = books.stock.get_mut(&rule.reward.id)
        && !stock.issue()
    {
        return (days_seen, Err(RejectCode::OutOfStock));
    }
    taken.insert(slot);
    (days_seen, Ok(slot))
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
        let balance_after = books.credit(&claim.member_id, points);
        settlement.balances.insert(claim.member_id.clone(), balance_after);
        let txn = NewTxn {
            id: ids.next(),
            kind: PointsKind::ClaimGrant,
            idem_key: format!("claim:{}", claim.id),
            member_id: claim.member_id.clone(),
            delta: points,
            balance_after,
        };
        settlement.outbox.push(NewOutbox::fact(ids.next().to_string(), now, &points_changed(&txn)));
        settlement.ledger.push(txn);
    }
    let Some(stock) = books.stock.get_mut(&rule.reward.id) else { return };
    settlement.movements.push(NewMovement { reward_id: rule.reward.id.clone(), claim_id: claim.id });
    if !settlement.stock_changed.contains(&rule.reward.id) {
        settlement.stock_changed.push(rule.reward.id.clone());
    }
    match stock.crossing() {
        Some(Crossing::Low) => {
            let fact = StockLow {
                reward_id: stock.reward_id.clone(),
                remaining: stock.remaining(),
                total: stock.total,
                low_at: stock.low_at,
            };
            settlement.outbox.push(NewOutbox::fact(ids.next().to_string(), now, &fact));
            settlement.incidents.push(stock_incident(stock));
        }
        Some(Crossing::Out) => {
            let fact = StockOut { reward_id: stock.reward_id.clone(), total: stock.total };
            settlement.outbox.push(NewOutbox::fact(ids.next().to_string(), now, &fact));
            settlement.incidents.push(stock_incident(stock));
        }
        None => {}
    }
}

pub(super) fn points_changed(txn: &NewTxn) -> PointsChanged {
    PointsChanged {
        member_id: txn.member_id.clone(),
        txn_id: txn.id,
        kind: txn.kind,
        delta: txn.delta,
        balance_after: txn.balance_after,
    }
}

/// The incident that tells of a reward's low or used-up stock; also raised by the daily check.
#[must_use]
pub fn stock_incident(stock: &Stock) -> Raise {
    let left = stock.remaining();
    let out = left <= 0;
    Raise {
        fingerprint: format!("stock/{}", stock.reward_id),
        rule: if out { "stock_out" } else { "stock_low" },
        severity: if out { Severity::Critical } else { Severity::Warning },
        title: if out {
            format!("{}: out of stock", stock.name)
        } else {
            format!("{}: {left} of {} left", stock.name, stock.total)
        },
        impact: if out {
            "Claims for it are refused as out_of_stock; check-ins count on, and members may claim after a restock."
                .to_owned()
        } else {
            "Claims go on until the last one is given out; nothing is oversold.".to_owned()
        },
        action: format!("Add stock to the reward `{}`, or end its rule.", stock.reward_id),
        sample: format!("{} of {} given out, told at {} left", stock.issued, stock.total, stock.low_at),
        count: 1,
    }
}
