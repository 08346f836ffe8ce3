//! Settling a set of reward messages: both stores load the same [`Books`], decide here, and write the same
//! [`Settlement`]. A business refusal is a result, never a failure.

mod books;
mod check_ins;
mod claims;
mod desk;
mod fulfilment;
mod orders;
mod points;

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use forebay_schemas::events::{
    CheckInRequested, ClaimRequested, ClaimState, OrderPaid, OrderRefunded, PointsKind, RejectCode,
    SpendRequested, SpendState,
};
use forebay_schemas::{MemberId, OrderId, ProgrammeId, RefundId, RewardId, RuleId};
use uuid::Uuid;

pub use books::{Books, Member, Needs, Order};
pub use check_ins::{MemberProgress, NotCounted, RuleProgress, needs_review};
pub use claims::{Judgement, judgement};
pub use fulfilment::{
    Hindrance, Reach, Shipment, Stage, Standing, Step, Unshipped, reversal, unshipped_fingerprint,
};
pub use points::{Booked, Reversed, adjust, expire, reverse};

use crate::erasure::is_erased;
use crate::ids::Ids;
use crate::incident::Raise;
use crate::outbox::NewOutbox;
use crate::points::{Lot, LotUse};

/// What a reward message asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// A check-in, received then.
    CheckIn(CheckInRequested, DateTime<Utc>),
    /// A claim, received then: what counted at that moment counts.
    Claim(ClaimRequested, DateTime<Utc>),
    /// A paid order.
    Paid(OrderPaid),
    /// A refund.
    Refunded(OrderRefunded),
    /// Points to be spent, asked for then.
    Spend(SpendRequested, DateTime<Utc>),
}

impl Ask {
    /// The member that it names.
    #[must_use]
    pub fn member(&self) -> Option<&MemberId> {
        match self {
            Self::CheckIn(ask, _) => Some(&ask.member_id),
            Self::Claim(ask, _) => Some(&ask.member_id),
            Self::Paid(ask) => ask.member_id.as_ref(),
            Self::Refunded(_) => None,
            Self::Spend(ask, _) => Some(&ask.member_id),
        }
    }

    /// Its member was taken out of the message: it is not what it was, even if it is the message that it was.
    #[must_use]
    pub fn is_redacted(&self) -> bool {
        self.member().is_some_and(is_erased)
    }
}

/// What became of one ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The day counts now.
    CheckedIn(NaiveDate),
    /// The day counted before; nothing changed.
    CheckedInBefore(NaiveDate),
    /// The day was taken from the member and stays so; nothing changed.
    DayVoided(NaiveDate),
    /// The check-in can't count: no such programme, not running, outside its days, member blocked.
    CheckInRefused(RejectCode),
    /// The claim was granted.
    Granted,
    /// The claim was refused.
    Refused(RejectCode),
    /// The claim, the order or the spending was settled before under another message; nothing changed.
    SettledBefore,
    /// The order was booked and earned so many points.
    Earned(i64),
    /// The refund was booked and took so many points back.
    TakenBack(i64),
    /// The points are spent.
    Spent,
    /// They can't be: nothing was taken.
    SpendRefused(RejectCode),
    /// It refers to an order that is not here yet; nothing was written.
    NotYetKnown,
    /// The member was erased; nothing was written about them.
    Erased,
}

/// A day that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAttendance {
    /// The programme.
    pub programme_id: ProgrammeId,
    /// The member.
    pub member_id: MemberId,
    /// The day.
    pub on_date: NaiveDate,
    /// When the check-in was received.
    pub received_at: DateTime<Utc>,
    /// Index of the ask that made it.
    pub ask: usize,
}

/// A settled claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewClaim {
    /// The claim.
    pub id: Uuid,
    /// The programme, as asked for.
    pub programme_id: ProgrammeId,
    /// The rule, as asked for.
    pub rule_id: RuleId,
    /// The reward; none when the rule is unknown.
    pub reward_id: Option<RewardId>,
    /// The member.
    pub member_id: MemberId,
    /// Which of the member's claims under the rule it is, from 1; 0 for a refused one.
    pub slot: u32,
    /// What became of it.
    pub state: ClaimState,
    /// Why it was refused.
    pub reject_code: Option<RejectCode>,
    /// How many days counted.
    pub days_seen: u32,
    /// When it was received.
    pub accepted_at: DateTime<Utc>,
    /// Index of the ask that made it.
    pub ask: usize,
}

/// A movement of stock that a granted claim made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMovement {
    /// The reward.
    pub reward_id: RewardId,
    /// The claim; its id is also the movement's idempotency key.
    pub claim_id: Uuid,
}

/// A balanced ledger transaction between a member and a system account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTxn {
    /// Its id.
    pub id: Uuid,
    /// Why points moved.
    pub kind: PointsKind,
    /// The business fact that it books; unique for ever.
    pub idem_key: String,
    /// The member.
    pub member_id: MemberId,
    /// What the member gets, negative when taken; the system account gets the opposite. Never 0.
    pub delta: i64,
    /// What the member has afterwards.
    pub balance_after: i64,
    /// The transaction that it takes back.
    pub reverses: Option<Uuid>,
    /// What it should have taken and could not, because the member had spent it.
    pub shortfall: i64,
}

impl NewTxn {
    /// The system account on the other side.
    #[must_use]
    pub fn counter_account(&self) -> &'static str {
        match self.kind {
            PointsKind::Earn | PointsKind::ClaimGrant => "sys:issuance",
            PointsKind::Refund => "sys:clawback",
            PointsKind::Spend => "sys:spent",
            PointsKind::Expire => "sys:expired",
            PointsKind::Reverse => "sys:reversal",
            PointsKind::Adjust => "sys:adjustment",
        }
    }
}

/// A refund that was booked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRefund {
    /// The order.
    pub order_id: OrderId,
    /// The refund.
    pub refund_id: RefundId,
    /// Points that it took back.
    pub taken: i64,
    /// Points that it should have taken and could not.
    pub shortfall: i64,
    /// Index of the ask that made it.
    pub ask: usize,
}

/// Points that were to be spent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSpend {
    /// The spending.
    pub id: Uuid,
    /// The member.
    pub member_id: MemberId,
    /// How many points.
    pub points: i64,
    /// What for, in the shop's words.
    pub reference: Option<String>,
    /// What became of it.
    pub state: SpendState,
    /// Why it was refused.
    pub reject_code: Option<RejectCode>,
    /// The transaction; none when it was refused.
    pub txn_id: Option<Uuid>,
    /// When it was received.
    pub accepted_at: DateTime<Utc>,
    /// Index of the ask that made it.
    pub ask: usize,
}

/// Everything that one set of asks changes. The store writes it in the transaction in which it read the books.
#[derive(Debug, Default)]
pub struct Settlement {
    /// What became of each ask, in their order.
    pub answers: Vec<Answer>,
    /// Days to insert.
    pub attendance: Vec<NewAttendance>,
    /// Claims to insert.
    pub claims: Vec<NewClaim>,
    /// Movements to insert.
    pub movements: Vec<NewMovement>,
    /// Ledger transactions to insert, each with its two entries.
    pub ledger: Vec<NewTxn>,
    /// Lots to insert, as they are at the end of the set.
    pub lots: Vec<(MemberId, Lot)>,
    /// Older lots of which something else is left now: how much.
    pub lots_changed: Vec<(Uuid, i64)>,
    /// What transactions took of lots.
    pub uses: Vec<LotUse>,
    /// Spendings to insert.
    pub spends: Vec<NewSpend>,
    /// Orders to insert: those that no earlier order row has; index of the ask that made it.
    pub orders: Vec<(Order, usize)>,
    /// Orders whose `reversed_points` changed, afterwards (they existed before this set).
    pub orders_changed: Vec<Order>,
    /// Refunds to insert.
    pub refunds: Vec<NewRefund>,
    /// Members whose balance changed, and what they have afterwards.
    pub balances: BTreeMap<MemberId, i64>,
    /// Rewards whose stock changed: write back `issued`, `low_armed`, `out_armed` from the books.
    pub stock_changed: Vec<RewardId>,
    /// What follows: facts.
    pub outbox: Vec<NewOutbox>,
    /// What people may have to know, gathered by fingerprint.
    pub incidents: Vec<Raise>,
}

/// Decides a set of asks, in order, each seeing what the ones before it did. `books` holds everything that
/// [`Needs::of`] the asks names, read under the store's locks.
#[must_use]
pub fn settle(books: &mut Books, asks: &[Ask], now: DateTime<Utc>, ids: &dyn Ids) -> Settlement {
    let mut settlement = Settlement::default();
    for (index, ask) in asks.iter().enumerate() {
        let gone = ask.member().is_some_and(|member| books.is_erased(member));
        let answer = match ask {
            Ask::CheckIn(..) | Ask::Claim(..) | Ask::Spend(..) if gone => Answer::Erased,
            // The shop's order is booked all the same, as a guest's: a refund may follow it.
            Ask::Paid(paid) if gone => {
                let paid = OrderPaid { member_id: None, ..paid.clone() };
                orders::paid(books, &paid, index, now, ids, &mut settlement)
            }
            Ask::CheckIn(check_in, received_at) => {
                check_ins::answer(books, check_in, *received_at, index, now, ids, &mut settlement)
            }
            Ask::Claim(claim, received_at) => {
                claims::answer(books, claim, *received_at, index, now, ids, &mut settlement)
            }
            Ask::Paid(paid) => orders::paid(books, paid, index, now, ids, &mut settlement),
            Ask::Refunded(refund) => orders::refunded(books, refund, index, now, ids, &mut settlement),
            Ask::Spend(spend, received_at) => {
                points::spend(books, spend, *received_at, index, now, ids, &mut settlement)
            }
        };
        settlement.answers.push(answer);
    }
    points::close(books, &mut settlement);
    settlement.incidents = Raise::gathered(std::mem::take(&mut settlement.incidents));
    settlement
}

#[cfg(test)]
mod tests;
