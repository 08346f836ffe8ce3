//! Trackers as EasyPost tells them.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::carriers::trackers::Tracker;
use crate::timeline::parcel::{Order, Parcel};
use crate::timeline::step::{Event, Step};

/// What is known of a tracker's parcel.
#[derive(Debug)]
pub(crate) enum Said {
    Found(Box<Parcel>),
    Unknown,
    /// EasyPost's own asking failed.
    Error,
}

/// The state, its detail and the words.
fn status(step: Step) -> (&'static str, &'static str, &'static str) {
    match step {
        Step::Label => ("pre_transit", "label_created", "Shipping Label Created"),
        Step::PickedUp => ("in_transit", "received_at_origin_facility", "Accepted at Origin Facility"),
        Step::InTransit => ("in_transit", "departed_facility", "Departed Facility"),
        Step::AtBranch => ("in_transit", "arrived_at_destination", "Arrived at Destination Facility"),
        Step::OutForDelivery => ("out_for_delivery", "out_for_delivery", "Out for Delivery"),
        Step::AttemptFailed => ("failure", "delivery_attempted", "Delivery Attempted, Nobody Home"),
        Step::ReadyForPickup => ("available_for_pickup", "available_for_pickup", "Available for Pickup"),
        Step::Delivered => ("delivered", "arrived_at_destination", "Delivered"),
        Step::Exception => ("failure", "status_update", "Held, Address Problem"),
        Step::Returning => ("return_to_sender", "return", "Return to Sender"),
        Step::Returned => ("return_to_sender", "return", "Delivered to Sender"),
        Step::Lost => ("failure", "lost", "Lost"),
        Step::Cancelled => ("cancelled", "cancelled", "Shipment Cancelled"),
    }
}

pub(crate) fn told(tracker: &Tracker, said: &Said) -> Value {
    let (state, detail, details) = match said {
        Said::Found(parcel) => {
            let (state, detail, _) = status(parcel.step());
            (state, detail, parcel.listed_with_earlier(Order::OldestFirst))
        }
        Said::Unknown => ("unknown", "unknown", Vec::new()),
        Said::Error => ("error", "unknown", Vec::new()),
    };
    let parcel = match said {
        Said::Found(parcel) => Some(parcel),
        Said::Unknown | Said::Error => None,
    };
    let odd = parcel.is_some_and(|parcel| parcel.odd);
    let last = details.iter().map(|event| event.at).max().unwrap_or(tracker.created_at);
    let carrier = &tracker.carrier;
    let eta = parcel.and_then(|parcel| parcel.eta());
    json!({
        "id": format!("trk_{}", tracker.id),
        "object": "Tracker",
        "mode": "test",
        "tracking_code": tracker.number,
        "status": state,
        "status_detail": detail,
        "created_at": utc(tracker.created_at),
        "updated_at": utc(last.max(tracker.created_at)),
        "signed_by": null,
        "weight": 614.0,
        "est_delivery_date": eta.map(utc),
        "shipment_id": null,
        "carrier": carrier,
        "tracking_details": details.iter().map(|event| detail_of(event, carrier, odd)).collect::<Vec<_>>(),
        "fees": [],
        "carrier_detail": null,
        "finalized": parcel.is_some_and(|parcel| parcel.ended().is_some()),
        "is_return": false,
        "public_url": format!("https://track.easypost.com/{}", tracker.id),
    })
}

/// Of an odd parcel neither words nor details are known, and its times have no zone, so that they look like UTC.
fn detail_of(event: &Event, carrier: &str, odd: bool) -> Value {
    let (state, detail, words) = status(event.step);
    let local = event.at.with_timezone(&event.place.zone).format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let blank_is_null = |text: &str| if text.is_empty() { Value::Null } else { json!(text) };
    json!({
        "object": "TrackingDetail",
        "message": if odd { Value::Null } else { json!(words) },
        "description": if odd { Value::Null } else { json!("") },
        "status": state,
        "status_detail": if odd { Value::Null } else { json!(detail) },
        "datetime": if odd { local } else { utc(event.at) },
        "source": carrier,
        "carrier_code": "",
        "tracking_location": {
            "object": "TrackingLocation",
            "city": event.place.city,
            "state": blank_is_null(event.place.region),
            "country": event.place.country,
            "zip": event.place.postal,
        },
    })
}

fn utc(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
