//! The relay between a real store and a real queue: what is published, when, and what a dead relay leaves behind.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use forebay_domain::incident::Timing;
use forebay_domain::{Clock, ManualClock, RandomIds, SystemClock};
use forebay_queue::{Broker, ConsumeOptions};
use forebay_queue_embedded::{EmbeddedBroker, Options};
use forebay_relay::{Relay, RelayOptions};
use forebay_schemas::{Queue, Topology};
use forebay_sqlite::Db;
use forebay_store::conformance::{now, outbox::row};
use forebay_store::{Lifecycle, Store};
use forebay_store_sqlite::SqliteStore;
use forebay_telemetry::{Health, Metrics};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(60);
const LEASE: Duration = Duration::from_secs(30);

struct Scene {
    store: Arc<dyn Store>,
    broker: Arc<dyn Broker>,
    clock: Arc<ManualClock>,
    health: Health,
    _folder: TempDir,
}

impl Scene {
    /// A queue that holds at most so many messages.
    async fn with_room_for(max_messages: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(now()));
        let file = Db::open(folder.path().join("store.db")).await.unwrap();
        let told: Arc<dyn Clock> = clock.clone();
        let store = SqliteStore::new(file, Arc::new(RandomIds), told, Timing::default());
        store.migrate().await.unwrap();
        let file = Db::open(folder.path().join("queue.db")).await.unwrap();
        let topology = Topology::new([]);
        let time = Arc::new(|| SystemClock.now());
        let broker =
            EmbeddedBroker::open(file, topology.clone(), time, Options { max_messages }).await.unwrap();
        broker.declare(&topology).await.unwrap();
        let (store, broker): (Arc<dyn Store>, Arc<dyn Broker>) = (Arc::new(store), broker);
        Self { store, broker, clock, health: Health::default(), _folder: folder }
    }

    fn relay(&self) -> Relay {
        Relay::new(
            Arc::clone(&self.store),
            self.broker.publisher(),
            self.clock.clone(),
            Metrics::new("test"),
            self.health.clone(),
            RelayOptions {
                batch: 50,
                lease: LEASE,
                idle: Duration::from_millis(10),
                ..RelayOptions::default()
            },
        )
    }

    async fn add(&self, ids: std::ops::Range<usize>) {
        let rows = ids.map(|n| row(&n.to_string(), now())).collect();
        self.store.outbox_add(rows).await.unwrap();
    }

    async fn left(&self) -> i64 {
        self.store.tally().await.unwrap().outbox
    }

    /// Takes so many messages out of the queue and returns their ids.
    async fn delivered(&self, count: usize) -> Vec<String> {
        let consumer = self.broker.consume(Queue::Returns, ConsumeOptions { prefetch: 1_000 });
        let mut ids = Vec::new();
        while ids.len() < count {
            let received = consumer.receive(count, Duration::from_millis(20));
            let deliveries = tokio::time::timeout(PATIENCE, received).await.expect("messages come");
            ids.extend(deliveries.into_iter().map(|d| d.message.id));
        }
        ids
    }
}

async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !holds().await {
        assert!(tokio::time::Instant::now() < deadline, "it never came true that {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_relays_publish_each_row_once_and_remove_it() {
    let scene = Scene::with_room_for(10_000).await;
    scene.add(0..1_000).await;
    let stop = CancellationToken::new();
    let relays: Vec<_> = (0..3)
        .map(|_| {
            let (relay, stop) = (scene.relay(), stop.clone());
            tokio::spawn(async move { relay.run(stop).await })
        })
        .collect();
    eventually("the outbox is empty", async || scene.left().await == 0).await;
    stop.cancel();
    for relay in relays {
        relay.await.unwrap();
    }
    assert_eq!(scene.broker.depth(&Queue::Returns).await.unwrap().ready, 1_000);
    let ids: BTreeSet<_> = scene.delivered(1_000).await.into_iter().collect();
    assert_eq!(ids.len(), 1_000, "each once");
}

#[tokio::test]
async fn a_row_that_a_dead_relay_held_is_published_when_its_lease_is_over() {
    let scene = Scene::with_room_for(10_000).await;
    scene.add(0..3).await;
    // It dies with the rows in its hands, before or after it published them.
    assert_eq!(scene.store.outbox_take(50, LEASE, now()).await.unwrap().len(), 3);
    let relay = scene.relay();
    assert_eq!(relay.pass().await.unwrap(), 0);
    scene.clock.advance(LEASE);
    assert_eq!(relay.pass().await.unwrap(), 3);
    assert_eq!(scene.left().await, 0);
    assert_eq!(scene.delivered(3).await, ["0", "1", "2"]);
}

#[tokio::test]
async fn what_a_full_queue_refuses_stays_and_is_published_later() {
    let scene = Scene::with_room_for(2).await;
    scene.add(0..3).await;
    let relay = scene.relay();
    assert_eq!(relay.pass().await.unwrap(), 3);
    assert_eq!(scene.left().await, 1, "the one that found no room");
    assert_eq!(relay.pass().await.unwrap(), 0, "not at once again");
    let consumer = scene.broker.consume(Queue::Returns, ConsumeOptions { prefetch: 10 });
    let mut taken = Vec::new();
    while taken.len() < 2 {
        let more = consumer.receive(2 - taken.len(), Duration::from_millis(20));
        taken.extend(tokio::time::timeout(PATIENCE, more).await.expect("messages come"));
    }
    let acks = taken.into_iter().map(|d| (d.receipt, forebay_queue::Settlement::Ack)).collect();
    assert!(consumer.settle(acks).await.iter().all(Result::is_ok));
    consumer.close().await;
    scene.clock.advance(Duration::from_secs(60));
    assert_eq!(relay.pass().await.unwrap(), 1);
    assert_eq!((scene.left().await, scene.delivered(1).await), (0, vec!["2".to_owned()]));
}

#[tokio::test]
async fn a_store_that_is_away_makes_the_relay_not_ready_and_loses_nothing() {
    let scene = Scene::with_room_for(10).await;
    scene.store.close().await;
    let (relay, stop) = (scene.relay(), CancellationToken::new());
    let task = tokio::spawn({
        let stop = stop.clone();
        async move { relay.run(stop).await }
    });
    let told = async || scene.health.readiness().iter().any(|check| check.name == "relay" && !check.ok);
    eventually("the relay says so", told).await;
    stop.cancel();
    task.await.unwrap();
}
