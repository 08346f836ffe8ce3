//! What the publisher and the pump share: the file and its account.

use std::sync::Arc;
use std::time::Duration;

use forebay_domain::Clock;
use forebay_queue::size::{fits, name_fits};
use forebay_queue::{Broker, Link, Outgoing, PublishError, Publisher};
use forebay_schemas::Route;
use forebay_sqlite::{Db, Error};
use forebay_telemetry::Metrics;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio_util::task::TaskTracker;

use crate::account::{Account, Written};
use crate::rows::{self, Row};

/// Longest wait for a commit: with the time that the broker had before it is within the contract's 5 s.
const COMMIT_DEADLINE: Duration = Duration::from_secs(4);

/// What is known of one message.
pub(crate) type Fate = Result<(), PublishError>;

#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) db: Db,
    pub(crate) broker: Arc<dyn Broker>,
    /// The broker's own.
    pub(crate) publisher: Arc<dyn Publisher>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Metrics,
    pub(crate) account: Account,
    /// Something was written.
    pub(crate) arrived: Notify,
    /// Writes under way.
    pub(crate) writing: TaskTracker,
    /// Why the last write failed, if it did.
    sick: Mutex<Option<String>>,
}

impl Core {
    pub(crate) fn new(
        db: Db,
        broker: Arc<dyn Broker>,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
        account: Account,
    ) -> Self {
        let publisher = broker.publisher();
        let (arrived, writing) = (Notify::new(), TaskTracker::new());
        Self { db, broker, publisher, clock, metrics, account, arrived, writing, sick: Mutex::new(None) }
    }

    pub(crate) fn broker_is_up(&self) -> bool {
        self.broker.link() == Link::Up
    }

    /// Commits messages to the file, all that fit into a message or none.
    pub(crate) async fn store(self: &Arc<Self>, batch: Vec<Outgoing>) -> Vec<Fate> {
        let mut fates = Vec::with_capacity(batch.len());
        let mut rows = Vec::with_capacity(batch.len());
        for outgoing in batch {
            let fate = could_be_published(&outgoing);
            if fate.is_ok() {
                rows.push(Row::of(outgoing));
            }
            fates.push(fate);
        }
        if let Err(error) = self.write(rows).await {
            fates.iter_mut().filter(|fate| fate.is_ok()).for_each(|fate| *fate = Err(error.clone()));
        }
        fates
    }

    async fn write(self: &Arc<Self>, rows: Vec<Row>) -> Fate {
        if rows.is_empty() {
            return Ok(());
        }
        let load = Row::load(&rows);
        if !self.account.reserve(load) {
            return Err(PublishError::Unavailable(
                "the broker takes nothing and the spool is full".to_owned(),
            ));
        }
        let (told, known) = oneshot::channel();
        let core = Arc::clone(self);
        // A task of its own: the account must be right also when the caller has gone.
        self.writing.spawn(async move {
            let now = core.clock.now();
            let job =
                core.db.write(move |conn| Box::pin(async move { rows::insert(conn, &rows, now).await }));
            let written = job.await;
            core.account.written(load, verdict(&written));
            core.note(&written);
            if written.is_ok() {
                core.metrics.spooled.inc_by(load.events);
            }
            core.show();
            core.arrived.notify_one();
            let _ = told.send(written.map_err(|error| fate_of(&error)));
        });
        match tokio::time::timeout(COMMIT_DEADLINE, known).await {
            Ok(Ok(fate)) => fate,
            _ => Err(PublishError::Unknown),
        }
    }

    /// Finds out whether the disk takes anything again, if it did not.
    pub(crate) async fn probe(&self) {
        if self.sick.lock().is_none() {
            return;
        }
        let probing = self.db.write(|conn| Box::pin(rows::probe(conn)));
        if let Ok(written) = tokio::time::timeout(COMMIT_DEADLINE, probing).await {
            self.note(&written);
        }
    }

    /// Whether the file takes messages, or why not.
    pub(crate) fn condition(&self) -> Result<(), String> {
        if let Some(why) = self.sick.lock().clone() {
            return Err(why);
        }
        if self.account.is_full() {
            return Err("the spool is full".to_owned());
        }
        Ok(())
    }

    /// Remembers how a write went.
    pub(crate) fn note(&self, written: &Result<(), Error>) {
        let mut sick = self.sick.lock();
        match (written, sick.is_some()) {
            (Ok(()), true) => {
                tracing::info!(file = %self.db.path().display(), "the spool can be written again");
                *sick = None;
            }
            (Err(error), before) => {
                if !before {
                    tracing::error!(file = %self.db.path().display(), %error, "the spool can't be written");
                }
                *sick = Some(error.to_string());
            }
            (Ok(()), false) => {}
        }
    }

    /// Shows the account in the metrics.
    pub(crate) fn show(&self) {
        self.metrics.spool_events.set(self.account.waiting() as f64);
        self.metrics.spool_bytes.set(self.account.stored().bytes as f64);
    }
}

/// What would never be published must be told to its sender now, as the broker's publisher would.
fn could_be_published(outgoing: &Outgoing) -> Fate {
    if let Route::Event(kind) | Route::Fact(kind) = &outgoing.route {
        name_fits(kind, "its routing key")?;
    }
    fits(&outgoing.message)
}

fn verdict(written: &Result<(), Error>) -> Written {
    match written {
        Ok(()) => Written::Stored,
        Err(error) if error.is_io() => Written::Doubtful,
        Err(_) => Written::NotStored,
    }
}

fn fate_of(error: &Error) -> PublishError {
    match error {
        error if error.is_io() => PublishError::Unknown,
        error => PublishError::Unavailable(format!("the broker takes nothing and the spool can't: {error}")),
    }
}
