//! Brings spans to their collector.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use forebay_domain::SystemClock;
use forebay_telemetry::Metrics;
use forebay_telemetry::traces::{HttpError, OtlpClient};
use http::{Request, Response};
use tokio::runtime::Handle;
use url::Url;

use crate::http::{AllowedHost, Call, HttpClient, HttpOptions, SetUpError};

/// Under which it is counted among the calls.
const SYSTEM: &str = "collector";

/// The client for one collector, which may be called at no other place. It lies in the shop's own network as a rule, so
/// that a private address and plain HTTP are as good as any.
#[derive(Debug)]
pub struct Collector {
    client: HttpClient,
    /// Spans come from a thread of their own, which has no runtime.
    runtime: Handle,
}

impl Collector {
    /// A client for the collector at `endpoint`, whose calls are made on `runtime`.
    ///
    /// # Errors
    /// [`SetUpError`] when the endpoint has no host or TLS can't be set up.
    pub fn new(endpoint: &Url, runtime: Handle, metrics: Metrics) -> Result<Self, SetUpError> {
        let host = AllowedHost::of_url(endpoint, true)?;
        let client = HttpClient::new(HttpOptions::new(vec![host]), Arc::new(SystemClock), metrics)?;
        Ok(Self { client, runtime })
    }
}

#[async_trait]
impl OtlpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = request.into_parts();
        let url = Url::parse(&head.uri.to_string())?;
        let mut call = Call::post(SYSTEM, url, "application/x-protobuf", body);
        if let Some(authorization) = head.headers.get(http::header::AUTHORIZATION) {
            call = call.header("authorization", authorization.to_str()?);
        }
        let client = self.client.clone();
        // Not traced itself: each batch would bring about another one.
        let answer = self.runtime.spawn(async move { client.once(&call, None).await }).await??;
        Ok(Response::builder().status(answer.status).body(answer.body)?)
    }
}
