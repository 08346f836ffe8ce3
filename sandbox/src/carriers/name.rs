//! The carriers' systems that the world has.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A carrier's system. Its id is also the first part of its paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CarrierName {
    /// Sweet Tracker, for Korea's carriers.
    #[serde(rename = "sweettracker")]
    SweetTracker,
    /// tracker.delivery, GraphQL.
    TrackerDelivery,
    /// FedEx Track API v1.
    Fedex,
    /// DHL Shipment Tracking - Unified.
    Dhl,
    /// EasyPost trackers.
    Easypost,
    /// UPS Tracking.
    Ups,
    /// AfterShip Tracking 2025-04.
    Aftership,
}

impl CarrierName {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::SweetTracker,
        Self::TrackerDelivery,
        Self::Fedex,
        Self::Dhl,
        Self::Easypost,
        Self::Ups,
        Self::Aftership,
    ];

    /// Its id.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::SweetTracker => "sweettracker",
            Self::TrackerDelivery => "tracker_delivery",
            Self::Fedex => "fedex",
            Self::Dhl => "dhl",
            Self::Easypost => "easypost",
            Self::Ups => "ups",
            Self::Aftership => "aftership",
        }
    }

    /// The carrier of this id.
    #[must_use]
    pub fn of_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.id() == id)
    }
}

impl fmt::Display for CarrierName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_on_the_wire_is_the_id_of_the_paths() {
        for name in CarrierName::ALL {
            assert_eq!(serde_json::to_value(name).unwrap(), name.id());
            assert_eq!(CarrierName::of_id(name.id()), Some(name));
        }
        assert_eq!(CarrierName::of_id("nobody"), None);
    }
}
