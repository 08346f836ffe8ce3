//! Check-ins, claims, points, stock: settled in sets.

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use forebay_domain::programme::Programme;
use forebay_domain::settlement::{Answer, Ask};
use forebay_domain::stock::Stock;
use forebay_schemas::{MemberId, ProgrammeId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

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

/// A member's days in a programme.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberDays {
    /// Days that count, ascending, at most 400.
    pub days: Vec<NaiveDate>,
}

/// A member's points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalanceView {
    /// What the member has.
    pub balance: i64,
    /// The member may neither check in nor claim.
    pub blocked: bool,
}

/// A claim, for reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as in `settlement::NewClaim`")]
pub struct ClaimView {
    pub claim_id: Uuid,
    pub programme_id: String,
    pub rule_id: String,
    pub reward_id: Option<String>,
    pub member_id: String,
    pub state: String,
    pub reject_code: Option<String>,
    pub days_seen: i64,
    pub accepted_at: DateTime<Utc>,
    pub settled_at: DateTime<Utc>,
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

    /// Creates a programme with its rules, rewards and first stock, or changes its names, state, dates and rules.
    /// Stock of a reward that exists is left alone. Refused when its time zone or day start differs and there is
    /// attendance.
    async fn put_programme(&self, programme: &Programme, now: DateTime<Utc>) -> Result<(), Error>;

    /// Every programme, by id.
    async fn programmes(&self) -> Result<Vec<Programme>, Error>;

    /// A member's days in a programme.
    async fn member_days(&self, programme: &ProgrammeId, member: &MemberId) -> Result<MemberDays, Error>;

    /// A member's points; zero for one never seen.
    async fn member_balance(&self, member: &MemberId) -> Result<BalanceView, Error>;

    /// A member's newest claims.
    async fn member_claims(&self, member: &MemberId, limit: u32) -> Result<Vec<ClaimView>, Error>;

    /// One claim, if it is settled.
    async fn claim(&self, id: Uuid) -> Result<Option<ClaimView>, Error>;

    /// Every stock at or below its threshold, by reward id.
    async fn low_stock(&self) -> Result<Vec<Stock>, Error>;
}
