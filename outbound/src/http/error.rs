//! Why a call was not made, or brought no answer.

use forebay_schemas::Code;

/// A call failed. The texts name scheme, host and port at most, never a path, a query or a header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The address is not one that may be called. Nothing was sent.
    #[error("the call is not allowed: {0}")]
    NotAllowed(String),
    /// No connection came about, so that surely nothing was sent.
    #[error("the call was not sent: {0}")]
    NotSent(String),
    /// It was sent, wholly or in part, and no whole answer came: it may have taken effect.
    #[error("the call brought no answer: {0}")]
    NoAnswer(String),
    /// The answer is larger than the limit. The call arrived.
    #[error("the answer (status {status}) is larger than {limit} bytes")]
    TooLarge {
        /// The answer's status.
        status: u16,
        /// The limit in bytes.
        limit: usize,
    },
}

impl CallError {
    /// The code by which the metric counts it.
    pub(super) fn code(&self) -> Code {
        match self {
            Self::NotAllowed(_) => Code::Rejected,
            Self::NotSent(_) => Code::OutsideUnavailable,
            Self::NoAnswer(_) => Code::OutcomeUnknown,
            Self::TooLarge { .. } => Code::TooLarge,
        }
    }

    /// The network failed, so that the same call may succeed at once.
    pub(super) fn is_network(&self) -> bool {
        matches!(self, Self::NotSent(_) | Self::NoAnswer(_))
    }
}

/// The client can't be built from these options.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetUpError {
    /// An entry of the list is not a host.
    #[error("`{0}` is neither a host name nor an address; give it without scheme, port and path")]
    BadHost(String),
    /// A URL without a host.
    #[error("the address names no host")]
    NoHost,
    /// Two entries of one host differ in `private`.
    #[error("the entries for {0} differ in `private`; a host is private on all its ports or on none")]
    Contradiction(String),
    /// No certificate authorities on this machine, and a host that needs them.
    #[error("no certificate authorities were found on this machine; install the package ca-certificates")]
    NoRoots,
    /// The TLS or HTTP library refused the options.
    #[error("the HTTP client can't be built: {0}")]
    Client(String),
}
