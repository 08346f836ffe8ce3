//! Dead letters: groups, a filtered list, one with its bytes.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use forebay_intake::{Kind, Problem};
use forebay_schemas::{Code, Queue};
use forebay_store::{DeadLetter, DeadLetterFilter};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::api::Api;
use crate::callers::Admin;
use crate::extract::{Asked, Named};
use crate::failure::not_found;
use crate::page::{limit, page};

/// Longest text to search for, in bytes: AMQP's short strings hold no more.
const TEXT_BYTES: usize = 255;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeadLettersAsk {
    code: Option<Code>,
    queue: Option<String>,
    r#type: Option<String>,
    group: Option<String>,
    message_id: Option<String>,
    subject: Option<String>,
    since: Option<DateTime<Utc>>,
    limit: Option<u32>,
    cursor: Option<Uuid>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GroupsAsk {
    limit: Option<u32>,
}

/// One dead letter, whole.
#[derive(Debug, Serialize)]
pub(crate) struct Whole {
    #[serde(flatten)]
    letter: DeadLetter,
    body: String,
    /// `utf-8` or `base64`.
    body_encoding: &'static str,
}

pub(crate) async fn groups(
    State(api): State<Arc<Api>>,
    _: Admin,
    Asked(asked): Asked<GroupsAsk>,
) -> Result<Response, Problem> {
    let limit = limit(asked.limit)?;
    let groups = api.ask(api.store.dead_letter_groups(limit + 1)).await?;
    Ok(page(groups, limit, |_| None))
}

pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    _: Admin,
    Asked(asked): Asked<DeadLettersAsk>,
) -> Result<Response, Problem> {
    let limit = limit(asked.limit)?;
    let after = asked.cursor;
    let filter = filter(asked)?;
    let letters = api.ask(api.store.dead_letters(&filter, after, limit + 1)).await?;
    Ok(page(letters, limit, |letter| Some(letter.id.to_string())))
}

pub(crate) async fn one(
    State(api): State<Arc<Api>>,
    _: Admin,
    Named(id): Named<Uuid>,
) -> Result<Json<Whole>, Problem> {
    let letter = api.ask(api.store.dead_letter(id)).await?;
    letter.map(|letter| Json(whole(letter))).ok_or_else(|| not_found("dead letter"))
}

fn filter(asked: DeadLettersAsk) -> Result<DeadLetterFilter, Problem> {
    let queue = asked.queue.map(|queue| queue.parse::<Queue>()).transpose();
    let queue =
        queue.map_err(|unknown| Problem::new(Kind::InvalidRequest, format!("queue is {unknown}.")))?;
    Ok(DeadLetterFilter {
        code: asked.code,
        queue: queue.map(|queue| queue.to_string()),
        kind: searchable("type", asked.r#type)?,
        fingerprint: searchable("group", asked.group)?,
        message_id: searchable("message_id", asked.message_id)?,
        subject: searchable("subject", asked.subject)?,
        since: asked.since,
    })
}

/// A store may refuse to search for control characters, and then it would look as if it were its fault.
fn searchable(name: &str, text: Option<String>) -> Result<Option<String>, Problem> {
    match text {
        Some(text) if text.len() > TEXT_BYTES || text.chars().any(char::is_control) => {
            let detail = format!("{name} must be {TEXT_BYTES} bytes at most, without control characters.");
            Err(Problem::new(Kind::InvalidRequest, detail))
        }
        text => Ok(text),
    }
}

fn whole(mut letter: DeadLetter) -> Whole {
    let (body, body_encoding) = match String::from_utf8(std::mem::take(&mut letter.body)) {
        Ok(text) => (text, "utf-8"),
        Err(bytes) => (STANDARD.encode(bytes.as_bytes()), "base64"),
    };
    Whole { letter, body, body_encoding }
}
