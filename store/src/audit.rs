//! The books, summed up by the store itself: for the demo, the checks and the curious.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// What an accepted event leaves behind, listed by the id of the event that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EffectKind {
    /// Attendance rows, by event id.
    Attendance,
    /// Claims, by event id.
    Claims,
    /// Orders, by event id.
    Orders,
    /// Returns registered by an event, by event id.
    Returns,
    /// Dead letters, by message id.
    DeadLetters,
}

impl EffectKind {
    /// Every kind.
    pub const ALL: &'static [EffectKind] =
        &[Self::Attendance, Self::Claims, Self::Orders, Self::Returns, Self::DeadLetters];
}

/// One reward's sums.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RewardTally {
    /// The reward.
    pub reward_id: String,
    /// All there ever was; none when it never runs out.
    pub total: Option<i64>,
    /// Given out, as the stock row says; none when it never runs out.
    pub issued: Option<i64>,
    /// Claims granted and not taken back, counted.
    pub granted: i64,
    /// Movements of claims, counted, less those that reversals brought back.
    pub movements: i64,
}

/// How many effects there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Done {
    /// Attendance rows.
    pub attendance: i64,
    /// Claims settled.
    pub claims: i64,
    /// Orders booked.
    pub orders: i64,
    /// Returns registered, picked up (or further), reported.
    pub returns: (i64, i64, i64),
    /// Parcels asked about at least once.
    pub parcels_checked: i64,
    /// Dead letters.
    pub dead_letters: i64,
}

/// Sums over everything.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Sum of all ledger entries; 0 when the books are right.
    pub ledger_sum: i64,
    /// Ledger transactions whose entries do not sum to 0 or are fewer than two.
    pub ledger_unbalanced: i64,
    /// Members whose balance is not the sum of their entries.
    pub balances_off: i64,
    /// Members below zero.
    pub balances_negative: i64,
    /// Points in members' hands.
    pub points: i64,
    /// Each reward, by id.
    pub rewards: Vec<RewardTally>,
    /// Rows in the inbox.
    pub inbox: i64,
    /// Rows in the outbox.
    pub outbox: i64,
    /// What is done.
    pub done: Done,
    /// Incidents ever opened.
    pub incidents: i64,
}

/// Sums and lists that do not rest on counters.
#[async_trait]
pub trait Audit {
    /// What is done so far: counts alone, which may be asked for again and again while much is to do.
    async fn done(&self) -> Result<Done, Error>;

    /// Sums over everything, in one consistent read.
    async fn tally(&self) -> Result<Tally, Error>;

    /// The event ids (message ids, for dead letters) behind every effect of a kind, sorted, one entry an effect,
    /// so that an event with two effects appears twice. `after` pages: (event id, row number within it) are the
    /// store's business; pass `None` first and then the returned cursor until it is `None`.
    async fn effects(
        &self,
        kind: EffectKind,
        after: Option<&str>,
        limit: u32,
    ) -> Result<(Vec<String>, Option<String>), Error>;
}
