//! Check-ins, claims, orders: settled in sets.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::settlement::{Answer, Ask};
use forebay_schemas::MemberId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Handled;
use crate::error::Error;
use crate::inbox::Identity;

/// One reward message.
#[derive(Debug, Clone)]
pub struct RewardMessage {
    /// Who it is.
    pub identity: Identity,
    /// What it asks for.
    pub ask: Ask,
}

/// What became of a set: one entry a message, in their order; the answer only where it was decided by this call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RewardsSettled {
    /// What became of each.
    pub handled: Vec<Handled>,
    /// What was decided for each.
    pub answers: Vec<Option<Answer>>,
}

/// A member's points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BalanceView {
    /// What the member has.
    pub balance: i64,
    /// The member may neither check in, claim nor spend.
    pub blocked: bool,
}

/// Rewards.
#[async_trait]
pub trait Rewards {
    /// Settles a set of messages in one transaction: sorts them by the inbox, locks (orders, members, stock, each in
    /// sorted order), loads the books, decides with `domain::settlement::settle`, writes everything with the inbox
    /// rows. `NotYetKnown` leaves no trace of that message. Any number of workers may settle at once; a conflict
    /// between them is tried again inside. Incidents are raised in the same transaction.
    async fn settle_rewards(
        &self,
        messages: Vec<RewardMessage>,
        now: DateTime<Utc>,
    ) -> Result<RewardsSettled, Error>;

    /// A member's points; zero for one never seen.
    async fn member_balance(&self, member: &MemberId) -> Result<BalanceView, Error>;
}
