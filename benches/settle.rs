//! Claims on one hot reward, from the queue to the commit to the ack: the handler's own batches, the same handler at
//! batch 1, and bare SQL that writes the same rows in the same batches.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use forebay_domain::{Outcome, SystemClock};
use forebay_handlers::Rewards;
use forebay_schemas::{Catalogue, Queue};
use forebay_telemetry::{Health, Metrics};
use forebay_worker::{Assignment, Decoding, Failure, Handler, Inbound, Shape, Worker, WorkerOptions};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::Options;
use crate::amqp::COUNTED;
use crate::back_ends::{self, Set};
use crate::bare_sql::BareSql;
use crate::claims;
use crate::report::{Row, pace};

/// Claims of a round.
const CLAIMS: usize = 20_000;
/// Claims of a round at batch 1, which is slower.
const CLAIMS_SINGLY: usize = 2_000;
/// Most claims that are settled at once.
pub(crate) const BATCH: usize = 500;
/// Sets that settle side by side, as `work.concurrency` has it.
pub(crate) const CONCURRENCY: usize = 4;
/// Longest wait for a round.
const PATIENCE: Duration = Duration::from_secs(300);

const SINGLY_LEAST: f64 = 5.0;
const BARE_LEAST: f64 = 0.4;

/// The handler of rewards at another batch size, and a count of what is left to settle.
#[derive(Debug)]
struct Counted {
    inner: Rewards,
    batch: usize,
    left: AtomicUsize,
    done: Arc<Notify>,
}

#[async_trait]
impl Handler for Counted {
    fn shape(&self) -> Shape {
        Shape { batch: self.batch, ..self.inner.shape() }
    }

    async fn handle(&self, batch: Vec<Inbound>) -> Result<Vec<Outcome>, Failure> {
        let outcomes = self.inner.handle(batch).await?;
        // A duplicate is one whose ack came too late at the end of the worker before.
        let known = |outcome: &Outcome| matches!(outcome, Outcome::Done | Outcome::Duplicate);
        assert!(outcomes.iter().all(known), "{outcomes:?}");
        if self.left.fetch_sub(outcomes.len(), Ordering::SeqCst) == outcomes.len() {
            self.done.notify_one();
        }
        Ok(outcomes)
    }
}

pub(crate) async fn measure(options: &Options) -> Vec<Row> {
    let mut rows = on_servers(options).await;
    rows.push(on_one_file(options).await);
    rows
}

async fn on_servers(options: &Options) -> Vec<Row> {
    let set = back_ends::servers().await;
    let bare = BareSql::beside(set.database.as_deref().unwrap()).await;
    claims::open_programme(set.store.as_ref()).await;
    let (mut beside_singly, mut beside_bare) = (Vec::new(), Vec::new());
    let (count, count_singly) = (options.scaled(CLAIMS), options.scaled(CLAIMS_SINGLY));
    for round in 1..=options.rounds() {
        claims::enqueue(&set, &format!("/singly/{round}"), count_singly).await;
        bare.tidy().await;
        let singly = settle(&set, 1, count_singly).await;
        let source = format!("/sets/{round}");
        claims::enqueue(&set, &source, count).await;
        bare.tidy().await;
        let sets = settle(&set, BATCH, count).await;
        let rows = bare.copy(&source).await;
        assert_eq!(rows.len(), count, "claims that were settled and acked are not all granted");
        bare.tidy().await;
        let plain = pace(count, bare.write(rows).await);
        println!(
            "settle, RabbitMQ and PostgreSQL, round {round}: batch {BATCH} {sets:.0}/s, batch 1 {singly:.0}/s, \
             bare SQL {plain:.0}/s"
        );
        beside_singly.push((sets, singly));
        beside_bare.push((sets, plain));
    }
    vec![
        Row::paces("claims settled", "claims/s", &beside_singly, "batch 1", Some(SINGLY_LEAST)),
        Row::paces("claims settled", "claims/s", &beside_bare, "bare SQL", Some(BARE_LEAST)),
    ]
}

async fn on_one_file(options: &Options) -> Row {
    let set = back_ends::embedded().await;
    claims::open_programme(set.store.as_ref()).await;
    let (count, count_singly) = (options.scaled(CLAIMS), options.scaled(CLAIMS_SINGLY));
    let mut rounds = Vec::new();
    for round in 1..=options.rounds() {
        claims::enqueue(&set, &format!("/singly/{round}"), count_singly).await;
        let singly = settle(&set, 1, count_singly).await;
        claims::enqueue(&set, &format!("/sets/{round}"), count).await;
        let sets = settle(&set, BATCH, count).await;
        println!("settle, embedded, round {round}: batch {BATCH} {sets:.0}/s, batch 1 {singly:.0}/s");
        rounds.push((sets, singly));
    }
    Row::paces("claims settled, embedded", "claims/s", &rounds, "batch 1", None)
}

/// Lets a worker settle the claims that wait in the queue: claims a second.
async fn settle(set: &Set, batch: usize, count: usize) -> f64 {
    let before = claims::given_out(set.store.as_ref()).await;
    let elapsed = drain(set, batch, count).await;
    loop {
        let left = left_in_queue(set).await;
        if left == 0 {
            break;
        }
        println!("settle: {left} acks were late at the worker's end; their messages are delivered again");
        drain(set, batch, left).await;
    }
    let granted = claims::given_out(set.store.as_ref()).await - before;
    assert_eq!(usize::try_from(granted).unwrap(), count, "each claim is granted once");
    pace(count, elapsed)
}

/// From the start of a worker to its end, after it has acked the last of so many messages.
pub(crate) async fn drain(set: &Set, batch: usize, count: usize) -> Duration {
    let done = Arc::new(Notify::new());
    let inner = Rewards::new(Arc::clone(&set.store), Arc::new(SystemClock), CONCURRENCY);
    let handler = Counted { inner, batch, left: AtomicUsize::new(count), done: Arc::clone(&done) };
    let handler = Arc::new(Decoding::new(Arc::new(Catalogue::new()), Arc::new(handler)));
    let worker = Worker::new(
        Arc::clone(&set.broker),
        Arc::new(SystemClock),
        Metrics::new("bench"),
        Health::default(),
        WorkerOptions::default(),
    );
    let stop = CancellationToken::new();
    let begun = Instant::now();
    let running = tokio::spawn({
        let stop = stop.clone();
        async move { worker.run(vec![Assignment { queue: Queue::Rewards, handler }], stop).await }
    });
    tokio::time::timeout(PATIENCE, done.notified()).await.expect("the queue is drained in time");
    stop.cancel();
    assert!(running.await.unwrap(), "the worker ended in time");
    begun.elapsed()
}

/// How many messages the queue still holds; a broker may count what was acked for a moment longer.
pub(crate) async fn left_in_queue(set: &Set) -> usize {
    let deadline = Instant::now() + COUNTED;
    loop {
        let depth = set.broker.depth(&Queue::Rewards).await.unwrap();
        let left = depth.ready + depth.unsettled.unwrap_or(0);
        if left == 0 || Instant::now() >= deadline {
            return usize::try_from(left).unwrap();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
