//! How a test asks what one carrier's system saw.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::carriers::CarrierName;
use crate::world::World;

const PAGE: usize = 1_000;
const PAGE_MAX: usize = 100_000;
const NANOS_A_MILLISECOND: f64 = 1_000_000.0;

type Shared = State<Arc<World>>;

pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/_control/carriers", get(all))
        .route("/_control/carriers/{name}", get(one))
        .route("/_control/carriers/{name}/arrivals", get(arrivals))
        .route("/_control/carriers/{name}/numbers/{number}", get(number))
        .route("/_control/carriers/{name}/new-day", post(new_day))
        .route("/_control/carriers/{name}/forget-tokens", post(forget_tokens))
        .route("/_control/carriers/{name}/webhook", post(webhook))
        .route("/_control/carriers/{name}/pushes", post(push))
}

async fn all(State(world): Shared) -> Json<Value> {
    let told = |name: CarrierName| (name.id().to_owned(), world.record.counts(name).summary());
    Json(CarrierName::ALL.into_iter().map(told).collect())
}

#[derive(Deserialize)]
struct Windows {
    /// Lengths in milliseconds, parted by commas.
    #[serde(default)]
    windows_ms: String,
}

/// The counts, and the fullest window of each length that was asked for.
async fn one(
    State(world): Shared,
    Path(name): Path<CarrierName>,
    Query(query): Query<Windows>,
) -> Result<Json<Value>, StatusCode> {
    let counts = world.record.counts(name);
    let mut told = counts.summary();
    let lengths = query.windows_ms.split(',').filter(|text| !text.is_empty());
    let mut windows = serde_json::Map::new();
    for text in lengths {
        let ms: u64 = text.trim().parse().map_err(|_| StatusCode::BAD_REQUEST)?;
        windows.insert(ms.to_string(), json!(counts.fullest(Duration::from_millis(ms))));
    }
    told["most_in_windows_ms"] = Value::Object(windows);
    Ok(Json(told))
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    after: usize,
    limit: Option<usize>,
}

/// When calls arrived, in milliseconds since the world began.
async fn arrivals(
    State(world): Shared,
    Path(name): Path<CarrierName>,
    Query(page): Query<Page>,
) -> Json<Value> {
    let limit = page.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX);
    let counts = world.record.counts(name);
    let (first, nanos) = counts.page(page.after, limit);
    let at_ms: Vec<f64> = nanos.iter().map(|nanos| *nanos as f64 / NANOS_A_MILLISECOND).collect();
    Json(json!({ "total": counts.calls(), "first": first, "at_ms": at_ms }))
}

async fn number(State(world): Shared, Path((name, number)): Path<(CarrierName, String)>) -> Json<Value> {
    Json(json!({ "tracking_number": number, "calls": world.record.asked(&number).of(name) }))
}

async fn new_day(State(world): Shared, Path(name): Path<CarrierName>) -> StatusCode {
    world.record.counts(name).new_day();
    StatusCode::NO_CONTENT
}

async fn forget_tokens(State(world): Shared, Path(name): Path<CarrierName>) -> StatusCode {
    world.forget_tokens(name);
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Webhook {
    url: Option<String>,
    secret: Option<String>,
}

async fn webhook(
    State(world): Shared,
    Path(name): Path<CarrierName>,
    Json(webhook): Json<Webhook>,
) -> StatusCode {
    let is_set = world.set_webhook(name, webhook.url.as_deref(), webhook.secret.as_deref());
    if is_set { StatusCode::NO_CONTENT } else { StatusCode::UNPROCESSABLE_ENTITY }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    numbers: Vec<String>,
}

async fn push(
    State(world): Shared,
    Path(name): Path<CarrierName>,
    Json(wanted): Json<Wanted>,
) -> Json<Value> {
    let ordered = wanted.numbers.iter().filter(|number| world.order_push(name, number)).count();
    Json(json!({ "ordered": ordered }))
}
