//! Slack: incoming webhooks and the bot methods that write, with Slack's pace and errors.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use governor::clock::{Clock as _, DefaultClock};
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use serde_json::{Value, json};

use crate::faults::pause;
use crate::record::SlackPost;
use crate::signature::text;
use crate::slack_blocks::checked;
use crate::world::World;
use crate::{SLACK_CHANNEL, SLACK_TOKEN};

/// Most channels and webhooks whose pace is remembered before those at rest are forgotten.
const PACED_MAX: usize = 1_000;

pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/slack/services/{team}/{app}/{secret}", post(webhook))
        .route("/slack/api/chat.postMessage", post(post_message))
        .route("/slack/api/chat.update", post(update))
        .route("/slack/api/auth.test", post(auth_test))
}

/// One message a second and channel, after a short burst.
#[derive(Debug)]
pub(crate) struct Pace(Option<RateLimiter<String, HashMapStateStore<String>, DefaultClock>>);

impl Pace {
    pub(crate) fn new(burst: u32) -> Self {
        let burst = NonZeroU32::new(burst);
        Self(burst.map(|burst| RateLimiter::hashmap(Quota::per_second(NonZeroU32::MIN).allow_burst(burst))))
    }

    /// How long to wait when a message comes too early.
    fn too_early(&self, channel: &str) -> Option<Duration> {
        let limiter = self.0.as_ref()?;
        if limiter.len() > PACED_MAX {
            limiter.retain_recent();
        }
        let early = limiter.check_key(&channel.to_owned()).err()?;
        Some(early.wait_time_from(DefaultClock::default().now()))
    }
}

async fn webhook(
    State(world): State<Arc<World>>,
    Path(hook): Path<(String, String, String)>,
    body: Bytes,
) -> Response {
    hang(&world).await;
    if let Some(trouble) = trouble(&world) {
        return trouble;
    }
    if let Some(error) = &world.switches.get().slack_error {
        return (webhook_status(error), error.clone()).into_response();
    }
    if let Some(wait) = world.slack_pace.too_early(&format!("{}/{}/{}", hook.0, hook.1, hook.2)) {
        return too_many(wait);
    }
    let Ok(message @ Value::Object(_)) = serde_json::from_slice::<Value>(&body) else {
        return (StatusCode::BAD_REQUEST, "invalid_payload").into_response();
    };
    if let Err(error) = checked(&message) {
        return (StatusCode::BAD_REQUEST, error).into_response();
    }
    world.record.posted(entry(&message, String::new(), String::new()), body.len());
    "ok".into_response()
}

async fn post_message(State(world): State<Arc<World>>, headers: HeaderMap, body: Bytes) -> Response {
    hang(&world).await;
    let message = match asked(&world, &headers, &body) {
        Ok(message) => message,
        Err(refusal) => return *refusal,
    };
    if let Some(wait) = world.slack_pace.too_early(SLACK_CHANNEL) {
        return too_many(wait);
    }
    let ts = world.slack_stamp();
    world.record.posted(entry(&message, SLACK_CHANNEL.to_owned(), ts.clone()), body.len());
    pause(Duration::from_millis(world.switches.get().slack_takes_then_hangs_ms)).await;
    Json(json!({
        "ok": true, "channel": SLACK_CHANNEL, "ts": ts, "message": { "type": "message", "text": message["text"] },
    }))
    .into_response()
}

async fn update(State(world): State<Arc<World>>, headers: HeaderMap, body: Bytes) -> Response {
    hang(&world).await;
    let message = match asked(&world, &headers, &body) {
        Ok(message) => message,
        Err(refusal) => return *refusal,
    };
    let ts = message["ts"].as_str().unwrap_or_default();
    let text = message["text"].as_str().unwrap_or_default().to_owned();
    if !world.record.updated(ts, text, message["blocks"].clone(), &message["metadata"]) {
        return not_ok("message_not_found");
    }
    Json(json!({ "ok": true, "channel": SLACK_CHANNEL, "ts": ts, "text": message["text"] })).into_response()
}

async fn auth_test(State(world): State<Arc<World>>, headers: HeaderMap) -> Response {
    world.record.slack_called();
    if let Some(trouble) = trouble(&world) {
        return trouble;
    }
    if let Some(error) = token_error(&world, &headers) {
        return not_ok(error);
    }
    Json(json!({
        "ok": true, "url": "https://sandbox.slack.example/", "team": "sandbox", "user": "forebay",
        "team_id": "T0SANDBOX", "user_id": "U0SANDBOX", "bot_id": "B0SANDBOX",
    }))
    .into_response()
}

/// The message that a bot method was called with, when everything about it is right.
fn asked(world: &World, headers: &HeaderMap, body: &[u8]) -> Result<Value, Box<Response>> {
    if let Some(trouble) = trouble(world) {
        return Err(Box::new(trouble));
    }
    let refused = |error: &str| Box::new(not_ok(error));
    if let Some(error) = token_error(world, headers) {
        return Err(refused(error));
    }
    let message: Value = serde_json::from_slice(body).map_err(|_| refused("invalid_json"))?;
    if !message.is_object() {
        return Err(refused("json_not_object"));
    }
    if message["channel"].as_str() != Some(SLACK_CHANNEL) {
        return Err(refused("channel_not_found"));
    }
    if let Some(error) = &world.switches.get().slack_error {
        return Err(refused(error));
    }
    let metadata = &message["metadata"];
    if !(metadata.is_null() || metadata["event_type"].is_string() && metadata["event_payload"].is_object()) {
        return Err(refused("invalid_metadata_format"));
    }
    checked(&message).map_err(refused)?;
    Ok(message)
}

fn entry(message: &Value, channel: String, ts: String) -> SlackPost {
    SlackPost {
        ts,
        channel,
        thread_ts: message["thread_ts"].as_str().map(str::to_owned),
        broadcast: message["reply_broadcast"] == true,
        text: message["text"].as_str().unwrap_or_default().to_owned(),
        blocks: message["blocks"].clone(),
        metadata: message["metadata"].clone(),
        updates: 0,
    }
}

pub(crate) fn token_error(world: &World, headers: &HeaderMap) -> Option<&'static str> {
    let Some(token) = text(headers, "authorization").strip_prefix("Bearer ") else {
        return Some("not_authed");
    };
    let good = !world.switches.get().slack_refuses_token && token == SLACK_TOKEN;
    (!good).then_some("invalid_auth")
}

/// Counts the call, and waits before anything is kept of it.
pub(crate) async fn hang(world: &World) {
    world.record.slack_called();
    pause(Duration::from_millis(world.switches.get().slack_hangs_ms)).await;
}

pub(crate) fn trouble(world: &World) -> Option<Response> {
    let faults = world.switches.get();
    if let Some(seconds) = faults.slack_rate_limited {
        return Some(too_many(Duration::from_secs(seconds)));
    }
    faults.slack_fails.then(|| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

/// `Retry-After` is in whole seconds.
fn too_many(wait: Duration) -> Response {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let body = Json(json!({ "ok": false, "error": "ratelimited" }));
    (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, seconds.to_string())], body).into_response()
}

/// The status that Slack documents for a webhook's error.
fn webhook_status(error: &str) -> StatusCode {
    match error {
        "action_prohibited" => StatusCode::FORBIDDEN,
        "channel_not_found" | "no_service" | "no_team" => StatusCode::NOT_FOUND,
        "channel_is_archived" => StatusCode::GONE,
        "rollup_error" => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    }
}

pub(crate) fn not_ok(error: &str) -> Response {
    Json(json!({ "ok": false, "error": error })).into_response()
}
