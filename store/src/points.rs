//! Points beside the settling of messages: read, corrected, reversed, ended, and the books looked over.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::incident::{AlertRule, Raise, Severity};
use forebay_domain::settlement::Reversed;
use forebay_schemas::MemberId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::audit_log::{AuditEntry, By};
use crate::error::Error;

/// Most transactions and rewards that a look over the books names of what it finds.
pub const EXAMPLES: u32 = 5;
/// By what the incident about books that differ is known.
pub const BOOKS_DIFFER: &str = "books/points";

/// A spending, for reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "as in `settlement::NewSpend`")]
pub struct SpendView {
    pub spend_id: Uuid,
    pub member_id: String,
    pub points: i64,
    #[serde(rename = "ref")]
    pub reference: Option<String>,
    pub state: String,
    pub reject_code: Option<String>,
    pub txn_id: Option<Uuid>,
    /// The transaction that took it back.
    pub reversed_by: Option<Uuid>,
    pub accepted_at: DateTime<Utc>,
    pub settled_at: DateTime<Utc>,
}

/// Points that were granted together and end together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LotView {
    /// Its id.
    pub lot_id: Uuid,
    /// The transaction that granted it; none for what there was before there were lots.
    pub txn_id: Option<Uuid>,
    /// How many are left.
    pub points: i64,
    /// How many there were.
    pub granted: i64,
    /// They can be spent from then on.
    pub usable_from: DateTime<Utc>,
    /// They can't be spent from then on; none for never.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A member's points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PointsView {
    /// What the member has.
    pub balance: i64,
    /// What of it can be spent now.
    pub usable: i64,
    /// What is left of grants, the next to end first; at most a page.
    pub lots: Vec<LotView>,
}

/// A transaction of a member's points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LedgerLine {
    /// The transaction.
    pub txn_id: Uuid,
    /// Why points moved.
    pub kind: String,
    /// The business fact that it books, e.g. `order:4711:earn`.
    pub fact: String,
    /// How many the member got; negative when taken.
    pub delta: i64,
    /// What the member had afterwards.
    pub balance_after: Option<i64>,
    /// What it should have taken and could not, because the member had spent it.
    pub shortfall: i64,
    /// The transaction that it takes back.
    pub reverses: Option<Uuid>,
    /// When.
    pub at: DateTime<Utc>,
}

/// A correction by a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adjustment {
    /// Whose points.
    pub member_id: MemberId,
    /// How many the member gets; negative when taken. Never 0.
    pub delta: i64,
    /// What makes it the same correction when it comes again.
    pub key: Uuid,
}

impl Adjustment {
    /// Its key in the ledger.
    #[must_use]
    pub fn idem_key(&self) -> String {
        format!("adjust:{}", self.key)
    }

    /// What the audit log says of it.
    #[must_use]
    pub fn told(&self, txn_id: Uuid, balance_after: i64, by: &By, now: DateTime<Utc>) -> AuditEntry {
        AuditEntry {
            subject: format!("member/{}", self.member_id),
            count: 1,
            before: json!({ "balance": balance_after - self.delta }),
            after: json!({ "balance": balance_after, "delta": self.delta, "txn_id": txn_id }),
            ..AuditEntry::of(by, "points.adjust", now)
        }
    }
}

/// What became of a correction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Adjusted {
    /// It is booked, by this call or by an earlier one of the same key.
    Done {
        /// The transaction.
        txn_id: Uuid,
        /// What the member had afterwards.
        balance_after: i64,
        /// An earlier call booked it.
        before: bool,
    },
    /// The key was used for another correction; nothing was done.
    Reused,
    /// The member has less than that; nothing was done.
    Below {
        /// What the member has.
        balance: i64,
    },
    /// The member was erased; nothing was done.
    Erased,
}

/// What became of a reversal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reversal {
    /// It is done, or there was nothing left to take.
    Done(Reversed),
    /// It was done before, by this transaction.
    Before(Uuid),
    /// There is no such transaction.
    NotThere,
    /// It is a reversal itself.
    OfReversal,
    /// A claim granted the points: the claim is what can be reversed.
    OfClaim,
}

impl Reversal {
    /// What the audit log says of a reversal by a person; nothing when nothing was booked.
    #[must_use]
    pub fn told(&self, of: Uuid, by: &By, now: DateTime<Utc>) -> Option<AuditEntry> {
        let Self::Done(Reversed { txn_id: Some(txn_id), delta, balance_after, shortfall, .. }) = self else {
            return None;
        };
        Some(AuditEntry {
            subject: format!("ledger/{of}"),
            count: 1,
            before: json!({ "balance": balance_after - delta }),
            after: json!({
                "balance": balance_after, "delta": delta, "shortfall": shortfall, "txn_id": txn_id,
            }),
            ..AuditEntry::of(by, "points.reverse", now)
        })
    }
}

/// What a look over the books found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BooksCheck {
    /// Transactions that were looked at.
    pub txns: i64,
    /// Members that were looked at.
    pub members: i64,
    /// Transactions whose entries do not sum to 0, or are fewer than two.
    pub unbalanced: i64,
    /// Members whose balance is not the sum of their entries, or is below 0.
    pub balances_off: i64,
    /// Members whose open lots do not sum to their balance.
    pub lots_off: i64,
    /// Lots of which something else is left than what transactions left.
    pub uses_off: i64,
    /// Rewards of which something else was given out than their movements say.
    pub stock_off: i64,
    /// Some of the transactions behind it, those of the members' newest.
    pub examples: Vec<Uuid>,
    /// Some of the rewards behind it.
    pub rewards: Vec<String>,
}

impl BooksCheck {
    /// How many differences there are.
    #[must_use]
    pub fn differences(&self) -> i64 {
        self.unbalanced + self.balances_off + self.lots_off + self.uses_off + self.stock_off
    }

    /// What the audit log says of a mending that found this and left `after`.
    #[must_use]
    pub fn mended(&self, after: &Self, by: &By, now: DateTime<Utc>) -> AuditEntry {
        AuditEntry {
            subject: "ledger".to_owned(),
            count: self.differences() - after.differences(),
            before: json!(self),
            after: json!(after),
            ..AuditEntry::of(by, "ledger.mend", now)
        }
    }

    /// What the audit log says when so many of the members are mended with whom this had found a difference.
    #[must_use]
    pub fn mending(&self, members: usize, by: &By, now: DateTime<Utc>) -> AuditEntry {
        AuditEntry {
            subject: "ledger".to_owned(),
            count: i64::try_from(members).unwrap_or(i64::MAX),
            before: json!(self),
            ..AuditEntry::of(by, "ledger.mend", now)
        }
    }

    /// The incident that tells of it; none when the books agree.
    #[must_use]
    pub fn incident(&self) -> Option<Raise> {
        let found = self.differences();
        if found == 0 {
            return None;
        }
        let counted = [
            (self.unbalanced, "transactions do not balance"),
            (self.balances_off, "balances are not the sum of their entries"),
            (self.lots_off, "members' lots do not sum to their balance"),
            (self.uses_off, "lots are not what their transactions left"),
            (self.stock_off, "rewards' stock is not the sum of its movements"),
        ];
        let counted = counted.iter().filter(|(count, _)| *count > 0);
        let counted: Vec<String> = counted.map(|(count, what)| format!("{count} {what}")).collect();
        let txns = self.examples.iter().map(Uuid::to_string);
        let examples: Vec<String> =
            txns.chain(self.rewards.iter().map(|id| format!("reward {id}"))).collect();
        Some(Raise {
            fingerprint: BOOKS_DIFFER.to_owned(),
            rule: AlertRule::BooksDiffer,
            about: None,
            severity: Severity::Critical,
            title: format!("Books of points and stock: {found} differences"),
            impact: format!("{}. Members' points and stock go on moving; nothing was changed.", counted.join("; ")),
            action: "Run `forebay ledger check`, find what wrote it, then run `forebay ledger mend`: the incident resolves \
                     itself once a check finds nothing."
                .to_owned(),
            sample: examples.join(", "),
            count: 1,
        })
    }
}

/// Points.
#[async_trait]
pub trait Points {
    /// One spending, if it is settled.
    async fn spend(&self, id: Uuid) -> Result<Option<SpendView>, Error>;

    /// A member's points with the lots that are open; zero for one never seen.
    async fn member_points(&self, member: &MemberId, now: DateTime<Utc>) -> Result<PointsView, Error>;

    /// A member's transactions, the newest first, after the one named.
    async fn member_ledger(
        &self,
        member: &MemberId,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<LedgerLine>, Error>;

    /// Corrects a member's points, with an entry in the audit log; once a key, and never below 0.
    async fn adjust_points(
        &self,
        adjustment: &Adjustment,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<Adjusted, Error>;

    /// Takes a transaction back, once, with an entry in the audit log (`domain::settlement::reverse`).
    async fn reverse_txn(&self, txn: Uuid, by: &By, now: DateTime<Utc>) -> Result<Reversal, Error>;

    /// Ends up to so many lots whose end has come, each in a transaction of its own with its fact; how many. Any number
    /// of processes may do it at once.
    async fn expire_points(&self, limit: u32, now: DateTime<Utc>) -> Result<u32, Error>;

    /// Tells of up to so many lots that end before `until`, each once; how many.
    async fn warn_of_expiry(
        &self,
        until: DateTime<Utc>,
        limit: u32,
        now: DateTime<Utc>,
    ) -> Result<u32, Error>;

    /// Looks over the books, in one consistent read. May take as long as reading the whole ledger does.
    async fn check_books(&self) -> Result<BooksCheck, Error>;

    /// Sets what follows from the ledger (balances, lots) to what the ledger says, with an entry in the audit log, and
    /// answers what still differs. Nobody moves points meanwhile.
    async fn mend_books(&self, by: &By, now: DateTime<Utc>) -> Result<BooksCheck, Error>;
}
