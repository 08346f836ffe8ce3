//! Why a carrier's system said nothing of a parcel.

use std::time::Duration;

use forebay_outbound::{CallError, TokenFault};
use forebay_schemas::Code;

/// A look-up failed. The texts hold neither keys nor personal data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CarrierError {
    /// It refuses our key. Not the parcels' fault: all calls stop until somebody mends it.
    #[error("the carrier's system refuses our credentials ({0})")]
    Auth(String),
    /// It refuses the token that it gave us, before its time. Nobody's fault: the next call brings a new one.
    #[error("the carrier's system refuses its own token")]
    TokenRefused,
    /// Too many calls in a short time: of the whole system, or, as an answer for one parcel, for that parcel.
    #[error("the carrier's system wants fewer calls")]
    RateLimited {
        /// How long it wants to be left alone, if it says.
        retry_after: Option<Duration>,
    },
    /// The quota of a longer period is used up.
    #[error("the quota at the carrier's system is used up")]
    QuotaExhausted {
        /// When there is more, if it says.
        retry_after: Option<Duration>,
    },
    /// It follows this parcel only once it is told to.
    #[error("the carrier's system does not follow this parcel yet")]
    Unregistered,
    /// It failed, or could not be reached; it may work later.
    #[error("the carrier's system failed: {0}")]
    Transient(String),
    /// It answered something that can't be read.
    #[error("the carrier's answer can't be read: {0}")]
    Malformed(String),
    /// It refuses the question for good.
    #[error("the carrier's system refuses the question ({code}): {detail}")]
    Rejected {
        /// Its code, or our word.
        code: String,
        /// In words.
        detail: &'static str,
    },
}

impl CarrierError {
    /// The code of the closed list.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Auth(_) => Code::Credentials,
            Self::RateLimited { .. } | Self::QuotaExhausted { .. } => Code::RateLimited,
            Self::Transient(_) | Self::TokenRefused | Self::Unregistered => Code::OutsideUnavailable,
            Self::Malformed(_) => Code::OutsideMalformed,
            Self::Rejected { .. } => Code::Rejected,
        }
    }
}

impl From<CallError> for CarrierError {
    /// A look-up changes nothing, so that an unknown outcome is as good as a failure. A host that is not allowed
    /// is a setting to be mended, not a parcel's fault.
    fn from(error: CallError) -> Self {
        match error {
            CallError::NotAllowed(_) | CallError::NotSent(_) | CallError::NoAnswer(_) => {
                Self::Transient(error.to_string())
            }
            CallError::TooLarge { .. } => Self::Malformed(error.to_string()),
        }
    }
}

impl From<TokenFault> for CarrierError {
    fn from(fault: TokenFault) -> Self {
        match fault {
            TokenFault::Credentials(_) => Self::Auth(fault.to_string()),
            TokenFault::Shut { pause } => Self::RateLimited { retry_after: Some(pause) },
            TokenFault::Call(error) => error.into(),
            other => Self::Transient(other.to_string()),
        }
    }
}
