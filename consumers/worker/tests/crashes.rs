//! A message that aborts the process of its worker, on both back ends: it is found out, and nobody else is blamed.
//! The worker is this test program itself, run again as a process of its own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::{Clock, Outcome, SystemClock};
use forebay_queue::{Broker, ConsumeOptions, Delivery, Message, Outgoing};
use forebay_queue_amqp::{Address, AmqpBroker};
use forebay_queue_embedded::EmbeddedBroker;
use forebay_schemas::{Code, Queue, Route, Topology, Trail};
use forebay_sqlite::Db;
use forebay_telemetry::{Health, Metrics};
use forebay_worker::{Assignment, Failure, RawHandler, Received, Shape, Worker, WorkerOptions};
use secrecy::SecretString;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(300);
const POISON: &str = "poison";
const NEIGHBOURS: usize = 60;
/// Where the worker's process finds its queue, and where it writes what it has done.
const QUEUE_AT: &str = "FOREBAY_TEST_CRASHING_QUEUE";
const DONE_IN: &str = "FOREBAY_TEST_CRASHING_DONE";
/// What the embedded queue's seconds are divided by: twenty crashes with their waits would take minutes.
const FASTER: i32 = 100;

/// A clock that runs faster, and tells all processes of a test the same.
#[derive(Debug, Clone, Copy)]
struct FastClock;

impl Clock for FastClock {
    fn now(&self) -> DateTime<Utc> {
        let start = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        start + (SystemClock.now() - start) * FASTER
    }
}

/// Where the queue is.
enum Place {
    Embedded(PathBuf),
    RabbitMq(String),
}

impl Place {
    fn parse(text: &str) -> Self {
        match text.strip_prefix("sqlite:") {
            Some(file) => Self::Embedded(file.into()),
            None => Self::RabbitMq(text.to_owned()),
        }
    }

    fn clock(&self) -> Arc<dyn Clock> {
        match self {
            Self::Embedded(_) => Arc::new(FastClock),
            Self::RabbitMq(_) => Arc::new(SystemClock),
        }
    }

    async fn broker(&self) -> Arc<dyn Broker> {
        let topology = Topology::new([]);
        let broker: Arc<dyn Broker> = match self {
            Self::Embedded(file) => {
                let clock = self.clock();
                let options = forebay_queue_embedded::Options::default();
                let db = Db::open(file).await.unwrap();
                EmbeddedBroker::open(db, topology.clone(), Arc::new(move || clock.now()), options)
                    .await
                    .unwrap()
            }
            Self::RabbitMq(url) => {
                let nodes = Address::parse_nodes(&SecretString::from(url.as_str())).unwrap();
                let mut options = forebay_queue_amqp::Options::new(nodes, "forebay/test");
                options.publish_deadline = Duration::from_secs(60);
                AmqpBroker::connect(options)
            }
        };
        broker.declare(&topology).await.unwrap();
        broker
    }
}

/// Writes down whom it has handled, and aborts its process on the poison.
#[derive(Debug)]
struct Brittle {
    done: PathBuf,
}

#[async_trait]
impl RawHandler for Brittle {
    fn shape(&self) -> Shape {
        let linger = Duration::from_millis(20);
        Shape { batch: 10, linger, concurrency: 2, deadline: Duration::from_secs(30) }
    }

    async fn handle(&self, batch: Vec<Arc<Received>>, _now: DateTime<Utc>) -> Result<Vec<Outcome>, Failure> {
        if batch.iter().any(|received| received.message.id == POISON) {
            std::process::abort();
        }
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(&self.done).unwrap();
        for received in &batch {
            // In one piece: another batch may be writing, too.
            file.write_all(format!("{}\n", received.message.id).as_bytes()).unwrap();
        }
        Ok(vec![Outcome::Done; batch.len()])
    }
}

#[expect(clippy::disallowed_methods, reason = "tests have no configuration but what scripts/test sets")]
fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run scripts/test, which starts a private RabbitMQ and sets it")
    })
}

/// The worker's process: works until all neighbours are done and one is dead, or until it is aborted.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by the other tests, as a process of its own"]
async fn worker_process() {
    let place = Place::parse(&setting(QUEUE_AT));
    let broker = place.broker().await;
    let worker = Worker::new(
        Arc::clone(&broker),
        place.clock(),
        Metrics::new("test"),
        Health::default(),
        WorkerOptions { grace: Duration::from_secs(5), ..WorkerOptions::default() },
    );
    let done = PathBuf::from(setting(DONE_IN));
    let handler = Arc::new(Brittle { done: done.clone() });
    let stop = CancellationToken::new();
    let assignment = Assignment { queue: Queue::Rewards, handler };
    let working = tokio::spawn({
        let stop = stop.clone();
        async move { worker.run(vec![assignment], stop).await }
    });
    let until = Instant::now() + PATIENCE;
    while count(&broker, &Queue::Dead).await == 0 || names(&done).len() < NEIGHBOURS {
        assert!(Instant::now() < until, "done: {:?}", names(&done));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.cancel();
    assert!(working.await.unwrap());
    broker.close().await;
}

async fn count(broker: &Arc<dyn Broker>, queue: &Queue) -> u64 {
    let depth = broker.depth(queue).await.unwrap();
    depth.ready + depth.unsettled.unwrap_or(0)
}

/// Whom the handler has written down.
fn names(done: &Path) -> BTreeSet<String> {
    std::fs::read_to_string(done).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Runs the worker's process again and again until it ends well; returns how often it was aborted.
fn run_worker(queue: &str, done: &Path) -> usize {
    let until = Instant::now() + PATIENCE;
    let mut aborted = 0;
    loop {
        assert!(Instant::now() < until, "aborted {aborted} times, and still not done");
        let ended = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "worker_process", "--ignored"])
            .env(QUEUE_AT, queue)
            .env(DONE_IN, done)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        if ended.status.success() {
            return aborted;
        }
        let signal = std::os::unix::process::ExitStatusExt::signal(&ended.status);
        let told = String::from_utf8_lossy(&ended.stdout);
        assert_eq!(signal, Some(6), "the worker did not abort but ended with {}: {told}", ended.status);
        aborted += 1;
    }
}

fn outgoing(id: &str, trail: &Trail) -> Outgoing {
    let message = Message {
        id: id.to_owned(),
        kind: String::new(),
        timestamp: None,
        headers: BTreeMap::new(),
        body: bytes::Bytes::from_static(b"{}"),
    };
    Outgoing { route: Route::Work(Queue::Rewards), message: message.with_trail(trail) }
}

/// The poison in front of others, which a worker prefetches together with it.
async fn publish(place: &Place, poison: &Trail) -> Vec<String> {
    let broker = place.broker().await;
    let neighbours: Vec<String> = (0..NEIGHBOURS).map(|n| format!("m{n}")).collect();
    let mut batch = vec![outgoing(POISON, poison)];
    batch.extend(neighbours.iter().map(|id| outgoing(id, &Trail::default())));
    for chunk in batch.chunks(1) {
        // One by one, so that the poison is in front.
        assert_eq!(broker.publisher().publish(chunk.to_vec()).await, [Ok(())]);
    }
    broker.close().await;
    neighbours
}

async fn dead_letters(place: &Place) -> Vec<Delivery> {
    let broker = place.broker().await;
    let count = usize::try_from(count(&broker, &Queue::Dead).await).unwrap();
    let consumer = broker.consume(Queue::Dead, ConsumeOptions { prefetch: 100 });
    let mut dead = Vec::new();
    while dead.len() < count {
        let some = consumer.receive(count, Duration::from_millis(20));
        dead.extend(tokio::time::timeout(PATIENCE, some).await.unwrap());
    }
    broker.close().await;
    dead
}

async fn only_the_poison_died(place: &Place, done: &Path, neighbours: &[String]) {
    let dead = dead_letters(place).await;
    let letters: Vec<_> = dead.iter().map(|delivery| delivery.message.id.as_str()).collect();
    assert_eq!(letters, [POISON]);
    let trail = dead[0].message.trail();
    assert_eq!((trail.code, trail.queue.as_deref()), (Some(Code::CrashLoop), Some("forebay.rewards")));
    assert_eq!(trail.error.as_deref(), Some("in the hands of 20 workers when they went away"));
    assert_eq!((trail.attempts, trail.crashes), (0, 0));
    assert_eq!(names(done), neighbours.iter().cloned().collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_aborts_its_worker_is_found_out_and_its_neighbours_are_done() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("queue.db");
    let done = folder.path().join("done");
    let place = Place::Embedded(file.clone());
    let neighbours = publish(&place, &Trail::default()).await;
    let queue = format!("sqlite:{}", file.display());
    let aborted = tokio::task::spawn_blocking({
        let done = done.clone();
        move || run_worker(&queue, &done)
    });
    assert_eq!(aborted.await.unwrap(), 20, "each abort counts once");
    only_the_poison_died(&place, &done, &neighbours).await;
}

/// A vhost of its own, as `rabbitmqctl` makes it.
struct Vhost(String);

impl Vhost {
    fn fresh() -> Self {
        let vhost = Self(format!("crashes-{}", rand::random::<u64>()));
        vhost.ctl(&["add_vhost", &vhost.0]);
        vhost.ctl(&["set_permissions", "--vhost", &vhost.0, "guest", ".*", ".*", ".*"]);
        vhost
    }

    fn url(&self) -> String {
        let url = setting("FOREBAY_TEST_AMQP_URL");
        format!("{}/{}", url.rsplit_once('/').unwrap().0, self.0)
    }

    fn ctl(&self, arguments: &[&str]) {
        let output = Command::new(setting("FOREBAY_TEST_RABBITMQCTL")).args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rabbitmq_counts_the_aborts_too_and_the_count_lasts_while_the_message_is_set_aside() {
    let folder = TempDir::new().unwrap();
    let done = folder.path().join("done");
    let vhost = Vhost::fresh();
    let place = Place::RabbitMq(vhost.url());
    // All but the last two crashes lie behind it: each costs seconds in a real delay queue.
    let neighbours = publish(&place, &Trail { crashes: 18, ..Trail::default() }).await;
    let aborted = tokio::task::spawn_blocking({
        let (queue, done) = (vhost.url(), done.clone());
        move || run_worker(&queue, &done)
    });
    assert_eq!(aborted.await.unwrap(), 2);
    only_the_poison_died(&place, &done, &neighbours).await;
    vhost.ctl(&["delete_vhost", &vhost.0]);
}
