//! The back end as a whole.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_queue::{Broker, BrokerError, ConsumeOptions, Consumer, Depth, Link, Publisher};
use forebay_schemas::{Queue, Topology};
use forebay_sqlite::{Db, Error, migrator};
use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::consumer::{EmbeddedConsumer, Subscription};
use crate::core::Core;
use crate::publisher::EmbeddedPublisher;
use crate::settler::{self, WAITING_CALLS, Work};
use crate::{declaration, rows};

/// Longest wait, when closing, for what is under way.
const CLOSE_BOUND: Duration = Duration::from_secs(5);
/// The table that remembers which migrations were applied.
const MIGRATIONS_TABLE: &str = "_queue_migrations";
const MIGRATIONS: &[(&str, &str)] = &[("messages", include_str!("../migrations/0001_messages.sql"))];

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// How the queue of the embedded set is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Most messages in all queues together; more are refused, and the publisher tries later. Copies that settle a
    /// delivery are always taken, since their originals make room.
    pub max_messages: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { max_messages: 5_000_000 }
    }
}

/// The queue of the embedded set.
pub struct EmbeddedBroker {
    core: Arc<Core>,
    settler: mpsc::Sender<Work>,
    subscriptions: Mutex<Vec<Weak<Subscription>>>,
    last_epoch: AtomicU64,
}

impl std::fmt::Debug for EmbeddedBroker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedBroker").field("file", &self.core.db.path()).finish_non_exhaustive()
    }
}

impl EmbeddedBroker {
    /// Opens the queue in this file, and gives back whatever a process before this one held. The file can have one
    /// broker at a time. Closing the broker leaves the file open: it belongs to the caller.
    ///
    /// # Errors
    /// An [`Error`] when the tables can't be brought up to date.
    pub async fn open(
        db: Db,
        topology: Topology,
        clock: Clock,
        options: Options,
    ) -> Result<Arc<Self>, Error> {
        db.migrate(MIGRATIONS_TABLE, migrator(MIGRATIONS)).await?;
        let stored = db.write(|conn| Box::pin(rows::take_over(conn))).await?;
        // Receipts of a broker that was opened earlier must be worth nothing here.
        let last_epoch = AtomicU64::new(u64::try_from(clock().timestamp_micros()).unwrap_or(0));
        let core = Arc::new(Core::new(db, topology, clock, options.max_messages, stored));
        let (settler, calls) = mpsc::channel(WAITING_CALLS);
        drop(core.spawn(settler::run(Arc::clone(&core), calls)));
        Ok(Arc::new(Self { core, settler, subscriptions: Mutex::default(), last_epoch }))
    }

    /// Subscriptions whose consumers still live.
    fn subscriptions(&self) -> Vec<Arc<Subscription>> {
        self.subscriptions.lock().iter().filter_map(Weak::upgrade).collect()
    }
}

#[async_trait]
impl Broker for EmbeddedBroker {
    fn publisher(&self) -> Arc<dyn Publisher> {
        Arc::new(EmbeddedPublisher { core: Arc::clone(&self.core) })
    }

    fn consume(&self, queue: Queue, options: ConsumeOptions) -> Arc<dyn Consumer> {
        let epoch = self.last_epoch.fetch_add(1, Ordering::Relaxed) + 1;
        let subscription = Subscription::start(&self.core, queue, options, epoch, self.settler.clone());
        let mut subscriptions = self.subscriptions.lock();
        subscriptions.retain(|subscription| subscription.strong_count() > 0);
        subscriptions.push(Arc::downgrade(&subscription));
        Arc::new(EmbeddedConsumer(subscription))
    }

    async fn depth(&self, queue: &Queue) -> Result<Depth, BrokerError> {
        let (readers, now) = (self.core.db.read(), self.core.now());
        // Of a file that is closed nobody can tell.
        let empty = self.core.is_empty() && !readers.is_closed();
        if let Queue::Delay(tier) = queue {
            let (ready, oldest) = match empty {
                true => (0, None),
                false => rows::tier_depth(readers, *tier, now).await.map_err(unavailable)?,
            };
            return Ok(Depth { ready, unsettled: Some(0), oldest, consumers: Some(0) });
        }
        let (ready, unsettled, oldest) = match empty {
            true => (0, 0, None),
            false => rows::depth(readers, &queue.to_string(), now).await.map_err(unavailable)?,
        };
        let of_queue =
            |subscription: &&Arc<Subscription>| subscription.queue == *queue && subscription.is_open();
        let consumers = u32::try_from(self.subscriptions().iter().filter(of_queue).count()).ok();
        Ok(Depth { ready, unsettled: Some(unsettled), oldest, consumers })
    }

    async fn declare(&self, topology: &Topology) -> Result<(), BrokerError> {
        declaration::declare(&self.core.db, topology, self.core.now()).await.map_err(unavailable)
    }

    async fn check(&self, topology: &Topology) -> Result<(), BrokerError> {
        if declaration::is_declared(&self.core.db, topology).await.map_err(unavailable)? {
            return Ok(());
        }
        let file = self.core.db.path().display();
        Err(BrokerError::Topology(format!(
            "the queues in {file} are not declared for this release and these carriers: run `forebay topology apply`"
        )))
    }

    fn plan(&self, topology: &Topology) -> Vec<String> {
        declaration::plan(topology)
    }

    fn link(&self) -> Link {
        if self.core.closed.is_cancelled() { Link::Down("the queue is closed".to_owned()) } else { Link::Up }
    }

    async fn close(&self) {
        let subscriptions = self.subscriptions();
        subscriptions.iter().for_each(|subscription| subscription.stop());
        for subscription in &subscriptions {
            subscription.stopped().await;
            subscription.abandon();
        }
        self.core.closed.cancel();
        self.core.tasks.close();
        let _ = tokio::time::timeout(CLOSE_BOUND, self.core.tasks.wait()).await;
    }
}

fn unavailable(error: Error) -> BrokerError {
    BrokerError::Unavailable(error.to_string())
}
