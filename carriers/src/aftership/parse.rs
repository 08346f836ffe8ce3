//! What a tracking says.

use std::time::Duration;

use chrono::DateTime;
use forebay_domain::parcel::{Checkpoint, EventTime, Lookup, Snapshot};
use forebay_schemas::events::ParcelStatus;

use super::mapping::{REFUSALS, Refusal, SUBTAGS, TAGS};
use crate::body;
use crate::carrier::{Answered, Asked, Received, Unmapped};
use crate::error::CarrierError;
use crate::numbers;
use crate::personal::cleaned;
use crate::push::header;
use crate::timeline::{self, CODE_CHARS, Listed, PLACE_CHARS, TEXT_CHARS};
use crate::times;
use crate::wire::Object;

/// What the answer says of each parcel.
pub(super) fn parse(received: &Received<'_>, asked: &[Asked]) -> Result<Vec<Answered>, CarrierError> {
    let json = body::object(received);
    let object = json.as_ref().ok().and_then(Object::of);
    let meta = object.and_then(|o| o.object("meta")).and_then(|meta| meta.integer("code"));
    let all = |lookup: Lookup| Ok(asked.iter().map(|one| Answered::told(one, lookup.clone())).collect());
    match meta.and_then(|code| REFUSALS.iter().find(|(known, _)| *known == code)) {
        Some((_, Refusal::NotFound | Refusal::Exists)) => return all(Lookup::NotYetKnown),
        Some((_, Refusal::BadNumber)) => return all(Lookup::InvalidNumber),
        None => {}
    }
    // The envelope's code is the status in most answers, and closer than it in the others.
    let inner = meta.and_then(|code| u16::try_from(code).ok()).filter(|code| (100..600).contains(code));
    match inner.unwrap_or(received.status) {
        429 => {
            let retry_after = received.retry_after.or_else(|| until_reset(received));
            return Err(CarrierError::RateLimited { retry_after });
        }
        status => body::status_is(status, received)?,
    }
    let json = json?;
    let data = Object::of(&json).and_then(|o| o.object("data"));
    let part = |one: &Asked| {
        let mut unmapped = Unmapped::default();
        let nothing = || CarrierError::Malformed("no data in it".into());
        let outcome = data.ok_or_else(nothing).and_then(|data| of_one(data, one, &mut unmapped));
        Answered { asked: one.clone(), outcome, unmapped: unmapped.into_codes() }
    };
    Ok(asked.iter().map(part).collect())
}

/// `X-RateLimit-Reset` is an instant of the other side's clock.
fn until_reset(received: &Received<'_>) -> Option<Duration> {
    let seconds: i64 = header(received.headers, "x-ratelimit-reset")?.parse().ok()?;
    let wait = DateTime::from_timestamp(seconds, 0)? - received.date()?;
    Some(wait.to_std().unwrap_or(Duration::ZERO).min(forebay_outbound::http::RETRY_AFTER_MAX))
}

/// The answer holds a tracking, even if nothing is known of its parcel.
pub(super) fn is_registered(received: &Received<'_>) -> bool {
    let json = body::object(received).ok();
    let data = json.as_ref().and_then(Object::of).and_then(|o| o.object("data"));
    data.is_some_and(|data| !trackings(data).is_empty())
}

/// A list, one in a field, or the data itself.
fn trackings(data: Object<'_>) -> Vec<Object<'_>> {
    if data.has("trackings") {
        return data.objects("trackings");
    }
    let one = data.object("tracking").unwrap_or(data);
    if one.has("tracking_number") { vec![one] } else { Vec::new() }
}

fn of_one(data: Object<'_>, asked: &Asked, unmapped: &mut Unmapped) -> Result<Lookup, CarrierError> {
    let number = numbers::bare(&asked.number);
    let all = trackings(data);
    let is_it =
        |t: &&Object<'_>| t.text("tracking_number").is_some_and(|text| text.eq_ignore_ascii_case(&number));
    match all.iter().filter(is_it).max_by_key(|t| t.text("created_at")) {
        Some(tracking) => Ok(found(*tracking, unmapped)),
        None if all.is_empty() => Ok(Lookup::NotYetKnown),
        None => Err(CarrierError::Malformed("the answer is about another parcel".into())),
    }
}

/// What a tracking says.
pub(super) fn found(tracking: Object<'_>, unmapped: &mut Unmapped) -> Lookup {
    let people: Vec<String> = tracking.text("signed_by").into_iter().collect();
    let mut list = Vec::new();
    for checkpoint in tracking.list("checkpoints") {
        match Object::of(checkpoint) {
            Some(object) => list.push(event(object, &people, unmapped)),
            // One odd event costs the others nothing.
            None => unmapped.insert("event", None),
        }
    }
    let checkpoints = timeline::in_order(list, Listed::OldestFirst);
    // The tag is believed over the checkpoints: it has been seen to be ahead of them.
    let status = status_of(tracking, unmapped);
    if status.is_none() && checkpoints.is_empty() {
        return Lookup::NotYetKnown;
    }
    let eta = ["courier_estimated_delivery_date", "aftership_estimated_delivery_date"];
    let eta = eta.iter().find_map(|name| tracking.text_at(&[name, "estimated_delivery_date"]));
    let eta = eta
        .or_else(|| tracking.text("expected_delivery"))
        .and_then(|text| times::earliest(times::read(&text)));
    Lookup::Found(Snapshot { status, checkpoints, eta })
}

fn status_of(object: Object<'_>, unmapped: &mut Unmapped) -> Option<ParcelStatus> {
    let subtag = object.text("subtag");
    if let Some((_, status)) = SUBTAGS.iter().find(|(known, _)| subtag.as_deref() == Some(*known)) {
        return Some(*status);
    }
    let tag = object.text("tag")?;
    match TAGS.iter().find(|(known, _)| *known == tag) {
        Some((_, status)) => *status,
        None => {
            unmapped.insert("status", Some(tag));
            None
        }
    }
}

fn event(checkpoint: Object<'_>, people: &[String], unmapped: &mut Unmapped) -> Checkpoint {
    let status = status_of(checkpoint, unmapped);
    let raw = ["subtag", "tag", "raw_tag"].iter().find_map(|name| checkpoint.text(name));
    let words = checkpoint.text("message").or_else(|| checkpoint.text("subtag_message"));
    let place = ["city", "state", "country_region"].iter().filter_map(|name| checkpoint.text(name));
    let place = checkpoint.text("location").unwrap_or_else(|| place.collect::<Vec<_>>().join(", "));
    Checkpoint {
        at: checkpoint.text("checkpoint_time").map_or(EventTime::Missing, |text| times::read(&text)),
        status: status.unwrap_or(ParcelStatus::Unknown),
        raw_code: raw.and_then(|code| cleaned(&code, &[], CODE_CHARS)),
        text: words.and_then(|words| cleaned(&words, people, TEXT_CHARS)),
        place: cleaned(&place, people, PLACE_CHARS),
    }
}
