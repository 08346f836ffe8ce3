//! The codes of tracker.delivery and ours.

use forebay_schemas::events::ParcelStatus;

/// Our carriers' codes and their ids there.
pub(super) const CARRIERS: &[(&str, &str)] = &[
    ("cj", "kr.cjlogistics"),
    ("epost", "kr.epost"),
    ("ems", "kr.epost.ems"),
    ("hanjin", "kr.hanjin"),
    ("logen", "kr.logen"),
    ("lotte", "kr.lotte"),
    ("daesin", "kr.daesin"),
    ("kyungdong", "kr.kdexp"),
    ("yamato", "jp.yamato"),
    ("sagawa", "jp.sagawa"),
];

/// What a status code means; `None` inside for the code that says that nothing is known.
pub(super) const STATUSES: &[(&str, Option<ParcelStatus>)] = &[
    ("UNKNOWN", None),
    ("NOT_FOUND", None),
    ("INFORMATION_RECEIVED", Some(ParcelStatus::Registered)),
    ("AT_PICKUP", Some(ParcelStatus::PickedUp)),
    ("IN_TRANSIT", Some(ParcelStatus::InTransit)),
    ("OUT_FOR_DELIVERY", Some(ParcelStatus::OutForDelivery)),
    ("ATTEMPT_FAIL", Some(ParcelStatus::AttemptFailed)),
    ("AVAILABLE_FOR_PICKUP", Some(ParcelStatus::AvailableForPickup)),
    ("DELIVERED", Some(ParcelStatus::Delivered)),
    ("EXCEPTION", Some(ParcelStatus::Exception)),
];

/// What an error's code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No such number: not yet, or never; it can't be told.
    NotFound,
    /// It can't be a number of this carrier.
    BadNumber,
    /// Our credentials, or too many calls: they share a code, and only the words tell them apart.
    Forbidden,
    /// Our credentials.
    Credentials,
    /// It failed over there. A server of one's own says this of everything, of numbers that are not found, too.
    Internal,
    /// The question is not of the form that it takes.
    BadQuestion,
}

/// The errors' codes.
pub(super) const REFUSALS: &[(&str, Refusal)] = &[
    ("NOT_FOUND", Refusal::NotFound),
    ("BAD_REQUEST", Refusal::BadNumber),
    ("FORBIDDEN", Refusal::Forbidden),
    ("UNAUTHENTICATED", Refusal::Credentials),
    ("INTERNAL", Refusal::Internal),
    ("INTERNAL_SERVER_ERROR", Refusal::Internal),
    ("GRAPHQL_PARSE_FAILED", Refusal::BadQuestion),
    ("GRAPHQL_VALIDATION_FAILED", Refusal::BadQuestion),
    ("BAD_USER_INPUT", Refusal::BadQuestion),
];

/// What stands in the words of a refusal for too many calls.
pub(super) const RATE_LIMIT_WORDS: &str = "rate limit";
