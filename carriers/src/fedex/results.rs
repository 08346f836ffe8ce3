//! One parcel: its status and its scans.

use forebay_domain::parcel::{Checkpoint, EventTime, Lookup, Snapshot};
use forebay_schemas::events::ParcelStatus;

use super::mapping::{self, EXPECTED, SHIPPED};
use crate::carrier::Unmapped;
use crate::personal::cleaned;
use crate::timeline::{self, CODE_CHARS, Listed, PLACE_CHARS, TEXT_CHARS};
use crate::times;
use crate::wire::Object;

/// The parcel that bears the number now. FedEx uses numbers again, and tells of each parcel that bore it: the one
/// that was shipped last, by its own dates or else by its scans, is meant.
pub(super) fn youngest<'a>(results: &[Object<'a>]) -> Option<Object<'a>> {
    let key = |result: &Object<'a>| {
        let shipped = result
            .objects("dateAndTimes")
            .into_iter()
            .filter(|date| date.text("type").is_some_and(|t| SHIPPED.contains(&t.as_str())))
            .filter_map(|date| date.text("dateTime"))
            .max();
        let scanned = result.objects("scanEvents").into_iter().filter_map(|scan| scan.text("date")).max();
        // Of one time stamp's text the day stands first, so that texts are in the order of days.
        let unique = result.text_at(&["trackingNumberInfo", "trackingNumberUniqueId"]);
        (shipped.or_else(|| scanned.clone()), scanned, unique)
    };
    results.iter().copied().max_by_key(key)
}

/// What is known of the parcel.
pub(super) fn found(result: Object<'_>, unmapped: &mut Unmapped) -> Lookup {
    let mut list = Vec::new();
    for scan in result.list("scanEvents") {
        match Object::of(scan) {
            Some(scan) => list.push(checkpoint(scan, unmapped)),
            // One odd scan costs the others nothing.
            None => unmapped.insert("event", None),
        }
    }
    let mut checkpoints = timeline::in_order(list, Listed::NewestFirst);
    // Behind the start of a return, a delivery is one to the sender.
    let turned = checkpoints.iter().position(|c| c.status == ParcelStatus::Returning);
    if let Some(turned) = turned {
        for checkpoint in checkpoints.iter_mut().skip(turned) {
            if checkpoint.status == ParcelStatus::Delivered {
                checkpoint.status = ParcelStatus::Returned;
            }
        }
    }
    let latest = result.object("latestStatusDetail");
    let status = match latest.and_then(|detail| status_of(detail, unmapped)) {
        Some(ParcelStatus::Delivered) if turned.is_some() => Some(ParcelStatus::Returned),
        other => other,
    };
    if status.is_none() && checkpoints.is_empty() {
        return Lookup::NotYetKnown;
    }
    let dates = result.objects("dateAndTimes");
    let eta = dates.iter().find(|date| date.text("type").is_some_and(|t| EXPECTED.contains(&t.as_str())));
    let eta = eta.and_then(|date| date.text("dateTime")).and_then(|text| times::earliest(times::read(&text)));
    Lookup::Found(Snapshot { status, checkpoints, eta })
}

/// The closer code, or else the one that is derived from it.
fn status_of(detail: Object<'_>, unmapped: &mut Unmapped) -> Option<ParcelStatus> {
    let codes: Vec<String> = ["code", "derivedCode"].iter().filter_map(|name| detail.text(name)).collect();
    let known = codes.iter().find_map(|code| mapping::status_of(code));
    if let (None, Some(code)) = (known, codes.first()) {
        unmapped.insert("status", Some(code.clone()));
    }
    known.flatten()
}

fn checkpoint(scan: Object<'_>, unmapped: &mut Unmapped) -> Checkpoint {
    let kind = scan.text("eventType");
    let derived = scan.text("derivedStatusCode");
    let known = [&kind, &derived].into_iter().flatten().find_map(|code| mapping::status_of(code));
    if let (None, Some(code)) = (known, kind.as_ref().or(derived.as_ref())) {
        unmapped.insert("event", Some(code.clone()));
    }
    let raw = match (kind.or(derived), scan.text("exceptionCode")) {
        (Some(kind), Some(exception)) => Some(format!("{kind}/{exception}")),
        (kind, exception) => kind.or(exception),
    };
    let words = scan.text("eventDescription").or_else(|| scan.text("exceptionDescription"));
    Checkpoint {
        at: scan.text("date").map_or(EventTime::Missing, |text| times::read(&text)),
        status: known.flatten().unwrap_or(ParcelStatus::Unknown),
        raw_code: raw.and_then(|code| cleaned(&code, &[], CODE_CHARS)),
        text: words.and_then(|words| cleaned(&words, &[], TEXT_CHARS)),
        place: scan.object("scanLocation").and_then(place),
    }
}

fn place(location: Object<'_>) -> Option<String> {
    let parts = ["city", "stateOrProvinceCode", "countryCode"];
    let parts: Vec<String> = parts.iter().filter_map(|name| location.text(name)).collect();
    cleaned(&parts.join(", "), &[], PLACE_CHARS)
}
