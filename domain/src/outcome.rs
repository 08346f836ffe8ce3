//! A handler's answer is a decision; the harness alone carries it out.

use std::time::Duration;

use chrono::{DateTime, Utc};
use forebay_schemas::Code;

/// What a handler says of one message. The only six answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The effect is committed.
    Done,
    /// The effect was committed before, by an earlier delivery.
    Duplicate,
    /// It failed and may succeed later. Costs an attempt.
    Retry {
        /// Why.
        code: Code,
        /// In words, without secrets or personal data.
        error: String,
        /// At least this long from now, as the outside system asked.
        after: Option<Duration>,
    },
    /// It is not its turn: not due, paced, paused. Costs nothing.
    Defer {
        /// Not before.
        until: DateTime<Utc>,
        /// Why, for the log.
        why: &'static str,
    },
    /// It will never succeed.
    Reject {
        /// Why.
        code: Code,
        /// In words, without secrets or personal data.
        error: String,
    },
    /// A call was sent and no answer came: it may have taken effect. Costs an attempt; the effect ledger decides
    /// at the next one.
    Unknown {
        /// In words, without secrets or personal data.
        error: String,
    },
}

impl Outcome {
    /// A retry without a wish for its time.
    pub fn retry(code: Code, error: impl Into<String>) -> Self {
        Self::Retry { code, error: error.into(), after: None }
    }

    /// A rejection.
    pub fn reject(code: Code, error: impl Into<String>) -> Self {
        Self::Reject { code, error: error.into() }
    }

    /// The outcome's word in metrics and logs.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Duplicate => "duplicate",
            Self::Retry { .. } => "retry",
            Self::Defer { .. } => "defer",
            Self::Reject { .. } => "reject",
            Self::Unknown { .. } => "unknown",
        }
    }
}
