//! The store, on an open file.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use forebay_domain::incident::Timing;
use forebay_domain::{Clock, Ids};
use forebay_sqlite::{BoxFuture, Db, Listener};
use forebay_store::Error;
use sqlx::SqliteConnection;
use tokio::sync::Mutex;

use crate::error::Fault;
use crate::rows::micros;

/// The wake-up channel of the outbox.
const OUTBOX_CHANNEL: &str = "outbox";

/// The store on the embedded file.
#[derive(Debug)]
pub struct SqliteStore {
    pub(crate) db: Db,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) timing: Timing,
    outbox_wakes: Mutex<Listener>,
    /// When the next row of the outbox is due, in microseconds, as the last look found it; `i64::MAX`: there is none.
    pub(crate) outbox_next: AtomicI64,
}

impl SqliteStore {
    /// A store on this file. New ids come from `ids`, the store's own clock is `clock`, and `timing` says when people
    /// are told of incidents.
    #[must_use]
    pub fn new(db: Db, ids: Arc<dyn Ids>, clock: Arc<dyn Clock>, timing: Timing) -> Self {
        let outbox_wakes = Mutex::new(db.wakes().listen(OUTBOX_CHANNEL));
        Self { db, ids, clock, timing, outbox_wakes, outbox_next: AtomicI64::new(0) }
    }

    /// Runs a use case as one job of the writer.
    pub(crate) async fn write<T, F>(&self, job: F) -> Result<T, Error>
    where
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, Fault>> + Send + 'static,
        T: Send + 'static,
    {
        Ok(self.db.write::<T, Fault, F>(job).await?)
    }

    /// Runs a use case that may add to the outbox, and wakes the relay.
    pub(crate) async fn write_and_wake<T, F>(&self, job: F) -> Result<T, Error>
    where
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, Fault>> + Send + 'static,
        T: Send + 'static,
    {
        let answer = self.write(job).await?;
        self.db.wakes().notify(OUTBOX_CHANNEL);
        Ok(answer)
    }

    /// Waits until the relay was woken since the last call or a row that it has seen is due, and no longer than `most`.
    pub(crate) async fn wait_for_outbox(&self, most: Duration) {
        let left = self.outbox_next.load(Ordering::Relaxed).saturating_sub(micros(self.clock.now()));
        let left = Duration::from_micros(u64::try_from(left).unwrap_or(0));
        // That the time is up is an answer like any other.
        let _ = tokio::time::timeout(left.min(most), async { self.outbox_wakes.lock().await.woken().await })
            .await;
    }
}

/// What writing an incident or a message that follows needs besides the file.
#[derive(Debug, Clone)]
pub(crate) struct Tools {
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) timing: Timing,
}

impl SqliteStore {
    /// For a job, which outlives the call.
    pub(crate) fn tools(&self) -> Tools {
        Tools { ids: Arc::clone(&self.ids), timing: self.timing }
    }
}
