//! The harness on a real queue: what it does with each answer, and with handlers that misbehave.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use forebay_domain::{Clock, Outcome, SystemClock};
use forebay_queue::{Broker, ConsumeOptions, Message, Outgoing};
use forebay_queue_embedded::EmbeddedBroker;
use forebay_schemas::{Catalogue, Code, Event, Queue, Route, Topology};
use forebay_sqlite::Db;
use forebay_telemetry::{Health, Metrics};
use forebay_worker::{Assignment, Decoding, Failure, Handler, Inbound, Shape, Worker, WorkerOptions};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Longest that a test waits for something that must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A handler that does what the id of an event says.
#[derive(Debug, Default)]
struct Obedient {
    seen: Mutex<BTreeMap<String, usize>>,
    store_is_away: AtomicBool,
    calls: AtomicUsize,
}

#[async_trait]
impl Handler for Obedient {
    fn shape(&self) -> Shape {
        let linger = Duration::from_millis(30);
        Shape { batch: 50, linger, concurrency: 2, deadline: Duration::from_millis(400) }
    }

    async fn handle(&self, batch: Vec<Inbound>) -> Result<Vec<Outcome>, Failure> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if self.store_is_away.load(Ordering::SeqCst) {
            return Err(Failure::Unavailable("the store is away".into()));
        }
        let ids: Vec<String> = batch.iter().map(|i| i.event.id.clone()).collect();
        if ids.iter().any(|id| id.starts_with("panic")) {
            panic!("as told");
        }
        if ids.iter().any(|id| id.starts_with("fail")) {
            return Err(Failure::Failed { code: Code::Rejected, error: "as told".into() });
        }
        if ids.iter().any(|id| id.starts_with("hang")) {
            std::future::pending::<()>().await;
        }
        let mut seen = self.seen.lock().unwrap();
        Ok(ids
            .into_iter()
            .map(|id| {
                let outcome = match id.split('-').next() {
                    Some("reject") => Outcome::reject(Code::Rejected, "as told"),
                    Some("retry") => Outcome::retry(Code::OutsideUnavailable, "as told"),
                    _ => Outcome::Done,
                };
                *seen.entry(id).or_default() += 1;
                outcome
            })
            .collect())
    }
}

struct Scene {
    broker: Arc<dyn Broker>,
    handler: Arc<Obedient>,
    stop: CancellationToken,
    worker: Option<JoinHandle<bool>>,
    _folder: tempfile::TempDir,
}

impl Scene {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(folder.path().join("queue.db")).await.unwrap();
        let topology = Topology::new([]);
        let now = Arc::new(|| SystemClock.now());
        let broker: Arc<dyn Broker> =
            EmbeddedBroker::open(db, topology.clone(), now, forebay_queue_embedded::Options::default())
                .await
                .unwrap();
        broker.declare(&topology).await.unwrap();
        Self {
            broker,
            handler: Arc::default(),
            stop: CancellationToken::new(),
            worker: None,
            _folder: folder,
        }
    }

    fn work(&mut self) {
        let worker = Worker::new(
            Arc::clone(&self.broker),
            Arc::new(SystemClock),
            Metrics::new("test"),
            Health::default(),
            WorkerOptions { grace: Duration::from_secs(5), ..WorkerOptions::default() },
        );
        let handler = Decoding::new(Arc::new(Catalogue::new()), Arc::clone(&self.handler) as Arc<_>);
        let assignment = Assignment { queue: Queue::Rewards, handler: Arc::new(handler) };
        let stop = self.stop.clone();
        self.worker = Some(tokio::spawn(async move { worker.run(vec![assignment], stop).await }));
    }

    async fn publish(&self, ids: &[&str]) {
        let batch = ids.iter().map(|id| outgoing(id)).collect();
        assert!(self.broker.publisher().publish(batch).await.iter().all(Result::is_ok));
    }

    /// What lies in a queue, taken out of it: message id and past.
    async fn drain(&self, queue: Queue, count: usize) -> Vec<Message> {
        let consumer = self.broker.consume(queue, ConsumeOptions { prefetch: 100 });
        let mut messages = Vec::new();
        while messages.len() < count {
            let wait = consumer.receive(count, Duration::from_millis(20));
            let got = tokio::time::timeout(PATIENCE, wait).await.expect("messages come in time");
            messages.extend(got.into_iter().map(|d| d.message));
        }
        messages.sort_by(|a, b| a.id.cmp(&b.id));
        messages
    }

    async fn eventually(&self, what: &str, mut holds: impl FnMut(&Obedient) -> bool) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !holds(&self.handler) {
            assert!(tokio::time::Instant::now() < deadline, "it never came true that {what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn empty(&self) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let depth = self.broker.depth(&Queue::Rewards).await.unwrap();
            if depth.ready == 0 && depth.unsettled.unwrap_or(0) == 0 {
                return;
            }
            assert!(tokio::time::Instant::now() < deadline, "the queue was never empty: {depth:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn stopped(&mut self) -> bool {
        self.stop.cancel();
        self.worker.take().unwrap().await.unwrap()
    }
}

fn outgoing(id: &str) -> Outgoing {
    let data = r#"{"programme_id":"p","member_id":"m"}"#;
    let body = format!(
        r#"{{"specversion":"1.0","id":"{id}","source":"/s","type":"member.check_in.requested.v1","data":{data}}}"#
    );
    let event = Event::decode(body.as_bytes()).unwrap();
    Outgoing { route: Route::Work(Queue::Rewards), message: Message::of(&event) }
}

fn garbage(body: &'static [u8]) -> Outgoing {
    let message = Message {
        id: "garbage".into(),
        kind: String::new(),
        timestamp: None,
        headers: BTreeMap::new(),
        body: bytes::Bytes::from_static(body),
    };
    Outgoing { route: Route::Work(Queue::Rewards), message }
}

#[tokio::test]
async fn what_is_done_is_gone_and_handled_once() {
    let mut scene = Scene::new().await;
    let ids: Vec<String> = (0..200).map(|n| format!("ok-{n}")).collect();
    scene.publish(&ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
    scene.work();
    scene.eventually("all were handled", |h| h.seen.lock().unwrap().len() == 200).await;
    scene.empty().await;
    assert!(scene.stopped().await);
    assert!(scene.handler.seen.lock().unwrap().values().all(|n| *n == 1));
    assert!(scene.handler.calls.load(Ordering::SeqCst) < 100, "they came in batches");
}

#[tokio::test]
async fn one_that_panics_or_fails_costs_its_neighbours_nothing_and_itself_an_attempt() {
    for bad in ["panic-1", "fail-1"] {
        let mut scene = Scene::new().await;
        scene.publish(&["ok-1", bad, "ok-2"]).await;
        scene.work();
        scene.eventually("the neighbours were handled", |h| h.seen.lock().unwrap().len() == 2).await;
        let broker = Arc::clone(&scene.broker);
        let delayed =
            || async { broker.depth(&Queue::Delay(forebay_schemas::Tier::S5)).await.unwrap().ready };
        let longer =
            || async { broker.depth(&Queue::Delay(forebay_schemas::Tier::S30)).await.unwrap().ready };
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while delayed().await + longer().await == 0 {
            assert!(tokio::time::Instant::now() < deadline, "{bad} was not delayed");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(scene.stopped().await);
        assert!(scene.handler.seen.lock().unwrap().values().all(|n| *n == 1));
    }
}

#[tokio::test]
async fn a_rejected_one_is_a_dead_letter_with_its_bytes_code_and_origin() {
    let mut scene = Scene::new().await;
    scene.publish(&["reject-1"]).await;
    scene.work();
    let dead = scene.drain(Queue::Dead, 1).await;
    let trail = dead[0].trail();
    assert_eq!(trail.code, Some(Code::Rejected));
    assert_eq!(trail.queue.as_deref(), Some("forebay.rewards"));
    assert_eq!(dead[0].body, outgoing("reject-1").message.body);
    assert!(scene.stopped().await);
}

#[tokio::test]
async fn what_cannot_be_decoded_is_dead_at_once_byte_for_byte_and_never_reaches_the_handler() {
    let mut scene = Scene::new().await;
    let bodies: [&'static [u8]; 4] = [b"", b"\xff\x00{", b"{\"specversion\":\"1.0\"}", b"null"];
    let batch: Vec<Outgoing> = bodies.iter().map(|b| garbage(b)).collect();
    assert!(scene.broker.publisher().publish(batch).await.iter().all(Result::is_ok));
    scene.work();
    let dead = scene.drain(Queue::Dead, bodies.len()).await;
    assert!(dead.iter().all(|m| m.trail().code == Some(Code::Undecodable)));
    for body in bodies {
        assert!(dead.iter().any(|m| m.body == body), "{body:?} is not among the dead");
    }
    assert_eq!(scene.handler.calls.load(Ordering::SeqCst), 0);
    assert!(scene.stopped().await);
}

#[tokio::test]
async fn a_handler_that_hangs_is_cut_off_and_its_messages_are_tried_again_later() {
    let mut scene = Scene::new().await;
    scene.publish(&["hang-1"]).await;
    scene.work();
    let broker = Arc::clone(&scene.broker);
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let mut waiting = 0;
        for tier in [forebay_schemas::Tier::S5, forebay_schemas::Tier::S30] {
            waiting += broker.depth(&Queue::Delay(tier)).await.unwrap().ready;
        }
        if waiting == 1 {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "the message was never delayed");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(scene.stopped().await, "nothing hangs in the worker");
}

#[tokio::test]
async fn while_the_store_is_away_nothing_is_burnt_and_afterwards_it_goes_on() {
    let mut scene = Scene::new().await;
    scene.handler.store_is_away.store(true, Ordering::SeqCst);
    scene.publish(&["ok-1", "ok-2"]).await;
    scene.work();
    scene.eventually("it was tried more than once", |h| h.calls.load(Ordering::SeqCst) >= 3).await;
    scene.handler.store_is_away.store(false, Ordering::SeqCst);
    scene.eventually("both were handled", |h| h.seen.lock().unwrap().len() == 2).await;
    scene.empty().await;
    assert!(scene.stopped().await);
    assert_eq!(scene.broker.depth(&Queue::Dead).await.unwrap().ready, 0);
}

#[tokio::test]
async fn a_stop_gives_back_what_is_held_while_the_store_is_away() {
    let mut scene = Scene::new().await;
    scene.handler.store_is_away.store(true, Ordering::SeqCst);
    scene.publish(&["ok-1", "ok-2", "ok-3"]).await;
    scene.work();
    scene.eventually("it was tried", |h| h.calls.load(Ordering::SeqCst) >= 1).await;
    assert!(scene.stopped().await, "the stop waited for the store");
    let back = scene.drain(Queue::Rewards, 3).await;
    assert_eq!(back.iter().map(|m| m.id.as_str()).collect::<Vec<_>>(), ["ok-1", "ok-2", "ok-3"]);
    assert!(back.iter().all(|m| m.trail().attempts == 0));
}
