//! The store, on an open file.

use std::sync::Arc;

use forebay_domain::incident::Timing;
use forebay_domain::{Clock, Ids};
use forebay_sqlite::{BoxFuture, Db, Listener};
use forebay_store::Error;
use sqlx::SqliteConnection;
use tokio::sync::Mutex;

use crate::error::Fault;

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
}

impl SqliteStore {
    /// A store on this file. New ids come from `ids`, the store's own clock is `clock`, and `timing` says when people
    /// are told of incidents.
    #[must_use]
    pub fn new(db: Db, ids: Arc<dyn Ids>, clock: Arc<dyn Clock>, timing: Timing) -> Self {
        let outbox_wakes = Mutex::new(db.wakes().listen(OUTBOX_CHANNEL));
        Self { db, ids, clock, timing, outbox_wakes }
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

    /// Waits until the relay was woken since the last call.
    pub(crate) async fn outbox_woken(&self) {
        self.outbox_wakes.lock().await.woken().await;
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
