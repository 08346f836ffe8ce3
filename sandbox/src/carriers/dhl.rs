//! DHL Shipment Tracking - Unified: one number a call, a key in a header, times with and without zones.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::DHL_KEY;
use crate::carriers::CarrierName;
use crate::carriers::dhl_shipment::shipments;
use crate::carriers::gate::{Trouble, cut, guarded, html, json};
use crate::signature::text;
use crate::timeline::parcel::{Parcel, Telling};
use crate::world::World;

const NAME: CarrierName = CarrierName::Dhl;
const NUMBER_CHARS_MAX: usize = 60;
const TOO_MANY: &str = "Too many requests within defined time period, please try again later.";

pub(crate) fn routes(world: &Arc<World>) -> Router<Arc<World>> {
    let tracking = Router::new().route("/dhl/track/shipments", get(track));
    guarded(tracking, world, NAME, trouble)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Question {
    #[serde(default)]
    tracking_number: String,
    service: Option<String>,
}

async fn track(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    Query(question): Query<Question>,
) -> Response {
    let faults = world.switches.get().of_carrier(NAME);
    if text(&headers, "dhl-api-key") != DHL_KEY || faults.refuses_key || faults.key_expired {
        return problem(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized for given resource.");
    }
    let number = question.tracking_number.as_str();
    if number.is_empty() || number.len() > NUMBER_CHARS_MAX {
        return malformed();
    }
    match world.look(NAME, number).await {
        Telling::Found(parcel) => found(&parcel, question.service.as_deref()),
        Telling::Truncated(parcel) => cut(found(&parcel, question.service.as_deref())).await,
        Telling::Unknown => {
            problem(StatusCode::NOT_FOUND, "Not Found", "No shipment with given tracking number found.")
        }
        Telling::Invalid => malformed(),
        Telling::TooOften => problem(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests", TOO_MANY),
        // What a purged number gets.
        Telling::LookupFailed => down(StatusCode::INTERNAL_SERVER_ERROR),
        Telling::Fails => down(StatusCode::INTERNAL_SERVER_ERROR),
        Telling::Html => html(),
    }
}

fn found(parcel: &Parcel, service: Option<&str>) -> Response {
    json(
        StatusCode::OK,
        &json!({
            "url": format!("/shipments?trackingNumber={}", parcel.number),
            "shipments": shipments(parcel, service),
        }),
    )
}

fn trouble(trouble: Trouble) -> Response {
    match trouble {
        Trouble::Limited | Trouble::TooMany | Trouble::DayDone => {
            problem(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests", TOO_MANY)
        }
        Trouble::Down => down(StatusCode::SERVICE_UNAVAILABLE),
    }
}

fn malformed() -> Response {
    problem(StatusCode::BAD_REQUEST, "Bad Request", "The tracking number is missing or malformed.")
}

fn down(status: StatusCode) -> Response {
    problem(status, status.canonical_reason().unwrap_or_default(), "The request could not be processed.")
}

fn problem(status: StatusCode, title: &str, detail: &str) -> Response {
    let mut body = json!({ "title": title, "detail": detail, "status": status.as_u16() });
    if status == StatusCode::NOT_FOUND {
        body["instance"] = Value::from("/shipment/unknown");
    }
    json(status, &body)
}
