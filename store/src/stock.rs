//! Rewards and their stock: looked at, changed by people.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::stock::Stock;
use forebay_schemas::RewardId;
use forebay_schemas::events::StockChangeKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::audit_log::By;
use crate::error::Error;

/// A reward, for reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RewardView {
    /// The reward.
    pub reward_id: String,
    /// Its name, for people.
    pub name: String,
    /// `points` or `product`.
    pub kind: String,
    /// How many points.
    pub points: Option<i64>,
    /// The shop's stock-keeping unit.
    pub sku: Option<String>,
    /// Its stock; none when it never runs out.
    pub stock: Option<StockView>,
}

/// The stock of a reward, for reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StockView {
    /// All there ever was.
    pub total: i64,
    /// Held back.
    pub reserved: i64,
    /// Given out.
    pub issued: i64,
    /// What is left.
    pub left: i64,
    /// At or below how many left people are told.
    pub low_at: i64,
    /// Neither alert was given since the last restock.
    pub armed: bool,
    /// Grows with every change that people make.
    pub version: i64,
}

impl From<&Stock> for StockView {
    fn from(stock: &Stock) -> Self {
        Self {
            total: stock.total,
            reserved: stock.reserved,
            issued: stock.issued,
            left: stock.remaining(),
            low_at: stock.low_at,
            armed: stock.low_armed && stock.out_armed,
            version: stock.version,
        }
    }
}

/// A change by so many, known again by its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockMovement {
    /// The reward.
    pub reward_id: RewardId,
    /// What kind of change it is.
    pub kind: StockChangeKind,
    /// What is added to the total.
    pub delta: i64,
    /// The key, of this actor.
    pub key: String,
}

/// All there is, set by somebody who has seen what there was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockSetting {
    /// The reward.
    pub reward_id: RewardId,
    /// All there ever was.
    pub total: i64,
    /// At or below how many left people are told; none to leave it.
    pub low_at: Option<i64>,
    /// The version that was seen.
    pub version: i64,
}

/// What became of a change of stock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StockOutcome {
    /// There is no such reward, or it never runs out.
    NotThere,
    /// It would leave less than was given out and is held back; nothing was changed.
    BelowCommitted(StockView),
    /// It was changed since it was seen; nothing was changed.
    Stale(StockView),
    /// The key was used before, for another change; nothing was changed.
    KeyReused,
    /// It was changed so before, under this key: what there was after it.
    Before(StockAfter),
    /// It is so now.
    Done(StockAfter),
}

/// What a change left behind, the same however often it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StockAfter {
    /// The change.
    pub change_id: Uuid,
    /// The reward.
    pub reward_id: String,
    /// What kind of change it is.
    pub kind: String,
    /// What was added to what is left.
    pub delta: i64,
    /// All there ever was, after it.
    pub total: i64,
    /// What was left after it.
    pub left: i64,
    /// The threshold after it.
    pub low_at: i64,
    /// The version that it made.
    pub version: i64,
    /// When.
    pub at: DateTime<Utc>,
}

/// Something that happened to a stock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StockEntry {
    /// The change, or the claim that took one.
    pub id: Uuid,
    /// When.
    pub at: DateTime<Utc>,
    /// `claim`, or a word of `StockChangeKind`.
    pub kind: String,
    /// What was added to what is left.
    pub delta: i64,
    /// What was left after it; not known of a claim.
    pub left: Option<i64>,
    /// All there ever was, after it; not known of a claim.
    pub total: Option<i64>,
    /// The claim that took one, or that was taken back.
    pub claim_id: Option<Uuid>,
    /// Who; none for a claim.
    pub actor: Option<String>,
    /// Why; none for a claim.
    pub reason: Option<String>,
}

/// How far a reader of a history has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StockCursor {
    /// When what was read last happened.
    pub at: DateTime<Utc>,
    /// What it was.
    pub id: Uuid,
}

impl From<&StockEntry> for StockCursor {
    fn from(entry: &StockEntry) -> Self {
        Self { at: entry.at, id: entry.id }
    }
}

/// Rewards and their stock. Each change writes its entry in the audit log, its facts and its incidents in its
/// transaction. Claims change `issued` alone, people `total` and the threshold.
#[async_trait]
pub trait Stocks {
    /// Rewards, by id, after the one named.
    async fn rewards(&self, after: Option<&RewardId>, limit: u32) -> Result<Vec<RewardView>, Error>;

    /// One reward.
    async fn reward(&self, id: &RewardId) -> Result<Option<RewardView>, Error>;

    /// Every stock at or below its threshold, by reward id.
    async fn low_stock(&self) -> Result<Vec<Stock>, Error>;

    /// Changes a stock by so many, once a key.
    async fn move_stock(
        &self,
        movement: &StockMovement,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<StockOutcome, Error>;

    /// Sets a stock, if nobody has changed it since it was seen.
    async fn set_stock(
        &self,
        setting: &StockSetting,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<StockOutcome, Error>;

    /// What happened to a stock, claims and changes, the newest first, after the one named.
    async fn stock_history(
        &self,
        reward: &RewardId,
        after: Option<StockCursor>,
        limit: u32,
    ) -> Result<Vec<StockEntry>, Error>;
}
