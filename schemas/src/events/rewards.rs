//! Check-ins, claims, points and stock.

use chrono::NaiveDate;
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

/// Why a claim was refused: a result, not a failure.
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
}

impl PointsKind {
    /// The kind as it stands in the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Earn => "earn",
            Self::ClaimGrant => "claim_grant",
            Self::Refund => "refund",
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
}

impl EventData for PointsChanged {
    const TYPE: EventType = EventType::PointsChanged;
    fn subject(&self) -> String {
        format!("member/{}", self.member_id)
    }
}

/// A reward's stock fell to its threshold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StockLow {
    /// The reward.
    pub reward_id: RewardId,
    /// What is left.
    pub remaining: i64,
    /// All there ever was.
    pub total: i64,
    /// The threshold.
    pub low_at: i64,
}

impl EventData for StockLow {
    const TYPE: EventType = EventType::StockLow;
    fn subject(&self) -> String {
        format!("reward/{}", self.reward_id)
    }
}

/// A reward's stock is used up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StockOut {
    /// The reward.
    pub reward_id: RewardId,
    /// All there ever was.
    pub total: i64,
}

impl EventData for StockOut {
    const TYPE: EventType = EventType::StockOut;
    fn subject(&self) -> String {
        format!("reward/{}", self.reward_id)
    }
}
