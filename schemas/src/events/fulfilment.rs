//! Granted claims: shipped, or taken back.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::envelope::EventData;
use crate::event_type::EventType;
use crate::id::{CarrierCode, MemberId, ProgrammeId, RewardId, RuleId, TrackingNumber};

/// A granted reward was shipped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClaimFulfilled {
    /// The claim.
    pub claim_id: Uuid,
    /// The programme.
    pub programme_id: ProgrammeId,
    /// The rule.
    pub rule_id: RuleId,
    /// The reward.
    pub reward_id: RewardId,
    /// The member.
    pub member_id: MemberId,
    /// Who carries it.
    pub carrier: CarrierCode,
    /// Its number there.
    pub tracking_number: TrackingNumber,
    /// When it was said to be shipped.
    pub fulfilled_at: DateTime<Utc>,
}

impl EventData for ClaimFulfilled {
    const TYPE: EventType = EventType::ClaimFulfilled;
    fn subject(&self) -> String {
        format!("claim/{}", self.claim_id)
    }
}

/// A granted claim was taken back: its stock and its points are where they were, and the member may claim again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClaimReversed {
    /// The claim.
    pub claim_id: Uuid,
    /// The programme.
    pub programme_id: ProgrammeId,
    /// The rule.
    pub rule_id: RuleId,
    /// The reward.
    pub reward_id: RewardId,
    /// The member.
    pub member_id: MemberId,
    /// It had been shipped.
    pub was_fulfilled: bool,
    /// When.
    pub reversed_at: DateTime<Utc>,
}

impl EventData for ClaimReversed {
    const TYPE: EventType = EventType::ClaimReversed;
    fn subject(&self) -> String {
        format!("claim/{}", self.claim_id)
    }
}
