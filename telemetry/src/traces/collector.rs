//! Sends spans to a collector, by OTLP over HTTP (<https://opentelemetry.io/docs/specs/otlp/>).

use std::collections::HashMap;
use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::trace::{Link, SpanKind, TraceId, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::HttpClient;
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SamplingDecision, SamplingResult, SdkTracerProvider, ShouldSample};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::filter_fn;

use super::TARGET;
use crate::logs::Beside;

/// The collector has this long for a batch of spans.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where spans are sent, and which.
#[derive(Debug)]
pub struct CollectorOptions {
    /// The address to which batches are posted, e.g. `http://127.0.0.1:4318/v1/traces`.
    pub endpoint: String,
    /// Headers of each batch; they may hold a secret.
    pub headers: HashMap<String, String>,
    /// Of the traces that begin here, the share that is recorded, 0 to 1. A trace that the caller began is recorded if
    /// the caller records it.
    pub sample: f64,
    /// What the sender calls itself.
    pub service: String,
    /// Its version.
    pub version: &'static str,
}

/// What is sent to the collector of this process. Nothing, until it is told where.
#[derive(Default)]
pub struct Traces(OnceLock<SdkTracerProvider>);

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traces").field("collected", &self.0.get().is_some()).finish()
    }
}

impl Traces {
    /// Begins to collect what the receiver that it returns is given; it is for [`crate::logs::init`]. Spans are sent by
    /// `client`, which is polled by a thread outside any runtime.
    ///
    /// # Errors
    /// When the endpoint is no address.
    pub fn collect(
        &self,
        options: CollectorOptions,
        client: impl HttpClient + 'static,
    ) -> Result<Beside, ExporterBuildError> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(options.endpoint)
            .with_headers(options.headers)
            .with_timeout(PATIENCE)
            .build()?;
        let resource = Resource::builder()
            .with_service_name(options.service)
            .with_attribute(KeyValue::new("service.version", options.version))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(LinkBased(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(
                options.sample,
            )))))
            .with_resource(resource)
            .build();
        let tracer = provider.tracer("forebay");
        // A second call in one process changes nothing, as with the logs.
        drop(self.0.set(provider));
        let of_spans = filter_fn(|metadata| metadata.is_span() && metadata.target() == TARGET);
        Ok(tracing_opentelemetry::layer().with_tracer(tracer).with_filter(of_spans).boxed())
    }

    /// Sends what is left; to be called outside the runtime, while it still runs.
    pub fn finish(&self) {
        if let Some(provider) = self.0.get()
            && let Err(error) = provider.shutdown_with_timeout(PATIENCE)
        {
            tracing::warn!(%error, "the last spans could not be sent to the collector");
        }
    }
}

/// Records what is linked to a recorded trace, whatever it would be for itself: a batch of many messages has no parent.
#[derive(Debug, Clone)]
struct LinkBased(Sampler);

impl ShouldSample for LinkBased {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let mut result = self.0.should_sample(parent, trace_id, name, kind, attributes, links);
        if links.iter().any(|link| link.span_context.is_sampled()) {
            result.decision = SamplingDecision::RecordAndSample;
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceState};

    use super::*;

    #[test]
    fn a_batch_is_recorded_when_the_trace_of_one_of_its_messages_is() {
        let never = LinkBased(Sampler::ParentBased(Box::new(Sampler::AlwaysOff)));
        let link = |flags| {
            let (trace, span) = (TraceId::from(1_u128), SpanId::from(1_u64));
            Link::with_context(SpanContext::new(trace, span, flags, true, TraceState::default()))
        };
        let decide = |links: &[Link]| {
            never
                .should_sample(None, TraceId::from(2_u128), "process", &SpanKind::Consumer, &[], links)
                .decision
        };
        let (recorded, not) = (link(TraceFlags::SAMPLED), link(TraceFlags::default()));
        assert_eq!(decide(&[not.clone(), recorded]), SamplingDecision::RecordAndSample);
        assert_eq!(decide(&[not]), SamplingDecision::Drop);
        assert_eq!(decide(&[]), SamplingDecision::Drop);
    }
}
