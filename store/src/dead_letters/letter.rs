//! A dead letter, from its archiving to its end.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use forebay_domain::dead_letter::fingerprint;
use forebay_domain::incident::{About, AlertRule, Raise, Severity};
use forebay_schemas::trail::{Headers, bounded};
use forebay_schemas::{Code, limits};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Most bytes of an incident's title.
const TITLE_BYTES: usize = 79;

/// A dead letter to archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDeadLetter {
    /// The message: [`forebay_domain::dead_letter::key`].
    pub key: [u8; 32],
    /// This copy of it: SHA-256 over body and headers. Makes archiving repeatable.
    pub copy: [u8; 32],
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
    /// By what it is found (`domain::dead_letter::terms`).
    pub terms: Vec<i64>,
    /// Attempts that were made.
    pub attempts: u32,
    /// When a worker first held it.
    pub first_seen: Option<DateTime<Utc>>,
    /// The message's own time stamp.
    pub sent_at: Option<DateTime<Utc>>,
    /// Which replay it died of; 0 when it was never replayed.
    pub replay: u32,
    /// The letter that it was replayed from.
    pub letter: Option<Uuid>,
    /// The headers as they came.
    pub headers: Headers,
    /// The bytes as they came.
    pub body: Vec<u8>,
}

impl NewDeadLetter {
    /// The group of this dead letter.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        fingerprint(self.code, &self.kind, &self.queue, &self.error)
    }

    /// What people are told of the group of this dead letter, when `count` of it died.
    #[must_use]
    pub fn incident(&self, count: i64) -> Raise {
        let Self { queue, kind, code, .. } = self;
        let fingerprint = self.fingerprint();
        let kind = if kind.is_empty() { "unreadable messages" } else { kind };
        Raise {
            fingerprint: incident_of(&fingerprint),
            rule: AlertRule::DeadLetters,
            about: follows_from_outage(*code).then(|| About::Queue(queue.clone())),
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

/// Whether messages die of it when what they need is away: that is told by the incident of what is away.
fn follows_from_outage(code: Code) -> bool {
    matches!(
        code,
        Code::AttemptsExhausted
            | Code::Expired
            | Code::OutsideUnavailable
            | Code::Timeout
            | Code::RateLimited
            | Code::Credentials
    )
}

/// The fingerprint of the incident of a group.
#[must_use]
pub fn incident_of(group: &str) -> String {
    format!("dead_letters/{group}")
}

/// What became of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "DeadLetterStatus")]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It waits for somebody to do something about it.
    Open,
    /// Its message is on its way again.
    Replaying,
    /// Its message had its effect.
    Resolved,
    /// A person decided that it needs none.
    Discarded,
}

impl Status {
    /// Every status.
    pub const ALL: &'static [Status] = &[Self::Open, Self::Replaying, Self::Resolved, Self::Discarded];

    /// The status as it stands in the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Replaying => "replaying",
            Self::Resolved => "resolved",
            Self::Discarded => "discarded",
        }
    }

    /// Nothing more is to be expected of it.
    #[must_use]
    pub fn is_closed(self) -> bool {
        matches!(self, Self::Resolved | Self::Discarded)
    }
}

/// The word is not a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a status must be open, replaying, resolved or discarded")]
pub struct UnknownStatus;

impl FromStr for Status {
    type Err = UnknownStatus;
    fn from_str(word: &str) -> Result<Self, UnknownStatus> {
        Self::ALL.iter().copied().find(|status| status.as_str() == word).ok_or(UnknownStatus)
    }
}

/// One death of a letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Death {
    /// When.
    pub at: DateTime<Utc>,
    /// Why.
    pub code: Code,
    /// In words, shortened.
    pub error: String,
    /// Attempts that were made.
    pub attempts: u32,
    /// Which replay it died of; 0 for none.
    pub replay: u32,
}

/// A dead letter, for reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetter {
    /// Its id.
    pub id: Uuid,
    /// What became of it.
    pub status: Status,
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
    /// How often it died.
    pub deaths: u32,
    /// How often it was replayed.
    pub replays: u32,
    /// The replay that it was last part of.
    pub replay_id: Option<Uuid>,
    /// When a worker first held it.
    pub first_seen: Option<DateTime<Utc>>,
    /// When it first died. It is kept from then on.
    pub first_dead_at: DateTime<Utc>,
    /// When it last died.
    pub dead_at: DateTime<Utc>,
    /// When it was resolved or discarded.
    pub closed_at: Option<DateTime<Utc>>,
    /// The entry in the audit log of its discarding.
    pub closed_by: Option<Uuid>,
    /// Its earlier deaths, the last one last; only when it is shown whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Death>,
    /// The headers; only when it is shown whole.
    #[serde(default, skip_serializing_if = "Headers::is_empty")]
    pub headers: Headers,
    /// The bytes; only when it is shown whole.
    #[serde(skip)]
    pub body: Vec<u8>,
}

impl DeadLetter {
    /// Its place in a list.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        Cursor { dead_at: self.dead_at, id: self.id }
    }
}

/// A place in a list of dead letters. As text: microseconds since 1970, a dash, the id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// The last death of the letter at that place.
    pub dead_at: DateTime<Utc>,
    /// The letter.
    pub id: Uuid,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.dead_at.timestamp_micros(), self.id.simple())
    }
}

impl FromStr for Cursor {
    type Err = UnknownCursor;
    fn from_str(text: &str) -> Result<Self, UnknownCursor> {
        let (micros, id) = text.split_once('-').ok_or(UnknownCursor)?;
        let dead_at = micros.parse().ok().and_then(DateTime::from_timestamp_micros).ok_or(UnknownCursor)?;
        Ok(Self { dead_at, id: id.parse().map_err(|_| UnknownCursor)? })
    }
}

/// The text is no place in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a cursor must be one that an earlier page gave")]
pub struct UnknownCursor;

/// Dead letters that are alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetterGroup {
    /// The group.
    pub fingerprint: String,
    /// Why they died.
    pub code: Code,
    /// The queue that they died in.
    pub queue: String,
    /// Their type.
    pub kind: String,
    /// How many are open.
    pub open: i64,
    /// How many are on their way again.
    pub replaying: i64,
    /// How many had their effect after all.
    pub resolved: i64,
    /// How many were discarded.
    pub discarded: i64,
    /// The first death.
    pub first_at: DateTime<Utc>,
    /// The last death.
    pub last_at: DateTime<Utc>,
    /// The error of one of them.
    pub sample_error: String,
}

/// How many dead letters a filter finds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetterCount {
    /// So many; when `capped`, at least so many.
    pub total: i64,
    /// There are more than were counted.
    pub capped: bool,
    /// By code, most first.
    pub by_code: Vec<(Code, i64)>,
}

impl DeadLetterCount {
    /// Adds up what was found by code, in any order.
    #[must_use]
    pub fn of(mut by_code: Vec<(Code, i64)>, capped: bool) -> Self {
        by_code.sort_by_key(|(code, count)| (std::cmp::Reverse(*count), *code));
        Self { total: by_code.iter().map(|(_, count)| count).sum(), capped, by_code }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_from_its_text() {
        let dead_at = DateTime::from_timestamp_micros(1_763_607_600_123_456).unwrap();
        let cursor = Cursor { dead_at, id: Uuid::from_u128(7) };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in ["", "7", "7-", "x-00000000000000000000000000000007", "9223372036854775807-7"] {
            assert_eq!(text.parse::<Cursor>(), Err(UnknownCursor), "{text}");
        }
    }
}
