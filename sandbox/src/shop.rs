//! The shop's own systems: a paged returns API behind a bearer token, and the result endpoint, which checks
//! signatures after Standard Webhooks and honours idempotency keys.

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::faults::pause;
use crate::record::ResultCall;
use crate::server::World;
use crate::{SHOP_TOKEN, SIGNING_SECRET};

/// How far a signature's time may lie from ours, in seconds.
const TOLERANCE_S: i64 = 300;
const PAGE_MAX: usize = 500;

pub(crate) fn routes() -> Router<World> {
    Router::new().route("/shop/returns", get(returns)).route("/shop/return-results", post(results))
}

#[derive(Deserialize)]
struct Page {
    cursor: Option<String>,
    limit: Option<usize>,
}

async fn returns(State(world): State<World>, headers: HeaderMap, Query(page): Query<Page>) -> Response {
    if text(&headers, "authorization") != format!("Bearer {SHOP_TOKEN}") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let begin: usize = match page.cursor.as_deref().map_or(Ok(0), str::parse) {
        Ok(begin) => begin,
        Err(_) => return (StatusCode::BAD_REQUEST, "no such cursor").into_response(),
    };
    let all = world.returns.lock();
    let end = begin.saturating_add(page.limit.unwrap_or(100).min(PAGE_MAX)).min(all.len());
    let slice = all.get(begin..end).unwrap_or_default();
    // The cursor goes on from what was read, so that the next reading finds what came meanwhile.
    let next = (end > begin).then(|| end.to_string());
    Json(json!({ "returns": slice, "next_cursor": next })).into_response()
}

async fn results(State(world): State<World>, headers: HeaderMap, body: Bytes) -> Response {
    let faults = world.switches.get();
    if world.switches.strikes(faults.results_fail_percent) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if !signed(&headers, &body, world.now().timestamp()) {
        world.record.result_refused();
        return (StatusCode::UNAUTHORIZED, "the signature is wrong").into_response();
    }
    let key = text(&headers, "idempotency-key");
    let parsed: Option<Value> = serde_json::from_slice(&body).ok();
    match parsed {
        Some(parsed) if !key.is_empty() => {
            world.record.result(ResultCall { key: key.to_owned(), body: parsed });
            pause(faults.results_hang_ms).await;
            StatusCode::NO_CONTENT.into_response()
        }
        _ => {
            world.record.result_refused();
            (StatusCode::BAD_REQUEST, "a JSON body and an Idempotency-Key are needed").into_response()
        }
    }
}

fn signed(headers: &HeaderMap, body: &[u8], now: i64) -> bool {
    let (id, time) = (text(headers, "webhook-id"), text(headers, "webhook-timestamp"));
    let fresh = time.parse::<i64>().is_ok_and(|t| (now - t).abs() <= TOLERANCE_S);
    let secret = STANDARD.decode(SIGNING_SECRET.trim_start_matches("whsec_")).unwrap_or_default();
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(&secret) else { return false };
    let mac = mac.chain_update(id).chain_update(".").chain_update(time).chain_update(".").chain_update(body);
    let given = text(headers, "webhook-signature").split(' ').filter_map(|s| s.strip_prefix("v1,"));
    fresh && given.filter_map(|s| STANDARD.decode(s).ok()).any(|s| mac.clone().verify_slice(&s).is_ok())
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
}
