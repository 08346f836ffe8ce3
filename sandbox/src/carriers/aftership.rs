//! AfterShip Tracking 2025-04: trackings are made, then asked for or pushed.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::AFTERSHIP_KEY;
use crate::carriers::CarrierName;
use crate::carriers::aftership_tracking::told;
use crate::carriers::gate::{Trouble, cut, guarded, html, json as answer};
use crate::carriers::trackers::Tracker;
use crate::signature::text;
use crate::timeline::parcel::{Parcel, Telling};
use crate::world::World;

const NAME: CarrierName = CarrierName::Aftership;
const PAGE: usize = 100;
const PAGE_MAX: usize = 200;
/// What it takes a number to be whose courier nobody named.
const GUESSED: &str = "usps";
const NUMBER_CHARS: std::ops::RangeInclusive<usize> = 4..=100;

pub(crate) fn routes(world: &Arc<World>) -> Router<Arc<World>> {
    let trackings = Router::new()
        .route("/aftership/tracking/2025-04/trackings", post(create).get(list))
        .route("/aftership/tracking/2025-04/trackings/{id}", get(one));
    guarded(trackings, world, NAME, trouble)
}

async fn create(State(world): State<Arc<World>>, headers: HeaderMap, body: Bytes) -> Response {
    if let Some(refusal) = refusal(&world, &headers) {
        return refusal;
    }
    let Ok(question) = serde_json::from_slice::<Value>(&body) else {
        return error(StatusCode::BAD_REQUEST, 4001, "BadRequest", "The request body is no valid JSON.");
    };
    let number = question["tracking_number"].as_str().unwrap_or_default();
    if !NUMBER_CHARS.contains(&number.len()) {
        return malformed();
    }
    let telling = world.look(NAME, number).await;
    if matches!(telling, Telling::Invalid) {
        return malformed();
    }
    let slug = question["slug"].as_str().unwrap_or(GUESSED);
    let (tracker, is_new) = world.aftership.create(number, slug, world.now());
    if !is_new {
        let mut body = envelope(4003, "BadRequest", "Tracking already exists.");
        body["data"] = json!({ "id": tracker.id, "tracking_number": number, "slug": slug });
        return answer(StatusCode::BAD_REQUEST, &body);
    }
    world.order_push(NAME, number);
    shown(&tracker, telling, StatusCode::CREATED).await
}

async fn one(State(world): State<Arc<World>>, headers: HeaderMap, Path(id): Path<String>) -> Response {
    if let Some(refusal) = refusal(&world, &headers) {
        return refusal;
    }
    match world.aftership.of_id(&id) {
        Some(tracker) => shown(&tracker, world.look(NAME, &tracker.number).await, StatusCode::OK).await,
        None => error(StatusCode::NOT_FOUND, 4004, "NotFound", "Tracking does not exist."),
    }
}

#[derive(Deserialize)]
struct Page {
    /// Parted by commas.
    tracking_numbers: Option<String>,
    slug: Option<String>,
    limit: Option<usize>,
    cursor: Option<u64>,
}

/// The newest first; those of some numbers, or all.
async fn list(State(world): State<Arc<World>>, headers: HeaderMap, Query(page): Query<Page>) -> Response {
    if let Some(refusal) = refusal(&world, &headers) {
        return refusal;
    }
    let size = page.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX);
    let before = page.cursor.unwrap_or(u64::MAX);
    let mut found: Vec<Tracker> = match &page.tracking_numbers {
        Some(numbers) => {
            numbers.split(',').flat_map(|number| world.aftership.of_number(number.trim())).collect()
        }
        None => world.aftership.before(before, size + 1),
    };
    found.retain(|tracker| tracker.serial < before);
    found.retain(|tracker| {
        page.slug.as_ref().is_none_or(|slugs| slugs.split(',').any(|s| s == tracker.carrier))
    });
    found.sort_by_key(|tracker| std::cmp::Reverse(tracker.serial));
    let total = found.len();
    let has_next_page = total > size;
    found.truncate(size);
    let next_cursor = found.last().filter(|_| has_next_page).map(|last| last.serial.to_string());
    let mut trackings = Vec::new();
    for tracker in &found {
        match said(world.look(NAME, &tracker.number).await) {
            Ok(parcel) => trackings.extend(all_of(tracker, parcel.as_ref())),
            Err(response) => return *response,
        }
    }
    let mut body = envelope(200, "", "");
    body["data"] = json!({
        "pagination": { "total": total, "next_cursor": next_cursor, "has_next_page": has_next_page },
        "trackings": trackings,
    });
    answer(StatusCode::OK, &body)
}

/// A number that was used before has two trackings.
fn all_of(tracker: &Tracker, parcel: Option<&Parcel>) -> Vec<Value> {
    let earlier = parcel.and_then(Parcel::the_earlier);
    let mut all = vec![told(tracker, parcel)];
    if let Some(earlier) = earlier {
        let mut its =
            Tracker { created_at: tracker.created_at - chrono::Duration::days(200), ..tracker.clone() };
        its.id = tracker.id.chars().rev().collect();
        all.push(told(&its, Some(&earlier)));
    }
    all
}

async fn shown(tracker: &Tracker, telling: Telling, status: StatusCode) -> Response {
    let truncated = matches!(telling, Telling::Truncated(_));
    let response = match said(telling) {
        Ok(parcel) => {
            let mut body = envelope(status.as_u16().into(), "", "");
            body["data"] = told(tracker, parcel.as_ref());
            answer(status, &body)
        }
        Err(response) => return *response,
    };
    if truncated { cut(response).await } else { response }
}

/// The parcel, or none when it is not known yet; or the answer that takes its place.
fn said(telling: Telling) -> Result<Option<Parcel>, Box<Response>> {
    match telling {
        Telling::Found(parcel) | Telling::Truncated(parcel) => Ok(Some(parcel)),
        Telling::Unknown | Telling::Invalid => Ok(None),
        Telling::TooOften => Err(Box::new(trouble(Trouble::TooMany))),
        Telling::LookupFailed | Telling::Fails => Err(Box::new(error(
            StatusCode::INTERNAL_SERVER_ERROR,
            500,
            "InternalError",
            "Something went wrong on our end.",
        ))),
        Telling::Html => Err(Box::new(html())),
    }
}

fn refusal(world: &World, headers: &HeaderMap) -> Option<Response> {
    let faults = world.switches.get().of_carrier(NAME);
    if faults.key_expired {
        return Some(error(StatusCode::FORBIDDEN, 403, "Forbidden", "The API key may not do this any more."));
    }
    let is_good = text(headers, "as-api-key") == AFTERSHIP_KEY && !faults.refuses_key;
    (!is_good).then(|| error(StatusCode::UNAUTHORIZED, 401, "Unauthorized", "The API key is invalid."))
}

fn trouble(trouble: Trouble) -> Response {
    const TOO_MANY: &str = "You have exceeded the API call rate limit.";
    match trouble {
        Trouble::Limited | Trouble::TooMany | Trouble::DayDone => {
            error(StatusCode::TOO_MANY_REQUESTS, 429, "TooManyRequests", TOO_MANY)
        }
        Trouble::Down => {
            error(StatusCode::SERVICE_UNAVAILABLE, 503, "ServiceUnavailable", "Try again later.")
        }
    }
}

fn malformed() -> Response {
    error(StatusCode::BAD_REQUEST, 4005, "BadRequest", "The value of `tracking_number` is invalid.")
}

fn error(status: StatusCode, code: u32, kind: &str, message: &str) -> Response {
    answer(status, &envelope(code, kind, message))
}

fn envelope(code: u32, kind: &str, message: &str) -> Value {
    let meta = if kind.is_empty() {
        json!({ "code": code })
    } else {
        json!({ "code": code, "type": kind, "message": message })
    };
    json!({ "meta": meta, "data": {} })
}
