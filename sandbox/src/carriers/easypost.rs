//! EasyPost: trackers are made, then asked for or pushed.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::EASYPOST_KEY;
use crate::carriers::CarrierName;
use crate::carriers::easypost_tracker::{Said, told};
use crate::carriers::gate::{Trouble, cut, guarded, html, json as answer};
use crate::carriers::trackers::Tracker;
use crate::signature::text;
use crate::timeline::parcel::Telling;
use crate::world::World;

const NAME: CarrierName = CarrierName::Easypost;
const PAGE: usize = 20;
const PAGE_MAX: usize = 100;
const BATCH_MAX: usize = 100;
/// What it takes a number to be whose carrier nobody named.
const GUESSED: &str = "USPS";
const ID_PREFIX: &str = "trk_";

pub(crate) fn routes(world: &Arc<World>) -> Router<Arc<World>> {
    let trackers = Router::new()
        .route("/easypost/v2/trackers", post(create).get(list))
        .route("/easypost/v2/trackers/batch", post(batch))
        .route("/easypost/v2/trackers/{id}", get(one));
    guarded(trackers, world, NAME, trouble)
}

async fn create(State(world): State<Arc<World>>, headers: HeaderMap, body: Bytes) -> Response {
    if let Some(refusal) = refusal(&world, &headers) {
        return refusal;
    }
    let question: Value = serde_json::from_slice(&body).unwrap_or_default();
    let wished = &question["tracker"];
    let Some(number) = wished["tracking_code"].as_str().filter(|number| !number.is_empty()) else {
        return invalid(json!([{ "field": "tracking_code", "message": "can't be blank" }]));
    };
    let carrier = wished["carrier"].as_str().unwrap_or(GUESSED);
    let telling = world.look(NAME, number).await;
    if matches!(telling, Telling::Invalid) {
        return invalid(json!(["tracking_code is invalid"]));
    }
    let (tracker, is_new) = world.easypost.create(number, carrier, world.now());
    if is_new {
        world.order_push(NAME, number);
    }
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    shown(&tracker, telling, status).await
}

async fn batch(State(world): State<Arc<World>>, headers: HeaderMap, body: Bytes) -> Response {
    if let Some(refusal) = refusal(&world, &headers) {
        return refusal;
    }
    let question: Value = serde_json::from_slice(&body).unwrap_or_default();
    let codes = question["tracking_codes"].as_array().into_iter().flatten();
    let codes: Vec<&str> = codes.filter_map(Value::as_str).collect();
    if codes.is_empty() || codes.len() > BATCH_MAX {
        return invalid(
            json!([{ "field": "tracking_codes", "message": "must be a list of 1 to 100 codes" }]),
        );
    }
    let carrier = question["carrier"].as_str().unwrap_or(GUESSED);
    let mut made = Vec::new();
    for code in codes {
        let (tracker, is_new) = world.easypost.create(code, carrier, world.now());
        if is_new {
            world.order_push(NAME, code);
        }
        match said(world.look(NAME, code).await) {
            Ok(said) => made.push(told(&tracker, &said)),
            Err(response) => return *response,
        }
    }
    answer(StatusCode::OK, &json!({ "trackers": made, "has_more": false }))
}

async fn one(State(world): State<Arc<World>>, headers: HeaderMap, Path(id): Path<String>) -> Response {
    if let Some(refusal) = refusal(&world, &headers) {
        return refusal;
    }
    match id.strip_prefix(ID_PREFIX).and_then(|id| world.easypost.of_id(id)) {
        Some(tracker) => shown(&tracker, world.look(NAME, &tracker.number).await, StatusCode::OK).await,
        None => {
            error(StatusCode::NOT_FOUND, "NOT_FOUND", "The requested resource could not be found.", json!([]))
        }
    }
}

#[derive(Deserialize)]
struct Page {
    page_size: Option<usize>,
    before_id: Option<String>,
    tracking_code: Option<String>,
}

/// The newest first. A parcel in a list is looked at as much as any other.
async fn list(State(world): State<Arc<World>>, headers: HeaderMap, Query(page): Query<Page>) -> Response {
    if let Some(refusal) = refusal(&world, &headers) {
        return refusal;
    }
    let size = page.page_size.unwrap_or(PAGE).clamp(1, PAGE_MAX);
    let before = page.before_id.as_deref().and_then(|id| id.strip_prefix(ID_PREFIX));
    let before = before.and_then(|id| world.easypost.of_id(id)).map_or(u64::MAX, |tracker| tracker.serial);
    let mut found = match &page.tracking_code {
        Some(code) => {
            let mut of_number = world.easypost.of_number(code);
            of_number.reverse();
            of_number.retain(|tracker| tracker.serial < before);
            of_number
        }
        None => world.easypost.before(before, size + 1),
    };
    let has_more = found.len() > size;
    found.truncate(size);
    let mut trackers = Vec::new();
    for tracker in &found {
        match said(world.look(NAME, &tracker.number).await) {
            Ok(said) => trackers.push(told(tracker, &said)),
            Err(response) => return *response,
        }
    }
    answer(StatusCode::OK, &json!({ "trackers": trackers, "has_more": has_more }))
}

async fn shown(tracker: &Tracker, telling: Telling, status: StatusCode) -> Response {
    let truncated = matches!(telling, Telling::Truncated(_));
    let response = match said(telling) {
        Ok(said) => answer(status, &told(tracker, &said)),
        Err(response) => return *response,
    };
    if truncated { cut(response).await } else { response }
}

/// What is said in the tracker itself, or the answer that takes its place.
fn said(telling: Telling) -> Result<Said, Box<Response>> {
    match telling {
        Telling::Found(parcel) | Telling::Truncated(parcel) => Ok(Said::Found(Box::new(parcel))),
        Telling::Unknown | Telling::Invalid => Ok(Said::Unknown),
        Telling::LookupFailed => Ok(Said::Error),
        Telling::TooOften => Err(Box::new(trouble(Trouble::TooMany))),
        Telling::Fails => Err(Box::new(error(
            StatusCode::INTERNAL_SERVER_ERROR,
            "INTERNAL_SERVER_ERROR",
            "We're sorry, something went wrong.",
            json!([]),
        ))),
        Telling::Html => Err(Box::new(html())),
    }
}

/// The key is the user of Basic, or a bearer token.
fn refusal(world: &World, headers: &HeaderMap) -> Option<Response> {
    let faults = world.switches.get().of_carrier(NAME);
    let given = text(headers, "authorization");
    let basic = given.strip_prefix("Basic ").and_then(|text| STANDARD.decode(text).ok());
    let user = basic.and_then(|bytes| String::from_utf8(bytes).ok());
    let user = user.as_deref().and_then(|pair| pair.split_once(':')).map(|(user, _)| user);
    let key = user.or_else(|| given.strip_prefix("Bearer "));
    if faults.key_expired {
        let message = "This api key is no longer active. Please use a different api key.";
        return Some(error(StatusCode::UNAUTHORIZED, "APIKEY.INACTIVE", message, json!([])));
    }
    let is_good = key == Some(EASYPOST_KEY) && !faults.refuses_key;
    let unauthorized = || {
        error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "Authentication credentials are wrong.", json!([]))
    };
    (!is_good).then(unauthorized)
}

fn trouble(trouble: Trouble) -> Response {
    match trouble {
        Trouble::Limited | Trouble::TooMany | Trouble::DayDone => error(
            StatusCode::TOO_MANY_REQUESTS,
            "RATE_LIMITED",
            "Your account has been temporarily rate-limited due to excessive resource consumption",
            json!([]),
        ),
        Trouble::Down => error(
            StatusCode::SERVICE_UNAVAILABLE,
            "SERVICE_UNAVAILABLE",
            "The service is temporarily unavailable.",
            json!([]),
        ),
    }
}

/// The list of errors has objects in one place and plain texts in another.
fn invalid(errors: Value) -> Response {
    error(StatusCode::UNPROCESSABLE_ENTITY, "TRACKER.CREATE.ERROR", "The tracker could not be made.", errors)
}

fn error(status: StatusCode, code: &str, message: &str, errors: Value) -> Response {
    answer(status, &json!({ "error": { "code": code, "message": message, "errors": errors } }))
}
