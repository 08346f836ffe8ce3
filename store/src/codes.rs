//! Codes of carriers' systems that have no meaning of ours, so that somebody can give them one.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_schemas::AdapterId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Most different codes that are kept of one system.
pub const CODES_MAX: u32 = 200;

/// A code, and how often it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CodeSeen {
    /// Its kind and the code, e.g. `status:XY`.
    pub code: String,
    /// How often.
    pub count: i64,
    /// When first.
    pub first_seen: DateTime<Utc>,
    /// When last.
    pub last_seen: DateTime<Utc>,
}

/// Codes without a meaning.
#[async_trait]
pub trait Codes {
    /// Counts codes of one system. Of a system that sends ever new ones, those beyond [`CODES_MAX`] are passed over.
    async fn note_codes(
        &self,
        adapter: &AdapterId,
        codes: &[(String, u64)],
        now: DateTime<Utc>,
    ) -> Result<(), Error>;

    /// The codes of one system, the most frequent first.
    async fn codes(&self, adapter: &AdapterId) -> Result<Vec<CodeSeen>, Error>;
}
