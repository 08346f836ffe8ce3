//! Check-ins, claims and points.

use chrono::{DateTime, NaiveDate, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::envelope::EventData;
use crate::event_type::EventType;
use crate::id::{MemberId, ProgrammeId, RewardId, RuleId};

/// A member checks in. The day is the date, in the programme's zone, of the event's `recordedtime`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckInRequested {
    /// The programme.
    pub programme_id: ProgrammeId,
    /// The member.
    pub member_id: MemberId,
}

impl EventData for CheckInRequested {
    const TYPE: EventType = EventType::CheckInRequested;
    fn subject(&self) -> String {
        format!("member/{}", self.member_id)
    }
}

/// A member claims a reward.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClaimRequested {
    /// The claim, named by whoever makes it; a repeat with this id is the same claim.
    pub claim_id: Uuid,
    /// The programme.
    pub programme_id: ProgrammeId,
    /// The rule under which the reward is claimed.
    pub rule_id: RuleId,
    /// The member.
    pub member_id: MemberId,
}

impl EventData for ClaimRequested {
    const TYPE: EventType = EventType::ClaimRequested;
    fn subject(&self) -> String {
        format!("claim/{}", self.claim_id)
    }
}

/// A check-in counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckedIn {
    /// The programme.
    pub programme_id: ProgrammeId,
    /// The member.
    pub member_id: MemberId,
    /// The day that it counts for, in the programme's zone.
    pub on_date: NaiveDate,
    /// How many days count now.
    pub count: u32,
}

impl EventData for CheckedIn {
    const TYPE: EventType = EventType::CheckedIn;
    fn subject(&self) -> String {
        format!("member/{}", self.member_id)
    }
}

/// What has become of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClaimState {
    /// The reward is the member's.
    Granted,
    /// Refused, with a [`RejectCode`].
    Rejected,
}

impl ClaimState {
    /// The state as it stands in the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Rejected => "rejected",
        }
    }
}

/// Why a claim or a spending was refused: a result, not a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RejectCode {
    /// There is no such programme or rule.
    UnknownRule,
    /// The programme is not running.
    ProgrammeNotActive,
    /// The last day to claim is over.
    ClaimWindowClosed,
    /// Too few check-ins.
    NotEnoughDays,
    /// The member has the reward as often as the rule allows.
    AlreadyClaimed,
    /// Nothing is left.
    OutOfStock,
    /// The member is blocked.
    MemberBlocked,
    /// The member has too few points that can be spent.
    InsufficientBalance,
}

impl RejectCode {
    /// The code as it stands in the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownRule => "unknown_rule",
            Self::ProgrammeNotActive => "programme_not_active",
            Self::ClaimWindowClosed => "claim_window_closed",
            Self::NotEnoughDays => "not_enough_days",
            Self::AlreadyClaimed => "already_claimed",
            Self::OutOfStock => "out_of_stock",
            Self::MemberBlocked => "member_blocked",
            Self::InsufficientBalance => "insufficient_balance",
        }
    }
}

/// A claim was granted or refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClaimSettled {
    /// The claim.
    pub claim_id: Uuid,
    /// The programme.
    pub programme_id: ProgrammeId,
    /// The rule.
    pub rule_id: RuleId,
    /// The reward; absent when the rule is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reward_id: Option<RewardId>,
    /// The member.
    pub member_id: MemberId,
    /// What has become of it.
    pub state: ClaimState,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reject_code: Option<RejectCode>,
}

impl EventData for ClaimSettled {
    const TYPE: EventType = EventType::ClaimSettled;
    fn subject(&self) -> String {
        format!("claim/{}", self.claim_id)
    }
}

/// Why points moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PointsKind {
    /// A paid order earned them.
    Earn,
    /// A granted claim.
    ClaimGrant,
    /// A refund took them back.
    Refund,
    /// The member spent them.
    Spend,
    /// Their end has come.
    Expire,
    /// Another transaction was taken back.
    Reverse,
    /// A person corrected them.
    Adjust,
}

impl std::str::FromStr for PointsKind {
    type Err = &'static str;
    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let all = [
            Self::Earn,
            Self::ClaimGrant,
            Self::Refund,
            Self::Spend,
            Self::Expire,
            Self::Reverse,
            Self::Adjust,
        ];
        all.into_iter().find(|kind| kind.as_str() == word).ok_or("not a kind of transaction")
    }
}

impl PointsKind {
    /// The kind as it stands in the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Earn => "earn",
            Self::ClaimGrant => "claim_grant",
            Self::Refund => "refund",
            Self::Spend => "spend",
            Self::Expire => "expire",
            Self::Reverse => "reverse",
            Self::Adjust => "adjust",
        }
    }
}

/// A member's points changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PointsChanged {
    /// The member.
    pub member_id: MemberId,
    /// The ledger transaction.
    pub txn_id: Uuid,
    /// Why.
    pub kind: PointsKind,
    /// How many, negative when taken.
    pub delta: i64,
    /// What the member has now.
    pub balance_after: i64,
    /// When points that were granted end, the first of them; absent when they do not, and when points were taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
    /// The transaction that was taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverses: Option<Uuid>,
    /// How many should have been taken and were spent already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shortfall: Option<i64>,
}

impl EventData for PointsChanged {
    const TYPE: EventType = EventType::PointsChanged;
    fn subject(&self) -> String {
        format!("member/{}", self.member_id)
    }
}
