//! EasyPost's codes and ours.

use forebay_schemas::events::ParcelStatus as S;

/// Our carriers' codes and their names there.
pub(super) const CARRIERS: &[(&str, &str)] =
    &[("usps", "USPS"), ("ups", "UPS"), ("fedex", "FedEx"), ("dhl_express", "DHLExpress")];

/// What a status means; `None` inside for the one that says that nothing is known.
pub(super) const STATUSES: &[(&str, Option<S>)] = &[
    ("unknown", None),
    ("pre_transit", Some(S::Registered)),
    ("in_transit", Some(S::InTransit)),
    ("out_for_delivery", Some(S::OutForDelivery)),
    ("delivered", Some(S::Delivered)),
    ("available_for_pickup", Some(S::AvailableForPickup)),
    ("return_to_sender", Some(S::Returning)),
    ("failure", Some(S::Exception)),
    ("cancelled", Some(S::Cancelled)),
    ("error", Some(S::Exception)),
];

/// The status of a tracker whose look-up failed.
pub(super) const FAILED: &str = "error";

/// What a status and its detail mean together.
pub(super) const DETAILS: &[(&str, &str, S)] =
    &[("in_transit", "received_at_origin_facility", S::PickedUp), ("failure", "lost", S::Lost)];

/// Pushes of these kinds bear a tracker.
pub(super) const TOLD: &[&str] = &["tracker.created", "tracker.updated"];
