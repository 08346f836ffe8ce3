//! Messages that flow while brokers come and go, and the book about them: what was accepted, what came, how often,
//! and for how long nothing was.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use forebay_queue::conformance::scene::{LINGER, to, topology};
use forebay_queue::{Broker as _, ConsumeOptions, Settlement};
use forebay_queue_amqp::{AmqpBroker, Figures, Options};
use forebay_schemas::Queue;
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::support::eventually;

const QUEUE: Queue = Queue::Rewards;
const BATCH: usize = 20;

/// A publisher and a consumer, as two processes would have them, and their book.
#[derive(Debug)]
pub(crate) struct Traffic {
    publishing: Arc<AmqpBroker>,
    consuming: Arc<AmqpBroker>,
    book: Arc<Mutex<Book>>,
    stop: CancellationToken,
    publisher: JoinHandle<()>,
}

#[derive(Debug)]
struct Book {
    accepted: HashSet<String>,
    came: HashMap<String, usize>,
    /// When something was last accepted, and since this mark the longest time between two of these.
    last_accepted: Instant,
    accept_gap: Duration,
    /// The same for what came.
    last_came: Instant,
    arrival_gap: Duration,
}

/// What the book says at the end.
#[derive(Debug, Clone, Copy)]
#[expect(dead_code, reason = "shown by Debug")]
pub(crate) struct Verdict {
    pub(crate) accepted: usize,
    pub(crate) lost: usize,
    pub(crate) redelivered: usize,
    pub(crate) publishing: Figures,
    pub(crate) consuming: Figures,
}

impl Traffic {
    /// Declares the queues and lets messages flow.
    pub(crate) async fn start(options: Options) -> Self {
        let publishing = AmqpBroker::connect(options.clone());
        let consuming = AmqpBroker::connect(options);
        publishing.declare(&topology()).await.expect("the topology can be declared");
        let now = Instant::now();
        let book = Arc::new(Mutex::new(Book {
            accepted: HashSet::new(),
            came: HashMap::new(),
            last_accepted: now,
            accept_gap: Duration::ZERO,
            last_came: now,
            arrival_gap: Duration::ZERO,
        }));
        let stop = CancellationToken::new();
        let publisher = tokio::spawn(publish_all(Arc::clone(&publishing), Arc::clone(&book), stop.clone()));
        tokio::spawn(collect(Arc::clone(&consuming), Arc::clone(&book)));
        Self { publishing, consuming, book, stop, publisher }
    }

    /// Waits until so many more messages were accepted and so many more came.
    pub(crate) async fn flows(&self, more: usize) {
        let counts = || {
            let book = self.book.lock();
            (book.accepted.len(), book.came.len())
        };
        let before = counts();
        eventually("messages flow", || async {
            let now = counts();
            now.0 >= before.0 + more && now.1 >= before.1 + more
        })
        .await;
    }

    /// The longest times without an accepted message and without one that came, since this was asked last.
    pub(crate) fn gaps(&self) -> (Duration, Duration) {
        let mut book = self.book.lock();
        (std::mem::take(&mut book.accept_gap), std::mem::take(&mut book.arrival_gap))
    }

    /// Ends publishing, waits for all that was accepted, and balances the book.
    pub(crate) async fn balance(self) -> Verdict {
        self.stop.cancel();
        self.publisher.await.expect("the publisher does not panic");
        let missing = || {
            let book = self.book.lock();
            book.accepted.iter().filter(|id| !book.came.contains_key(*id)).count()
        };
        eventually("all that was accepted came", || async { missing() == 0 }).await;
        let verdict = {
            let book = self.book.lock();
            Verdict {
                accepted: book.accepted.len(),
                lost: missing_of(&book),
                redelivered: book.came.values().filter(|times| **times > 1).count(),
                publishing: self.publishing.stats().figures(),
                consuming: self.consuming.stats().figures(),
            }
        };
        tokio::join!(self.publishing.close(), self.consuming.close());
        verdict
    }
}

fn missing_of(book: &Book) -> usize {
    book.accepted.iter().filter(|id| !book.came.contains_key(*id)).count()
}

/// Publishes batch after batch, each until every message of it is accepted.
async fn publish_all(broker: Arc<AmqpBroker>, book: Arc<Mutex<Book>>, stop: CancellationToken) {
    let mut number = 0;
    while !stop.is_cancelled() {
        let mut rest: Vec<String> = (0..BATCH).map(|n| format!("{number}-{n}")).collect();
        number += 1;
        while !rest.is_empty() {
            let batch = rest.iter().map(|id| to(&QUEUE, id)).collect();
            let results = broker.publisher().publish(batch).await;
            let (mut accepted, mut again) = (Vec::new(), Vec::new());
            for (id, result) in rest.into_iter().zip(results) {
                if result.is_ok() { accepted.push(id) } else { again.push(id) }
            }
            rest = again;
            if accepted.is_empty() {
                // The broker is away, which is told at once.
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            }
            let mut book = book.lock();
            let now = Instant::now();
            book.accept_gap = book.accept_gap.max(now - book.last_accepted);
            book.last_accepted = now;
            book.accepted.extend(accepted);
        }
    }
}

/// Receives and acknowledges for ever.
async fn collect(broker: Arc<AmqpBroker>, book: Arc<Mutex<Book>>) {
    let consumer = broker.consume(QUEUE, ConsumeOptions { prefetch: 100 });
    loop {
        let held = consumer.receive(100, LINGER).await;
        if held.is_empty() {
            return;
        }
        {
            let mut book = book.lock();
            let now = Instant::now();
            book.arrival_gap = book.arrival_gap.max(now - book.last_came);
            book.last_came = now;
            for delivery in &held {
                *book.came.entry(delivery.message.id.clone()).or_default() += 1;
            }
        }
        // A lost acknowledgement means another delivery, which the book counts.
        let _ = consumer.settle(held.iter().map(|d| (d.receipt, Settlement::Ack)).collect()).await;
    }
}
