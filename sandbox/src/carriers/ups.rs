//! UPS Tracking: a token first, one number a call; "not found" comes with status 200.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::carriers::CarrierName;
use crate::carriers::gate::{Trouble, cut, guarded, html, json as answer};
use crate::carriers::tokens::{Verdict, form_field};
use crate::carriers::ups_package::packages;
use crate::signature::text;
use crate::timeline::parcel::{Parcel, Telling};
use crate::world::World;
use crate::{UPS_CLIENT_ID, UPS_CLIENT_SECRET};

const NAME: CarrierName = CarrierName::Ups;
const TOKEN_LIFE_S: u64 = 14_399;
const NUMBER_CHARS: std::ops::RangeInclusive<usize> = 7..=34;

pub(crate) fn routes(world: &Arc<World>) -> Router<Arc<World>> {
    let tracking = Router::new().route("/ups/api/track/v1/details/{number}", get(track));
    guarded(tracking, world, NAME, trouble).route("/ups/security/v1/oauth/token", post(token))
}

async fn token(State(world): State<Arc<World>>, headers: HeaderMap, body: Bytes) -> Response {
    let now = Instant::now();
    world.record.counts(NAME).token_call(now);
    let faults = world.switches.get().of_carrier(NAME);
    if form_field(&body, "grant_type").as_deref() != Some("client_credentials") {
        return error(StatusCode::BAD_REQUEST, "10400", "Invalid/Missing Authorization Header");
    }
    let expected = format!("Basic {}", STANDARD.encode(format!("{UPS_CLIENT_ID}:{UPS_CLIENT_SECRET}")));
    if text(&headers, "authorization") != expected || faults.refuses_key || faults.key_expired {
        return error(StatusCode::UNAUTHORIZED, "10401", "ClientId is Invalid");
    }
    // Every field is a text.
    answer(
        StatusCode::OK,
        &json!({
            "token_type": "Bearer",
            "issued_at": world.now().timestamp_millis().to_string(),
            "client_id": UPS_CLIENT_ID,
            "access_token": world.ups_tokens.give(now),
            "expires_in": faults.token_life_s.unwrap_or(TOKEN_LIFE_S).to_string(),
            "status": "approved",
        }),
    )
}

async fn track(State(world): State<Arc<World>>, headers: HeaderMap, Path(number): Path<String>) -> Response {
    let faults = world.switches.get().of_carrier(NAME);
    let token = text(&headers, "authorization").strip_prefix("Bearer ").unwrap_or_default();
    let life = Duration::from_secs(faults.token_life_s.unwrap_or(TOKEN_LIFE_S));
    if world.ups_tokens.judge(token, life, Instant::now()) != Verdict::Good || faults.key_expired {
        return error(StatusCode::UNAUTHORIZED, "250002", "Invalid Authentication Information.");
    }
    if faults.refuses_key {
        return error(StatusCode::FORBIDDEN, "250003", "Invalid Access License number");
    }
    if text(&headers, "transid").is_empty() || text(&headers, "transactionsrc").is_empty() {
        return error(StatusCode::BAD_REQUEST, "TV1001", "Missing transId or transactionSrc");
    }
    if !NUMBER_CHARS.contains(&number.len()) || !number.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return malformed();
    }
    match world.look(NAME, &number).await {
        Telling::Found(parcel) => found(&parcel),
        Telling::Truncated(parcel) => cut(found(&parcel)).await,
        // With status 200, a warning and no package, although 404 is documented.
        Telling::Unknown => answer(
            StatusCode::OK,
            &json!({
                "trackResponse": { "shipment": [{
                    "inquiryNumber": number,
                    "warnings": [{ "code": "TW0001", "message": "Tracking Information Not Found" }],
                }] }
            }),
        ),
        Telling::Invalid => malformed(),
        Telling::TooOften => trouble(Trouble::TooMany),
        Telling::LookupFailed | Telling::Fails => {
            error(StatusCode::INTERNAL_SERVER_ERROR, "TV0001", "An internal error occurred")
        }
        Telling::Html => html(),
    }
}

fn found(parcel: &Parcel) -> Response {
    answer(
        StatusCode::OK,
        &json!({
            "trackResponse": { "shipment": [{
                "inquiryNumber": parcel.number,
                "package": packages(parcel),
                "userRelation": [],
            }] }
        }),
    )
}

fn trouble(trouble: Trouble) -> Response {
    match trouble {
        Trouble::Limited | Trouble::TooMany | Trouble::DayDone => {
            error(StatusCode::TOO_MANY_REQUESTS, "10429", "Too Many Requests")
        }
        Trouble::Down => error(StatusCode::SERVICE_UNAVAILABLE, "10503", "Service Unavailable"),
    }
}

fn malformed() -> Response {
    error(StatusCode::BAD_REQUEST, "TV1002", "Invalid inquiry number")
}

fn error(status: StatusCode, code: &str, message: &str) -> Response {
    answer(status, &json!({ "response": { "errors": [{ "code": code, "message": message }] } }))
}
