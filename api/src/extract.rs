//! What a request holds, read into types; what can't be read is a problem that says where and why.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use forebay_intake::body::check_encoding;
use forebay_intake::{Arrival, BodyLimits, Incoming, Kind, Problem};
use forebay_schemas::Violation;
use schemars::JsonSchema;
use serde::de::value::SeqDeserializer;
use serde::de::{DeserializeOwned, IntoDeserializer as _};
use serde_path_to_error::Segment;
use tokio::time::Instant;

use crate::api::Api;
use crate::callers::{Caller, ME, MEMBER_ID};
use crate::openapi::{Input, Operation};

/// Largest command of a member, in bytes: a few ids.
pub(crate) const COMMAND_BYTES: usize = 4 * 1024;
/// Largest programme, in bytes: some hundred rules.
pub(crate) const PROGRAMME_BYTES: usize = 256 * 1024;
/// A body must have arrived whole by then.
const BODY_DEADLINE: Duration = Duration::from_secs(10);

/// When the request came.
#[derive(Debug)]
pub(crate) struct Arrived(pub(crate) Arrival);

impl FromRequestParts<Arc<Api>> for Arrived {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Infallible> {
        // The gate has looked at the clock before it looked at the caller.
        Ok(Self(parts.extensions.get().cloned().unwrap_or_else(|| api.arrival(&parts.headers))))
    }
}

impl Input for Arrived {}

/// The ids in the path. For a member who calls, `me` in the place of a member's id is their own.
#[derive(Debug)]
pub(crate) struct Named<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Arc<Api>> for Named<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        if let Some(ids) = with_me(parts).await {
            let ids = ids.iter().map(String::as_str);
            return one_or_more(ids).map(Self).map_err(|error| no_id(error.to_string()));
        }
        let Path(ids) = Path::<T>::from_request_parts(parts, api).await.map_err(|rejection| {
            no_id(match rejection {
                PathRejection::FailedToDeserializePathParams(failure) => match failure.into_kind() {
                    ErrorKind::Message(said) | ErrorKind::DeserializeError { message: said, .. } => said,
                    _ => String::new(),
                },
                _ => String::new(),
            })
        })?;
        Ok(Self(ids))
    }
}

impl<T: JsonSchema> Input for Named<T> {
    fn tell(operation: &mut Operation<'_>) {
        operation.path::<T>();
        operation.refuses(&[Kind::InvalidRequest]);
    }
}

fn no_id(said: String) -> Problem {
    let detail = if is_rule(&said) { said } else { "the path holds an id that can't be one".to_owned() };
    Problem::new(Kind::InvalidRequest, detail)
}

/// The ids in the path, when one of them is `me` and there is a member behind it.
async fn with_me(parts: &mut Parts) -> Option<Vec<String>> {
    let Some(Caller::Member(member)) = parts.extensions.get::<Caller>() else { return None };
    let member = member.to_string();
    let parameters = RawPathParams::from_request_parts(parts, &()).await.ok()?;
    let is_me = |(name, value): (&str, &str)| name == MEMBER_ID && value == ME;
    if !parameters.iter().any(is_me) {
        return None;
    }
    let id = |given: (&str, &str)| if is_me(given) { member.clone() } else { given.1.to_owned() };
    Some(parameters.iter().map(id).collect())
}

/// One id as itself, several as a tuple.
fn one_or_more<'i, T: DeserializeOwned>(
    mut ids: impl ExactSizeIterator<Item = &'i str>,
) -> Result<T, serde::de::value::Error> {
    match (ids.len(), ids.next()) {
        (1, Some(id)) => T::deserialize(id.into_deserializer()),
        (_, first) => T::deserialize(SeqDeserializer::new(first.into_iter().chain(ids))),
    }
}

/// The parameters after the `?`.
#[derive(Debug)]
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Arc<Api>> for Asked<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &Arc<Api>) -> Result<Self, Problem> {
        let Query(asked) = Query::<T>::try_from_uri(&parts.uri).map_err(|rejection| {
            let said =
                expectation(&rejection.body_text()).unwrap_or_else(|| "a parameter can't be read".to_owned());
            Problem::new(Kind::InvalidRequest, format!("In the query: {said}."))
        })?;
        Ok(Self(asked))
    }
}

impl<T: JsonSchema> Input for Asked<T> {
    fn tell(operation: &mut Operation<'_>) {
        operation.query::<T>();
        operation.refuses(&[Kind::InvalidRequest]);
    }
}

/// A body of JSON, of so many bytes at most.
#[derive(Debug)]
pub(crate) struct Sent<T, const BYTES: usize>(pub(crate) T);

impl<T: DeserializeOwned, const BYTES: usize> FromRequest<Arc<Api>> for Sent<T, BYTES> {
    type Rejection = Problem;
    async fn from_request(request: Request, _: &Arc<Api>) -> Result<Self, Problem> {
        let deadline = Instant::now() + BODY_DEADLINE;
        let (head, body) = request.into_parts();
        let mut incoming = Incoming::new(&head.headers, body);
        let limits = BodyLimits { sent: BYTES, inflated: BYTES };
        let read = async {
            is_json(&head.headers)?;
            check_encoding(&head.headers)?;
            incoming.read(limits, deadline).await
        };
        match read.await {
            Ok(body) => parse(&body).map(Self),
            Err(problem) => {
                incoming.drain().await;
                Err(problem)
            }
        }
    }
}

impl<T: JsonSchema, const BYTES: usize> Input for Sent<T, BYTES> {
    fn tell(operation: &mut Operation<'_>) {
        operation.body::<T>(BYTES);
        operation.refuses(&[
            Kind::InvalidRequest,
            Kind::RequestTimeout,
            Kind::TooLarge,
            Kind::UnsupportedMediaType,
            Kind::InvalidContent,
        ]);
    }
}

fn is_json(headers: &HeaderMap) -> Result<(), Problem> {
    let essence = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()?.split(';').next());
    if essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json")) {
        return Ok(());
    }
    Err(Problem::new(Kind::UnsupportedMediaType, "Send application/json."))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let parsed = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let cause = error.inner();
        if !cause.is_data() {
            let detail = format!("Not JSON: line {}, column {}.", cause.line(), cause.column());
            return Problem::new(Kind::InvalidRequest, detail);
        }
        let mut path: Vec<String> = error.path().iter().filter_map(token).collect();
        if cause.to_string().starts_with("unknown field") {
            // The name is the sender's, not one of ours; the rule lists those.
            path.pop();
        }
        broken(path.concat(), &cause.to_string())
    })?;
    json.end().map_err(|_| Problem::new(Kind::InvalidRequest, "There is more after the JSON."))?;
    if body.trim_ascii_start().first() != Some(&b'{') {
        // A reader takes an array for a structure, field by field.
        return Err(broken(String::new(), "another type, expected an object"));
    }
    Ok(parsed)
}

fn broken(pointer: String, said: &str) -> Problem {
    let said = expectation(said).unwrap_or_else(|| "can't be read as its type".to_owned());
    Problem::new(Kind::InvalidContent, "The body breaks its rules; nothing was done.")
        .errors(vec![Violation::new(pointer, said)])
}

/// A step of the path as a token of a JSON pointer (RFC 6901).
fn token(segment: &Segment) -> Option<String> {
    match segment {
        Segment::Seq { index } => Some(format!("/{index}")),
        Segment::Map { key } => Some(format!("/{}", key.replace('~', "~0").replace('/', "~1"))),
        Segment::Enum { .. } | Segment::Unknown => None,
    }
}

/// What a reader's message says of our own rules; whatever it repeats of the input is left out.
fn expectation(said: &str) -> Option<String> {
    let said = said.rsplit_once(" at line ").map_or(said, |(said, _)| said);
    if let Some((_, expected)) = said.rsplit_once(", expected ") {
        return Some(format!("expected {}", in_words(expected)));
    }
    let ours = said.starts_with("missing field") || said.starts_with("duplicate field") || is_rule(said);
    ours.then(|| said.to_owned())
}

/// A type of numbers, as whoever sends one knows it: 1.0 is none of these.
fn in_words(expected: &str) -> &str {
    match expected {
        "i64" => "a whole number",
        "u32" | "u64" | "usize" => "a whole number, 0 or more",
        other => other,
    }
}

/// The message of an id's rule, as in "a member id must be …", which holds nothing of the input.
fn is_rule(said: &str) -> bool {
    (said.starts_with("a ") || said.starts_with("an ")) && said.contains(" must be ")
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only the refusals matter")]
    struct Ask {
        member_id: forebay_schemas::MemberId,
        count: u32,
    }

    #[test]
    fn a_fault_is_told_without_what_was_sent() {
        for (body, kind) in [
            (r#"{"member_id":"secret secret","count":1}"#, Kind::InvalidContent),
            (r#"{"member_id":"m","count":"secret"}"#, Kind::InvalidContent),
            (r#"{"member_id":"m","count":", expected secret"}"#, Kind::InvalidContent),
            (r#"{"member_id":"m","secret":1}"#, Kind::InvalidContent),
            (r#"{"secret"#, Kind::InvalidRequest),
            (r#"{"member_id":"m","count":1}secret"#, Kind::InvalidRequest),
        ] {
            let problem = parse::<Ask>(body.as_bytes()).unwrap_err();
            assert_eq!(problem.kind(), kind, "{body}");
            assert!(!format!("{problem:?}").contains("secret"), "{problem:?}");
        }
    }

    #[test]
    fn a_number_that_is_none_is_told_in_words() {
        for count in ["1.0", "-1", "\"one\"", "null"] {
            let problem =
                parse::<Ask>(format!(r#"{{"member_id":"m","count":{count}}}"#).as_bytes()).unwrap_err();
            assert!(format!("{problem:?}").contains("expected a whole number, 0 or more"), "{problem:?}");
        }
    }

    #[test]
    fn a_fault_names_its_place_and_the_rule() {
        let problem = parse::<Ask>(br#"{"member_id":"","count":1}"#).unwrap_err();
        let shown = format!("{problem:?}");
        assert!(shown.contains("/member_id") && shown.contains("a member id must be"), "{shown}");
    }
}
