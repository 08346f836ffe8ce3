//! What a caller gets: a permit, or when to come back.

use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use super::held::Held;

/// One call may be made, now. Dropped after the call, it makes room for the next.
#[derive(Debug)]
#[must_use = "a permit that is dropped before the call has been spent for nothing"]
pub struct Permit {
    // Goes before the room in this process: whoever gets that finds this one free.
    _held: Held,
    _place: OwnedSemaphorePermit,
    probe: bool,
}

impl Permit {
    pub(super) fn new(place: OwnedSemaphorePermit, held: Held, probe: bool) -> Self {
        Self { _held: held.used(), _place: place, probe }
    }

    /// It is the one call by which the fleet sees whether the system is back: how it ends is to be told at once.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.probe
    }
}

/// No call may be made now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not now, but in {after:?}: {why}")]
pub struct NotNow {
    /// When to ask again.
    pub after: Duration,
    /// Why.
    pub why: Why,
}

/// Why no call may be made now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// Too many want to call.
    #[error("its quota is in use")]
    Paced,
    /// The system is left alone for a while.
    #[error("its gate is closed: {0}")]
    Closed(String),
    /// Without the store nobody knows what the others do.
    #[error("the store can't be asked for a permit: {0}")]
    StoreGone(String),
}

impl Why {
    /// The reason in one fixed phrase, as a deferral wants it.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Paced => "paced",
            Self::Closed(_) => "gate closed",
            Self::StoreGone(_) => "no permits without the store",
        }
    }
}

impl NotNow {
    pub(super) fn paced(after: Duration) -> Self {
        Self { after, why: Why::Paced }
    }
}
