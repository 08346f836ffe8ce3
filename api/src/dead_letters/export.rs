//! Dead letters as lines of JSON, read and sent a page at a time: memory does not grow with their number.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use forebay_intake::{Kind, Problem};
use forebay_store::dead_letters::Cursor;
use forebay_store::{DeadLetter, DeadLetterFilter, Error};
use futures::stream;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;

use super::ask::ListAsk;
use super::read::Whole;
use crate::api::Api;
use crate::callers::Reports;
use crate::extract::Asked;
use crate::openapi::{Operation, Output};

/// Letters that are held at once.
const PAGE: u32 = 50;
/// Most letters of one export, when a limit is asked for.
pub(super) const LIMIT_MAX: u32 = 1_000_000;

/// Lines of JSON.
#[derive(Debug)]
pub(crate) struct Lines(Response);

impl IntoResponse for Lines {
    fn into_response(self) -> Response {
        self.0
    }
}

impl Output for Lines {
    fn tell(operation: &mut Operation<'_>) {
        let answer = operation.answer(200, "application/x-ndjson", json!({ "type": "string" }));
        answer.header("Content-Disposition", "The name of the file.", json!({ "type": "string" }));
    }
}

/// How far an export has come.
struct Export {
    api: Arc<Api>,
    filter: DeadLetterFilter,
    after: Option<Cursor>,
    left: u64,
    /// So that no more than a few run at once.
    _permit: OwnedSemaphorePermit,
}

pub(crate) async fn export(
    State(api): State<Arc<Api>>,
    _: Reports,
    Asked(asked): Asked<ListAsk>,
) -> Result<Lines, Problem> {
    let limit = asked.limit;
    if limit.is_some_and(|limit| !(1..=LIMIT_MAX).contains(&limit)) {
        return Err(Problem::new(
            Kind::InvalidRequest,
            format!("In the query: limit must be 1 to {LIMIT_MAX}."),
        ));
    }
    let after = asked.cursor.0;
    let filter = asked.filter()?;
    let Ok(permit) = Arc::clone(&api.exports).try_acquire_owned() else {
        return Err(Problem::new(Kind::ReducedCapacity, "Too many exports are under way; try again."));
    };
    let left = limit.map_or(u64::MAX, u64::from);
    let mut export = Export { api, filter, after, left, _permit: permit };
    // The first page is read before anything is answered, so that a store that is away is told as such.
    let first = export.page().await.map_err(|error| crate::failure::problem(&error))?;
    let lines = stream::try_unfold((Some(first), export), |(page, mut export)| async move {
        let page = match page {
            Some(page) => page,
            None => export.page().await.inspect_err(|error| {
                tracing::warn!(%error, "an export of dead letters broke off");
            })?,
        };
        if page.is_empty() {
            return Ok::<_, Error>(None);
        }
        Ok(Some((Bytes::from(lines(page)?), (None, export))))
    });
    let headers = [
        (header::CONTENT_TYPE, "application/x-ndjson"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"dead-letters.ndjson\""),
    ];
    Ok(Lines((headers, Body::from_stream(lines)).into_response()))
}

impl Export {
    async fn page(&mut self) -> Result<Vec<DeadLetter>, Error> {
        let size = self.left.min(u64::from(PAGE));
        let size = u32::try_from(size).unwrap_or(PAGE);
        if size == 0 {
            return Ok(Vec::new());
        }
        let answer = self.api.store.dead_letters_whole(&self.filter, self.after, size);
        let late = |_| Error::Unavailable("no answer in time".to_owned());
        let page = tokio::time::timeout(self.api.options.store_deadline, answer).await.map_err(late)??;
        self.after = page.last().map(DeadLetter::cursor).or(self.after);
        self.left -= page.len() as u64;
        Ok(page)
    }
}

/// One line a letter, each with the cursor behind which the next one comes.
fn lines(letters: Vec<DeadLetter>) -> Result<Vec<u8>, Error> {
    let mut lines = Vec::new();
    for letter in letters {
        let cursor = letter.cursor().to_string();
        let line = Line { cursor, letter: letter.into() };
        serde_json::to_writer(&mut lines, &line).map_err(|error| Error::Refused(error.to_string()))?;
        lines.push(b'\n');
    }
    Ok(lines)
}

#[derive(serde::Serialize)]
struct Line {
    cursor: String,
    #[serde(flatten)]
    letter: Whole,
}
