//! One trace from the storefront's request to the call that it led to, as a collector sees it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use parking_lot::Mutex;
use prost::Message as _;
use serde_json::json;

use crate::fleet::{Fleet, Role};
use crate::support::{curl, eventually, free_port};

const PATIENCE: Duration = Duration::from_secs(90);
/// Picked up at the first look.
const PICKED_UP: &str = "600000000001";
/// What the storefront says of its own trace: it is recorded.
const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT_ID: &str = "b7ad6b7169203331";

/// What a collector was sent.
#[derive(Debug, Default)]
struct Collected {
    spans: Mutex<Vec<Span>>,
    authorization: Mutex<Option<String>>,
}

async fn take(State(collected): State<Arc<Collected>>, headers: HeaderMap, body: Bytes) -> &'static str {
    let given = headers.get("authorization").and_then(|value| value.to_str().ok()).map(str::to_owned);
    *collected.authorization.lock() = given;
    let batch = ExportTraceServiceRequest::decode(body).unwrap();
    let of_scopes = batch.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    collected.spans.lock().extend(of_scopes.flat_map(|scope| scope.spans));
    ""
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Collected {
    async fn listening() -> (Arc<Self>, String) {
        let collected = Arc::new(Self::default());
        let router = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&collected));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/v1/traces", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (collected, endpoint)
    }

    /// The span of this kind and name in the storefront's trace, once it is there.
    async fn span(&self, kind: SpanKind, name: &str) -> Span {
        self.one(&format!("{kind:?} {name}"), |span| {
            span.kind() == kind && span.name == name && hex(&span.trace_id) == TRACE_ID
        })
        .await
    }

    /// A span like this, once it is there.
    async fn one(&self, what: &str, is_it: impl Fn(&Span) -> bool) -> Span {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.spans.lock().iter().find(|span| is_it(span)).cloned();
            if let Some(span) = found {
                return span;
            }
            if Instant::now() >= deadline {
                let spans = self.spans.lock();
                let seen: Vec<_> = spans.iter().map(|s| (s.kind(), &s.name, hex(&s.trace_id))).collect();
                panic!("no {what}; there are {seen:?}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A return, within the storefront's trace.
fn publish(fleet: &Fleet) {
    let returned = json!({
        "return_id": "R-1", "order_id": "O-1", "requested_at": "2026-11-20T00:00:00Z",
        "parcel": { "carrier": "cj", "tracking_number": PICKED_UP },
    });
    let event = json!({
        "specversion": "1.0", "id": "e-1", "source": "/s", "type": "return.requested.v1", "data": returned,
    });
    let context = format!("traceparent: 00-{TRACE_ID}-{PARENT_ID}-01");
    let key = format!("Authorization: Bearer {}", fleet.key);
    let url = format!("{}/v1/events", fleet.intake);
    let body = event.to_string();
    let json = "Content-Type: application/cloudevents+json";
    let (status, answer) = curl(&["-H", &context, "-H", &key, "-H", json, "-d", &body, &url]);
    assert_eq!(status, 202, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_to_a_collector_that_only_the_environment_names() {
    let (collected, endpoint) = Collected::listening().await;
    let fleet = Fleet::embedded();
    let operations = free_port();
    let mut dev = fleet.command(&["dev", "--data", "shop.db", "--no-sandbox"]);
    dev.env("FOREBAY_OPERATIONS__LISTEN", format!("127.0.0.1:{operations}"))
        // OpenTelemetry's own settings.
        .env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &endpoint)
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.trim_end_matches("v1/traces"))
        .env("OTEL_BSP_SCHEDULE_DELAY", "100");
    let dev = Role::ready(dev, "dev", operations, fleet.folder());
    publish(&fleet);
    // What waits to be sent is sent at the end.
    dev.stop();
    assert!(collected.spans.lock().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_goes_from_the_storefronts_request_over_queues_and_the_schedule_to_the_carrier_and_the_shop()
{
    let (collected, endpoint) = Collected::listening().await;
    let fleet = Fleet::embedded();
    let operations = free_port();
    let mut dev = fleet.command(&["dev", "--data", "shop.db", "--no-sandbox"]);
    dev.env("FOREBAY_OPERATIONS__LISTEN", format!("127.0.0.1:{operations}"))
        .env("FOREBAY_TRACES__ENDPOINT", &endpoint)
        .env("FOREBAY_TRACES__AUTHORIZATION", "Bearer for-the-collector")
        // OpenTelemetry's own setting: for how long spans are gathered, in milliseconds.
        .env("OTEL_BSP_SCHEDULE_DELAY", "100");
    let dev = Role::ready(dev, "dev", operations, fleet.folder());
    publish(&fleet);
    let request = collected.span(SpanKind::Server, "POST /v1/events").await;
    assert_eq!(hex(&request.parent_span_id), PARENT_ID);
    // Alone it goes on with the request's trace; beside the first collection of returns it is linked to it.
    collected
        .one("a batch of forebay.returns that follows from the request", |span| {
            let linked = span.links.iter().any(|link| link.span_id == request.span_id);
            span.name == "process forebay.returns" && (linked || span.parent_span_id == request.span_id)
        })
        .await;
    let checked = collected.span(SpanKind::Consumer, "process forebay.tracking.sweettracker").await;
    assert_eq!(checked.parent_span_id, request.span_id);
    let asked = collected.span(SpanKind::Client, "POST carrier/sweettracker").await;
    assert_eq!(asked.parent_span_id, checked.span_id);
    let told = collected.span(SpanKind::Consumer, "process forebay.results").await;
    assert_eq!(told.parent_span_id, checked.span_id);
    let shop = collected.span(SpanKind::Client, "POST shop/results").await;
    assert_eq!(shop.parent_span_id, told.span_id);
    assert_eq!(collected.authorization.lock().as_deref(), Some("Bearer for-the-collector"));
    dev.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_about_many_parcels_is_linked_to_the_trace_of_each() {
    let (collected, endpoint) = Collected::listening().await;
    let fleet = Fleet::prepared();
    let url = format!("{}/fedex/", fleet.sandbox);
    let settings = [
        ("FOREBAY_CARRIERS__FEDEX__URL", url.as_str()),
        ("FOREBAY_CARRIERS__FEDEX__CLIENT_ID", forebay_sandbox::FEDEX_CLIENT_ID),
        ("FOREBAY_CARRIERS__FEDEX__KEY", forebay_sandbox::FEDEX_CLIENT_SECRET),
        ("FOREBAY_CARRIERS__FEDEX__FIRST_LOOK_WITHIN_S", "0"),
        ("FOREBAY_TRACES__ENDPOINT", endpoint.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
    ];
    let mut topology = fleet.command(&["topology", "apply"]);
    assert!(topology.envs(settings).output().unwrap().status.success());
    let start = |name: &str, args: &[&str]| fleet.start_with(name, args, &settings);
    let _accepting = [start("intake", &["serve", "intake"]), start("work", &["work"])];
    let traces = [TRACE_ID, "4bf92f3577b34da6a3ce929d0e0e4736"];
    for (trace, number) in traces.into_iter().zip(["794643013528", "794643013539"]) {
        let event = json!({
            "specversion": "1.0", "id": number, "source": "/s", "type": "return.requested.v1",
            "data": {
                "return_id": number, "order_id": number, "requested_at": "2026-11-20T00:00:00Z",
                "parcel": { "carrier": "fedex", "tracking_number": number },
            },
        });
        let context = format!("traceparent: 00-{trace}-{PARENT_ID}-01");
        let (body, json) = (event.to_string(), "Content-Type: application/cloudevents+json");
        let url = format!("{}/v1/events", fleet.intake);
        let (status, answer) = fleet.call(&["-H", &context, "-H", json, "-d", &body, &url]);
        assert_eq!(status, 202, "{answer}");
    }
    // Both are there before anybody plans, so that they are planned together.
    eventually("both parcels are registered", PATIENCE, || fleet.count("select count(*) from parcel") == 2);
    let _planning = [start("relay", &["relay"]), start("schedule", &["schedule"])];
    let checked = collected
        .one("a check of both parcels", |span| {
            span.name == "process forebay.tracking.fedex" && span.links.len() == traces.len()
        })
        .await;
    let linked: BTreeSet<String> = checked.links.iter().map(|link| hex(&link.trace_id)).collect();
    assert_eq!(linked, traces.map(str::to_owned).into());
    let asked = |span: &Span| {
        span.name == "POST carrier/fedex"
            && span.trace_id == checked.trace_id
            && !span.parent_span_id.is_empty()
    };
    collected.one("the call about them", asked).await;
}
