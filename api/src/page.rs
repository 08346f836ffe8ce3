//! Lists, a page at a time.

use axum::Json;
use axum::response::{IntoResponse, Response};
use forebay_intake::{Kind, Problem};
use forebay_store::PAGE_MAX;
use schemars::JsonSchema;
use serde::Serialize;

use crate::openapi::{Operation, Output};

/// Items on a page when nothing is said.
const DEFAULT: u32 = 50;
/// Most items on a page.
pub(crate) const MOST: u32 = 200;

/// How many items a page has, 1 to 200.
pub(crate) fn limit(asked: Option<u32>) -> Result<u32, Problem> {
    match asked.unwrap_or(DEFAULT) {
        limit if (1..=MOST).contains(&limit) => Ok(limit),
        _ => Err(Problem::new(Kind::InvalidRequest, format!("In the query: limit must be 1 to {MOST}."))),
    }
}

/// How many items a page of CSV has.
pub(crate) fn csv_limit(asked: u32) -> Result<u32, Problem> {
    if (1..=PAGE_MAX).contains(&asked) {
        return Ok(asked);
    }
    Err(Problem::new(Kind::InvalidRequest, format!("In the query: limit must be 1 to {PAGE_MAX}.")))
}

/// A part of a list.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "{T}Page")]
pub(crate) struct Page<T> {
    items: Vec<T>,
    /// There is more than this page.
    more: bool,
    /// Pass it as `cursor` for the next page; none at the end, and where a list has one page only.
    next_cursor: Option<String>,
}

/// A page of at most `limit` items out of the `limit + 1` that were asked for, so that it is known whether there are
/// more. `cursor` names an item so that the next page begins after it.
pub(crate) fn page<T>(mut items: Vec<T>, limit: u32, cursor: impl FnOnce(&T) -> Option<String>) -> Page<T> {
    let limit = limit as usize;
    let more = items.len() > limit;
    items.truncate(limit);
    let next_cursor = items.last().filter(|_| more).and_then(cursor);
    Page { items, more, next_cursor }
}

impl<T: Serialize> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        Json(self).into_response()
    }
}

impl<T: JsonSchema> Output for Page<T> {
    fn tell(operation: &mut Operation<'_>) {
        Json::<Self>::tell(operation);
    }
}
