//! Slack's messages, read by the bot: of a channel, or of a thread, with what they say of themselves.

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::SLACK_CHANNEL;
use crate::record::SlackPost;
use crate::slack::{hang, not_ok, token_error, trouble};
use crate::world::World;

/// What Slack gives when it is not told how many, and at most.
const LIMIT: usize = 100;
const LIMIT_MAX: usize = 999;

pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/slack/api/conversations.history", get(history))
        .route("/slack/api/conversations.replies", get(replies))
}

#[derive(Debug, Deserialize)]
struct Wanted {
    channel: Option<String>,
    ts: Option<String>,
    oldest: Option<f64>,
    limit: Option<usize>,
    cursor: Option<usize>,
    #[serde(default)]
    include_all_metadata: bool,
}

/// What the channel shows, the newest first.
async fn history(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    Query(wanted): Query<Wanted>,
) -> Response {
    if let Some(refusal) = refusal(&world, &headers, &wanted).await {
        return refusal;
    }
    let mut posts = world.record.slack_posts();
    posts.retain(|post| post.channel == SLACK_CHANNEL && (post.thread_ts.is_none() || post.broadcast));
    posts.reverse();
    page(posts, &wanted)
}

/// A message, and what was answered to it in its order.
async fn replies(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    Query(wanted): Query<Wanted>,
) -> Response {
    if let Some(refusal) = refusal(&world, &headers, &wanted).await {
        return refusal;
    }
    let mut posts = world.record.slack_posts();
    posts.retain(|post| wanted.ts.as_deref() == Some(post.thread_ts.as_deref().unwrap_or(&post.ts)));
    if posts.is_empty() {
        return not_ok("thread_not_found");
    }
    page(posts, &wanted)
}

async fn refusal(world: &World, headers: &HeaderMap, wanted: &Wanted) -> Option<Response> {
    hang(world).await;
    if let Some(trouble) = trouble(world) {
        return Some(trouble);
    }
    if let Some(error) = token_error(world, headers) {
        return Some(not_ok(error));
    }
    if world.switches.get().slack_tells_nothing {
        return Some(not_ok("missing_scope"));
    }
    (wanted.channel.as_deref() != Some(SLACK_CHANNEL)).then(|| not_ok("channel_not_found"))
}

fn page(mut posts: Vec<SlackPost>, wanted: &Wanted) -> Response {
    let oldest = wanted.oldest.unwrap_or(0.0);
    posts.retain(|post| post.ts.parse().is_ok_and(|ts: f64| ts > oldest));
    let (from, limit) = (wanted.cursor.unwrap_or(0), wanted.limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX));
    let more = posts.len() > from.saturating_add(limit);
    let next = if more { (from + limit).to_string() } else { String::new() };
    let messages: Vec<Value> =
        posts.iter().skip(from).take(limit).map(|post| told(post, wanted.include_all_metadata)).collect();
    Json(json!({
        "ok": true, "messages": messages, "has_more": more, "response_metadata": { "next_cursor": next },
    }))
    .into_response()
}

fn told(post: &SlackPost, with_metadata: bool) -> Value {
    let mut message = json!({ "type": "message", "ts": post.ts, "text": post.text, "blocks": post.blocks });
    if let Some(thread) = &post.thread_ts {
        message["thread_ts"] = json!(thread);
    }
    if with_metadata && !post.metadata.is_null() {
        message["metadata"] = post.metadata.clone();
    }
    message
}
