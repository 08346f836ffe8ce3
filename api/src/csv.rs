//! Lists as CSV, for spreadsheets: RFC 4180, UTF-8 with a byte order mark, and no cell that a spreadsheet would take
//! for a formula. Long lists are read and sent a page at a time: memory does not grow with their number.

use std::borrow::Cow;
use std::convert::Infallible;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use forebay_intake::{Kind, Problem};
use forebay_store::Error;
use futures::stream;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;

use crate::api::Api;
use crate::openapi::{Input, Operation, Output};

/// Without it some spreadsheets take UTF-8 for something older.
const BYTE_ORDER_MARK: &str = "\u{feff}";
const CONTENT_TYPE: &str = "text/csv; charset=utf-8";
/// What every such list has in common.
const FORM: &str = "RFC 4180 in UTF-8: a byte order mark, a line with the names of the columns, then a line for each \
    item; a page that is not the first has neither. Text that a spreadsheet would take for a formula begins with an \
    apostrophe.";
/// Where the next page of a CSV begins; a line of it has no room for that.
const NEXT_CURSOR: HeaderName = HeaderName::from_static("forebay-next-cursor");

/// What stands in one cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    /// Text, wherever it comes from: made harmless when it is written.
    Text(String),
    /// A number, which stays one, below zero too.
    Number(i64),
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<DateTime<Utc>> for Cell {
    fn from(instant: DateTime<Utc>) -> Self {
        Self::Text(instant.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

impl From<NaiveDate> for Cell {
    fn from(day: NaiveDate) -> Self {
        Self::Text(day.to_string())
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    /// Nothing is an empty cell.
    fn from(cell: Option<T>) -> Self {
        cell.map_or_else(|| Self::Text(String::new()), Into::into)
    }
}

/// A column's name, and what stands in it.
pub(crate) type Column = (&'static str, &'static str);

/// A list that is read page by page.
pub(crate) trait Rows: Send + 'static {
    /// Its columns, in their order.
    const COLUMNS: &'static [Column];

    /// The next rows, a few hundred at most; none at the end.
    fn next(&mut self) -> impl Future<Output = Result<Vec<Vec<Cell>>, Error>> + Send;
}

/// Whether the caller would rather have CSV than JSON.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted(pub(crate) bool);

impl FromRequestParts<Arc<Api>> for Wanted {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, _: &Arc<Api>) -> Result<Self, Infallible> {
        Ok(Self(is_wanted(&parts.headers)))
    }
}

/// What is answered tells that there are two forms of it.
impl Input for Wanted {}

/// A list as CSV, or a page of it.
pub(crate) struct Csv<R>(Response, PhantomData<fn() -> R>);

impl<R> Csv<R> {
    fn of(response: impl IntoResponse) -> Self {
        Self(response.into_response(), PhantomData)
    }
}

impl<R> IntoResponse for Csv<R> {
    fn into_response(self) -> Response {
        self.0
    }
}

impl<R: Rows> Output for Csv<R> {
    fn tell(operation: &mut Operation<'_>) {
        let columns: String =
            R::COLUMNS.iter().map(|(name, meaning)| format!("\n- `{name}`: {meaning}")).collect();
        let about = format!("{FORM} Its columns, to which others may be added at the end:{columns}");
        let schema = json!({ "type": "string", "description": about });
        let answer = operation.answer(200, "text/csv", schema);
        let text = json!({ "type": "string" });
        answer.header("Content-Disposition", "The name of the file.", text.clone());
        answer.header("Forebay-Next-Cursor", "With a limit: pass it as `cursor` for the next page.", text);
    }
}

fn is_wanted(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut types = accepted.flat_map(|value| value.split(',')).filter_map(|part| part.split(';').next());
    types.any(|name| name.trim().eq_ignore_ascii_case("text/csv"))
}

/// Streams a whole list under its column names. Only a few run at once.
pub(crate) async fn download<R: Rows>(api: &Arc<Api>, name: &str, mut rows: R) -> Result<Csv<R>, Problem> {
    let permit = permit(api)?;
    // The first page is read before anything is answered, so that a store that is away is told as such.
    let first = api.ask(rows.next()).await?;
    let head = written(R::COLUMNS, &first);
    let deadline = api.options.store_deadline;
    let body = stream::try_unfold((Some(head), rows, permit), move |(head, mut rows, permit)| async move {
        if let Some(head) = head {
            return Ok::<_, Error>(Some((head, (None, rows, permit))));
        }
        let late = |_| Error::Unavailable("no answer in time".to_owned());
        let page = tokio::time::timeout(deadline, rows.next()).await.map_err(late).flatten();
        let page = page.inspect_err(|error| tracing::warn!(%error, "an export broke off"))?;
        if page.is_empty() {
            return Ok(None);
        }
        Ok(Some((written(&[], &page), (None, rows, permit))))
    });
    Ok(Csv::of((headers(name), Body::from_stream(body))))
}

/// One page of a list. The first has the column names; `next` is the cursor behind which the following one begins.
pub(crate) fn page<R: Rows>(name: &str, first: bool, rows: &[Vec<Cell>], next: Option<&str>) -> Csv<R> {
    let columns = if first { R::COLUMNS } else { &[] };
    let mut response = (headers(name), written(columns, rows)).into_response();
    if let Some(next) = next.and_then(|next| HeaderValue::from_str(next).ok()) {
        response.headers_mut().insert(NEXT_CURSOR, next);
    }
    Csv::of(response)
}

/// One of the few places for exports.
pub(crate) fn permit(api: &Api) -> Result<OwnedSemaphorePermit, Problem> {
    let busy = |_| Problem::new(Kind::ReducedCapacity, "Too many exports are under way; try again.");
    Arc::clone(&api.exports).try_acquire_owned().map_err(busy)
}

fn headers(name: &str) -> [(HeaderName, String); 2] {
    [
        (header::CONTENT_TYPE, CONTENT_TYPE.to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.csv\"")),
    ]
}

/// The lines of these rows; with columns they are the beginning of a file.
fn written(columns: &[Column], rows: &[Vec<Cell>]) -> Bytes {
    let begin = if columns.is_empty() { Vec::new() } else { BYTE_ORDER_MARK.as_bytes().to_vec() };
    let mut writer =
        csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).flexible(true).from_writer(begin);
    // Writing into memory can't fail, and a row of another length is a row, too.
    if !columns.is_empty() {
        let _ = writer.write_record(columns.iter().map(|(name, _)| name));
    }
    for row in rows {
        let _ = writer.write_record(row.iter().map(|cell| text(cell).into_owned().into_bytes()));
    }
    writer.into_inner().unwrap_or_default().into()
}

fn text(cell: &Cell) -> Cow<'_, str> {
    match cell {
        Cell::Number(number) => Cow::Owned(number.to_string()),
        Cell::Text(text) => harmless(text),
    }
}

/// A spreadsheet takes text that begins with one of these for a formula, and the apostrophe for "this is text".
fn harmless(text: &str) -> Cow<'_, str> {
    const BEGINNINGS: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];
    if text.starts_with(BEGINNINGS) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(cells: Vec<Cell>) -> String {
        String::from_utf8(written(&[], &[cells]).to_vec()).unwrap()
    }

    #[test]
    fn a_cell_that_begins_like_a_formula_is_text() {
        for begin in ["=", "+", "-", "@", "＝"] {
            let cell = format!("{begin}cmd|' /C calc'!A0");
            assert_eq!(line(vec![cell.clone().into(), "x".into()]), format!("'{cell},x\r\n"));
        }
        for begin in ["\t", "\r", "\n"] {
            let written = line(vec![format!("{begin}=1").into()]);
            assert!(written.starts_with("'") || written.starts_with("\"'"), "{written:?}");
        }
        assert_eq!(line(vec!["a=1".into(), "m-1".into()]), "a=1,m-1\r\n");
    }

    #[test]
    fn a_number_below_zero_stays_a_number() {
        assert_eq!(line(vec![(-5).into(), 5.into()]), "-5,5\r\n");
    }

    #[test]
    fn quotes_commas_and_line_breaks_are_quoted() {
        let cells = vec!["a,b".into(), "say \"yes\"".into(), "two\r\nlines".into(), None::<String>.into()];
        assert_eq!(line(cells), "\"a,b\",\"say \"\"yes\"\"\",\"two\r\nlines\",\r\n");
    }

    #[test]
    fn a_file_begins_with_its_mark_and_its_columns_once() {
        let columns = [("on_date", "the day"), ("이름", "who")];
        let file = written(&columns, &[vec!["2026-11-20".into(), "김".into()]]);
        assert_eq!(file, "\u{feff}on_date,이름\r\n2026-11-20,김\r\n".as_bytes());
    }

    #[test]
    fn csv_is_wanted_when_it_is_named() {
        let headers = |value| HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(value))]);
        assert!(is_wanted(&headers("text/html, Text/CSV;q=0.9")));
        assert!(!is_wanted(&headers("*/*")));
        assert!(!is_wanted(&HeaderMap::new()));
    }
}
