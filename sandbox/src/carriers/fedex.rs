//! FedEx Track API v1: a token first, then up to 30 numbers a call, each with an answer of its own.
//!
//! What its documents leave open is filled in from the errors that they do show: the JSON of a 429 and of a refused
//! token has the shape of every other error.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::post;
use serde_json::{Value, json};

use crate::carriers::CarrierName;
use crate::carriers::fedex_results::{not_found, results, with_error};
use crate::carriers::gate::{Trouble, cut, guarded, html, json as answer};
use crate::carriers::tokens::{Flood, Verdict, form_field};
use crate::signature::text;
use crate::timeline::parcel::Telling;
use crate::world::World;
use crate::{FEDEX_CLIENT_ID, FEDEX_CLIENT_SECRET};

const NAME: CarrierName = CarrierName::Fedex;
const NUMBERS_MAX: usize = 30;
const TOKEN_LIFE_S: u64 = 3_600;
const BAN_S: u64 = 600;
/// 3 a second for 5 seconds, or 1 a second for 2 minutes.
const FLOODS: [Flood; 2] = [
    Flood { calls: 15, within: Duration::from_secs(5) },
    Flood { calls: 120, within: Duration::from_secs(120) },
];

pub(crate) fn routes(world: &Arc<World>) -> Router<Arc<World>> {
    let tracking = Router::new().route("/fedex/track/v1/trackingnumbers", post(track));
    guarded(tracking, world, NAME, trouble).route("/fedex/oauth/token", post(token))
}

async fn token(State(world): State<Arc<World>>, headers: HeaderMap, body: Bytes) -> Response {
    let now = Instant::now();
    world.record.counts(NAME).token_call(now);
    let faults = world.switches.get().of_carrier(NAME);
    let ban = Duration::from_secs(faults.token_ban_s.unwrap_or(BAN_S));
    if !world.fedex_tokens.may_come(&FLOODS, ban, now) {
        return error(StatusCode::FORBIDDEN, "FORBIDDEN.ERROR", "We could not authorize your credentials.");
    }
    let is_form = text(&headers, "content-type").starts_with("application/x-www-form-urlencoded");
    let field = |name| form_field(&body, name).unwrap_or_default();
    if !is_form || field("grant_type") != "client_credentials" {
        return error(
            StatusCode::BAD_REQUEST,
            "INVALID.INPUT.EXCEPTION",
            "Invalid field value in the input.",
        );
    }
    let is_known = field("client_id") == FEDEX_CLIENT_ID && field("client_secret") == FEDEX_CLIENT_SECRET;
    if !is_known || faults.refuses_key || faults.key_expired {
        return not_authorized();
    }
    answer(
        StatusCode::OK,
        &json!({
            "access_token": world.fedex_tokens.give(now),
            "token_type": "bearer",
            "expires_in": faults.token_life_s.unwrap_or(TOKEN_LIFE_S),
            "scope": "CXS",
        }),
    )
}

async fn track(State(world): State<Arc<World>>, headers: HeaderMap, body: Bytes) -> Response {
    let faults = world.switches.get().of_carrier(NAME);
    let token = text(&headers, "authorization").strip_prefix("Bearer ").unwrap_or_default();
    let life = Duration::from_secs(faults.token_life_s.unwrap_or(TOKEN_LIFE_S));
    if world.fedex_tokens.judge(token, life, Instant::now()) != Verdict::Good || faults.key_expired {
        return not_authorized();
    }
    if faults.refuses_key {
        return error(
            StatusCode::FORBIDDEN,
            "FORBIDDEN.ERROR",
            "Your credentials may not use this resource.",
        );
    }
    if !text(&headers, "content-type").starts_with("application/json") {
        return error(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "INVALID.INPUT.EXCEPTION",
            "The content type must be application/json.",
        );
    }
    let question: Value = serde_json::from_slice(&body).unwrap_or_default();
    let Some(asked) = question["trackingInfo"].as_array().filter(|asked| !asked.is_empty()) else {
        return empty();
    };
    if asked.len() > NUMBERS_MAX {
        return invalid();
    }
    let mut parts = Vec::new();
    let mut truncated = false;
    for one in asked {
        let info = &one["trackingNumberInfo"];
        let Some(number) = info["trackingNumber"].as_str().filter(|number| !number.is_empty()) else {
            return empty();
        };
        let unique_id = info["trackingNumberUniqueId"].as_str().filter(|id| !id.is_empty());
        let track_results = match world.look(NAME, number).await {
            Telling::Found(parcel) => results(&parcel, unique_id),
            Telling::Truncated(parcel) => {
                truncated = true;
                results(&parcel, unique_id)
            }
            Telling::Unknown => vec![not_found(number)],
            Telling::LookupFailed => vec![with_error(
                number,
                "TRACKING.DATA.NOTFOUND",
                "Tracking data could not be found. Please try again later.",
            )],
            Telling::Invalid => return invalid(),
            Telling::TooOften => return trouble(Trouble::TooMany),
            Telling::Fails => return internal_error(),
            Telling::Html => return html(),
        };
        parts.push(json!({ "trackingNumber": number, "trackResults": track_results }));
    }
    let customer = text(&headers, "x-customer-transaction-id");
    let body = json!({
        "transactionId": transaction_id(&world),
        "customerTransactionId": customer,
        "output": {
            "completeTrackResults": parts,
            // Text here, as in the documents' sample; a list by their schema.
            "alerts": "TRACKING.DATA.NOTFOUND -  Tracking data unavailable",
        },
    });
    let response = answer(StatusCode::OK, &body);
    if truncated { cut(response).await } else { response }
}

fn transaction_id(world: &World) -> String {
    let millis = world.now().timestamp_millis();
    format!("00000000-0000-4000-8000-{:012x}", millis & 0xffff_ffff_ffff)
}

fn trouble(trouble: Trouble) -> Response {
    const TOO_MANY: &str =
        "We have received too many requests in a short duration. Please wait a while to try again.";
    const DAY_DONE: &str = "Daily transaction quota exceeded. Retry after 12:00AM GMT";
    match trouble {
        Trouble::Limited | Trouble::TooMany => {
            error(StatusCode::TOO_MANY_REQUESTS, "TOO.MANY.REQUESTS", TOO_MANY)
        }
        Trouble::DayDone => error(StatusCode::TOO_MANY_REQUESTS, "TOO.MANY.REQUESTS", DAY_DONE),
        Trouble::Down => error(
            StatusCode::SERVICE_UNAVAILABLE,
            "SERVICE.UNAVAILABLE.ERROR",
            "The service is currently unavailable and we are working to resolve the issue.",
        ),
    }
}

fn internal_error() -> Response {
    error(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL.SERVER.ERROR", "We encountered an unexpected error.")
}

fn not_authorized() -> Response {
    error(
        StatusCode::UNAUTHORIZED,
        "NOT.AUTHORIZED.ERROR",
        "Access token expired. Please modify your request.",
    )
}

fn empty() -> Response {
    error(StatusCode::BAD_REQUEST, "TRACKING.TRACKINGNUMBER.EMPTY", "Please provide tracking number.")
}

fn invalid() -> Response {
    error(StatusCode::BAD_REQUEST, "INVALID.INPUT.EXCEPTION", "Invalid field value in the input.")
}

fn error(status: StatusCode, code: &str, message: &str) -> Response {
    answer(
        status,
        &json!({
            "transactionId": "00000000-0000-4000-8000-000000000000",
            "errors": [{ "code": code, "message": message }],
        }),
    )
}
