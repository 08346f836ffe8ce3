//! Exit codes, after sysexits where it has one, and the errors that carry them.

use std::fmt;

/// Failed, unclassified; a demo or check whose invariants do not hold.
pub(crate) const FAILED: u8 = 1;
/// Finished, but not with everything: some letters of a replay died again.
pub(crate) const PARTLY: u8 = 3;
/// Not found.
pub(crate) const NOT_FOUND: u8 = 4;
/// Not done: not confirmed, or in conflict with what is there.
pub(crate) const REFUSED: u8 = 5;
/// A back end or the API can't be reached (EX_UNAVAILABLE).
pub(crate) const UNAVAILABLE: u8 = 69;
/// Try again later (EX_TEMPFAIL).
pub(crate) const TRY_LATER: u8 = 75;
/// Not permitted (EX_NOPERM).
pub(crate) const NOT_PERMITTED: u8 = 77;
/// The configuration is wrong (EX_CONFIG).
pub(crate) const CONFIGURATION: u8 = 78;

/// Ended by Ctrl-C.
pub(crate) const INTERRUPTED: u8 = 130;

/// An error with the code that the process ends with.
#[derive(Debug)]
pub(crate) struct Exit {
    /// The code.
    pub(crate) code: u8,
    /// What happened, why, and what to do next.
    pub(crate) message: String,
}

impl Exit {
    pub(crate) fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// An error that names no code of its own.
    pub(crate) fn failed(error: impl fmt::Display) -> Self {
        Self::new(FAILED, error.to_string())
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Exit {}

impl From<crate::config::Faults> for Exit {
    fn from(faults: crate::config::Faults) -> Self {
        Self::new(CONFIGURATION, faults.to_string())
    }
}

impl From<forebay_store::Error> for Exit {
    fn from(error: forebay_store::Error) -> Self {
        let code = if error.is_transient() { UNAVAILABLE } else { FAILED };
        Self::new(code, error.to_string())
    }
}

impl From<forebay_queue::BrokerError> for Exit {
    fn from(error: forebay_queue::BrokerError) -> Self {
        Self::new(UNAVAILABLE, error.to_string())
    }
}

impl From<std::io::Error> for Exit {
    fn from(error: std::io::Error) -> Self {
        Self::failed(error)
    }
}
