//! Slack: incoming webhooks and the three bot methods that are called, with Slack's limits and errors.
//!
//! Limits (Slack's reference for blocks): 50 blocks; header 150; section text 3,000; fields 10 of 2,000.

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};

use crate::record::SlackPost;
use crate::server::World;
use crate::{SLACK_CHANNEL, SLACK_TOKEN};

/// Above this many characters in all blocks Slack answers `msg_blocks_too_long`; the limit is not documented.
const TOTAL_CHARS: usize = 13_000;

pub(crate) fn routes() -> Router<World> {
    Router::new()
        .route("/slack/services/{team}/{app}/{secret}", post(webhook))
        .route("/slack/api/chat.postMessage", post(post_message))
        .route("/slack/api/chat.update", post(update))
        .route("/slack/api/auth.test", post(auth_test))
}

async fn webhook(State(world): State<World>, body: Bytes) -> Response {
    if let Some(trouble) = trouble(&world) {
        return trouble;
    }
    let Ok(message) = serde_json::from_slice::<Value>(&body) else {
        return (StatusCode::BAD_REQUEST, "invalid_payload").into_response();
    };
    if let Err(error) = checked(&message) {
        return (StatusCode::BAD_REQUEST, error).into_response();
    }
    world.record.posted(SlackPost { updates: 0, ..entry(&message, String::new(), String::new()) });
    "ok".into_response()
}

async fn post_message(
    State(world): State<World>,
    headers: HeaderMap,
    Json(message): Json<Value>,
) -> Response {
    if let Some(refusal) = refusal(&world, &headers, &message) {
        return refusal;
    }
    let ts = format!("{}.{:06}", world.now().timestamp(), world.next());
    world.record.posted(entry(&message, SLACK_CHANNEL.to_owned(), ts.clone()));
    Json(json!({ "ok": true, "channel": SLACK_CHANNEL, "ts": ts, "message": { "text": message["text"] } }))
        .into_response()
}

async fn update(State(world): State<World>, headers: HeaderMap, Json(message): Json<Value>) -> Response {
    if let Some(refusal) = refusal(&world, &headers, &message) {
        return refusal;
    }
    let ts = message["ts"].as_str().unwrap_or_default();
    let text = message["text"].as_str().unwrap_or_default().to_owned();
    if !world.record.updated(SLACK_CHANNEL, ts, text, message["blocks"].clone()) {
        return not_ok("message_not_found");
    }
    Json(json!({ "ok": true, "channel": SLACK_CHANNEL, "ts": ts, "text": message["text"] })).into_response()
}

async fn auth_test(State(world): State<World>, headers: HeaderMap) -> Response {
    if !authentic(&world, &headers) {
        return not_ok("invalid_auth");
    }
    Json(json!({ "ok": true, "team": "sandbox", "user": "forebay", "team_id": "T0", "user_id": "U0" }))
        .into_response()
}

fn entry(message: &Value, channel: String, ts: String) -> SlackPost {
    SlackPost {
        ts,
        channel,
        thread_ts: message["thread_ts"].as_str().map(str::to_owned),
        text: message["text"].as_str().unwrap_or_default().to_owned(),
        blocks: message["blocks"].clone(),
        updates: 0,
    }
}

fn authentic(world: &World, headers: &HeaderMap) -> bool {
    let given = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
    !world.switches.get().slack_refuses_token && given == Some(format!("Bearer {SLACK_TOKEN}").as_str())
}

fn refusal(world: &World, headers: &HeaderMap, message: &Value) -> Option<Response> {
    if let Some(trouble) = trouble(world) {
        return Some(trouble);
    }
    if !authentic(world, headers) {
        return Some(not_ok("invalid_auth"));
    }
    if message["channel"].as_str() != Some(SLACK_CHANNEL) {
        return Some(not_ok("channel_not_found"));
    }
    checked(message).err().map(not_ok)
}

fn trouble(world: &World) -> Option<Response> {
    let faults = world.switches.get();
    if let Some(seconds) = faults.slack_rate_limited {
        let body = Json(json!({ "ok": false, "error": "ratelimited" }));
        return Some(
            (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, seconds.to_string())], body)
                .into_response(),
        );
    }
    faults.slack_fails.then(|| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

fn not_ok(error: &str) -> Response {
    Json(json!({ "ok": false, "error": error })).into_response()
}

fn checked(message: &Value) -> Result<(), &'static str> {
    let none = Vec::new();
    let blocks = message["blocks"].as_array().unwrap_or(&none);
    let text = message["text"].as_str().unwrap_or_default();
    if blocks.is_empty() && text.is_empty() {
        return Err("no_text");
    }
    if blocks.len() > 50 || !blocks.iter().all(sound) {
        return Err("invalid_blocks");
    }
    let total: usize = blocks.iter().map(|b| b.to_string().chars().count()).sum();
    if total > TOTAL_CHARS { Err("msg_blocks_too_long") } else { Ok(()) }
}

fn sound(block: &Value) -> bool {
    let fits = |text: &Value, most: usize| {
        text["text"].as_str().is_some_and(|t| (1..=most).contains(&t.chars().count()))
    };
    let all_fit = |list: &Value, count: usize, most: usize| {
        list.as_array().is_none_or(|l| (1..=count).contains(&l.len()) && l.iter().all(|t| fits(t, most)))
    };
    match block["type"].as_str() {
        Some("header") => block["text"]["type"] == "plain_text" && fits(&block["text"], 150),
        Some("section") => {
            let text = &block["text"];
            (text.is_null() || fits(text, 3_000))
                && all_fit(&block["fields"], 10, 2_000)
                && !(text.is_null() && block["fields"].is_null())
        }
        Some("context") => block["elements"].is_array() && all_fit(&block["elements"], 10, 2_000),
        Some("divider" | "actions") => true,
        _ => false,
    }
}
