//! An intake behind a real socket.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::{ManualClock, SeededIds};
use forebay_intake::{ApiKey, Hooks, Intake, IntakeOptions, KeyRing, Scope};
use forebay_queue::{Broker, ConsumeOptions, Message, Outgoing, PublishError, Publisher};
use forebay_queue_embedded::{EmbeddedBroker, Options};
use forebay_schemas::{Catalogue, Queue, Topology};
use forebay_sqlite::Db;
use forebay_telemetry::Metrics;
use secrecy::ExposeSecret;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::http::Request;

pub(crate) const ONE: &str = "application/cloudevents+json";
pub(crate) const BATCH: &str = "application/cloudevents-batch+json";

/// Keeps what it is given, or fails as it is told.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    pub(crate) published: Mutex<Vec<Outgoing>>,
    pub(crate) failure: Mutex<Option<PublishError>>,
    pub(crate) hold: tokio::sync::RwLock<()>,
}

#[async_trait]
impl Publisher for Recorder {
    async fn publish(&self, batch: Vec<Outgoing>) -> Vec<Result<(), PublishError>> {
        let _held = self.hold.read().await;
        let failure = self.failure.lock().unwrap().clone();
        let mut results = vec![Ok(()); batch.len()];
        if let Some(failure) = failure {
            // Only the last one fails: the others are stored, as it would be in life.
            if let Some(last) = results.last_mut() {
                *last = Err(failure);
            }
        }
        self.published.lock().unwrap().extend(batch);
        results
    }
}

/// The embedded queue on a file of its own.
#[derive(Debug)]
pub(crate) struct RealQueue {
    pub(crate) broker: Arc<EmbeddedBroker>,
    topology: Topology,
    _folder: TempDir,
}

impl RealQueue {
    pub(crate) async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(folder.path().join("queue.db")).await.unwrap();
        let topology = Topology::new([]);
        let clock = Arc::new(now);
        let broker = EmbeddedBroker::open(db, topology.clone(), clock, Options::default()).await.unwrap();
        broker.declare(&topology).await.unwrap();
        Self { broker, topology, _folder: folder }
    }

    pub(crate) fn publisher(&self) -> Arc<dyn Publisher> {
        self.broker.publisher()
    }

    /// How many messages there are in all queues.
    pub(crate) async fn stored(&self) -> u64 {
        let mut stored = 0;
        for queue in self.topology.queues() {
            stored += self.broker.depth(&queue).await.unwrap().ready;
        }
        stored
    }

    /// The next `count` messages of a queue, in their order.
    pub(crate) async fn take(&self, queue: Queue, count: usize) -> Vec<Message> {
        let consumer = self.broker.consume(queue, ConsumeOptions { prefetch: 1000 });
        let mut taken = Vec::new();
        while taken.len() < count {
            let received = consumer.receive(count - taken.len(), Duration::from_millis(5));
            let received = tokio::time::timeout(Duration::from_secs(30), received).await;
            taken.extend(received.expect("the messages are there").into_iter().map(|d| d.message));
        }
        taken
    }
}

/// A running intake.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) intake: Arc<Intake>,
    pub(crate) metrics: Metrics,
    pub(crate) stop: CancellationToken,
    pub(crate) served: JoinHandle<std::io::Result<()>>,
    tokens: Vec<(Vec<Scope>, String)>,
}

pub(crate) fn now() -> DateTime<Utc> {
    "2026-11-20T15:00:00Z".parse().unwrap()
}

impl Running {
    pub(crate) async fn start(publisher: Arc<dyn Publisher>) -> Self {
        Self::start_with(IntakeOptions::default(), publisher).await
    }

    pub(crate) async fn start_with(options: IntakeOptions, publisher: Arc<dyn Publisher>) -> Self {
        Self::start_all(options, publisher, Hooks::default()).await
    }

    pub(crate) async fn start_hooked(publisher: Arc<dyn Publisher>, hooks: Hooks) -> Self {
        Self::start_all(IntakeOptions::default(), publisher, hooks).await
    }

    async fn start_all(options: IntakeOptions, publisher: Arc<dyn Publisher>, hooks: Hooks) -> Self {
        let scopes = [
            vec![Scope::EventsWrite, Scope::MembersAct],
            vec![Scope::EventsWrite],
            vec![Scope::MembersAct],
            vec![Scope::Viewer],
        ];
        let (mut keys, mut tokens) = (Vec::new(), Vec::new());
        for (seed, scopes) in (1..).zip(scopes) {
            let (token, key) = ApiKey::mint(&[seed; 44], &scopes);
            tokens.push((scopes, token.expose_secret().to_owned()));
            keys.push(key);
        }
        let metrics = Metrics::new("test");
        let intake = Intake::new(
            options,
            publisher,
            Arc::new(Catalogue::new()),
            Arc::new(KeyRing::new(keys).unwrap()),
            Arc::new(ManualClock::at(now())),
            Arc::new(SeededIds::new(1)),
            metrics.clone(),
        );
        let intake = Arc::new(intake.with_hooks(hooks));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let (server, stopped) = (Arc::clone(&intake), stop.clone());
        let served =
            tokio::spawn(
                async move { server.serve(listener, async move { stopped.cancelled().await }).await },
            );
        Self { address, intake, metrics, stop, served, tokens }
    }

    /// The key with exactly these scopes.
    pub(crate) fn token(&self, scopes: &[Scope]) -> String {
        let found = self.tokens.iter().find(|(of, _)| of == scopes);
        format!("Bearer {}", found.unwrap().1)
    }

    /// A request with the key that may send everything.
    pub(crate) fn post(&self, content_type: &str, body: impl Into<Vec<u8>>) -> Request {
        Request::new(self.address, "POST", "/v1/events")
            .header("Authorization", &self.token(&[Scope::EventsWrite, Scope::MembersAct]))
            .header("Content-Type", content_type)
            .body(body)
    }
}

/// A check-in of member `m-1` under this event id.
pub(crate) fn check_in(id: &str) -> String {
    event(id, "member.check_in.requested.v1", r#"{"programme_id":"autumn","member_id":"m-1"}"#)
}

/// A claim under this event id.
pub(crate) fn claim(id: &str) -> String {
    let data = r#"{"claim_id":"0190a7c4-7b1e-7c3a-8f00-000000000001","programme_id":"autumn","rule_id":"five-days","member_id":"m-1"}"#;
    event(id, "reward.claim.requested.v1", data)
}

/// A return under this event id.
pub(crate) fn return_asked(id: &str) -> String {
    let data = r#"{"return_id":"R-1","order_id":"O-1","requested_at":"2026-11-20T10:00:00Z"}"#;
    event(id, "return.requested.v1", data)
}

/// An event of any type and data.
pub(crate) fn event(id: &str, kind: &str, data: &str) -> String {
    format!(r#"{{"specversion":"1.0","id":"{id}","source":"/shops/main","type":"{kind}","data":{data}}}"#)
}
