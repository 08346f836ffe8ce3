//! What an answer says.

use forebay_domain::parcel::{Checkpoint, EventTime, Lookup, Snapshot};
use forebay_schemas::events::ParcelStatus;

use super::mapping::{IN_TRANSIT, STATUSES};
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
        404 if is_problem(received) => {
            return Ok(asked.iter().map(|one| Answered::told(one, Lookup::NotYetKnown)).collect());
        }
        // A number that was purged brings 404 or 500, so that 500 says nothing of the system as a whole.
        500 if is_problem(received) => {
            let error = CarrierError::Transient("status 500".into());
            return Ok(asked.iter().map(|one| Answered::error(one, error.clone())).collect());
        }
        _ => body::status(received)?,
    }
    let json = body::object(received)?;
    let object = Object::of(&json);
    let part = |one: &Asked| {
        let mut unmapped = Unmapped::default();
        let nothing = || CarrierError::Malformed("no list of shipments in it".into());
        let outcome = match object.filter(|o| o.has("shipments")) {
            Some(object) => shipment(object, one, &mut unmapped),
            None => Err(nothing()),
        };
        Answered { asked: one.clone(), outcome, unmapped: unmapped.into_codes() }
    };
    Ok(asked.iter().map(part).collect())
}

/// An answer of the API's own, and not of something in front of it that knows no such path.
fn is_problem(received: &Received<'_>) -> bool {
    body::object(received).is_ok_and(|json| json.get("title").is_some() || json.get("detail").is_some())
}

fn shipment(object: Object<'_>, asked: &Asked, unmapped: &mut Unmapped) -> Result<Lookup, CarrierError> {
    let shipments = object.objects("shipments");
    if shipments.is_empty() {
        return Ok(Lookup::NotYetKnown);
    }
    // Without a division DHL may answer about more parcels than the one asked about, or about another one.
    let number = numbers::bare(&asked.number);
    let one = shipments.iter().find(|s| is_it(s.text("id"), &number));
    let one = one.or_else(|| shipments.iter().find(|s| names(**s, &number)));
    let Some(shipment) = one else {
        return Err(CarrierError::Malformed("the answer is about another parcel".into()));
    };
    let returned = shipment.flag("returnFlag") == Some(true);
    let mut list = Vec::new();
    for event in shipment.list("events") {
        match Object::of(event) {
            Some(event) => list.push(checkpoint(event, unmapped)),
            // One odd event costs the others nothing.
            None => unmapped.insert("event", None),
        }
    }
    let checkpoints = timeline::in_order(list, Listed::NewestFirst);
    let status = shipment.object("status").and_then(|status| status_of(status, unmapped));
    // A parcel on its way back is delivered too, in the end: to its sender.
    let status = match status {
        Some(ParcelStatus::Delivered) if returned => Some(ParcelStatus::Returned),
        Some(ParcelStatus::InTransit | ParcelStatus::OutForDelivery) if returned => {
            Some(ParcelStatus::Returning)
        }
        other => other,
    };
    if status.is_none() && checkpoints.is_empty() {
        return Ok(Lookup::NotYetKnown);
    }
    let eta = shipment.text("estimatedTimeOfDelivery").and_then(|text| times::earliest(times::read(&text)));
    Ok(Lookup::Found(Snapshot { status, checkpoints, eta }))
}

fn is_it(text: Option<String>, number: &str) -> bool {
    let bare = |text: String| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>();
    text.map(bare).is_some_and(|text| text.eq_ignore_ascii_case(number))
}

/// The shipment bears another id, at another division, and names the number that was asked about.
fn names(shipment: Object<'_>, number: &str) -> bool {
    let Some(details) = shipment.object("details") else { return false };
    let references = details.objects("references").into_iter().map(|r| r.text("number"));
    let pieces = details.list("pieceIds").iter().map(|p| p.as_str().map(str::to_owned));
    references.chain(pieces).any(|text| is_it(text, number))
}

fn status_of(status: Object<'_>, unmapped: &mut Unmapped) -> Option<ParcelStatus> {
    let code = status.text("statusCode")?;
    match STATUSES.iter().find(|(known, _)| *known == code) {
        Some((_, Some(ParcelStatus::InTransit))) => Some(in_transit(status)),
        Some((_, status)) => *status,
        None => {
            unmapped.insert("status", Some(code));
            None
        }
    }
}

fn in_transit(status: Object<'_>) -> ParcelStatus {
    let words = ["status", "description"].into_iter().filter_map(|name| status.text(name));
    let words: Vec<String> = words.map(|w| w.trim_end_matches('.').to_lowercase()).collect();
    let closer = IN_TRANSIT.iter().find(|(phrase, _)| words.iter().any(|w| w == phrase));
    closer.map_or(ParcelStatus::InTransit, |(_, status)| *status)
}

fn checkpoint(event: Object<'_>, unmapped: &mut Unmapped) -> Checkpoint {
    let code = event.text("statusCode");
    let status = status_of(event, unmapped);
    let closer =
        event.text("status").filter(|s| s.len() <= 4 && s.bytes().all(|b| b.is_ascii_alphanumeric()));
    // Some divisions put a code of their own where others put words.
    let raw = match (code, closer) {
        (Some(code), Some(closer)) => Some(format!("{code}/{closer}")),
        (code, closer) => code.or(closer),
    };
    let words = event.text("description").or_else(|| event.text("status"));
    Checkpoint {
        at: event.text("timestamp").map_or(EventTime::Missing, |text| times::read(&text)),
        status: status.unwrap_or(ParcelStatus::Unknown),
        raw_code: raw.and_then(|code| cleaned(&code, &[], CODE_CHARS)),
        text: words.and_then(|words| cleaned(&words, &[], TEXT_CHARS)),
        place: place(event),
    }
}

fn place(event: Object<'_>) -> Option<String> {
    let address = event.object("location")?.object("address")?;
    let parts = ["addressLocality", "countryCode"].iter().filter_map(|name| address.text(name));
    cleaned(&parts.collect::<Vec<_>>().join(", "), &[], PLACE_CHARS)
}
