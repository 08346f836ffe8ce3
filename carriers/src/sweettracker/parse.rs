//! What an answer says: of the whole call, then of each parcel.

use std::collections::BTreeSet;

use forebay_domain::parcel::{Lookup, Snapshot};
use forebay_schemas::events::ParcelStatus;
use serde_json::Value;

use super::events::{self, Events};
use super::mapping::{self, LEVEL_DELIVERED, LEVEL_NOTHING, Refusal};
use crate::body;
use crate::carrier::{Answered, Asked, Received};
use crate::error::CarrierError;
use crate::wire::Object;

/// Fields of which at least one stands in every answer about a parcel.
const MARKS: &[&str] = &["level", "trackingDetails", "complete", "completeYN", "lastDetail", "result"];

/// The body as JSON, unless it says that the whole call failed.
pub(super) fn whole(received: &Received<'_>) -> Result<Value, CarrierError> {
    let json = serde_json::from_slice::<Value>(body::trimmed(received)).ok();
    let object = json.as_ref().and_then(Object::of);
    match object.and_then(error_code).map(mapping::refusal) {
        Some(Refusal::Key) => {
            let code = object.and_then(error_code).unwrap_or_default();
            return Err(CarrierError::Auth(format!("code {code}")));
        }
        Some(Refusal::Quota) => {
            return Err(CarrierError::QuotaExhausted { retry_after: received.retry_after });
        }
        // The other codes are about the parcel, whatever status they come under.
        Some(_) => return Ok(json.unwrap_or_default()),
        None => {}
    }
    // Its framework's own errors carry the status as a number, at times under 200.
    let inner = object.and_then(|o| o.integer("status")).and_then(|s| u16::try_from(s).ok());
    body::status_is(inner.filter(|s| (100..600).contains(s)).unwrap_or(received.status), received)?;
    body::object(received)
}

/// The code of a business error: `status` false, or a code with a message and nothing about a parcel.
fn error_code(object: Object<'_>) -> Option<i64> {
    let refused = object.flag("status") == Some(false);
    let bare = object.has("msg") && !MARKS.iter().any(|m| object.has(m));
    (refused || bare).then(|| object.integer("code")).flatten()
}

/// What the answer says of one parcel.
pub(super) fn part(body: &Value, asked: &Asked) -> Answered {
    let mut unmapped = BTreeSet::new();
    let outcome = match Object::of(body) {
        Some(object) => outcome(object, asked, &mut unmapped),
        None => Err(CarrierError::Malformed("JSON, but no object".into())),
    };
    Answered { asked: asked.clone(), outcome, unmapped: unmapped.into_iter().collect() }
}

fn outcome(
    object: Object<'_>,
    asked: &Asked,
    unmapped: &mut BTreeSet<String>,
) -> Result<Lookup, CarrierError> {
    if let Some(code) = error_code(object) {
        return refused(code, unmapped);
    }
    if object.flag("status") == Some(false) {
        return Err(CarrierError::Transient("an error without a code".into()));
    }
    if !MARKS.iter().any(|m| object.has(m)) {
        return Err(CarrierError::Malformed("nothing in it is about a parcel".into()));
    }
    // Systems have been seen to answer about another parcel than the one asked about.
    let theirs = object.text("invoiceNo").map(|n| bare(&n));
    if theirs.is_some_and(|n| !n.is_empty() && !n.eq_ignore_ascii_case(&bare(asked.number.as_str()))) {
        return Err(CarrierError::Malformed("the answer is about another parcel".into()));
    }
    let events = events::read(object, unmapped);
    let level = object.integer("level");
    if let Some(level) = level.filter(|l| *l != LEVEL_NOTHING && mapping::status_of_level(*l).is_none()) {
        unmapped.insert(format!("level:{level}"));
    }
    let status = status(object, level, &events);
    if status.is_none() && events.checkpoints.is_empty() && level.is_none_or(|l| l == LEVEL_NOTHING) {
        return Ok(Lookup::NotYetKnown);
    }
    Ok(Lookup::Found(Snapshot { status, checkpoints: events.checkpoints, eta: None }))
}

fn refused(code: i64, unmapped: &mut BTreeSet<String>) -> Result<Lookup, CarrierError> {
    match mapping::refusal(code) {
        Refusal::NotFound => Ok(Lookup::NotYetKnown),
        Refusal::NumberTooOften => Err(CarrierError::RateLimited { retry_after: None }),
        Refusal::LookupFailed => Err(CarrierError::Transient(format!("code {code}"))),
        // Those two were answered for the whole call.
        Refusal::Key => Err(CarrierError::Auth(format!("code {code}"))),
        Refusal::Quota => Err(CarrierError::QuotaExhausted { retry_after: None }),
        Refusal::Other => {
            unmapped.insert(format!("error:{code}"));
            let detail = "Sweet Tracker refused the parcel with a code that is not known";
            Err(CarrierError::Rejected { code: code.to_string(), detail })
        }
    }
}

/// Where the parcel is as a whole. A parcel that is sent back is delivered too, in the end: to its sender.
fn status(object: Object<'_>, level: Option<i64>, events: &Events) -> Option<ParcelStatus> {
    let newest = events.checkpoints.last().map(|c| c.status);
    let delivered = object.flag("complete") == Some(true)
        || object.flag("completeYN") == Some(true)
        || level == Some(LEVEL_DELIVERED)
        || newest == Some(ParcelStatus::Delivered);
    match newest {
        _ if delivered && events.sent_back => Some(ParcelStatus::Returned),
        _ if delivered => Some(ParcelStatus::Delivered),
        Some(back @ (ParcelStatus::Returning | ParcelStatus::Returned)) => Some(back),
        _ => level.and_then(mapping::status_of_level),
    }
}

/// A number as Sweet Tracker takes it: without hyphens.
pub(super) fn bare(number: &str) -> String {
    number.chars().filter(char::is_ascii_alphanumeric).collect()
}
