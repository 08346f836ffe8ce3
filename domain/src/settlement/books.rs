//! What a decision needs to know, and what of it a set of asks names.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use forebay_schemas::events::OrderPaid;
use forebay_schemas::{MemberId, OrderId, ProgrammeId, RefundId, RewardId, RuleId};
use uuid::Uuid;

use super::Ask;
use crate::erasure::is_erased;
use crate::points::Purse;
use crate::programme::Programme;
use crate::stock::Stock;

/// A member's account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Member {
    /// Points; never below 0.
    pub balance: i64,
    /// May neither check in, claim nor spend.
    pub blocked: bool,
}

/// A booked order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its id.
    pub id: OrderId,
    /// Who bought; none for a guest.
    pub member_id: Option<MemberId>,
    /// What was paid, in minor units.
    pub amount_minor: i64,
    /// Points that it earned.
    pub earned_points: i64,
    /// Points that its refunds should have taken back so far.
    pub reversed_points: i64,
    /// The transaction by which it earned them; only known where a refund asks for it.
    pub earn_txn: Option<Uuid>,
    /// How many of them have ended; only known where a refund asks for it.
    pub expired_points: i64,
}

/// The part of the store that a set of asks can see, read under its locks.
#[derive(Debug, Clone, Default)]
pub struct Books {
    /// Every programme.
    pub programmes: BTreeMap<ProgrammeId, Programme>,
    /// The members named; a missing one is new.
    pub members: BTreeMap<MemberId, Member>,
    /// Those of the members named that were erased.
    pub erased: BTreeSet<MemberId>,
    /// The days that count, of the members named in the programmes named.
    pub days: BTreeMap<(ProgrammeId, MemberId), BTreeSet<NaiveDate>>,
    /// Days that were taken from them.
    pub voided: BTreeMap<(ProgrammeId, MemberId), BTreeSet<NaiveDate>>,
    /// The slots taken by live claims (granted and not taken back), of the members named under the rules named.
    pub slots: BTreeMap<(ProgrammeId, RuleId, MemberId), BTreeSet<u32>>,
    /// Those of the claims named that exist.
    pub claims: BTreeSet<Uuid>,
    /// Those of the orders named that exist.
    pub orders: BTreeMap<OrderId, Order>,
    /// Those of the refunds named that exist.
    pub refunds: BTreeSet<(OrderId, RefundId)>,
    /// Those of the spendings named that exist.
    pub spends: BTreeSet<Uuid>,
    /// The open lots of the members that points may be taken from.
    pub purses: BTreeMap<MemberId, Purse>,
    /// The stock of the rewards that the claims named are for; a reward without a row never runs out.
    pub stock: BTreeMap<RewardId, Stock>,
}

/// What a set of asks names: the store reads and locks this, members first, then stock, each in sorted order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Members to create if missing and to lock. Refunds name theirs by their order.
    pub members: BTreeSet<MemberId>,
    /// (programme, member) whose days are needed.
    pub days: BTreeSet<(ProgrammeId, MemberId)>,
    /// (programme, rule, member) whose live slots are needed.
    pub slots: BTreeSet<(ProgrammeId, RuleId, MemberId)>,
    /// Claims that may exist.
    pub claims: BTreeSet<Uuid>,
    /// Orders that may exist; to be locked before members, in sorted order.
    pub orders: BTreeSet<OrderId>,
    /// Refunds that may exist.
    pub refunds: BTreeSet<(OrderId, RefundId)>,
    /// Spendings that may exist.
    pub spends: BTreeSet<Uuid>,
    /// Members whose lots are needed. Refunds name theirs by their order.
    pub purses: BTreeSet<MemberId>,
    /// (programme, rule) that are claimed: the stock of their rewards is needed.
    pub rules: BTreeSet<(ProgrammeId, RuleId)>,
}

impl Needs {
    /// What these asks name.
    #[must_use]
    pub fn of(asks: &[Ask]) -> Self {
        let mut needs = Self::default();
        for ask in asks {
            match ask {
                Ask::CheckIn(a, _) => {
                    needs.members.insert(a.member_id.clone());
                    needs.days.insert((a.programme_id.clone(), a.member_id.clone()));
                }
                Ask::Claim(a, _) => {
                    needs.members.insert(a.member_id.clone());
                    needs.days.insert((a.programme_id.clone(), a.member_id.clone()));
                    needs.slots.insert((a.programme_id.clone(), a.rule_id.clone(), a.member_id.clone()));
                    needs.claims.insert(a.claim_id);
                    needs.rules.insert((a.programme_id.clone(), a.rule_id.clone()));
                }
                Ask::Paid(a) => {
                    needs.members.extend(a.member_id.clone());
                    needs.orders.insert(a.order_id.clone());
                }
                Ask::Refunded(a) => {
                    needs.orders.insert(a.order_id.clone());
                    needs.refunds.insert((a.order_id.clone(), a.refund_id.clone()));
                }
                Ask::Spend(a, _) => {
                    needs.members.insert(a.member_id.clone());
                    needs.purses.insert(a.member_id.clone());
                    needs.spends.insert(a.spend_id);
                }
            }
        }
        // An order of this very set may be refunded in it.
        let refunded: BTreeSet<OrderId> = needs.refunds.iter().map(|(order, _)| order.clone()).collect();
        for ask in asks {
            if let Ask::Paid(OrderPaid { order_id, member_id: Some(member_id), .. }) = ask
                && refunded.contains(order_id)
            {
                needs.purses.insert(member_id.clone());
            }
        }
        needs
    }

    /// The members whose lots are needed, now that the orders are known.
    #[must_use]
    pub fn purses(&self, orders: &BTreeMap<OrderId, Order>) -> BTreeSet<MemberId> {
        let refunded = self.refunds.iter().filter_map(|(order, _)| orders.get(order)?.member_id.clone());
        refunded.chain(self.purses.iter().cloned()).collect()
    }

    /// The rewards whose stock the claims need, in sorted order.
    #[must_use]
    pub fn rewards(&self, programmes: &BTreeMap<ProgrammeId, Programme>) -> BTreeSet<RewardId> {
        self.rules
            .iter()
            .filter_map(|(programme, rule)| Some(programmes.get(programme)?.rule(rule)?.reward.id.clone()))
            .collect()
    }
}

impl Books {
    /// Nothing may be written about this member any more.
    #[must_use]
    pub fn is_erased(&self, member: &MemberId) -> bool {
        is_erased(member) || self.erased.contains(member)
    }

    /// What a member has.
    #[must_use]
    pub fn balance(&self, member: &MemberId) -> i64 {
        self.members.get(member).map_or(0, |account| account.balance)
    }

    /// Adds to a member's points and returns what the member has now.
    pub(super) fn credit(&mut self, member: &MemberId, delta: i64) -> i64 {
        let account = self.members.entry(member.clone()).or_default();
        account.balance = account.balance.saturating_add(delta);
        account.balance
    }
}
