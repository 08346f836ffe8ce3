//! Trackings as AfterShip tells them.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::carriers::trackers::Tracker;
use crate::timeline::parcel::{Order, Parcel};
use crate::timeline::step::{Event, Step};

/// The tag, the subtag and its words. What goes back is an exception.
pub(crate) fn tag(step: Step) -> (&'static str, &'static str, &'static str) {
    match step {
        Step::Label => ("InfoReceived", "InfoReceived_001", "Info Received"),
        Step::PickedUp => ("InTransit", "InTransit_002", "Acceptance scan"),
        Step::InTransit => ("InTransit", "InTransit_007", "Departure Scan"),
        Step::AtBranch => ("InTransit", "InTransit_003", "Arrival scan"),
        Step::OutForDelivery => ("OutForDelivery", "OutForDelivery_001", "Out for Delivery"),
        Step::AttemptFailed => ("AttemptFail", "AttemptFail_002", "Addressee not available"),
        Step::ReadyForPickup => ("AvailableForPickup", "AvailableForPickup_001", "Available for pickup"),
        Step::Delivered => ("Delivered", "Delivered_001", "Delivered"),
        Step::Exception => ("Exception", "Exception_004", "Delayed (Customs clearance)"),
        Step::Returning => ("Exception", "Exception_010", "Returning to sender"),
        Step::Returned => ("Exception", "Exception_011", "Returned to sender"),
        Step::Lost => ("Exception", "Exception_013", "Shipment lost"),
        Step::Cancelled => ("Exception", "Exception_001", "Exception"),
    }
}

const PENDING: (&str, &str, &str) = ("Pending", "Pending_001", "Pending");

pub(crate) fn told(tracker: &Tracker, parcel: Option<&Parcel>) -> Value {
    let (tag_now, subtag, words) = parcel.map_or(PENDING, |parcel| tag(parcel.step()));
    let mut events = parcel.map(|parcel| parcel.listed(Order::OldestFirst)).unwrap_or_default();
    if parcel.is_some_and(|parcel| parcel.odd) {
        // The tag is ahead of the list.
        events.truncate(1);
    }
    let of = |steps: &[Step]| parcel.and_then(|parcel| parcel.first_of(steps)).map(local);
    json!({
        "id": tracker.id,
        "tracking_number": tracker.number,
        "slug": tracker.carrier,
        "active": parcel.is_none_or(|parcel| parcel.ended().is_none()),
        "title": tracker.number,
        "tag": tag_now,
        "subtag": subtag,
        "subtag_message": words,
        "created_at": utc(tracker.created_at),
        "updated_at": utc(tracker.created_at),
        "tracked_count": 1,
        "source": "api",
        "order_id": null,
        "customers": [],
        "shipment_pickup_date": of(&[Step::PickedUp]),
        "shipment_delivery_date": of(&[Step::Delivered]),
        "latest_estimated_delivery": parcel.and_then(Parcel::eta).map(|eta| json!({
            "type": "specific", "source": "Carrier EDD", "datetime": utc(eta),
        })),
        "checkpoints": events.iter().map(|event| checkpoint(event, &tracker.carrier)).collect::<Vec<_>>(),
    })
}

fn checkpoint(event: &Event, slug: &str) -> Value {
    let (tag, subtag, words) = tag(event.step);
    let location: Vec<&str> = [event.place.city, event.place.region, event.place.country]
        .into_iter()
        .filter(|s| !s.is_empty())
        .collect();
    json!({
        "slug": slug,
        "created_at": utc(event.at),
        "checkpoint_time": checkpoint_time(event),
        "location": location.join(", "),
        "city": event.place.city,
        "state": event.place.region,
        "postal_code": event.place.postal,
        "country_region": event.place.country,
        "coordinate": null,
        "message": words,
        "tag": tag,
        "subtag": subtag,
        "subtag_message": words,
        "raw_tag": null,
    })
}

/// With an offset for two of three, and without any zone for the third.
fn checkpoint_time(event: &Event) -> String {
    if event.index % 3 == 2 { local_without_zone(event) } else { local(event) }
}

fn local(event: &Event) -> String {
    event.at.with_timezone(&event.place.zone).to_rfc3339_opts(SecondsFormat::Secs, false)
}

fn local_without_zone(event: &Event) -> String {
    event.at.with_timezone(&event.place.zone).format("%Y-%m-%dT%H:%M:%S").to_string()
}

fn utc(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, false)
}
