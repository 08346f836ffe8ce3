//! Traces: what was done for which request, over processes and queues.
//!
//! A span is made here for each request that comes in, each batch that a handler works on, and each call to an outside
//! system, so that their names and attributes stand in one place: those of OpenTelemetry's conventions for HTTP
//! (<https://opentelemetry.io/docs/specs/semconv/http/http-spans/>) and messaging
//! (<https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/>, not stable yet). Log lines that are
//! written within a span carry its fields, the trace's id among them.
//!
//! Built with the feature `otlp`, spans belong to the trace of whoever caused them and are sent to a collector when one
//! is configured. Without it a span is for log lines only.

#[cfg(not(feature = "otlp"))]
mod alone;
#[cfg(feature = "otlp")]
mod collector;
#[cfg(feature = "otlp")]
mod shared;

use tracing::field::{Empty, display};
use tracing::{Span, info_span};

#[cfg(not(feature = "otlp"))]
use alone as context;
#[cfg(feature = "otlp")]
pub use collector::{CollectorOptions, Traces};
#[cfg(feature = "otlp")]
pub use opentelemetry_http::{HttpClient as OtlpClient, HttpError};
#[cfg(feature = "otlp")]
use shared as context;

/// The target of every span here, by which they are told from log lines.
pub const TARGET: &str = "forebay_trace";

/// A request that came in, made after a template such as `/v1/claims/{claim_id}`: a path holds ids of people.
/// `traceparent` is the caller's.
#[must_use]
pub fn request(method: &str, route: &str, traceparent: Option<&str>) -> Span {
    let span = info_span!(
        target: TARGET,
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        request_id = Empty,
        trace_id = Empty,
    );
    context::begin(&span, traceparent);
    span
}

/// Notes the id under which the caller may ask about a request.
pub fn identified(span: &Span, request_id: &str) {
    span.record("request_id", display(request_id));
}

/// Notes how a request was answered.
pub fn answered(span: &Span, status: u16) {
    span.record("http.response.status_code", status);
    if status >= 500 {
        failed(span);
    }
}

/// A batch of a queue in a handler's hands. It goes on with the trace of `cause`, the trace context of a message that is
/// alone, and is linked to those of `others`: of several messages, and of the causes of one that has several.
#[must_use]
pub fn processing<'m>(
    queue: &str,
    messages: usize,
    message_id: Option<&str>,
    cause: Option<&str>,
    others: impl IntoIterator<Item = &'m str>,
) -> Span {
    let span = info_span!(
        target: TARGET,
        "process",
        otel.name = format!("process {queue}"),
        otel.kind = "consumer",
        otel.status_code = Empty,
        messaging.operation.type = "process",
        messaging.destination.name = queue,
        messaging.batch.message_count = messages,
        messaging.message.id = message_id,
        trace_id = Empty,
    );
    // Before it begins: whether it is recorded depends on its links.
    context::link(&span, others);
    context::begin(&span, cause);
    span
}

/// A call to an outside system, within the span that is current. Its address is left out: it may hold a secret.
#[must_use]
pub fn call(system: &str, method: &str, host: &str) -> Span {
    let span = info_span!(
        target: TARGET,
        "call",
        otel.name = format!("{method} {system}"),
        otel.kind = "client",
        otel.status_code = Empty,
        http.request.method = method,
        server.address = host,
        peer.service = system,
        http.response.status_code = Empty,
        error.type = Empty,
        trace_id = Empty,
    );
    context::within(&span);
    span
}

/// Notes why a call had no answer, by its code.
pub fn unanswered(span: &Span, code: &str) {
    span.record("error.type", code);
    failed(span);
}

/// Notes that what the span stands for failed.
pub fn failed(span: &Span) {
    span.record("otel.status_code", "ERROR");
}

/// The W3C trace context of a span, for whatever follows from it; none where spans are not recorded.
#[must_use]
pub fn traceparent(span: &Span) -> Option<String> {
    context::traceparent(span)
}

/// The W3C trace context of what is being done just now; none where spans are not recorded.
#[must_use]
pub fn current() -> Option<String> {
    traceparent(&Span::current())
}
