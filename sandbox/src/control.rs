//! How a test asks what the world saw, and makes it misbehave.

use axum::Json;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use serde_json::Value;

use crate::faults::Faults;
use crate::server::World;

/// Most entries that a list shows: the newest.
const SHOWN: usize = 500;
/// Most returns that the shop holds.
const RETURNS_MAX: usize = 100_000;

pub(crate) fn routes() -> Router<World> {
    Router::new()
        .route("/_control/record", get(async |State(world): State<World>| Json(world.record.summary())))
        .route(
            "/_control/results",
            get(async |State(world): State<World>| Json(newest(world.record.results()))),
        )
        .route(
            "/_control/slack",
            get(async |State(world): State<World>| Json(newest(world.record.slack_posts()))),
        )
        .route(
            "/_control/mail",
            get(async |State(world): State<World>| Json(newest(world.record.mail_list()))),
        )
        .route("/_control/faults", get(faults).post(set_faults))
        .route("/_control/shop/returns", post(add_returns))
        .route("/_control/parcels/{number}/advance", post(advance))
}

fn newest<T>(mut list: Vec<T>) -> Vec<T> {
    list.split_off(list.len().saturating_sub(SHOWN))
}

async fn faults(State(world): State<World>) -> Json<Faults> {
    Json(world.switches.get())
}

async fn set_faults(State(world): State<World>, Json(faults): Json<Faults>) -> StatusCode {
    world.switches.set(faults);
    StatusCode::NO_CONTENT
}

async fn add_returns(State(world): State<World>, Json(more): Json<Vec<Value>>) -> StatusCode {
    let mut returns = world.returns.lock();
    if returns.len() + more.len() > RETURNS_MAX {
        return StatusCode::INSUFFICIENT_STORAGE;
    }
    returns.extend(more);
    StatusCode::NO_CONTENT
}

async fn advance(State(world): State<World>, Path(number): Path<String>) -> StatusCode {
    world.record.advance(&number);
    StatusCode::NO_CONTENT
}
