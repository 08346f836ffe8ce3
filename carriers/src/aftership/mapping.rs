//! AfterShip's codes and ours.

use forebay_schemas::events::ParcelStatus as S;

/// Our carriers' codes and their slugs there.
pub(super) const CARRIERS: &[(&str, &str)] =
    &[("usps", "usps"), ("ups", "ups"), ("fedex", "fedex"), ("dhl_express", "dhl"), ("epost", "kr-post")];

/// What a tag means; `None` inside for tags that say nothing of where the parcel is (`Expired`: nothing was heard for
/// 30 days).
pub(super) const TAGS: &[(&str, Option<S>)] = &[
    ("Pending", None),
    ("Expired", None),
    ("InfoReceived", Some(S::Registered)),
    ("InTransit", Some(S::InTransit)),
    ("OutForDelivery", Some(S::OutForDelivery)),
    ("AttemptFail", Some(S::AttemptFailed)),
    ("Delivered", Some(S::Delivered)),
    ("AvailableForPickup", Some(S::AvailableForPickup)),
    ("Exception", Some(S::Exception)),
];

/// Subtags that mean something else than their tag. Only one of those of the way back is documented in public.
pub(super) const SUBTAGS: &[(&str, S)] = &[("Exception_011", S::Returned)];

/// What a code of the envelope means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Nobody registered the number yet.
    NotFound,
    /// It can't be a number.
    BadNumber,
    /// The number is registered already.
    Exists,
}

/// The codes of the envelope.
pub(super) const REFUSALS: &[(i64, Refusal)] = &[
    (4003, Refusal::Exists),
    (4004, Refusal::NotFound),
    (4005, Refusal::BadNumber),
    (4017, Refusal::BadNumber),
];

/// Pushes of this kind bear a tracking.
pub(super) const TOLD: &str = "tracking_update";
