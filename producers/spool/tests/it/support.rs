//! A spool before a broker that keeps what it is given, or fails as it is told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use forebay_domain::SystemClock;
use forebay_queue::conformance::scene::to;
use forebay_queue::{
    Broker, BrokerError, ConsumeOptions, Consumer, Depth, Link, Outgoing, PublishError, Publisher,
};
use forebay_schemas::{Queue, Route, Topology};
use forebay_spool::{Options, Spool};
use forebay_sqlite::Db;
use forebay_telemetry::Metrics;
use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::time::Instant;

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
pub(crate) const BOUNDS: Options = Options { max_events: 100_000, max_bytes: 1 << 30 };

/// Keeps the ids that it is given, by their routes.
#[derive(Debug, Default)]
pub(crate) struct Stub {
    pub(crate) down: Mutex<Option<String>>,
    /// What routes answer, in the words of the outbox.
    pub(crate) failing: Mutex<BTreeMap<String, PublishError>>,
    kept: Mutex<Vec<(String, String)>>,
    answers: AtomicU64,
}

impl Stub {
    /// The ids that came by this route, in their order.
    pub(crate) fn kept(&self, route: &Route) -> Vec<String> {
        let kept = self.kept.lock();
        kept.iter().filter(|(by, _)| *by == route.to_text()).map(|(_, id)| id.clone()).collect()
    }

    pub(crate) fn fail(&self, route: &Route, with: PublishError) {
        self.failing.lock().insert(route.to_text(), with);
    }

    pub(crate) fn go_down(&self, down: bool) {
        *self.down.lock() = down.then(|| "away".to_owned());
    }

    fn take(&self, outgoing: Outgoing) -> Result<(), PublishError> {
        let route = outgoing.route.to_text();
        if let Some(why) = self.down.lock().clone() {
            return Err(PublishError::Unavailable(why));
        }
        self.answers.fetch_add(1, Ordering::Relaxed);
        if let Some(error) = self.failing.lock().get(&route) {
            return Err(error.clone());
        }
        self.kept.lock().push((route, outgoing.message.id));
        Ok(())
    }
}

#[async_trait]
impl Publisher for Stub {
    async fn publish(&self, batch: Vec<Outgoing>) -> Vec<Result<(), PublishError>> {
        batch.into_iter().map(|outgoing| self.take(outgoing)).collect()
    }

    fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
struct StubBroker(Arc<Stub>);

#[async_trait]
impl Broker for StubBroker {
    fn publisher(&self) -> Arc<dyn Publisher> {
        Arc::clone(&self.0) as Arc<dyn Publisher>
    }

    fn consume(&self, _: Queue, _: ConsumeOptions) -> Arc<dyn Consumer> {
        unreachable!("the spool consumes nothing")
    }

    async fn depth(&self, _: &Queue) -> Result<Depth, BrokerError> {
        Ok(Depth::default())
    }

    async fn declare(&self, _: &Topology) -> Result<(), BrokerError> {
        Ok(())
    }

    async fn check(&self, _: &Topology) -> Result<(), BrokerError> {
        Ok(())
    }

    fn plan(&self, _: &Topology) -> Vec<String> {
        Vec::new()
    }

    fn link(&self) -> Link {
        self.0.down.lock().clone().map_or(Link::Up, Link::Down)
    }

    async fn close(&self) {}
}

/// A spool and what is around it.
pub(crate) struct Scene {
    pub(crate) spool: Arc<Spool>,
    pub(crate) db: Db,
    pub(crate) stub: Arc<Stub>,
    pub(crate) metrics: Metrics,
    pub(crate) folder: TempDir,
}

impl Scene {
    pub(crate) async fn open() -> Self {
        Self::reopen(tempfile::tempdir().unwrap(), Arc::default()).await
    }

    pub(crate) async fn reopen(folder: TempDir, stub: Arc<Stub>) -> Self {
        let db = Db::open(folder.path().join("spool.db")).await.unwrap();
        let metrics = Metrics::new("test");
        let broker = Arc::new(StubBroker(Arc::clone(&stub)));
        let spool =
            Spool::open(db.clone(), broker, BOUNDS, Arc::new(SystemClock), metrics.clone()).await.unwrap();
        Self { spool, db, stub, metrics, folder }
    }

    /// Ends the spool, and gives back what outlives it.
    pub(crate) async fn close(self) -> (TempDir, Arc<Stub>) {
        self.spool.close(Instant::now() + PATIENCE).await;
        self.db.close().await;
        (self.folder, self.stub)
    }

    /// Publishes one message a call into this queue, so many times.
    pub(crate) async fn publish(&self, queue: &Queue, ids: &[String]) -> Vec<Result<(), PublishError>> {
        self.spool.publisher().publish(ids.iter().map(|id| to(queue, id)).collect()).await
    }
}

pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "it never came true that {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
