//! Stock: its crossings, and what people change.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::envelope::EventData;
use crate::event_type::EventType;
use crate::id::RewardId;

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

/// What kind of change of stock it is, other than by a claim that is granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StockChangeKind {
    /// More came in.
    Receive,
    /// What was counted is not what was written.
    Correct,
    /// Things that were given out came back to be given out again.
    Return,
    /// Somebody set all there is.
    Set,
    /// A claim was reversed.
    Reversal,
}

impl StockChangeKind {
    /// Every kind.
    pub const ALL: &'static [Self] = &[Self::Receive, Self::Correct, Self::Return, Self::Set, Self::Reversal];

    /// The kind as it stands in the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Receive => "receive",
            Self::Correct => "correct",
            Self::Return => "return",
            Self::Set => "set",
            Self::Reversal => "reversal",
        }
    }

    /// Reads what [`StockChangeKind::as_str`] wrote.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text)
    }
}

/// A reward's stock was changed, other than by a claim that was granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StockChanged {
    /// The reward.
    pub reward_id: RewardId,
    /// What kind of change it is.
    pub kind: StockChangeKind,
    /// What was added to what is left; negative when taken.
    pub delta: i64,
    /// What is left now.
    pub remaining: i64,
    /// All there ever was, now.
    pub total: i64,
    /// Grows with each such change.
    pub version: i64,
}

impl EventData for StockChanged {
    const TYPE: EventType = EventType::StockChanged;
    fn subject(&self) -> String {
        format!("reward/{}", self.reward_id)
    }
}
