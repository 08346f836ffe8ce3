//! Sweet Tracker's codes and ours.

use forebay_schemas::CarrierCode;
use forebay_schemas::events::ParcelStatus;

/// A carrier under both names.
#[derive(Debug)]
pub(super) struct CarrierName {
    /// Our code.
    pub(super) ours: &'static str,
    /// `t_code`.
    pub(super) theirs: &'static str,
    /// Its numbers may hold letters, as the postal union's do; the others' are digits.
    pub(super) letters: bool,
}

const fn name(ours: &'static str, theirs: &'static str, letters: bool) -> CarrierName {
    CarrierName { ours, theirs, letters }
}

/// The carriers that are asked about through Sweet Tracker.
pub(super) const CARRIERS: &[CarrierName] = &[
    name("epost", "01", true),
    name("cj", "04", false),
    name("hanjin", "05", false),
    name("logen", "06", false),
    name("lotte", "08", false),
    name("ems", "12", true),
    name("daesin", "22", false),
    name("kyungdong", "23", false),
    name("hapdong", "32", false),
    name("woori", "45", false),
    name("cu", "46", false),
];

/// A carrier by our code.
pub(super) fn carrier(code: &CarrierCode) -> Option<&'static CarrierName> {
    CARRIERS.iter().find(|c| c.ours == code.as_str())
}

/// The level that says that nothing is known yet.
pub(super) const LEVEL_NOTHING: i64 = 0;
/// The level of a delivery.
pub(super) const LEVEL_DELIVERED: i64 = 6;

/// What a level means; nothing for [`LEVEL_NOTHING`] and for levels that we do not know.
pub(super) fn status_of_level(level: i64) -> Option<ParcelStatus> {
    match level {
        1 => Some(ParcelStatus::Registered),
        2 => Some(ParcelStatus::PickedUp),
        3 | 4 => Some(ParcelStatus::InTransit),
        5 => Some(ParcelStatus::OutForDelivery),
        LEVEL_DELIVERED => Some(ParcelStatus::Delivered),
        _ => None,
    }
}

/// What an error code under `"status": false` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The key is wrong or has run out.
    Key,
    /// The key's quota is used up.
    Quota,
    /// No such number at this carrier: not yet, or never; it can't be told.
    NotFound,
    /// This one number was asked about too often today.
    NumberTooOften,
    /// The look-up failed over there.
    LookupFailed,
    /// A code that we do not know.
    Other,
}

/// What an error code means.
pub(super) fn refusal(code: i64) -> Refusal {
    match code {
        101 | 102 => Refusal::Key,
        103 => Refusal::Quota,
        104 => Refusal::NotFound,
        105 => Refusal::NumberTooOften,
        106 => Refusal::LookupFailed,
        _ => Refusal::Other,
    }
}
