//! The desk over which all points go: granted in lots, spent, taken back, ended, given back; each movement is a transaction.

use chrono::{DateTime, Utc};
use forebay_schemas::MemberId;
use forebay_schemas::events::{PointsChanged, PointsKind, RejectCode, SpendRequested};
use uuid::Uuid;

use super::points::Booked;
use super::{Books, NewTxn, Settlement};
use crate::ids::Ids;
use crate::outbox::NewOutbox;
use crate::points::{Lot, Purse};

/// Some of the points of a grant, which end together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) points: i64,
    pub(super) expires_at: Option<DateTime<Utc>>,
}

/// Where points move: the books, and what is to be written of it.
pub(super) struct Desk<'d> {
    pub(super) books: &'d mut Books,
    pub(super) settlement: &'d mut Settlement,
    pub(super) now: DateTime<Utc>,
    pub(super) ids: &'d dyn Ids,
}

impl Desk<'_> {
    fn purse(&mut self, member_id: &MemberId) -> &mut Purse {
        self.books.purses.entry(member_id.clone()).or_default()
    }

    /// Grants points, each share as a lot of its own, and returns the transaction.
    pub(super) fn grant(
        &mut self,
        kind: PointsKind,
        idem_key: String,
        member_id: &MemberId,
        shares: &[Share],
    ) -> Uuid {
        let txn_id = self.ids.next();
        for share in shares {
            self.add_lot(txn_id, member_id, share.points, share.expires_at);
        }
        let delta = shares.iter().map(|share| share.points).sum();
        let moved = Moved { txn_id, kind, idem_key, reverses: None, shortfall: 0 };
        self.book(moved, member_id, delta);
        txn_id
    }

    /// Takes points back, within the balance: first those that `of` had granted. Returns the transaction and how many,
    /// or none when there is nothing to take.
    pub(super) fn take_back(
        &mut self,
        kind: PointsKind,
        idem_key: String,
        member_id: &MemberId,
        wanted: i64,
        of: Option<Uuid>,
        reverses: Option<Uuid>,
    ) -> Option<(Uuid, i64)> {
        let taken = wanted.min(self.books.balance(member_id));
        if taken <= 0 {
            return None;
        }
        let txn_id = self.ids.next();
        let uses = self.purse(member_id).take_back(txn_id, taken, of);
        self.settlement.uses.extend(uses);
        let moved = Moved { txn_id, kind, idem_key, reverses, shortfall: wanted - taken };
        self.book(moved, member_id, -taken);
        Some((txn_id, taken))
    }

    /// Spends all of the points, or none: then it says why.
    pub(super) fn spend(&mut self, ask: &SpendRequested) -> Result<Uuid, RejectCode> {
        let member_id = &ask.member_id;
        if self.books.members.get(member_id).is_some_and(|member| member.blocked) {
            return Err(RejectCode::MemberBlocked);
        }
        if ask.points > self.books.balance(member_id) {
            return Err(RejectCode::InsufficientBalance);
        }
        let (txn_id, now) = (self.ids.next(), self.now);
        let uses = self.purse(member_id).spend(txn_id, ask.points, now);
        self.settlement.uses.extend(uses.ok_or(RejectCode::InsufficientBalance)?);
        let (kind, idem_key) = (PointsKind::Spend, format!("spend:{}", ask.spend_id));
        self.book(Moved { txn_id, kind, idem_key, reverses: None, shortfall: 0 }, member_id, -ask.points);
        Ok(txn_id)
    }

    pub(super) fn expire(&mut self, member_id: &MemberId, lot_id: Uuid, remaining: i64) {
        // Books that differ are for people to mend: a balance never falls below 0.
        if remaining > self.books.balance(member_id) {
            return;
        }
        let txn_id = self.ids.next();
        let used = self.purse(member_id).empty(txn_id, lot_id);
        self.settlement.uses.extend(used);
        let (kind, idem_key) = (PointsKind::Expire, format!("expire:{lot_id}"));
        self.book(Moved { txn_id, kind, idem_key, reverses: None, shortfall: 0 }, member_id, -remaining);
    }

    /// Puts what a transaction took back into its lots.
    pub(super) fn give_back(&mut self, booked: &Booked, idem_key: String) -> Uuid {
        let (txn_id, now, ids) = (self.ids.next(), self.now, self.ids);
        let member_id = &booked.member_id;
        for used in &booked.uses {
            let purse = self.purse(member_id);
            let back = purse.put_back(txn_id, used.lot_id, used.amount, now, || ids.next());
            self.settlement.uses.extend(back);
        }
        // What was taken before there were lots.
        let unknown = -booked.delta - booked.uses.iter().map(|used| used.amount).sum::<i64>();
        if unknown > 0 {
            self.add_lot(txn_id, member_id, unknown, None);
        }
        let (kind, reverses) = (PointsKind::Reverse, Some(booked.id));
        self.book(Moved { txn_id, kind, idem_key, reverses, shortfall: 0 }, member_id, -booked.delta);
        txn_id
    }

    fn add_lot(
        &mut self,
        txn_id: Uuid,
        member_id: &MemberId,
        points: i64,
        expires_at: Option<DateTime<Utc>>,
    ) {
        let (id, txn_id, usable_from) = (self.ids.next(), Some(txn_id), self.now);
        let lot = Lot { id, txn_id, granted: points, remaining: points, usable_from, expires_at };
        self.purse(member_id).grant(lot);
    }

    fn book(&mut self, moved: Moved, member_id: &MemberId, delta: i64) {
        let balance_after = self.books.credit(member_id, delta);
        self.settlement.balances.insert(member_id.clone(), balance_after);
        let Moved { txn_id: id, kind, idem_key, reverses, shortfall } = moved;
        let granted = self.purse(member_id).granted().filter(|lot| lot.txn_id == Some(id));
        let fact = PointsChanged {
            member_id: member_id.clone(),
            txn_id: id,
            kind,
            delta,
            balance_after,
            expires_at: granted.filter_map(|lot| lot.expires_at).min(),
            reverses,
            shortfall: (shortfall > 0).then_some(shortfall),
        };
        self.settlement.outbox.push(NewOutbox::fact(self.ids.next().to_string(), self.now, &fact));
        let member_id = member_id.clone();
        let txn = NewTxn { id, kind, idem_key, member_id, delta, balance_after, reverses, shortfall };
        self.settlement.ledger.push(txn);
    }
}

/// A transaction about to be booked.
struct Moved {
    txn_id: Uuid,
    kind: PointsKind,
    idem_key: String,
    reverses: Option<Uuid>,
    shortfall: i64,
}
