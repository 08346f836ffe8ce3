//! With a recorder: spans take part in the traces of their causes.

use std::collections::HashMap;

use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{SpanContext, TraceContextExt as _};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing::field::display;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The name of the one header that is read and written.
const TRACEPARENT: &str = "traceparent";
/// Most links of a span; OpenTelemetry's own limit.
const LINKS_MAX: usize = 128;

/// Makes the span part of the trace of what caused it, or the first of a trace of its own.
pub(super) fn begin(span: &Span, cause: Option<&str>) {
    let Some(cause) = cause.map(read) else { return within(span) };
    let of_cause = of(&cause);
    if span.set_parent(cause).is_err() && of_cause.is_valid() {
        // Nobody records it; log lines tell the trace all the same.
        span.record("trace_id", display(of_cause.trace_id()));
    }
    within(span);
}

pub(super) fn link<'m>(span: &Span, origins: impl IntoIterator<Item = &'m str>) {
    for origin in origins.into_iter().take(LINKS_MAX) {
        let origin = of(&read(origin));
        if origin.is_valid() {
            span.add_link(origin);
        }
    }
}

/// Tells log lines within the span which trace they belong to.
pub(super) fn within(span: &Span) {
    let context = of(&span.context());
    if context.is_valid() {
        span.record("trace_id", display(context.trace_id()));
    }
}

pub(super) fn traceparent(span: &Span) -> Option<String> {
    let mut headers = HashMap::new();
    TraceContextPropagator::new().inject_context(&span.context(), &mut headers);
    headers.remove(TRACEPARENT)
}

fn read(traceparent: &str) -> opentelemetry::Context {
    let headers = HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]);
    // Not within the context of whatever happens to be done here.
    TraceContextPropagator::new().extract_with_context(&opentelemetry::Context::new(), &headers)
}

fn of(context: &opentelemetry::Context) -> SpanContext {
    context.span().span_context().clone()
}
