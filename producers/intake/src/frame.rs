//! The frame around every answer: a request id, problems in one form, panics caught.

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response};
use axum::middleware::{self, Next};
use axum::response::IntoResponse;
use forebay_domain::Ids;
use forebay_telemetry::traces;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::{Instrument as _, Span};

use crate::problem::{Kind, Problem};
use crate::trace_context;

/// Carries the request's id, both ways.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest request id that is taken from a client.
const REQUEST_ID_CHARS: usize = 64;

/// Puts the frame around routes: what does not exist is a problem too, each answer has an `X-Request-Id` (the
/// client's, when it is 1 to 64 of `A-Z a-z 0-9 . _ -`, else a new one), and a panic is an answer.
pub fn around(routes: Router, ids: Arc<dyn Ids>) -> Router {
    routes
        .fallback(async || Problem::nothing_here())
        .method_not_allowed_fallback(async || {
            Problem::new(Kind::MethodNotAllowed, "The path exists; the Allow header lists its methods.")
        })
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(ids, identify))
        .layer(middleware::from_fn(trace))
}

/// That it panicked is logged where every panic is.
fn panicked(_: Box<dyn Any + Send + 'static>) -> Response<Body> {
    Problem::new(Kind::Internal, "The request could not be handled; the fault is ours.").into_response()
}

async fn identify(State(ids): State<Arc<dyn Ids>>, request: Request, next: Next) -> Response<Body> {
    let id = given(request.headers()).unwrap_or_else(|| fresh(ids.as_ref()));
    traces::identified(&Span::current(), id.to_str().unwrap_or_default());
    let mut response = next.run(request).await;
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        let spread = u64::from(ids.next().as_bytes()[15]);
        let framed = problem.framed(id.to_str().unwrap_or_default(), spread);
        // Headers that were set around the problem (`Allow`) stay.
        for (name, value) in framed.headers() {
            response.headers_mut().insert(name, value.clone());
        }
        response.headers_mut().remove(axum::http::header::CONTENT_LENGTH);
        *response.body_mut() = framed.into_body();
    }
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// Handles the request as a part of its caller's trace.
async fn trace(request: Request, next: Next) -> Response<Body> {
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let caller = trace_context::of(request.headers());
    let span = traces::request(request.method().as_str(), route, caller.as_deref());
    let response = next.run(request).instrument(span.clone()).await;
    traces::answered(&span, response.status().as_u16());
    response
}

fn given(headers: &HeaderMap) -> Option<HeaderValue> {
    let value = headers.get(REQUEST_ID)?;
    let bytes = value.as_bytes();
    let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    ((1..=REQUEST_ID_CHARS).contains(&bytes.len()) && bytes.iter().all(plain)).then(|| value.clone())
}

fn fresh(ids: &dyn Ids) -> HeaderValue {
    let mut buffer = uuid::Uuid::encode_buffer();
    let text = ids.next().as_hyphenated().encode_lower(&mut buffer);
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("none"))
}
