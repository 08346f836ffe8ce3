//! What publisher, consumers and settler share.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use forebay_schemas::Topology;
use forebay_sqlite::{Db, Error, Listener};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::broker::Clock;
use crate::placing::Row;
use crate::rows;

/// First wait before a write that failed is tried again; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(50);
/// Longest wait before a write that failed is tried again.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// What publisher, consumers and settler share.
pub(crate) struct Core {
    pub(crate) db: Db,
    pub(crate) topology: Topology,
    pub(crate) clock: Clock,
    pub(crate) max_messages: u64,
    /// Messages in the table.
    stored: AtomicU64,
    /// Cancelled when the broker is closed.
    pub(crate) closed: CancellationToken,
    /// Whatever must be finished before the broker is closed.
    pub(crate) tasks: TaskTracker,
    runtime: Handle,
}

impl Core {
    pub(crate) fn new(db: Db, topology: Topology, clock: Clock, max_messages: u64, stored: u64) -> Self {
        Self {
            db,
            topology,
            clock,
            max_messages,
            stored: AtomicU64::new(stored),
            closed: CancellationToken::new(),
            tasks: TaskTracker::new(),
            runtime: Handle::current(),
        }
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }

    /// Whether no queue holds anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.stored.load(Ordering::Acquire) == 0
    }

    /// Reserves places for up to `wanted` messages, and returns how many there are.
    pub(crate) fn reserve(&self, wanted: u64) -> u64 {
        let mut granted = 0;
        let reserving = |stored: u64| {
            granted = wanted.min(self.max_messages.saturating_sub(stored));
            Some(stored + granted)
        };
        let _ = self.stored.fetch_update(Ordering::AcqRel, Ordering::Acquire, reserving);
        granted
    }

    /// Gives places of messages back that were removed or never stored.
    pub(crate) fn vacate(&self, count: u64) {
        let vacating = |stored: u64| Some(stored.saturating_sub(count));
        let _ = self.stored.fetch_update(Ordering::AcqRel, Ordering::Acquire, vacating);
    }

    /// Runs to the end whatever becomes of the caller, also when called outside of the runtime.
    pub(crate) fn spawn(
        &self,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> tokio::task::JoinHandle<()> {
        self.tasks.spawn_on(work, &self.runtime)
    }

    /// Stores new messages and wakes their consumers.
    pub(crate) async fn store(&self, messages: Vec<Row>) -> Result<(), Error> {
        let queues: BTreeSet<String> = messages.iter().map(|row| row.queue.clone()).collect();
        self.db.write(move |conn| Box::pin(async move { rows::insert(conn, &messages).await })).await?;
        queues.iter().for_each(|queue| self.wake(queue));
        Ok(())
    }

    /// Gives messages back to their queue, however long that takes.
    pub(crate) async fn give_back(&self, queue: &str, ids: Vec<i64>, seen: bool) {
        if ids.is_empty() {
            return;
        }
        let ids: Arc<[i64]> = ids.into();
        let giving_back = || {
            let ids = Arc::clone(&ids);
            self.db.write(move |conn| Box::pin(async move { rows::give_back(conn, &ids, seen).await }))
        };
        // When the file is closed the next owner gives back what it finds leased.
        if self.insist("giving messages back", giving_back).await.is_ok() {
            self.wake(queue);
        }
    }

    /// Does a write again and again until it works or the file is closed.
    pub(crate) async fn insist<F>(
        &self,
        what: &'static str,
        mut write: impl FnMut() -> F,
    ) -> Result<(), Error>
    where
        F: Future<Output = Result<(), Error>>,
    {
        let mut wait = FIRST_WAIT;
        loop {
            match write().await {
                Err(Error::Closed) => return Err(Error::Closed),
                Err(error) => {
                    tracing::warn!(%error, "{what} failed and is tried again in {wait:?}");
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
                Ok(()) => return Ok(()),
            }
        }
    }

    /// Wakes the consumers of a queue.
    pub(crate) fn wake(&self, queue: &str) {
        self.db.wakes().notify(&channel(queue));
    }

    /// Listens to what wakes the consumers of a queue.
    pub(crate) fn listen(&self, queue: &str) -> Listener {
        self.db.wakes().listen(&channel(queue))
    }
}

fn channel(queue: &str) -> String {
    format!("queue:{queue}")
}
