//! Points: spent, about to end.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::RejectCode;
use crate::envelope::EventData;
use crate::event_type::EventType;
use crate::id::MemberId;

/// A member spends points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SpendRequested {
    /// The spending, named by whoever makes it; a repeat with this id is the same spending.
    pub spend_id: Uuid,
    /// The member.
    pub member_id: MemberId,
    /// How many.
    #[schemars(range(min = 1, max = 1_000_000_000_000_i64))]
    pub points: i64,
    /// What it is for, in the shop's words, e.g. an order's id.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub reference: Option<String>,
}

impl EventData for SpendRequested {
    const TYPE: EventType = EventType::SpendRequested;
    fn subject(&self) -> String {
        format!("spend/{}", self.spend_id)
    }
}

/// What has become of a spending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SpendState {
    /// The points are taken.
    Settled,
    /// Refused, with a [`RejectCode`]: nothing was taken.
    Refused,
}

impl SpendState {
    /// The state as it stands in the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Settled => "settled",
            Self::Refused => "refused",
        }
    }
}

/// Points were spent, or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SpendSettled {
    /// The spending.
    pub spend_id: Uuid,
    /// The member.
    pub member_id: MemberId,
    /// How many were asked for: all of them are taken, or none.
    pub points: i64,
    /// What it is for.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// What has become of it.
    pub state: SpendState,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reject_code: Option<RejectCode>,
    /// The ledger transaction; absent when it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub txn_id: Option<Uuid>,
    /// What the member has now.
    pub balance_after: i64,
}

impl EventData for SpendSettled {
    const TYPE: EventType = EventType::SpendSettled;
    fn subject(&self) -> String {
        format!("spend/{}", self.spend_id)
    }
}

/// Points of a member end soon; told once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PointsExpiring {
    /// The member.
    pub member_id: MemberId,
    /// The points that were granted together and end together.
    pub lot_id: Uuid,
    /// How many are left of them.
    pub points: i64,
    /// The moment from which on they can't be spent.
    pub expires_at: DateTime<Utc>,
}

impl EventData for PointsExpiring {
    const TYPE: EventType = EventType::PointsExpiring;
    fn subject(&self) -> String {
        format!("member/{}", self.member_id)
    }
}
