//! Packages as UPS tells them.

use chrono::{DateTime, Offset as _, Utc};
use serde_json::{Value, json};

use crate::timeline::parcel::{Order, Parcel};
use crate::timeline::step::{Event, Place, Step};

const DAY: &str = "%Y%m%d";
const TIME: &str = "%H%M%S";

/// The type, the old code, the status code and the words.
fn status(step: Step) -> (&'static str, &'static str, &'static str, &'static str) {
    match step {
        Step::Label => ("M", "MP", "003", "Shipper created a label, UPS has not received the package yet."),
        Step::PickedUp => ("I", "OR", "038", "Origin Scan"),
        Step::InTransit => ("I", "DP", "005", "Departed from Facility"),
        Step::AtBranch => ("I", "AR", "010", "Arrived at Facility"),
        Step::OutForDelivery => ("I", "OT", "021", "Out For Delivery Today"),
        Step::AttemptFailed => ("X", "48", "022", "Delivery attempted"),
        Step::ReadyForPickup => ("I", "ZP", "161", "Delivered to UPS Access Point, awaiting pickup"),
        Step::Delivered => ("D", "FS", "011", "Delivered"),
        Step::Exception => ("X", "X4", "013", "An exception has occurred"),
        Step::Returning => ("X", "RS", "036", "Returning to Sender"),
        Step::Returned => ("D", "RT", "034", "Returned to Sender"),
        Step::Lost => ("X", "LF", "147", "The package could not be delivered and was disposed of"),
        Step::Cancelled => ("MV", "VM", "007", "Shipment voided"),
    }
}

/// What is found under a number, an earlier parcel of the same number first.
pub(crate) fn packages(parcel: &Parcel) -> Vec<Value> {
    let earlier = parcel.the_earlier();
    earlier.iter().chain([parcel]).map(package).collect()
}

fn package(parcel: &Parcel) -> Value {
    let Some(last) = parcel.events.last() else { return Value::Null };
    let (_, _, code, text) = status(last.step);
    let activity: Vec<Value> =
        parcel.listed(Order::NewestFirst).iter().map(|event| told(parcel, event)).collect();
    let day_of = |at: DateTime<Utc>| at.with_timezone(&last.place.zone).format(DAY).to_string();
    let dates: Vec<Value> = match (parcel.ended(), parcel.eta()) {
        (Some(event), _) => vec![json!({ "type": "DEL", "date": local(event).0 })],
        (None, Some(eta)) => vec![json!({ "type": "SDD", "date": day_of(eta) })],
        (None, None) => Vec::new(),
    };
    json!({
        "trackingNumber": parcel.number,
        "activity": activity,
        "currentStatus": {
            "code": code, "description": text, "simplifiedTextDescription": text, "statusCode": code,
        },
        "deliveryDate": dates,
        "deliveryTime": parcel.ended().map_or_else(
            || json!({ "type": "EOD" }),
            |event| json!({ "type": "DEL", "endTime": local(event).1 }),
        ),
        "packageAddress": [],
        "referenceNumber": [],
        // An odd parcel's shipment has one more package, for which one would have to ask again.
        "packageCount": if parcel.odd { 2 } else { 1 },
        "service": { "code": "518", "levelCode": "003", "description": "UPS Ground" },
        "weight": { "unitOfMeasurement": "LBS", "weight": "1.00" },
    })
}

/// Local date and time, and the same in GMT: `gmtDate` and `gmtTime` are UTC already. Older answers, here an odd
/// parcel's, have the local ones only.
fn told(parcel: &Parcel, event: &Event) -> Value {
    let (kind, code, status_code, text) = status(event.step);
    let (date, time) = local(event);
    let mut told = json!({
        "location": { "address": address(event.place), "slic": "" },
        "status": {
            "type": kind, "code": code, "statusCode": status_code, "description": text,
            "simplifiedTextDescription": text,
        },
        "date": date,
        "time": time,
    });
    if !parcel.odd {
        let offset = event.at.with_timezone(&event.place.zone).offset().fix().to_string();
        told["gmtDate"] = json!(event.at.format(DAY).to_string());
        told["gmtTime"] = json!(event.at.format("%H:%M:%S").to_string());
        told["gmtOffset"] = json!(offset);
    }
    told
}

fn local(event: &Event) -> (String, String) {
    let at = event.at.with_timezone(&event.place.zone);
    (at.format(DAY).to_string(), at.format(TIME).to_string())
}

fn address(place: &Place) -> Value {
    json!({
        "city": place.city,
        "stateProvince": place.region,
        "countryCode": place.country,
        "country": place.country,
    })
}
