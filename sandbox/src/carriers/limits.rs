//! What a carrier takes.

use std::time::Duration;

use crate::carriers::CarrierName;

/// What a carrier takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Most calls in any window.
    pub calls: u32,
    /// The window's length.
    pub window: Duration,
    /// Most calls a day (from midnight, UTC).
    pub per_day: Option<u64>,
}

impl Limit {
    /// So many calls in any second.
    #[must_use]
    pub fn per_second(calls: u32) -> Self {
        Self { calls, window: Duration::from_secs(1), per_day: None }
    }
}

impl CarrierName {
    /// What its documents, or those who use it, say that it takes; `None` where nothing is said.
    #[must_use]
    pub fn documented_limit(self) -> Option<Limit> {
        match self {
            Self::Dhl => Some(Limit { per_day: Some(250), ..Limit::per_second(1) }),
            Self::Fedex => {
                Some(Limit { calls: 1_400, window: Duration::from_secs(10), per_day: Some(100_000) })
            }
            Self::TrackerDelivery => Some(Limit::per_second(10)),
            Self::Aftership => Some(Limit::per_second(5)),
            Self::SweetTracker | Self::Easypost | Self::Ups => None,
        }
    }
}
