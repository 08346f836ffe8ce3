//! The effect ledger: calls that change something outside, intended before they are made.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_schemas::ReturnId;

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
