//! Shipments as DHL tells them.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::timeline::parcel::{Order, Parcel, chosen};
use crate::timeline::step::{Event, Place, Step};

/// The services' names, one a shipment.
const SERVICES: [&str; 3] = ["express", "parcel-de", "ecommerce"];

/// The closed code, and the free text beside it.
fn status(step: Step) -> (&'static str, &'static str, &'static str) {
    match step {
        Step::Label => ("pre-transit", "SHIPMENT INFORMATION RECEIVED", "The shipment data was sent to DHL."),
        Step::PickedUp => ("transit", "PICKED UP", "The shipment was picked up."),
        Step::InTransit => ("transit", "IN TRANSIT", "The shipment was processed in a parcel center."),
        Step::AtBranch => ("transit", "ARRIVED AT DELIVERY DEPOT", "The shipment is at the delivery depot."),
        Step::OutForDelivery => ("transit", "OUT FOR DELIVERY", "The shipment is out for delivery."),
        Step::AttemptFailed => ("failure", "DELIVERY ATTEMPTED", "The recipient was not met."),
        Step::ReadyForPickup => ("transit", "READY FOR PICKUP", "The shipment can be picked up."),
        Step::Delivered => ("delivered", "DELIVERED", "The shipment was delivered."),
        Step::Exception => ("failure", "HELD", "The shipment is on hold."),
        Step::Returning => ("transit", "RETURN TO SENDER", "The shipment is on its way back to its sender."),
        // The code alone would mean that its receiver has it; only the flag tells that it came back.
        Step::Returned => ("delivered", "DELIVERED", "The shipment was delivered to its sender."),
        Step::Lost => ("failure", "LOST", "The shipment could not be found."),
        Step::Cancelled => ("unknown", "CANCELLED", "The shipment was called off."),
    }
}

/// What is found under a number: another shipment first where the service was left open, an earlier one of the same
/// number behind it.
pub(crate) fn shipments(parcel: &Parcel, service: Option<&str>) -> Vec<Value> {
    let mut list = vec![shipment(parcel, &parcel.number)];
    if parcel.another_id && service.is_none() {
        list.insert(0, shipment(parcel, &format!("{}00", parcel.number)));
    }
    list.extend(parcel.the_earlier().map(|earlier| shipment(&earlier, &earlier.number)));
    list
}

fn shipment(parcel: &Parcel, id: &str) -> Value {
    let events: Vec<Value> =
        parcel.listed(Order::NewestFirst).iter().map(|event| told(parcel, event)).collect();
    let Some(last) = parcel.events.last() else { return Value::Null };
    let mut shipment = json!({
        "id": id,
        "service": chosen(&SERVICES, parcel.hash),
        "origin": parcel.events.first().map(|event| place(event.place)),
        "destination": { "address": { "countryCode": "KR", "addressLocality": "Seoul" } },
        "status": told(parcel, last),
        "details": { "proofOfDeliverySignedAvailable": false, "totalNumberOfPieces": 1, "pieceIds": [id] },
        "events": events,
    });
    if parcel.step() == Step::Returned {
        shipment["returnFlag"] = json!(true);
    }
    if let Some(eta) = parcel.eta() {
        shipment["estimatedTimeOfDelivery"] = json!(local(eta, last.place));
    }
    if parcel.odd {
        // The free text contradicts the code, and the time of the state is missing.
        shipment["status"]["status"] = json!("IN TRANSIT");
        shipment["status"].as_object_mut().map(|status| status.remove("timestamp"));
    }
    shipment
}

fn told(parcel: &Parcel, event: &Event) -> Value {
    let (code, text, description) = status(event.step);
    json!({
        "timestamp": timestamp(parcel, event),
        "location": place(event.place),
        "statusCode": code,
        "status": text,
        "description": description,
        "remark": "",
        "nextSteps": "",
    })
}

/// With an offset, in UTC or without any zone, all three in one answer; an odd parcel has no zone anywhere.
fn timestamp(parcel: &Parcel, event: &Event) -> String {
    let kind = if parcel.odd { 2 } else { event.index % 3 };
    match kind {
        0 => event.at.with_timezone(&event.place.zone).to_rfc3339_opts(SecondsFormat::Secs, false),
        1 => event.at.to_rfc3339_opts(SecondsFormat::Secs, true),
        _ => local(event.at, event.place),
    }
}

fn local(at: DateTime<Utc>, place: &Place) -> String {
    at.with_timezone(&place.zone).format("%Y-%m-%dT%H:%M:%S").to_string()
}

fn place(place: &Place) -> Value {
    let locality = if place.region.is_empty() {
        place.city.to_owned()
    } else {
        format!("{}, {}", place.city, place.region)
    };
    json!({
        "address": {
            "countryCode": place.country,
            "postalCode": place.postal,
            "addressLocality": locality,
        }
    })
}
