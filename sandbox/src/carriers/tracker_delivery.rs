//! tracker.delivery: GraphQL over POST; errors inside status 200; a wrong key and too many calls have one code.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::post;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::carriers::CarrierName;
use crate::carriers::gate::{Trouble, cut, guarded, html, json as answer};
use crate::carriers::graphql::{Field, Query, project, read};
use crate::carriers::tracker_delivery_track::track_info;
use crate::signature::text;
use crate::timeline::parcel::Telling;
use crate::world::World;
use crate::{TRACKER_DELIVERY_CLIENT_ID, TRACKER_DELIVERY_CLIENT_SECRET};

const NAME: CarrierName = CarrierName::TrackerDelivery;
const NUMBER_CHARS_MAX: usize = 60;

/// An error's code and its text.
type Refusal = (&'static str, String);

/// What ends the whole answer, whatever else was asked.
enum Answer {
    Value(Value),
    Refused(Refusal),
    Whole(Response),
}

pub(crate) fn routes(world: &Arc<World>) -> Router<Arc<World>> {
    let graph = Router::new().route("/tracker_delivery/graphql", post(graphql));
    guarded(graph, world, NAME, trouble)
}

async fn graphql(State(world): State<Arc<World>>, headers: HeaderMap, body: Bytes) -> Response {
    let faults = world.switches.get().of_carrier(NAME);
    if faults.key_expired {
        return refused(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", "The credentials have expired.");
    }
    let key = format!("TRACKQL-API-KEY {TRACKER_DELIVERY_CLIENT_ID}:{TRACKER_DELIVERY_CLIENT_SECRET}");
    if text(&headers, "authorization") != key || faults.refuses_key {
        return refused(StatusCode::OK, "FORBIDDEN", "Forbidden");
    }
    let question: Value = serde_json::from_slice(&body).unwrap_or_default();
    let query = question["query"].as_str().ok_or_else(|| "a query is needed".to_owned());
    let query = match query.and_then(|text| read(text, &question["variables"])) {
        Ok(query) => query,
        Err(why) => return refused(StatusCode::BAD_REQUEST, "GRAPHQL_PARSE_FAILED", &why),
    };
    resolved(&world, &query).await
}

async fn resolved(world: &Arc<World>, query: &Query) -> Response {
    let (mut data, mut errors, mut truncated) = (Map::new(), Vec::new(), false);
    for field in &query.fields {
        let told = match (query.is_mutation, field.name.as_str()) {
            (false, "track") => track(world, field, &mut truncated).await,
            (true, "registerTrackWebhook") => register(world, field),
            (_, other) => {
                let why = format!("Cannot query field \"{other}\".");
                return refused(StatusCode::BAD_REQUEST, "GRAPHQL_VALIDATION_FAILED", &why);
            }
        };
        let value = match told {
            Answer::Whole(response) => return response,
            Answer::Refused((code, message)) => {
                errors.push(json!({
                    "message": message,
                    "locations": [{ "line": 1, "column": 1 }],
                    "path": [field.key],
                    "extensions": { "code": code },
                }));
                Value::Null
            }
            Answer::Value(value) => match project(&value, field) {
                Ok(value) => value,
                Err(why) => return refused(StatusCode::BAD_REQUEST, "GRAPHQL_VALIDATION_FAILED", &why),
            },
        };
        data.insert(field.key.clone(), value);
    }
    let mut body = json!({ "data": data });
    if !errors.is_empty() {
        body["errors"] = json!(errors);
    }
    let response = answer(StatusCode::OK, &body);
    if truncated { cut(response).await } else { response }
}

async fn track(world: &Arc<World>, field: &Field, truncated: &mut bool) -> Answer {
    let number = field.argument("trackingNumber");
    if let Err(refusal) = sound(field.argument("carrierId"), number) {
        return Answer::Refused(refusal);
    }
    match world.look(NAME, number).await {
        Telling::Found(parcel) => Answer::Value(track_info(&parcel)),
        Telling::Truncated(parcel) => {
            *truncated = true;
            Answer::Value(track_info(&parcel))
        }
        Telling::Unknown => Answer::Refused(("NOT_FOUND", "The tracking number was not found.".to_owned())),
        Telling::Invalid => Answer::Refused(bad("The tracking number is malformed.")),
        Telling::TooOften => Answer::Whole(trouble(Trouble::TooMany)),
        Telling::LookupFailed => Answer::Refused(("INTERNAL", "Internal error".to_owned())),
        Telling::Fails => Answer::Whole(answer(
            StatusCode::INTERNAL_SERVER_ERROR,
            &json!({ "errors": [{ "message": "Internal error", "extensions": { "code": "INTERNAL" } }] }),
        )),
        Telling::Html => Answer::Whole(html()),
    }
}

/// The same parcel registered again only moves the end of its time.
fn register(world: &Arc<World>, field: &Field) -> Answer {
    let Some(input) = field.arguments.get("input") else { return Answer::Refused(bad("an input is needed")) };
    let part = |name: &str| input[name].as_str().unwrap_or_default();
    let (carrier, number, url) = (part("carrierId"), part("trackingNumber"), part("callbackUrl"));
    if let Err(refusal) = sound(carrier, number) {
        return Answer::Refused(refusal);
    }
    let until = DateTime::parse_from_rfc3339(part("expirationTime")).map(|at| at.with_timezone(&Utc));
    let Ok(until) = until else { return Answer::Refused(bad("expirationTime is no RFC 3339 time")) };
    if !world.hooks.register(carrier, number, url, until) {
        return Answer::Refused(bad("callbackUrl is no address that can be called"));
    }
    Answer::Value(json!(true))
}

/// A carrier's id is a country's code, a full stop and a name.
fn sound(carrier: &str, number: &str) -> Result<(), Refusal> {
    let (country, name) = carrier.split_once('.').unwrap_or_default();
    if country.len() != 2 || name.is_empty() {
        return Err(bad("There is no such carrier."));
    }
    let is_sound = (1..=NUMBER_CHARS_MAX).contains(&number.len());
    if is_sound { Ok(()) } else { Err(bad("The tracking number is malformed.")) }
}

fn bad(message: &str) -> Refusal {
    ("BAD_REQUEST", message.to_owned())
}

fn trouble(trouble: Trouble) -> Response {
    match trouble {
        // Only the text tells it from a wrong key.
        Trouble::TooMany | Trouble::DayDone => {
            refused(StatusCode::OK, "FORBIDDEN", "Your rate limit was exceeded. Please try again later.")
        }
        Trouble::Limited => refused(StatusCode::TOO_MANY_REQUESTS, "FORBIDDEN", "rate limit exceeded"),
        Trouble::Down => refused(StatusCode::SERVICE_UNAVAILABLE, "INTERNAL", "Service Unavailable"),
    }
}

fn refused(status: StatusCode, code: &str, message: &str) -> Response {
    answer(status, &json!({ "errors": [{ "message": message, "extensions": { "code": code } }] }))
}
