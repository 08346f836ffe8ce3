//! Answers that are more than a body.

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::operation::{Operation, Output};

/// One of two answers.
#[derive(Debug)]
pub(crate) enum Either<A, B> {
    One(A),
    Other(B),
}

impl<A: IntoResponse, B: IntoResponse> IntoResponse for Either<A, B> {
    fn into_response(self) -> Response {
        match self {
            Self::One(answer) => answer.into_response(),
            Self::Other(answer) => answer.into_response(),
        }
    }
}

impl<A: Output, B: Output> Output for Either<A, B> {
    fn tell(operation: &mut Operation<'_>) {
        operation.like::<A>(|status, _| status);
        operation.like::<B>(|status, _| status);
    }
}

/// What was accepted and will be done.
#[derive(Debug)]
pub(crate) struct Taken<T> {
    /// Where its outcome will be found, if that is one place.
    pub(crate) location: Option<String>,
    pub(crate) what: T,
}

impl<T> Taken<T> {
    /// Something without a place of its own.
    pub(crate) fn of(what: T) -> Self {
        Self { location: None, what }
    }

    /// Something whose outcome will be found there.
    pub(crate) fn at(location: String, what: T) -> Self {
        Self { location: Some(location), what }
    }
}

impl<T: Serialize> IntoResponse for Taken<T> {
    fn into_response(self) -> Response {
        let mut response = (StatusCode::ACCEPTED, Json(self.what)).into_response();
        if let Some(place) = self.location.and_then(|place| HeaderValue::try_from(place).ok()) {
            response.headers_mut().insert(header::LOCATION, place);
        }
        response
    }
}

impl<T: JsonSchema> Output for Taken<T> {
    fn tell(operation: &mut Operation<'_>) {
        let schema = operation.answered::<T>();
        let text = json!({ "type": "string", "format": "uri-reference" });
        let answer = operation.answer(202, "application/json", schema);
        answer.header("Location", "Where the outcome will be found, if that is one place.", text);
    }
}

/// What did not exist before.
#[derive(Debug)]
pub(crate) struct Made<A>(pub(crate) A);

impl<A: IntoResponse> IntoResponse for Made<A> {
    fn into_response(self) -> Response {
        (StatusCode::CREATED, self.0).into_response()
    }
}

impl<A: Output> Output for Made<A> {
    fn tell(operation: &mut Operation<'_>) {
        operation.like::<A>(|_, _| 201);
    }
}

/// Something with a version, which is its entity tag.
#[derive(Debug)]
pub(crate) struct Tagged<T> {
    pub(crate) version: i64,
    pub(crate) what: T,
}

impl<T: Serialize> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        let mut response = Json(self.what).into_response();
        if let Ok(tag) = HeaderValue::try_from(format!("\"{}\"", self.version)) {
            response.headers_mut().insert(header::ETAG, tag);
        }
        response
    }
}

impl<T: JsonSchema> Output for Tagged<T> {
    fn tell(operation: &mut Operation<'_>) {
        operation.like::<Json<T>>(|status, answer| {
            let tag = json!({ "type": "string", "pattern": "^\"[0-9]+\"$" });
            answer.header("ETag", "The version; `If-Match` takes it.", tag);
            status
        });
    }
}

/// An answer that may have been given before.
#[derive(Debug)]
pub(crate) struct Repeated<A> {
    pub(crate) before: bool,
    pub(crate) answer: A,
}

const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

impl<A: IntoResponse> IntoResponse for Repeated<A> {
    fn into_response(self) -> Response {
        let mut response = self.answer.into_response();
        if self.before {
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}

impl<A: Output> Output for Repeated<A> {
    fn tell(operation: &mut Operation<'_>) {
        operation.like::<A>(|status, answer| {
            let known = "`true` when it was done before: nothing was done again.";
            answer.header("Idempotent-Replayed", known, json!({ "const": "true" }));
            status
        });
    }
}
