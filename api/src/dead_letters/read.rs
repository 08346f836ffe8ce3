//! Groups, a filtered list, one with its bytes.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forebay_intake::Problem;
use forebay_store::{DeadLetter, DeadLetterGroup};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ask::ListAsk;
use crate::api::Api;
use crate::callers::Reports;
use crate::extract::{Asked, Named};
use crate::failure::not_found;
use crate::page::{Page, limit, page};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GroupsAsk {
    #[schemars(range(min = 1, max = crate::page::MOST))]
    limit: Option<u32>,
    /// Those without an open letter, too.
    #[serde(default)]
    all: bool,
}

/// One dead letter, whole.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DeadLetterWhole")]
pub(crate) struct Whole {
    #[serde(flatten)]
    letter: DeadLetter,
    body: String,
    /// `utf-8` or `base64`.
    body_encoding: &'static str,
}

impl From<DeadLetter> for Whole {
    fn from(mut letter: DeadLetter) -> Self {
        let (body, body_encoding) = match String::from_utf8(std::mem::take(&mut letter.body)) {
            Ok(text) => (text, "utf-8"),
            Err(bytes) => (STANDARD.encode(bytes.as_bytes()), "base64"),
        };
        Self { letter, body, body_encoding }
    }
}

pub(crate) async fn groups(
    State(api): State<Arc<Api>>,
    _: Reports,
    Asked(asked): Asked<GroupsAsk>,
) -> Result<Page<DeadLetterGroup>, Problem> {
    let limit = limit(asked.limit)?;
    let groups = api.ask(api.store.dead_letter_groups(asked.all, limit + 1)).await?;
    Ok(page(groups, limit, |_| None))
}

pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    _: Reports,
    Asked(asked): Asked<ListAsk>,
) -> Result<Page<DeadLetter>, Problem> {
    let limit = limit(asked.limit)?;
    let after = asked.cursor.0;
    let filter = asked.filter()?;
    let letters = api.ask(api.store.dead_letters(&filter, after, limit + 1)).await?;
    Ok(page(letters, limit, |letter| Some(letter.cursor().to_string())))
}

pub(crate) async fn one(
    State(api): State<Arc<Api>>,
    _: Reports,
    Named(id): Named<Uuid>,
) -> Result<Json<Whole>, Problem> {
    let letter = api.ask(api.store.dead_letter(id)).await?;
    letter.map(|letter| Json(letter.into())).ok_or_else(|| not_found("dead letter"))
}
