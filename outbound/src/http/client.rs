//! Makes the calls.

use std::error::Error as _;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use forebay_domain::Clock;
use forebay_schemas::trail::TRACEPARENT;
use forebay_telemetry::{Metrics, traces};
use reqwest::Response;
use tokio::time::Instant;
use tokio_retry::RetryIf;
use tokio_retry::strategy::{ExponentialBackoff, jitter};
use tracing::Instrument as _;

use super::allow::{AllowList, AllowedHost};
use super::answer::Answer;
use super::call::Call;
use super::error::{CallError, SetUpError};
use super::resolver::{GuardedResolver, NotPublic};
use super::tls;

/// Connections that are kept open to one host while nobody uses them.
const IDLE_CONNECTIONS: usize = 32;
/// For how long. Short, since a connection that the other side closes just as we write costs an unknown outcome.
const IDLE_FOR: Duration = Duration::from_secs(15);
/// A broken read is tried again in place if that begins within this long.
const READ_AGAIN_WITHIN: Duration = Duration::from_secs(2);
/// The pauses before a read is tried again, before jitter: 300 ms and 900 ms.
const READ_AGAIN_BASE_MS: u64 = 3;
const READ_AGAIN_FACTOR: u64 = 100;
const READ_AGAIN_TIMES: usize = 2;
const READ_AGAIN_LONGEST: Duration = Duration::from_millis(900);
/// Most characters of a library's error text that are passed on.
const CAUSE_CHARS: usize = 300;

/// What the client is built from.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// The hosts that may be called.
    pub allow: Vec<AllowedHost>,
    /// The time for a whole call, unless the call says otherwise.
    pub timeout: Duration,
    /// The time for a connection, TLS included.
    pub connect_timeout: Duration,
    /// Largest answer in bytes.
    pub body_cap: usize,
}

impl HttpOptions {
    /// These hosts; 10 s a call, 3 s to connect, 1 MiB an answer.
    #[must_use]
    pub fn new(allow: Vec<AllowedHost>) -> Self {
        Self {
            allow,
            timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(3),
            body_cap: 1024 * 1024,
        }
    }
}

/// The guarded client. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct HttpClient {
    client: reqwest::Client,
    allow: Arc<AllowList>,
    timeout: Duration,
    body_cap: usize,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").field("allow", &self.allow).finish_non_exhaustive()
    }
}

impl HttpClient {
    /// Builds the client.
    ///
    /// # Errors
    /// [`SetUpError`] when the list of hosts contradicts itself or TLS can't be set up.
    pub fn new(options: HttpOptions, clock: Arc<dyn Clock>, metrics: Metrics) -> Result<Self, SetUpError> {
        let allow = Arc::new(AllowList::new(&options.allow)?);
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::configuration(allow.wants_tls())?)
            .dns_resolver(GuardedResolver { allow: Arc::clone(&allow) })
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .connect_timeout(options.connect_timeout)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .pool_idle_timeout(IDLE_FOR)
            .user_agent(concat!("forebay/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| SetUpError::Client(cause(&e.without_url())))?;
        Ok(Self { client, allow, timeout: options.timeout, body_cap: options.body_cap, clock, metrics })
    }

    /// Makes the call, once. Any status is an answer.
    ///
    /// # Errors
    /// [`CallError`], which tells whether the call may have taken effect.
    pub async fn call(&self, call: &Call) -> Result<Answer, CallError> {
        let begun = Instant::now();
        let span = traces::call(&call.system, call.method.as_str(), call.url.host_str().unwrap_or("?"));
        let answer = self.once(call, traces::traceparent(&span)).instrument(span.clone()).await;
        match &answer {
            Ok(answer) => traces::answered(&span, answer.status),
            Err(error) => traces::unanswered(&span, error.code().as_str()),
        }
        let result = answer.as_ref().map_or_else(|e| e.code().as_str(), Answer::result);
        self.metrics.outbound_calls.with_label_values(&[call.system.as_str(), result]).inc();
        self.metrics
            .outbound_seconds
            .with_label_values(&[call.system.as_str()])
            .observe(begun.elapsed().as_secs_f64());
        answer
    }

    /// Makes a call that changes nothing outside, and makes it again when the network broke and hardly any time has
    /// passed. Not for a paced system, where each call needs its own permit.
    ///
    /// # Errors
    /// As [`HttpClient::call`], of the last time.
    pub async fn read(&self, call: &Call) -> Result<Answer, CallError> {
        let begun = Instant::now();
        let pauses = ExponentialBackoff::from_millis(READ_AGAIN_BASE_MS)
            .factor(READ_AGAIN_FACTOR)
            .max_delay(READ_AGAIN_LONGEST)
            .map(jitter)
            .take(READ_AGAIN_TIMES);
        let again =
            |e: &CallError| e.is_network() && begun.elapsed() + READ_AGAIN_LONGEST <= READ_AGAIN_WITHIN;
        RetryIf::start(pauses, || self.call(call), again).await
    }

    pub(crate) async fn once(&self, call: &Call, traceparent: Option<String>) -> Result<Answer, CallError> {
        self.allow.check(&call.url)?;
        let mut request = self
            .client
            .request(call.method.clone(), call.url.clone())
            .timeout(call.timeout.unwrap_or(self.timeout));
        for (name, value) in call.checked_headers()? {
            request = request.header(name, value);
        }
        if let Some(traceparent) = traceparent {
            request = request.header(TRACEPARENT, traceparent);
        }
        if !call.body.is_empty() {
            request = request.body(call.body.clone());
        }
        let mut response = request.send().await.map_err(|e| failure(call, e))?;
        let body = self.body(call, &mut response).await?;
        let headers = std::mem::take(response.headers_mut());
        Ok(Answer::new(response.status().as_u16(), headers, body, self.clock.now()))
    }

    /// Reads the body piece by piece, so that no answer takes more memory than the limit.
    async fn body(&self, call: &Call, response: &mut Response) -> Result<Bytes, CallError> {
        let too_large = CallError::TooLarge { status: response.status().as_u16(), limit: self.body_cap };
        let fits = |length: u64| usize::try_from(length).is_ok_and(|l| l <= self.body_cap);
        if response.content_length().is_some_and(|length| !fits(length)) {
            return Err(too_large);
        }
        let mut body = BytesMut::new();
        while let Some(piece) = response.chunk().await.map_err(|e| failure(call, e))? {
            if body.len() + piece.len() > self.body_cap {
                return Err(too_large);
            }
            body.extend_from_slice(&piece);
        }
        Ok(body.freeze())
    }
}

/// Tells what was surely not sent from what may have arrived.
fn failure(call: &Call, error: reqwest::Error) -> CallError {
    let error = error.without_url();
    let mut source = error.source();
    while let Some(e) = source {
        if let Some(not_public) = e.downcast_ref::<NotPublic>() {
            return CallError::NotAllowed(not_public.to_string());
        }
        source = e.source();
    }
    let text = format!("{}: {}", call.target(), cause(&error));
    // A builder's error comes before any connection.
    if error.is_connect() || error.is_builder() {
        CallError::NotSent(text)
    } else {
        CallError::NoAnswer(text)
    }
}

/// The error and its sources in one line, bounded.
fn cause(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(e) = source {
        text = format!("{text}: {e}");
        source = e.source();
    }
    text.chars().take(CAUSE_CHARS).collect()
}
