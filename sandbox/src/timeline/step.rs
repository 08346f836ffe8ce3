//! What happens to a parcel, said as no carrier says it: each carrier's file turns it into its own words and codes.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

/// Something that happens to a parcel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A label was made; nobody has seen the parcel.
    Label,
    /// Collected from its sender.
    PickedUp,
    /// Scanned on its way.
    InTransit,
    /// Scanned at the branch that delivers it.
    AtBranch,
    /// On the delivery vehicle.
    OutForDelivery,
    /// Nobody took it.
    AttemptFailed,
    /// Waits where its receiver fetches it.
    ReadyForPickup,
    /// Taken by its receiver.
    Delivered,
    /// Something is wrong with it.
    Exception,
    /// On its way back to its sender.
    Returning,
    /// Back at its sender.
    Returned,
    /// The carrier has lost it.
    Lost,
    /// The label was called off.
    Cancelled,
}

/// A step of one parcel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) step: Step,
    /// Its place among the steps of its story, from 0.
    pub(crate) index: u8,
    pub(crate) at: DateTime<Utc>,
    pub(crate) place: &'static Place,
}

/// Where it happened.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) city: &'static str,
    /// The state or region; empty where there is none.
    pub(crate) region: &'static str,
    pub(crate) country: &'static str,
    pub(crate) postal: &'static str,
    pub(crate) zone: Tz,
}

pub(crate) const PLACES: [Place; 6] = [
    place("Memphis", "TN", "US", "38118", Tz::America__Chicago),
    place("Paramus", "NJ", "US", "07652", Tz::America__New_York),
    place("Leipzig", "", "DE", "04435", Tz::Europe__Berlin),
    place("Incheon", "", "KR", "22382", Tz::Asia__Seoul),
    place("Oakland", "CA", "US", "94621", Tz::America__Los_Angeles),
    place("Osaka", "", "JP", "549-0001", Tz::Asia__Tokyo),
];

const fn place(
    city: &'static str,
    region: &'static str,
    country: &'static str,
    postal: &'static str,
    zone: Tz,
) -> Place {
    Place { city, region, country, postal, zone }
}
