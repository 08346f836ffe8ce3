//! Parcels: checked at their carrier, and what came of it.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::envelope::EventData;
use crate::event_type::EventType;
use crate::id::{AdapterId, CarrierCode, TrackingNumber};

/// Where a parcel is on its way. The same list for every carrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ParcelStatus {
    /// The carrier said nothing that we can place.
    Unknown,
    /// A label exists; the carrier does not have the parcel.
    Registered,
    /// The carrier took the parcel.
    PickedUp,
    /// On its way.
    InTransit,
    /// On the last vehicle.
    OutForDelivery,
    /// A delivery was tried in vain.
    AttemptFailed,
    /// Waits to be fetched.
    AvailableForPickup,
    /// Something went wrong on the way.
    Exception,
    /// On its way back to its sender.
    Returning,
    /// Delivered. Final, unless it turns out to be returned.
    Delivered,
    /// Back at its sender. Final.
    Returned,
    /// Called off. Final.
    Cancelled,
    /// Lost. Final.
    Lost,
}

impl ParcelStatus {
    /// Every status.
    pub const ALL: &'static [ParcelStatus] = &[
        Self::Unknown,
        Self::Registered,
        Self::PickedUp,
        Self::InTransit,
        Self::OutForDelivery,
        Self::AttemptFailed,
        Self::AvailableForPickup,
        Self::Exception,
        Self::Returning,
        Self::Delivered,
        Self::Returned,
        Self::Cancelled,
        Self::Lost,
    ];

    /// The status as it stands on the wire and in the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Registered => "registered",
            Self::PickedUp => "picked_up",
            Self::InTransit => "in_transit",
            Self::OutForDelivery => "out_for_delivery",
            Self::AttemptFailed => "attempt_failed",
            Self::AvailableForPickup => "available_for_pickup",
            Self::Exception => "exception",
            Self::Returning => "returning",
            Self::Delivered => "delivered",
            Self::Returned => "returned",
            Self::Cancelled => "cancelled",
            Self::Lost => "lost",
        }
    }

    /// Nothing more is to be expected of a parcel in this state.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Delivered | Self::Returned | Self::Cancelled | Self::Lost)
    }

    /// The carrier has, or had, the parcel: a return in this state was picked up.
    #[must_use]
    pub fn implies_picked_up(self) -> bool {
        !matches!(self, Self::Unknown | Self::Registered | Self::Cancelled)
    }
}

/// The text is not a parcel status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a parcel status")]
pub struct UnknownStatus;

impl std::str::FromStr for ParcelStatus {
    type Err = UnknownStatus;
    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::ALL.iter().copied().find(|s| s.as_str() == text).ok_or(UnknownStatus)
    }
}

/// One parcel to be asked about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ParcelRef {
    /// The parcel in our store.
    pub parcel_id: Uuid,
    /// Who carries it.
    pub carrier: CarrierCode,
    /// Its number there.
    pub tracking_number: TrackingNumber,
}

/// Ask a carrier's system about parcels, as many as it takes in one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckParcels {
    /// The system to ask.
    pub adapter: AdapterId,
    /// The parcels, at least one.
    #[schemars(length(min = 1, max = 100))]
    pub parcels: Vec<ParcelRef>,
    /// A person asked for it and waits: it may use what is kept of the day's calls for people.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub for_person: bool,
}

impl EventData for CheckParcels {
    const TYPE: EventType = EventType::CheckParcels;
    fn subject(&self) -> String {
        format!("adapter/{}", self.adapter)
    }
}

/// A parcel entered a state for the first time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ParcelStatusChanged {
    /// The parcel in our store.
    pub parcel_id: Uuid,
    /// Who carries it.
    pub carrier: CarrierCode,
    /// Its number there.
    pub tracking_number: TrackingNumber,
    /// The state that it entered.
    pub status: ParcelStatus,
    /// When it entered it, as far as the carrier says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_at: Option<DateTime<Utc>>,
}

impl EventData for ParcelStatusChanged {
    const TYPE: EventType = EventType::ParcelStatusChanged;
    fn subject(&self) -> String {
        format!("parcel/{}/{}", self.carrier, self.tracking_number)
    }
}
