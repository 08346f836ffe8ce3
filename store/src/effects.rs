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

/// A result that the shop took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultDelivered {
    /// The key of the call.
    pub key: String,
    /// The return.
    pub return_id: ReturnId,
    /// The message by which it was sent.
    pub identity: Identity,
}

/// The effect ledger.
#[async_trait]
pub trait Effects {
    /// Notes that calls are about to be made under these idempotency keys, each named once (a key is the effect's name:
    /// the same over retries, replays and workers). Committed before the calls; the answers are in the keys' order.
    async fn effects_intend(
        &self,
        keys: &[String],
        kind: &str,
        now: DateTime<Utc>,
    ) -> Result<Vec<Intent>, Error>;

    /// The same for one call.
    async fn effect_intend(&self, key: &str, kind: &str, now: DateTime<Utc>) -> Result<Intent, Error> {
        let answers = self.effects_intend(&[key.to_owned()], kind, now).await?;
        only(answers)
    }

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

    /// Notes that the shop took the results of returns: confirms the effects, marks the returns as reported, and writes
    /// the messages' inbox rows, all in one transaction.
    async fn results_delivered(
        &self,
        results: Vec<ResultDelivered>,
        now: DateTime<Utc>,
    ) -> Result<Vec<Handled>, Error>;

    /// The same for one result.
    async fn result_delivered(
        &self,
        key: &str,
        return_id: &ReturnId,
        identity: &Identity,
        now: DateTime<Utc>,
    ) -> Result<Handled, Error> {
        let (key, return_id, identity) = (key.to_owned(), return_id.clone(), identity.clone());
        only(self.results_delivered(vec![ResultDelivered { key, return_id, identity }], now).await?)
    }
}

/// The answer to a question about one thing.
fn only<T>(answers: Vec<T>) -> Result<T, Error> {
    answers.into_iter().next().ok_or_else(|| Error::Unavailable("the store did not answer".to_owned()))
}
