//! The spool as its owner sees it.

use std::sync::Arc;

use forebay_domain::Clock;
use forebay_queue::{Broker, Publisher};
use forebay_sqlite::{Db, Error, migrator};
use forebay_telemetry::Metrics;
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::account::Account;
use crate::core::Core;
use crate::publisher::SpoolingPublisher;
use crate::pump::Pump;
use crate::rows;

/// The table that remembers which migrations were applied.
const MIGRATIONS_TABLE: &str = "_spool_migrations";
const MIGRATIONS: &[(&str, &str)] = &[("spooled", include_str!("../migrations/0001_spooled.sql"))];

/// The bounds of a spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Most messages in the file.
    pub max_events: u64,
    /// Most bytes of them: bodies, texts, and a little for each row. The file may be somewhat larger, and it keeps the
    /// size that it once had.
    pub max_bytes: u64,
}

/// A file that takes in what the broker does not take, and the pump that publishes it.
#[derive(Debug)]
pub struct Spool {
    core: Arc<Core>,
    stop: CancellationToken,
    pump: Mutex<Option<JoinHandle<()>>>,
}

impl Spool {
    /// Opens the spool in this file, and begins to publish what a process before this one left there. The file can
    /// have one spool at a time. Closing the spool leaves the file open: it belongs to the caller.
    ///
    /// # Errors
    /// An [`Error`] when the tables can't be brought up to date or read.
    pub async fn open(
        db: Db,
        broker: Arc<dyn Broker>,
        options: Options,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
    ) -> Result<Arc<Self>, Error> {
        db.migrate(MIGRATIONS_TABLE, migrator(MIGRATIONS)).await?;
        db.write::<_, Error, _>(|conn| Box::pin(rows::take_back(conn))).await?;
        let found = rows::load(db.read()).await?;
        if found.events > 0 {
            let file = db.path().display();
            tracing::info!(%file, events = found.events, "the spool holds events of an earlier run");
        }
        let account = Account::new(options, found);
        let core = Arc::new(Core::new(db, broker, clock, metrics, account));
        core.show();
        let stop = CancellationToken::new();
        let pump = tokio::spawn(Pump::new(Arc::clone(&core)).run(stop.clone()));
        Ok(Arc::new(Self { core, stop, pump: Mutex::new(Some(pump)) }))
    }

    /// The publisher that accepts as long as the broker or the file does.
    #[must_use]
    pub fn publisher(&self) -> Arc<dyn Publisher> {
        Arc::new(SpoolingPublisher(Arc::clone(&self.core)))
    }

    /// How many messages are still to be published.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.core.account.waiting()
    }

    /// Whether the file takes messages; if the last write failed, it is tried again.
    ///
    /// # Errors
    /// Why not, in words.
    pub async fn check(&self) -> Result<(), String> {
        self.core.probe().await;
        self.core.condition()
    }

    /// Publishes what can be published until `deadline`, then stops. What is left stays in the file for the next
    /// start. To be called when nobody publishes any more.
    pub async fn close(&self, deadline: Instant) {
        self.core.writing.close();
        let _ = timeout_at(deadline, self.core.writing.wait()).await;
        self.stop.cancel();
        let pump = self.pump.lock().take();
        if let Some(mut pump) = pump
            && timeout_at(deadline, &mut pump).await.is_err()
        {
            // Whatever it was publishing is still in the file.
            pump.abort();
            let _ = pump.await;
        }
        let left = self.core.account.stored().events;
        if left > 0 {
            let file = self.core.db.path().display();
            tracing::warn!(%file, events = left, "events stay in the spool and are published at the next start");
        }
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
