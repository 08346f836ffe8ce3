//! The shop's own systems: a paged returns API behind a bearer token, and the result endpoint, which checks
//! signatures after Standard Webhooks and honours idempotency keys.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::faults::{Who, pause};
use crate::results::Taken;
use crate::signature::{self, text};
use crate::world::World;
use crate::{SHOP_TOKEN, SIGNING_SECRET};

const PAGE: usize = 100;
const PAGE_MAX: usize = 500;
const RESULT_BYTES: usize = 64 * 1024;
const KEY_CHARS_MAX: usize = 255;

pub(crate) fn routes() -> Router<Arc<World>> {
    let results =
        Router::new().route("/shop/return-results", post(results)).layer(DefaultBodyLimit::max(RESULT_BYTES));
    Router::new().route("/shop/returns", get(returns)).merge(results)
}

#[derive(Deserialize)]
struct Page {
    cursor: Option<String>,
    limit: Option<usize>,
}

async fn returns(State(world): State<Arc<World>>, headers: HeaderMap, Query(page): Query<Page>) -> Response {
    if world.switches.strikes(Who::Returns, world.switches.get().returns_fail_percent) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if text(&headers, "authorization").strip_prefix("Bearer ") != Some(SHOP_TOKEN) {
        return (
            StatusCode::UNAUTHORIZED,
            [(header::WWW_AUTHENTICATE, "Bearer")],
            "a bearer token is needed",
        )
            .into_response();
    }
    let Ok(begin) = page.cursor.as_deref().map_or(Ok(0), str::parse::<usize>) else {
        return (StatusCode::BAD_REQUEST, "no such cursor").into_response();
    };
    let (returns, end) = world.returns(begin, page.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX));
    // The cursor goes on from what was read, so that the next reading finds what came meanwhile.
    let next = (!returns.is_empty()).then(|| end.to_string());
    Json(json!({ "returns": returns, "next_cursor": next })).into_response()
}

async fn results(State(world): State<Arc<World>>, headers: HeaderMap, body: Bytes) -> Response {
    let faults = world.switches.get();
    if faults.results_gone {
        return StatusCode::GONE.into_response();
    }
    if let Some(seconds) = faults.results_rate_limited {
        let mut response = StatusCode::TOO_MANY_REQUESTS.into_response();
        if seconds > 0 {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        return response;
    }
    if world.switches.among_first(Who::Results, faults.results_fail_first)
        || world.switches.strikes(Who::Results, faults.results_fail_percent)
    {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let now = world.now();
    if !signature::is_good(SIGNING_SECRET, &headers, &body, now.timestamp()) {
        return refused(&world, StatusCode::UNAUTHORIZED, "the signature is wrong");
    }
    let Some(key) = idempotency_key(&headers) else {
        return refused(&world, StatusCode::BAD_REQUEST, "an Idempotency-Key is needed");
    };
    let Ok(parsed) = serde_json::from_slice::<Value>(&body) else {
        return refused(&world, StatusCode::BAD_REQUEST, "a JSON body is needed");
    };
    let taken = world.record.result(key, parsed, &body, now);
    if taken == Taken::Conflict {
        return refused(&world, StatusCode::UNPROCESSABLE_ENTITY, "this key came with another body");
    }
    pause(Duration::from_millis(faults.results_hang_ms)).await;
    Json(json!({ "taken": true, "repeat": taken == Taken::Repeat })).into_response()
}

/// Its text, with or without the quotation marks of a structured field.
fn idempotency_key(headers: &HeaderMap) -> Option<&str> {
    let given = text(headers, "idempotency-key");
    let key = given.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(given);
    (1..=KEY_CHARS_MAX).contains(&key.len()).then_some(key)
}

fn refused(world: &World, status: StatusCode, why: &'static str) -> Response {
    world.record.result_refused();
    (status, why).into_response()
}
