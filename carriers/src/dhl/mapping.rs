//! DHL's codes and ours.

use forebay_schemas::events::ParcelStatus as S;

/// The closed set of `statusCode`; `None` inside for the one that says that nothing is known.
pub(super) const STATUSES: &[(&str, Option<S>)] = &[
    ("pre-transit", Some(S::Registered)),
    ("transit", Some(S::InTransit)),
    ("delivered", Some(S::Delivered)),
    ("failure", Some(S::Exception)),
    ("unknown", None),
];

/// Whole phrases, in small letters, by which `transit` is told closer. Nothing else is read out of words, and no other
/// code: they have been seen to contradict each other.
pub(super) const IN_TRANSIT: &[(&str, S)] = &[
    ("shipment picked up", S::PickedUp),
    ("out for delivery", S::OutForDelivery),
    ("shipment is out with courier for delivery", S::OutForDelivery),
    ("available for pickup", S::AvailableForPickup),
    ("ready for pickup", S::AvailableForPickup),
];
