//! The audit log: what people did, who, why, and what it changed.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::error::Error;

/// Who acts, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    /// The entry in the log that this becomes.
    pub id: Uuid,
    /// Who: the id of the API key.
    pub actor: String,
    /// Why.
    pub reason: String,
}

/// Something that a person did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuditEntry {
    /// Its id.
    pub id: Uuid,
    /// When.
    pub at: DateTime<Utc>,
    /// Who: the id of the API key.
    pub actor: String,
    /// What, e.g. `dead_letters.discard`.
    pub action: String,
    /// To what, e.g. a replay's id.
    pub subject: String,
    /// Why.
    pub reason: String,
    /// How many things it touched.
    pub count: i64,
    /// What was there before.
    pub before: Value,
    /// What is there after it.
    pub after: Value,
}

impl AuditEntry {
    /// Somebody did this; what it touched is still to be said.
    #[must_use]
    pub fn of(by: &By, action: &str, at: DateTime<Utc>) -> Self {
        Self {
            id: by.id,
            at,
            actor: by.actor.clone(),
            action: action.to_owned(),
            subject: String::new(),
            reason: by.reason.clone(),
            count: 0,
            before: Value::Null,
            after: Value::Null,
        }
    }
}

/// The audit log. Entries are written by the use cases themselves, in their transactions.
#[async_trait]
pub trait AuditLog {
    /// Entries, the newest first, after the one named.
    async fn audit_log(&self, after: Option<Uuid>, limit: u32) -> Result<Vec<AuditEntry>, Error>;
}
