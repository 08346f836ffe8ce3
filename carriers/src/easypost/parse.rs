//! What a tracker says.

use forebay_domain::parcel::{Checkpoint, EventTime, Lookup, Snapshot};
use forebay_schemas::events::ParcelStatus;

use super::mapping::{DETAILS, FAILED, STATUSES};
use crate::body;
use crate::carrier::{Answered, Asked, Received, Unmapped};
use crate::error::CarrierError;
use crate::numbers;
use crate::personal::cleaned;
use crate::timeline::{self, CODE_CHARS, Listed, PLACE_CHARS, TEXT_CHARS};
use crate::times;
use crate::wire::Object;

/// What the answer says of each parcel.
pub(super) fn parse(received: &Received<'_>, asked: &[Asked]) -> Result<Vec<Answered>, CarrierError> {
    match received.status {
        // The account's bill is open: somebody has to see to it.
        402 => return Err(CarrierError::Auth("status 402".into())),
        // About this one code.
        422 if body::object(received).is_ok_and(|json| json.get("error").is_some()) => {
            let detail = "EasyPost takes no tracker for this number and carrier";
            let error = || CarrierError::Rejected { code: refused_code(received), detail };
            return Ok(asked.iter().map(|one| Answered::error(one, error())).collect());
        }
        _ => body::status(received)?,
    }
    let json = body::object(received)?;
    let object = Object::of(&json);
    let part = |one: &Asked| {
        let mut unmapped = Unmapped::default();
        let tracker = object.filter(|o| o.has("tracking_code"));
        let nothing = || CarrierError::Malformed("nothing in it is a tracker".into());
        let outcome = tracker.ok_or_else(nothing).and_then(|tracker| {
            let number = numbers::bare(&one.number);
            let is_it = tracker.text("tracking_code").is_some_and(|t| t.eq_ignore_ascii_case(&number));
            let other = || CarrierError::Malformed("the answer is about another parcel".into());
            if !is_it {
                return Err(other());
            }
            // Without events it is EasyPost that failed to look, and not the parcel that is in trouble.
            if tracker.text("status").as_deref() == Some(FAILED)
                && tracker.list("tracking_details").is_empty()
            {
                return Err(CarrierError::Transient("EasyPost's own look-up failed".into()));
            }
            Ok(found(tracker, &mut unmapped))
        });
        Answered { asked: one.clone(), outcome, unmapped: unmapped.into_codes() }
    };
    Ok(asked.iter().map(part).collect())
}

fn refused_code(received: &Received<'_>) -> String {
    let json = body::object(received).ok();
    let code = json.as_ref().and_then(Object::of).and_then(|o| o.text_at(&["error", "code"]));
    let visible = |c: char| if c.is_ascii_graphic() { c } else { '_' };
    code.map_or_else(|| "status_422".into(), |code| code.chars().take(60).map(visible).collect())
}

/// What a tracker says.
pub(super) fn found(tracker: Object<'_>, unmapped: &mut Unmapped) -> Lookup {
    let people: Vec<String> = tracker.text("signed_by").into_iter().collect();
    let mut list = Vec::new();
    for detail in tracker.list("tracking_details") {
        match Object::of(detail) {
            Some(detail) => list.push(checkpoint(detail, &people, unmapped)),
            // One odd event costs the others nothing.
            None => unmapped.insert("event", None),
        }
    }
    let mut checkpoints = timeline::in_order(list, Listed::OldestFirst);
    // Behind the start of a return, a delivery is one to the sender.
    let turned = checkpoints.iter().position(|c| c.status == ParcelStatus::Returning);
    for checkpoint in checkpoints.iter_mut().skip(turned.unwrap_or(usize::MAX)) {
        if checkpoint.status == ParcelStatus::Delivered {
            checkpoint.status = ParcelStatus::Returned;
        }
    }
    let newest = checkpoints.last().map(|c| c.status);
    let status = match status_of(tracker, unmapped) {
        Some(ParcelStatus::Delivered) if turned.is_some() => Some(ParcelStatus::Returned),
        Some(ParcelStatus::Returning) if newest == Some(ParcelStatus::Returned) => newest,
        other => other,
    };
    if status.is_none() && checkpoints.is_empty() {
        return Lookup::NotYetKnown;
    }
    let eta = tracker.text("est_delivery_date").and_then(|text| times::earliest(times::read(&text)));
    Lookup::Found(Snapshot { status, checkpoints, eta })
}

fn status_of(object: Object<'_>, unmapped: &mut Unmapped) -> Option<ParcelStatus> {
    let status = object.text("status")?;
    let detail = object.text("status_detail").unwrap_or_default();
    if let Some((_, _, closer)) = DETAILS.iter().find(|(s, d, _)| *s == status && *d == detail) {
        return Some(*closer);
    }
    match STATUSES.iter().find(|(known, _)| *known == status) {
        Some((_, status)) => *status,
        None => {
            unmapped.insert("status", Some(status));
            None
        }
    }
}

fn checkpoint(detail: Object<'_>, people: &[String], unmapped: &mut Unmapped) -> Checkpoint {
    let status = status_of(detail, unmapped);
    let raw: Vec<String> =
        ["status", "status_detail", "carrier_code"].iter().filter_map(|n| detail.text(n)).collect();
    let words = detail.text("description").or_else(|| detail.text("message"));
    let place = detail.object("tracking_location").and_then(place);
    let at = detail.text("datetime").map_or(EventTime::Missing, |text| times::read(&text));
    Checkpoint {
        // Without a place EasyPost knows no zone, and says UTC.
        at: match at {
            EventTime::Exact(instant) if place.is_none() => EventTime::Local(instant.naive_utc()),
            at => at,
        },
        status: status.unwrap_or(ParcelStatus::Unknown),
        raw_code: cleaned(&raw.join("/"), &[], CODE_CHARS),
        text: words.and_then(|words| cleaned(&words, people, TEXT_CHARS)),
        place,
    }
}

fn place(location: Object<'_>) -> Option<String> {
    let parts = ["city", "state", "country"].iter().filter_map(|name| location.text(name));
    cleaned(&parts.collect::<Vec<_>>().join(", "), &[], PLACE_CHARS)
}
