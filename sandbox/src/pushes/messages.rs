//! What a push says, and how it is signed.

use chrono::SecondsFormat;
use serde_json::json;
use url::Url;

use crate::carriers::CarrierName;
use crate::carriers::aftership_tracking;
use crate::carriers::easypost_tracker::{self, Said};
use crate::carriers::trackers::Tracker;
use crate::pushes::hooks::Registered;
use crate::pushes::sign;
use crate::timeline::parcel::{Parcel, Telling, hash};
use crate::world::World;

/// A push before it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) name: CarrierName,
    pub(crate) number: String,
    /// What a repeat has in common with the first: the event's id, where the carrier has such.
    pub(crate) id: String,
    pub(crate) url: Url,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

/// One for each address to which the carrier tells of this parcel.
pub(crate) fn compose(world: &World, name: CarrierName, number: &str, serial: u64) -> Vec<Message> {
    match name {
        CarrierName::TrackerDelivery => poke(world, number),
        CarrierName::Easypost => event(world, number, serial),
        CarrierName::Aftership => update(world, number, serial),
        CarrierName::SweetTracker | CarrierName::Fedex | CarrierName::Dhl | CarrierName::Ups => Vec::new(),
    }
}

fn glanced(world: &World, name: CarrierName, number: &str) -> Option<Parcel> {
    match world.glance(name, number) {
        Telling::Found(parcel) | Telling::Truncated(parcel) => Some(parcel),
        _ => None,
    }
}

/// tracker.delivery says only that something changed, unsigned.
fn poke(world: &World, number: &str) -> Vec<Message> {
    let registered = world.hooks.registered(number, world.now());
    let message = |one: &Registered| Message {
        name: CarrierName::TrackerDelivery,
        number: number.to_owned(),
        id: String::new(),
        url: one.url.clone(),
        headers: Vec::new(),
        body: json!({ "carrierId": one.carrier, "trackingNumber": number }).to_string().into_bytes(),
    };
    registered.iter().map(message).collect()
}

fn event(world: &World, number: &str, serial: u64) -> Vec<Message> {
    let name = CarrierName::Easypost;
    let Some(hook) = world.hooks.of(name) else { return Vec::new() };
    let said = glanced(world, name, number).map_or(Said::Unknown, |parcel| Said::Found(Box::new(parcel)));
    let now = world.now().to_rfc3339_opts(SecondsFormat::Secs, true);
    let message = |tracker: Tracker| {
        let id = format!("evt_{:016x}{:016x}", hash(serial, number), hash(serial, &tracker.id));
        let body = json!({
            "id": id,
            "object": "Event",
            "mode": "test",
            "description": "tracker.updated",
            "previous_attributes": { "status": "unknown" },
            "pending_urls": [hook.url.as_str()],
            "completed_urls": [],
            "created_at": now,
            "updated_at": now,
            "status": "pending",
            "result": easypost_tracker::told(&tracker, &said),
        });
        let body = body.to_string().into_bytes();
        let signature = sign::easypost(&secret(world, name, &hook.secret), &body);
        let headers = vec![("x-hmac-signature", signature)];
        Message { name, number: number.to_owned(), id, url: hook.url.clone(), headers, body }
    };
    world.easypost.of_number(number).into_iter().map(message).collect()
}

fn update(world: &World, number: &str, serial: u64) -> Vec<Message> {
    let name = CarrierName::Aftership;
    let Some(hook) = world.hooks.of(name) else { return Vec::new() };
    let parcel = glanced(world, name, number);
    let is_first = parcel.as_ref().is_none_or(|parcel| {
        let tag = |step| aftership_tracking::tag(step).0;
        parcel.events.iter().filter(|event| tag(event.step) == tag(parcel.step())).count() == 1
    });
    let message = |tracker: Tracker| {
        let digits = hash(serial, &tracker.id);
        let id = format!("{:08x}-0000-4000-8000-{:012x}", digits >> 32, digits & 0xffff_ffff_ffff);
        let body = json!({
            "event": "tracking_update",
            "event_id": id,
            "is_tracking_first_tag": is_first,
            "msg": aftership_tracking::told(&tracker, parcel.as_ref()),
            "ts": world.now().timestamp(),
        });
        let body = body.to_string().into_bytes();
        let signature = sign::aftership(&secret(world, name, &hook.secret), &body);
        let headers =
            vec![("aftership-hmac-sha256", signature), ("as-webhook-version", "2025-04".to_owned())];
        Message { name, number: number.to_owned(), id, url: hook.url.clone(), headers, body }
    };
    world.aftership.of_number(number).into_iter().map(message).collect()
}

/// The secret, or a wrong one when the switch says so.
fn secret(world: &World, name: CarrierName, secret: &str) -> String {
    let forged = world.switches.get().of_carrier(name).push_forged;
    if forged { format!("{secret}-forged") } else { secret.to_owned() }
}
