//! What an answer says: of the whole call, then of each parcel.

use forebay_domain::parcel::{Checkpoint, EventTime, Lookup, Snapshot};
use forebay_schemas::events::ParcelStatus;
use serde_json::Value;

use super::mapping::{RATE_LIMIT_WORDS, REFUSALS, Refusal, STATUSES};
use crate::body;
use crate::carrier::{Answered, Asked, Received, Unmapped};
use crate::error::CarrierError;
use crate::personal::cleaned;
use crate::timeline::{self, CODE_CHARS, Listed, PLACE_CHARS, TEXT_CHARS};
use crate::times;
use crate::wire::Object;
use crate::words::is_sent_back;

/// The body, unless it says that the whole call failed.
pub(super) fn whole(received: &Received<'_>) -> Result<Value, CarrierError> {
    let json = body::object(received);
    let refused = json.as_ref().ok().and_then(Object::of).and_then(refusal);
    match refused {
        Some((Refusal::Credentials, code, _)) => Err(CarrierError::Auth(code)),
        Some((Refusal::Forbidden, _, message)) if message.to_lowercase().contains(RATE_LIMIT_WORDS) => {
            Err(CarrierError::RateLimited { retry_after: received.retry_after })
        }
        Some((Refusal::Forbidden, code, _)) => Err(CarrierError::Auth(code)),
        Some((Refusal::BadQuestion, code, _)) => {
            let detail = "is it a server of tracker.delivery, and of a release that knows this question?";
            Err(CarrierError::Rejected { code, detail })
        }
        // The other codes are about the parcel, whatever status they come under.
        Some(_) => json,
        None => {
            body::status(received)?;
            json
        }
    }
}

/// Whether a webhook was registered.
pub(super) fn subscribed(received: &Received<'_>) -> Result<(), CarrierError> {
    let body = whole(received)?;
    let object = Object::of(&body);
    let said = object.and_then(|object| object.object("data")).map(|data| data.has("registerTrackWebhook"));
    match (object.and_then(refusal), said) {
        (Some((_, code, _)), _) => Err(CarrierError::Transient(code)),
        (None, Some(true)) => Ok(()),
        (None, _) => Err(CarrierError::Malformed("neither a registration nor an error".into())),
    }
}

/// The first error with a code that we know.
fn refusal(object: Object<'_>) -> Option<(Refusal, String, String)> {
    object.objects("errors").into_iter().find_map(|error| {
        let code = error.text_at(&["extensions", "code"])?;
        let (_, refusal) = REFUSALS.iter().find(|(known, _)| *known == code)?;
        Some((*refusal, code, error.text("message").unwrap_or_default()))
    })
}

/// What the answer says of one parcel.
pub(super) fn part(body: &Value, asked: &Asked, received: &Received<'_>) -> Answered {
    let mut unmapped = Unmapped::default();
    let outcome = match Object::of(body) {
        Some(object) => outcome(object, received, &mut unmapped),
        None => Err(CarrierError::Malformed("JSON, but no object".into())),
    };
    Answered { asked: asked.clone(), outcome, unmapped: unmapped.into_codes() }
}

fn outcome(
    object: Object<'_>,
    received: &Received<'_>,
    unmapped: &mut Unmapped,
) -> Result<Lookup, CarrierError> {
    if let Some(track) = object.object("data").and_then(|data| data.object("track")) {
        return Ok(found(track, unmapped));
    }
    match refusal(object) {
        Some((Refusal::NotFound, ..)) => Ok(Lookup::NotYetKnown),
        Some((Refusal::BadNumber, ..)) => Ok(Lookup::InvalidNumber),
        Some((_, code, _)) => Err(CarrierError::Transient(code)),
        None if object.objects("errors").is_empty() => {
            Err(CarrierError::Malformed("neither a parcel nor an error".into()))
        }
        None => {
            for error in object.objects("errors") {
                unmapped.insert("error", error.text_at(&["extensions", "code"]));
            }
            body::status(received)?;
            Err(CarrierError::Transient("an error with a code that is not known".into()))
        }
    }
}

fn found(track: Object<'_>, unmapped: &mut Unmapped) -> Lookup {
    let edges = track.object("events").map(|events| events.list("edges")).unwrap_or_default();
    let mut list = Vec::with_capacity(edges.len());
    for edge in edges {
        match Object::of(edge).and_then(|edge| edge.object("node")) {
            Some(event) => list.push(checkpoint(event, unmapped)),
            // One odd event costs the others nothing.
            None => unmapped.insert("event", None),
        }
    }
    let checkpoints = timeline::in_order(list, Listed::OldestFirst);
    let last = track.object("lastEvent").and_then(|event| status_of(event, unmapped));
    let sent_back = checkpoints.iter().any(|c| c.status == ParcelStatus::Returning);
    let newest = checkpoints.last().map(|c| c.status);
    let status = match last {
        Some(ParcelStatus::Delivered) if sent_back => Some(ParcelStatus::Returned),
        Some(_) if newest == Some(ParcelStatus::Returning) => newest,
        other => other,
    };
    if checkpoints.is_empty() && status.is_none() {
        return Lookup::NotYetKnown;
    }
    Lookup::Found(Snapshot { status, checkpoints, eta: None })
}

fn checkpoint(event: Object<'_>, unmapped: &mut Unmapped) -> Checkpoint {
    let status = status_of(event, unmapped).unwrap_or(ParcelStatus::Unknown);
    let name = event.text_at(&["status", "name"]);
    let words = event.text("description").or_else(|| name.clone());
    let sent_back = [&words, &name].into_iter().flatten().any(|w| is_sent_back(w));
    Checkpoint {
        at: event.text("time").map_or(EventTime::Missing, |text| times::read(&text)),
        // A code of delivery is believed over words: the parcel is then back.
        status: match status {
            ParcelStatus::Delivered if sent_back => ParcelStatus::Returned,
            _ if sent_back => ParcelStatus::Returning,
            status => status,
        },
        raw_code: event.text_at(&["status", "code"]).and_then(|c| cleaned(&c, &[], CODE_CHARS)),
        text: words.and_then(|w| cleaned(&w, &[], TEXT_CHARS)),
        place: event.text_at(&["location", "name"]).and_then(|p| cleaned(&p, &[], PLACE_CHARS)),
    }
}

fn status_of(event: Object<'_>, unmapped: &mut Unmapped) -> Option<ParcelStatus> {
    let code = event.text_at(&["status", "code"])?;
    match STATUSES.iter().find(|(known, _)| *known == code) {
        Some((_, status)) => *status,
        None => {
            unmapped.insert("status", Some(code));
            None
        }
    }
}
