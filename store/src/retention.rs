//! How long the store remembers what is done: old rows go in small batches, so that nobody waits for them.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::error::Error;

/// What is remembered for a while only. Business facts (returns, parcels, attendance, claims, the ledger) are not
/// among it: they stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// Which messages had their effect, by the time of the effect.
    Inbox,
    /// The effect ledger, by the last change.
    Effects,
    /// Which slots of the schedule were fired, by their time.
    Firings,
    /// Incidents that are resolved, by their resolution.
    Incidents,
    /// Dead letters that are open, by their first death: a replay must come while the inbox still knows what had its
    /// effect. Those on their way again stay.
    OpenDeadLetters,
    /// Dead letters that are resolved or discarded, by when that was.
    ClosedDeadLetters,
    /// Replays that have ended, by when something last happened to them.
    Replays,
    /// What people did, by when.
    AuditLog,
    /// Workers, by when they were last heard of.
    Workers,
}

impl Memory {
    /// Every kind.
    pub const ALL: &'static [Memory] = &[
        Self::Inbox,
        Self::Effects,
        Self::Firings,
        Self::Incidents,
        Self::OpenDeadLetters,
        Self::ClosedDeadLetters,
        Self::Replays,
        Self::AuditLog,
        Self::Workers,
    ];

    /// Its word, as in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inbox => "inbox",
            Self::Effects => "effects",
            Self::Firings => "firings",
            Self::Incidents => "incidents",
            Self::OpenDeadLetters => "open_dead_letters",
            Self::ClosedDeadLetters => "closed_dead_letters",
            Self::Replays => "replays",
            Self::AuditLog => "audit_log",
            Self::Workers => "workers",
        }
    }
}

/// Forgetting.
#[async_trait]
pub trait Retention {
    /// Removes at most `limit` of the rows that are older than `before`, oldest first, and says how many. Fewer than
    /// `limit` means that no more were left. Safe to run from several processes at once.
    async fn forget(&self, memory: Memory, before: DateTime<Utc>, limit: u32) -> Result<u32, Error>;
}
