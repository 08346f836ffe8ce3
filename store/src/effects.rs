//! The effect ledger: calls that change something outside, intended before they are made.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_schemas::ReturnId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Handled;
use crate::error::Error;
use crate::inbox::Identity;

/// What the ledger says before a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Intent {
    /// Make the call. `tries` counts how often it was intended before; above 0 an earlier call may have arrived.
    Proceed {
        /// Earlier intentions.
        tries: u32,
    },
    /// The call was confirmed before; do not make it again.
    Confirmed,
}

/// The key of a return's result: the same over retries, replays and workers, and when a person has it sent again.
#[must_use]
pub fn result_key(return_id: &ReturnId) -> String {
    let name = format!("forebay/return-result/{return_id}");
    Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()).to_string()
}

/// A call to the outside, for reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "plain fields; states are intended, failed, unknown, confirmed")]
pub struct EffectView {
    pub state: String,
    pub tries: i64,
    pub error: Option<String>,
    pub intended_at: DateTime<Utc>,
    pub changed_at: DateTime<Utc>,
}

/// The effect ledger.
#[async_trait]
pub trait Effects {
    /// Notes that a call is about to be made under this idempotency key (the key is the effect's name: the same
    /// over retries, replays and workers). Committed before the call.
    async fn effect_intend(&self, key: &str, kind: &str, now: DateTime<Utc>) -> Result<Intent, Error>;

    /// Notes that the call failed for sure, or that it can't be told whether it arrived.
    async fn effect_failed(
        &self,
        key: &str,
        unknown: bool,
        error: &str,
        now: DateTime<Utc>,
    ) -> Result<(), Error>;

    /// What is known of a call.
    async fn effect(&self, key: &str) -> Result<Option<EffectView>, Error>;

    /// Notes that the shop took the result of a return: confirms the effect, marks the return as reported, and
    /// writes the message's inbox row, in one transaction.
    async fn result_delivered(
        &self,
        key: &str,
        return_id: &ReturnId,
        identity: &Identity,
        now: DateTime<Utc>,
    ) -> Result<Handled, Error>;
}
