//! FedEx's codes and ours.
//!
//! The status codes of Track API v1; several letters mean other things as exception codes, which are kept but not
//! mapped.

use forebay_schemas::events::ParcelStatus as S;

/// What a status code or a scan's type means; `None` inside for codes that are known and say nothing of where the
/// parcel is (an estimate, a split).
pub(super) const STATUSES: &[(&str, Option<S>)] = &[
    ("OC", Some(S::Registered)),
    ("IN", Some(S::Registered)),
    ("PU", Some(S::PickedUp)),
    ("PX", Some(S::PickedUp)),
    ("AP", Some(S::PickedUp)),
    ("OF", Some(S::PickedUp)),
    ("IT", Some(S::InTransit)),
    ("IX", Some(S::InTransit)),
    ("AR", Some(S::InTransit)),
    ("DP", Some(S::InTransit)),
    ("AF", Some(S::InTransit)),
    ("AX", Some(S::InTransit)),
    ("LO", Some(S::InTransit)),
    ("SF", Some(S::InTransit)),
    ("FD", Some(S::InTransit)),
    ("TR", Some(S::InTransit)),
    ("OD", Some(S::OutForDelivery)),
    ("ED", Some(S::OutForDelivery)),
    ("AD", Some(S::OutForDelivery)),
    ("DE", Some(S::AttemptFailed)),
    ("HL", Some(S::AvailableForPickup)),
    ("HP", Some(S::AvailableForPickup)),
    ("DL", Some(S::Delivered)),
    ("SE", Some(S::Exception)),
    ("CD", Some(S::Exception)),
    ("DY", Some(S::Exception)),
    ("DD", Some(S::Exception)),
    ("PD", Some(S::Exception)),
    ("RS", Some(S::Returning)),
    ("CA", Some(S::Cancelled)),
    ("AO", None),
    ("AE", None),
    ("EA", None),
    ("RC", None),
    ("SP", None),
];

/// What a code means, if it is known.
pub(super) fn status_of(code: &str) -> Option<Option<S>> {
    STATUSES.iter().find(|(known, _)| *known == code).map(|(_, status)| *status)
}

/// What an error's code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No such number: not yet, or never; it can't be told.
    NotFound,
    /// It can't be a number.
    BadNumber,
    /// The token.
    Token,
    /// Our credentials may not do this.
    Credentials,
    /// It failed over there.
    Failed,
}

/// The errors' codes, of the whole call and of one parcel.
pub(super) const REFUSALS: &[(&str, Refusal)] = &[
    ("TRACKING.TRACKINGNUMBER.NOTFOUND", Refusal::NotFound),
    ("TRACKING.DATA.NOTFOUND", Refusal::NotFound),
    ("TRACKING.TRACKINGNUMBER.INVALID", Refusal::BadNumber),
    ("NOT.AUTHORIZED.ERROR", Refusal::Token),
    ("FORBIDDEN.ERROR", Refusal::Credentials),
    ("INTERNAL.SERVER.ERROR", Refusal::Failed),
    ("SERVICE.UNAVAILABLE.ERROR", Refusal::Failed),
];

/// What an error's code means, if it is known.
pub(super) fn refusal(code: &str) -> Option<Refusal> {
    REFUSALS.iter().find(|(known, _)| *known == code).map(|(_, refusal)| *refusal)
}

/// What stands in the words of a 429 of the day's quota; the one of ten seconds says something else.
pub(super) const DAILY_WORDS: &str = "daily transaction quota";

/// The kinds of dates at which the parcel is expected.
pub(super) const EXPECTED: &[&str] = &["ESTIMATED_DELIVERY", "COMMITMENT"];

/// The kinds of dates by which of two parcels under one number the younger one is told.
pub(super) const SHIPPED: &[&str] = &["SHIP", "ACTUAL_PICKUP", "ACTUAL_TENDER"];
