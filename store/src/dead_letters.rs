//! Dead letters, where people can work with them.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::incident::{Raise, Severity};
use forebay_schemas::trail::{Headers, bounded};
use forebay_schemas::{Code, limits};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::Error;

/// Most bytes of an incident's title.
const TITLE_BYTES: usize = 79;

/// A dead letter to archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDeadLetter {
    /// Makes archiving repeatable: SHA-256 over body and headers. Two copies alike to the byte are one dead letter.
    pub key: [u8; 32],
    /// The message's id, perhaps empty.
    pub message_id: String,
    /// The event's source, if it could be read.
    pub source: Option<String>,
    /// The event's subject, if it could be read.
    pub subject: Option<String>,
    /// The message's type, perhaps empty.
    pub kind: String,
    /// The queue that it died in.
    pub queue: String,
    /// Why.
    pub code: Code,
    /// In words.
    pub error: String,
    /// The group (`domain::dead_letter::fingerprint`).
    pub fingerprint: String,
    /// Attempts that were made.
    pub attempts: u32,
    /// When a worker first held it.
    pub first_seen: Option<DateTime<Utc>>,
    /// The headers as they came.
    pub headers: Headers,
    /// The bytes as they came.
    pub body: Vec<u8>,
}

impl NewDeadLetter {
    /// What people are told of the group of this dead letter, when `count` of it are new.
    #[must_use]
    pub fn incident(&self, count: i64) -> Raise {
        let Self { queue, kind, code, fingerprint, .. } = self;
        let kind = if kind.is_empty() { "unreadable messages" } else { kind };
        Raise {
            fingerprint: format!("dead_letters/{fingerprint}"),
            rule: "dead_letters",
            severity: Severity::Warning,
            title: bounded(&format!("Dead letters in {queue}: {code}"), TITLE_BYTES),
            impact: bounded(
                &format!("{kind}: without effect, kept whole in the archive."),
                limits::ERROR_BYTES,
            ),
            action: format!("forebay dlq list --group {fingerprint}"),
            sample: bounded(&self.error, limits::ERROR_BYTES),
            count,
        }
    }
}

/// A dead letter, for reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Its id.
    pub id: Uuid,
    /// The message's id.
    pub message_id: String,
    /// The event's source.
    pub source: Option<String>,
    /// The event's subject.
    pub subject: Option<String>,
    /// The message's type.
    pub kind: String,
    /// The queue that it died in.
    pub queue: String,
    /// Why.
    pub code: Code,
    /// In words.
    pub error: String,
    /// The group.
    pub fingerprint: String,
    /// Attempts that were made.
    pub attempts: u32,
    /// When a worker first held it.
    pub first_seen: Option<DateTime<Utc>>,
    /// When it was archived.
    pub dead_at: DateTime<Utc>,
    /// The headers; only when one dead letter is shown.
    #[serde(default, skip_serializing_if = "Headers::is_empty")]
    pub headers: Headers,
    /// The bytes; only when one dead letter is shown.
    #[serde(skip)]
    pub body: Vec<u8>,
}

/// Dead letters that are alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetterGroup {
    /// The group.
    pub fingerprint: String,
    /// Why they died.
    pub code: Code,
    /// The queue that they died in.
    pub queue: String,
    /// Their type.
    pub kind: String,
    /// How many there are.
    pub count: i64,
    /// The first one's time.
    pub first_at: DateTime<Utc>,
    /// The last one's time.
    pub last_at: DateTime<Utc>,
    /// The error of one of them.
    pub sample_error: String,
}

/// Which dead letters; an absent field is no condition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeadLetterFilter {
    /// Of this code.
    pub code: Option<Code>,
    /// Of this queue.
    pub queue: Option<String>,
    /// Of this type.
    pub kind: Option<String>,
    /// Of this group.
    pub fingerprint: Option<String>,
    /// Of this message id.
    pub message_id: Option<String>,
    /// With this subject, e.g. `return/R-1`.
    pub subject: Option<String>,
    /// Archived at or after.
    pub since: Option<DateTime<Utc>>,
}

/// Dead letters.
#[async_trait]
pub trait DeadLetters {
    /// Archives a set in one transaction and raises an incident for each group that it touches (fingerprint
    /// `dead_letters/<group>`, rule `dead_letters`, severity warning, count = how many are new). Those archived
    /// before (same key) are passed over. Returns how many were new.
    async fn archive(&self, letters: Vec<NewDeadLetter>, now: DateTime<Utc>) -> Result<u32, Error>;

    /// Groups, the newest first.
    async fn dead_letter_groups(&self, limit: u32) -> Result<Vec<DeadLetterGroup>, Error>;

    /// Dead letters without headers and body, newest first, after `after` (the id of the last one of the page before).
    async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, Error>;

    /// One dead letter, whole.
    async fn dead_letter(&self, id: Uuid) -> Result<Option<DeadLetter>, Error>;
}
