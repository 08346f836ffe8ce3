//! Track results as FedEx tells them.

use chrono::SecondsFormat;
use chrono_tz::Tz;
use serde_json::{Value, json};

use crate::timeline::parcel::{Order, Parcel};
use crate::timeline::step::{Event, Place, Step};

/// Where every parcel goes.
const DESTINATION: Tz = Tz::America__New_York;

/// The event's type, the state that it derives, and the words.
fn scan(step: Step) -> (&'static str, &'static str, &'static str) {
    match step {
        Step::Label => ("OC", "IN", "Shipment information sent to FedEx"),
        Step::PickedUp => ("PU", "PU", "Picked up"),
        Step::InTransit => ("IT", "IT", "In transit"),
        Step::AtBranch => ("AR", "IT", "At local FedEx facility"),
        Step::OutForDelivery => ("OD", "OD", "On FedEx vehicle for delivery"),
        Step::AttemptFailed => ("DE", "DE", "Delivery exception"),
        Step::ReadyForPickup => ("HL", "HL", "Ready for recipient pickup"),
        Step::Delivered | Step::Returned => ("DL", "DL", "Delivered"),
        Step::Exception | Step::Lost => ("SE", "SE", "Shipment exception"),
        Step::Returning => ("RS", "RS", "Returning package to shipper"),
        Step::Cancelled => ("CA", "CA", "Shipment cancelled by sender"),
    }
}

/// Why, for the states that have a reason: a code and its words.
fn reason(step: Step) -> Option<(&'static str, &'static str)> {
    match step {
        Step::AttemptFailed => Some(("08", "Recipient not available or business closed")),
        Step::Exception => Some(("17", "A request was made to change this delivery")),
        Step::Lost => Some(("90", "Unable to locate the package")),
        _ => None,
    }
}

/// All that is known under a number, an earlier parcel of the same number first; or the one of this unique id.
pub(crate) fn results(parcel: &Parcel, unique_id: Option<&str>) -> Vec<Value> {
    let mut all: Vec<(String, Value)> = Vec::new();
    if let Some(earlier) = parcel.the_earlier() {
        all.push((unique(&earlier), result(&earlier)));
    }
    all.push((unique(parcel), result(parcel)));
    let chosen: Vec<Value> = all
        .into_iter()
        .filter(|(id, _)| unique_id.is_none_or(|wanted| wanted == id))
        .map(|(_, result)| result)
        .collect();
    if chosen.is_empty() { vec![not_found(&parcel.number)] } else { chosen }
}

/// It sets parcels of one number apart.
fn unique(parcel: &Parcel) -> String {
    let days = parcel.events.first().map_or(0, |event| event.at.timestamp() / 86_400);
    format!("{days}~{}~FX", parcel.number)
}

pub(crate) fn not_found(number: &str) -> Value {
    with_error(
        number,
        "TRACKING.TRACKINGNUMBER.NOTFOUND",
        "Tracking number cannot be found. Please correct the tracking number and try again.",
    )
}

pub(crate) fn with_error(number: &str, code: &str, message: &str) -> Value {
    json!({
        "trackingNumberInfo": {
            "trackingNumber": number, "trackingNumberUniqueId": "", "carrierCode": "",
        },
        "error": { "code": code, "message": message },
    })
}

fn result(parcel: &Parcel) -> Value {
    let Some(last) = parcel.events.last() else { return Value::Null };
    let (code, derived, text) = scan(last.step);
    let mut scans: Vec<Value> =
        parcel.listed(Order::NewestFirst).iter().map(|event| scan_event(parcel, event)).collect();
    if parcel.step() == Step::Label && parcel.odd {
        scans.clear();
    }
    json!({
        "trackingNumberInfo": {
            "trackingNumber": parcel.number,
            "trackingNumberUniqueId": unique(parcel),
            "carrierCode": "FDXE",
        },
        "additionalTrackingInfo": {
            "nickname": "", "packageIdentifiers": [], "hasAssociatedShipments": false,
        },
        "latestStatusDetail": {
            "code": code,
            "derivedCode": derived,
            "statusByLocale": text,
            "description": text,
            "scanLocation": address(last.place),
            "ancillaryDetails": reason(last.step).map(|(code, text)| vec![json!({
                "reason": code, "reasonDescription": text, "action": "", "actionDescription": "",
            })]).unwrap_or_default(),
            "delayDetail": { "status": "ON_TIME" },
        },
        "dateAndTimes": dates(parcel),
        "scanEvents": scans,
        "availableImages": [],
        "serviceDetail": { "type": "FEDEX_GROUND", "description": "FedEx Ground", "shortDescription": "FG" },
    })
}

fn dates(parcel: &Parcel) -> Vec<Value> {
    let kinds = [
        ("SHIP", parcel.first_of(&[Step::Label])),
        ("ACTUAL_PICKUP", parcel.first_of(&[Step::PickedUp])),
        ("ACTUAL_DELIVERY", parcel.ended()),
    ];
    let known = kinds.into_iter().filter_map(|(kind, event)| Some((kind, event?)));
    let mut dates: Vec<Value> =
        known.map(|(kind, event)| json!({ "type": kind, "dateTime": date(event) })).collect();
    if let Some(eta) = parcel.eta() {
        let local = eta.with_timezone(&DESTINATION).to_rfc3339_opts(SecondsFormat::Secs, false);
        dates.push(json!({ "type": "ESTIMATED_DELIVERY", "dateTime": local }));
    }
    dates
}

fn scan_event(parcel: &Parcel, event: &Event) -> Value {
    let (kind, derived, text) = scan(event.step);
    let (exception, why) = reason(event.step).unwrap_or_default();
    let mut date = date(event);
    if parcel.odd && event.index == 1 {
        // A fraction of seven digits, one more than most parsers take.
        date = event.at.with_timezone(&event.place.zone).format("%Y-%m-%dT%H:%M:%S.6571145%:z").to_string();
    }
    json!({
        "date": date,
        "eventType": kind,
        "eventDescription": text,
        "exceptionCode": exception,
        "exceptionDescription": why,
        "derivedStatusCode": derived,
        "derivedStatus": text,
        "scanLocation": address(event.place),
        "locationId": "",
        "locationType": "FEDEX_FACILITY",
        "delayDetail": { "type": "", "subType": "", "status": "" },
    })
}

fn date(event: &Event) -> String {
    event.at.with_timezone(&event.place.zone).to_rfc3339_opts(SecondsFormat::Secs, false)
}

fn address(place: &Place) -> Value {
    json!({
        "streetLines": [""],
        "city": place.city.to_uppercase(),
        "stateOrProvinceCode": place.region,
        "postalCode": place.postal,
        "countryCode": place.country,
        "residential": false,
        "countryName": "",
    })
}
