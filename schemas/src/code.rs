//! The closed list of codes by which a message is refused, retried or dead-lettered.
//!
//! The same word stands in the dead letter, the metric's label, the alert and the problem's `code`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $word:literal),+ $(,)?) => {
        /// Why a message was refused, retried or dead-lettered.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Code {
            $($(#[$doc])* $name,)+
        }

        impl Code {
            /// Every code, in the order of this list.
            pub const ALL: &'static [Code] = &[$(Code::$name),+];

            /// The code's word, as it stands on the wire.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => $word),+ }
            }
        }

        impl std::str::FromStr for Code {
            type Err = UnknownCode;
            fn from_str(word: &str) -> Result<Self, UnknownCode> {
                match word { $($word => Ok(Code::$name),)+ _ => Err(UnknownCode) }
            }
        }
    };
}

/// The word is not one of [`Code::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a code of the closed list")]
pub struct UnknownCode;

codes! {
    /// The bytes are not a CloudEvents 1.0 JSON envelope.
    Undecodable = "undecodable",
    /// The type is known, its data breaks the type's schema.
    SchemaInvalid = "schema_invalid",
    /// The type is not in the catalogue.
    UnknownType = "unknown_type",
    /// No queue is bound for the type.
    Unrouted = "unrouted",
    /// The identity was used before for other contents.
    IdReused = "id_reused",
    /// The message is larger than the limit.
    TooLarge = "too_large",
    /// The handler or the outside system refused the message for good.
    Rejected = "rejected",
    /// Every attempt failed.
    AttemptsExhausted = "attempts_exhausted",
    /// The message grew too old before it could be handled.
    Expired = "expired",
    /// A call was sent, no answer came, and it can't be told whether it took effect.
    OutcomeUnknown = "outcome_unknown",
    /// The message crashed its worker again and again.
    CrashLoop = "crash_loop",
    /// A person decided so.
    Operator = "operator",
    /// The handler panicked.
    Panic = "panic",
    /// The handler missed its deadline.
    Timeout = "timeout",
    /// The store did not answer.
    StoreUnavailable = "store_unavailable",
    /// The outside system failed or could not be reached.
    OutsideUnavailable = "outside_unavailable",
    /// The outside system answered something that can't be read.
    OutsideMalformed = "outside_malformed",
    /// The outside system asked to be left alone for a while.
    RateLimited = "rate_limited",
    /// The outside system refused our credentials.
    Credentials = "credentials",
    /// What the message refers to is not here yet.
    NotYetKnown = "not_yet_known",
    /// A stock would be less than what was given out and is held back.
    StockBelowCommitted = "stock_below_committed",
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back_from_its_word_and_from_json() {
        for code in Code::ALL {
            assert_eq!(code.as_str().parse::<Code>(), Ok(*code));
            assert_eq!(serde_json::to_string(code).unwrap(), format!("\"{}\"", code.as_str()));
        }
    }
}
