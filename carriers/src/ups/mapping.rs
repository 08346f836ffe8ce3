//! UPS's codes and ours.

use forebay_schemas::events::ParcelStatus as S;

/// What a status code of three digits means. Codes come before types: a type of delivery covers the whole last mile.
pub(super) const CODES: &[(&str, S)] = &[
    ("003", S::Registered),
    ("157", S::Registered),
    ("038", S::PickedUp),
    ("160", S::PickedUp),
    ("167", S::PickedUp),
    ("168", S::PickedUp),
    ("169", S::PickedUp),
    ("005", S::InTransit),
    ("010", S::InTransit),
    ("025", S::InTransit),
    ("039", S::InTransit),
    ("006", S::OutForDelivery),
    ("021", S::OutForDelivery),
    ("037", S::OutForDelivery),
    ("072", S::OutForDelivery),
    ("089", S::OutForDelivery),
    ("146", S::OutForDelivery),
    ("022", S::AttemptFailed),
    ("023", S::AttemptFailed),
    ("024", S::AttemptFailed),
    ("060", S::AttemptFailed),
    ("061", S::AttemptFailed),
    ("062", S::AttemptFailed),
    ("066", S::AttemptFailed),
    ("017", S::AvailableForPickup),
    ("040", S::AvailableForPickup),
    ("144", S::AvailableForPickup),
    ("161", S::AvailableForPickup),
    ("011", S::Delivered),
    ("026", S::Delivered),
    ("143", S::Delivered),
    ("013", S::Exception),
    ("029", S::Exception),
    ("046", S::Exception),
    ("047", S::Exception),
    ("048", S::Exception),
    ("049", S::Exception),
    ("050", S::Exception),
    ("051", S::Exception),
    ("052", S::Exception),
    ("053", S::Exception),
    ("058", S::Exception),
    ("059", S::Exception),
    ("123", S::Exception),
    ("124", S::Exception),
    ("125", S::Exception),
    ("126", S::Exception),
    ("033", S::Returning),
    ("035", S::Returning),
    ("036", S::Returning),
    ("034", S::Returned),
    ("067", S::Returned),
    ("007", S::Cancelled),
    ("068", S::Lost),
    ("147", S::Lost),
    ("149", S::Lost),
];

/// What a type and the activity's own code mean together, whatever the status code says: back to the sender.
pub(super) const PAIRS: &[(&str, &str, S)] = &[("X", "RS", S::Returning)];

/// What a type means when the status code says nothing; `None` inside for types that say too little. `D` stands for
/// everything from the loading of the last vehicle on.
pub(super) const TYPES: &[(&str, Option<S>)] = &[
    ("M", Some(S::Registered)),
    ("MV", Some(S::Cancelled)),
    ("I", Some(S::InTransit)),
    ("X", Some(S::Exception)),
    ("D", None),
    ("DO", None),
    ("DD", None),
    ("U", None),
    ("W", None),
    ("NA", None),
];

/// The kinds of dates at which the parcel is expected: rescheduled before scheduled.
pub(super) const EXPECTED: &[&str] = &["RDD", "SDD"];

/// What an error's or a warning's code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No such number: not yet, or never; it can't be told.
    NotFound,
    /// It can't be a number.
    BadNumber,
    /// The token.
    Token,
    /// Too many calls.
    TooMany,
}

/// The codes of errors and warnings.
pub(super) const REFUSALS: &[(&str, Refusal)] = &[
    ("TW0001", Refusal::NotFound),
    ("TV1002", Refusal::BadNumber),
    ("250002", Refusal::Token),
    ("250003", Refusal::Token),
    ("10429", Refusal::TooMany),
];
