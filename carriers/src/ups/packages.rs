//! One parcel: its status and what happened to it.

use chrono::{NaiveDate, NaiveTime};
use forebay_domain::parcel::{Checkpoint, EventTime, Lookup, Snapshot};
use forebay_schemas::events::ParcelStatus;

use super::mapping::{CODES, EXPECTED, PAIRS, TYPES};
use crate::carrier::{Asked, Unmapped};
use crate::error::CarrierError;
use crate::numbers;
use crate::personal::cleaned;
use crate::timeline::{self, CODE_CHARS, Listed, PLACE_CHARS, TEXT_CHARS};
use crate::times;
use crate::wire::Object;

/// What is known of the parcel that was asked about.
pub(super) fn found(
    response: Object<'_>,
    asked: &Asked,
    unmapped: &mut Unmapped,
) -> Result<Lookup, CarrierError> {
    let packages: Vec<Object<'_>> =
        response.objects("shipment").into_iter().flat_map(|s| s.objects("package")).collect();
    if packages.is_empty() {
        return Ok(Lookup::NotYetKnown);
    }
    // A shipment of several parcels is told as a whole.
    let number = numbers::bare(&asked.number);
    let is_it = |p: &&Object<'_>| p.text("trackingNumber").is_some_and(|t| t.eq_ignore_ascii_case(&number));
    let Some(package) = packages.iter().find(is_it) else {
        return Err(CarrierError::Malformed("the answer is about another parcel".into()));
    };
    // Who signed for it stands beside the activities, and at times within their words.
    let signed_by = package.object("deliveryInformation").and_then(|d| d.text("receivedBy"));
    let people: Vec<String> = signed_by.into_iter().collect();
    let mut list = Vec::new();
    for activity in package.list("activity") {
        match Object::of(activity) {
            Some(activity) => list.push(checkpoint(activity, &people, unmapped)),
            // One odd activity costs the others nothing.
            None => unmapped.insert("event", None),
        }
    }
    let checkpoints = timeline::in_order(list, Listed::NewestFirst);
    let status = status(*package, &checkpoints, unmapped);
    if status.is_none() && checkpoints.is_empty() {
        return Ok(Lookup::NotYetKnown);
    }
    let dates = package.objects("deliveryDate");
    let eta =
        EXPECTED.iter().find_map(|kind| dates.iter().find(|d| d.text("type").as_deref() == Some(*kind)));
    let eta = eta.and_then(|date| date.text("date")).and_then(|text| date_of(&text));
    let eta = eta.and_then(|day| times::earliest(times::day(day)));
    Ok(Lookup::Found(Snapshot { status, checkpoints, eta }))
}

/// Where the parcel is as a whole: its newest activity when that turns it around, else its current status.
fn status(package: Object<'_>, checkpoints: &[Checkpoint], unmapped: &mut Unmapped) -> Option<ParcelStatus> {
    let newest = checkpoints.last().map(|c| c.status);
    if matches!(newest, Some(ParcelStatus::Returning | ParcelStatus::Returned)) {
        return newest;
    }
    let current = package.object("currentStatus")?;
    let code = current.text("code").or_else(|| current.text("statusCode"));
    let kind = current.text("type");
    let status = meaning(kind.as_deref(), None, code.as_deref(), unmapped);
    let turned = checkpoints.iter().any(|c| c.status == ParcelStatus::Returning);
    match status {
        // Behind the start of a return, a delivery is one to the sender.
        Some(ParcelStatus::Delivered) if turned => Some(ParcelStatus::Returned),
        other => other,
    }
}

/// What type, activity's code and status code mean together.
fn meaning(
    kind: Option<&str>,
    own: Option<&str>,
    code: Option<&str>,
    unmapped: &mut Unmapped,
) -> Option<ParcelStatus> {
    let pair = PAIRS.iter().find(|(k, o, _)| kind == Some(*k) && own == Some(*o));
    let of_code = CODES.iter().find(|(known, _)| code == Some(*known)).map(|(_, status)| *status);
    if let Some(status) = pair.map(|(_, _, status)| *status).or(of_code) {
        return Some(status);
    }
    let of_type = TYPES.iter().find(|(known, _)| kind == Some(*known));
    match (of_type, code.or(kind)) {
        // A type that says where the parcel is needs no code.
        (Some((_, Some(status))), _) => Some(*status),
        (_, Some(stranger)) => {
            unmapped.insert("status", Some(stranger.to_owned()));
            None
        }
        (_, None) => None,
    }
}

fn checkpoint(activity: Object<'_>, people: &[String], unmapped: &mut Unmapped) -> Checkpoint {
    let status = activity.object("status");
    let text = |name: &str| status.and_then(|s| s.text(name));
    let (kind, own, code) = (text("type"), text("code"), text("statusCode"));
    let meant = meaning(kind.as_deref(), own.as_deref(), code.as_deref(), unmapped);
    let raw: Vec<String> = [kind, own, code].into_iter().flatten().collect();
    Checkpoint {
        at: time_of(activity),
        status: meant.unwrap_or(ParcelStatus::Unknown),
        raw_code: cleaned(&raw.join("/"), &[], CODE_CHARS),
        text: text("description").and_then(|words| cleaned(&words, people, TEXT_CHARS)),
        place: place(activity),
    }
}

/// The GMT fields are UTC already, whatever offset stands beside them. Older answers have a local time alone, whose
/// zone is nowhere said.
fn time_of(activity: Object<'_>) -> EventTime {
    let date = |name: &str| activity.text(name).and_then(|t| date_of(&t));
    let time = |name: &str| activity.text(name).and_then(|t| time_of_day(&t));
    match (date("gmtDate"), time("gmtTime"), date("date"), time("time")) {
        (Some(day), Some(time), ..) => times::exact(day.and_time(time).and_utc()),
        (_, _, Some(day), Some(time)) => times::local_time(day.and_time(time)),
        (_, _, Some(day), None) => times::day(day),
        _ => EventTime::Missing,
    }
}

fn date_of(text: &str) -> Option<NaiveDate> {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    NaiveDate::parse_from_str(&digits, "%Y%m%d").ok()
}

fn time_of_day(text: &str) -> Option<NaiveTime> {
    let digits: String = text.chars().filter(|c| *c != ':').collect();
    NaiveTime::parse_from_str(&digits, "%H%M%S").ok()
}

fn place(activity: Object<'_>) -> Option<String> {
    let address = activity.object("location")?.object("address")?;
    let state = address.text("stateProvince").or_else(|| address.text("stateProvinceCode"));
    let country = address.text("countryCode").or_else(|| address.text("country"));
    let parts: Vec<String> = [address.text("city"), state, country].into_iter().flatten().collect();
    cleaned(&parts.join(", "), &[], PLACE_CHARS)
}
