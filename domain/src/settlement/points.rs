//! What moves points beside orders and claims: members who spend, lots that end, people who correct and take back.

use chrono::{DateTime, Utc};
use forebay_schemas::events::{PointsKind, SpendRequested, SpendSettled, SpendState};
use forebay_schemas::{MemberId, OrderId};
use uuid::Uuid;

use super::desk::{Desk, Share};
use super::{Answer, Books, NewSpend, Settlement};
use crate::ids::Ids;
use crate::outbox::NewOutbox;
use crate::points::LotUse;

/// A transaction as it stands in the ledger, and what hangs on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booked {
    /// Its id.
    pub id: Uuid,
    /// Why points moved.
    pub kind: PointsKind,
    /// The business fact that it books.
    pub idem_key: String,
    /// Whose points.
    pub member_id: MemberId,
    /// How many the member got; negative when taken.
    pub delta: i64,
    /// What it should have taken and could not.
    pub shortfall: i64,
    /// What it took of which lots.
    pub uses: Vec<LotUse>,
    /// How many of the points that it granted have ended.
    pub expired: i64,
}

impl Booked {
    /// The orders that it may belong to, the likeliest first: ids of both may hold whatever stands between them in what
    /// earlier releases wrote.
    #[must_use]
    pub fn orders(&self) -> Vec<OrderId> {
        let Some(rest) = self.idem_key.strip_prefix("order:") else { return Vec::new() };
        let ids: Vec<&str> = match self.kind {
            PointsKind::Earn => rest.strip_suffix(":earn").into_iter().collect(),
            _ => {
                let places = rest.char_indices().rev().map(|(at, _)| rest.split_at(at));
                places.filter(|(_, then)| then.starts_with(":refund:")).map(|(id, _)| id).collect()
            }
        };
        ids.into_iter().filter_map(|id| OrderId::new(id).ok()).collect()
    }
}

/// What a reversal did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reversed {
    /// The transaction that it booked; none when there was nothing left to take.
    pub txn_id: Option<Uuid>,
    /// Whose points.
    pub member_id: MemberId,
    /// How many the member got back; negative when taken.
    pub delta: i64,
    /// What the member has now.
    pub balance_after: i64,
    /// What it should have taken and could not, because the member had spent it.
    pub shortfall: i64,
}

pub(super) fn spend(
    books: &mut Books,
    ask: &SpendRequested,
    received_at: DateTime<Utc>,
    index: usize,
    now: DateTime<Utc>,
    ids: &dyn Ids,
    settlement: &mut Settlement,
) -> Answer {
    if !books.spends.insert(ask.spend_id) {
        return Answer::SettledBefore;
    }
    let spent = Desk { books, settlement, now, ids }.spend(ask);
    let refused = spent.err();
    let spend = NewSpend {
        id: ask.spend_id,
        member_id: ask.member_id.clone(),
        points: ask.points,
        reference: ask.reference.clone(),
        state: if refused.is_some() { SpendState::Refused } else { SpendState::Settled },
        reject_code: refused,
        txn_id: spent.ok(),
        accepted_at: received_at,
        ask: index,
    };
    let fact = SpendSettled {
        spend_id: spend.id,
        member_id: spend.member_id.clone(),
        points: spend.points,
        reference: spend.reference.clone(),
        state: spend.state,
        reject_code: refused,
        txn_id: spend.txn_id,
        balance_after: books.balance(&spend.member_id),
    };
    settlement.outbox.push(NewOutbox::fact(ids.next().to_string(), now, &fact));
    settlement.spends.push(spend);
    refused.map_or(Answer::Spent, Answer::SpendRefused)
}

/// Ends the lots whose end has come, of all members of these books: each is a transaction of its own.
#[must_use]
pub fn expire(books: &mut Books, now: DateTime<Utc>, ids: &dyn Ids) -> Settlement {
    let mut settlement = Settlement::default();
    let ended: Vec<(MemberId, Uuid, i64)> = books
        .purses
        .iter()
        .flat_map(|(member_id, purse)| {
            let ended = purse.lots().iter().filter(|lot| lot.remaining > 0 && lot.has_ended(now));
            ended.map(|lot| (member_id.clone(), lot.id, lot.remaining))
        })
        .collect();
    let mut desk = Desk { books, settlement: &mut settlement, now, ids };
    for (member_id, lot_id, remaining) in ended {
        desk.expire(&member_id, lot_id, remaining);
    }
    close(books, &mut settlement);
    settlement
}

/// Corrects a member's points by hand. The caller has seen that the balance does not fall below 0.
#[must_use]
pub fn adjust(
    books: &mut Books,
    member_id: &MemberId,
    delta: i64,
    idem_key: String,
    now: DateTime<Utc>,
    ids: &dyn Ids,
) -> Settlement {
    let mut settlement = Settlement::default();
    let mut desk = Desk { books, settlement: &mut settlement, now, ids };
    if delta > 0 {
        let share = Share { points: delta, expires_at: None };
        desk.grant(PointsKind::Adjust, idem_key, member_id, &[share]);
    } else {
        desk.take_back(PointsKind::Adjust, idem_key, member_id, -delta, None, None);
    }
    close(books, &mut settlement);
    settlement
}

/// Takes a transaction back: what it took goes back into its lots, what it granted is taken, within the balance and
/// without what has ended or was taken back before. The books hold its member with the lots that are open or that it
/// used, and its order, if it has one.
#[must_use]
pub fn reverse(
    books: &mut Books,
    booked: &Booked,
    idem_key: String,
    now: DateTime<Utc>,
    ids: &dyn Ids,
) -> (Reversed, Settlement) {
    let mut settlement = Settlement::default();
    let member_id = &booked.member_id;
    let order = booked.orders().into_iter().find_map(|id| books.orders.get(&id).cloned());
    let mut reversed = Reversed {
        txn_id: None,
        member_id: member_id.clone(),
        delta: 0,
        balance_after: books.balance(member_id),
        shortfall: 0,
    };
    let mut desk = Desk { books, settlement: &mut settlement, now, ids };
    if booked.delta > 0 {
        let before = order.as_ref().map_or(0, |order| order.reversed_points);
        let wanted = (booked.delta - before - booked.expired).max(0);
        let own = Some(booked.id);
        let taken = desk.take_back(PointsKind::Reverse, idem_key, member_id, wanted, own, own);
        reversed.txn_id = taken.map(|(txn_id, _)| txn_id);
        reversed.delta = taken.map_or(0, |(_, taken)| -taken);
        reversed.shortfall = wanted + reversed.delta;
    } else {
        reversed.txn_id = Some(desk.give_back(booked, idem_key));
        reversed.delta = -booked.delta;
    }
    if let (Some(mut order), Some(_)) = (order, reversed.txn_id) {
        order.reversed_points = match booked.kind {
            // Nothing of the order is left to be taken back.
            PointsKind::Earn => order.earned_points,
            _ => (order.reversed_points + booked.delta - booked.shortfall).max(0),
        };
        settlement.orders_changed.push(order);
    }
    reversed.balance_after = books.balance(member_id);
    close(books, &mut settlement);
    (reversed, settlement)
}

/// Writes into the settlement what has become of the lots.
pub(super) fn close(books: &Books, settlement: &mut Settlement) {
    for (member_id, purse) in &books.purses {
        settlement.lots.extend(purse.granted().map(|lot| (member_id.clone(), lot.clone())));
        settlement.lots_changed.extend(purse.changed().map(|lot| (lot.id, lot.remaining)));
    }
}
