//! From the file to the broker, in order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use forebay_queue::{Outgoing, PublishError};
use forebay_schemas::{Code, Queue, Route};
use forebay_sqlite::Error;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::account::Load;
use crate::core::{Core, Fate};
use crate::rows::{self, Stored};

/// Most messages published at once, and about the most bytes of them.
const BATCH_ROWS: u32 = 1_000;
const BATCH_BYTES: u64 = 4 * 1024 * 1024;
/// How often a broker that is away is looked for.
const LOOK: Duration = Duration::from_millis(100);
/// How often the age of the oldest message is measured.
const MEASURE_EVERY: Duration = Duration::from_secs(1);
/// First pause when nothing of a batch could be published; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause when nothing of a batch could be published, or the file can't be read or written.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How long a route waits whose queue is full or not there; the others go on.
const HELD: Duration = Duration::from_secs(2);

/// What a pass came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    /// Something was published: there may be more.
    Moved,
    /// Nothing waits.
    Empty,
    /// What waits is on its way into the file.
    Arriving,
    /// The broker takes nothing at present.
    Away,
    /// There is something that could not be published.
    Stuck,
}

/// The pump of one file.
#[derive(Debug)]
pub(crate) struct Pump {
    core: Arc<Core>,
    /// Routes that take nothing at present, and until when they are left alone.
    held: BTreeMap<String, Instant>,
    /// Published, and still in the file because the disk takes no writes.
    published: BTreeMap<i64, u64>,
    /// Everything up to here is in `published`.
    after: i64,
    /// When removing is tried again, after it failed.
    remove_at: Option<Instant>,
    pause: Duration,
    measured: Option<Instant>,
}

impl Pump {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        let (held, published) = (BTreeMap::new(), BTreeMap::new());
        Self { core, held, published, after: 0, remove_at: None, pause: FIRST_PAUSE, measured: None }
    }

    /// Publishes until `stop`, and then for as long as something can be published at once.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        loop {
            let pass = self.pass().await.unwrap_or_else(|error| {
                tracing::warn!(%error, "the spool can't be read at present");
                Pass::Stuck
            });
            self.measure(pass).await;
            let wait = match pass {
                Pass::Moved => {
                    self.pause = FIRST_PAUSE;
                    continue;
                }
                Pass::Empty if self.published.is_empty() => None,
                Pass::Empty => Some(LONGEST_PAUSE),
                Pass::Arriving | Pass::Away => Some(LOOK),
                Pass::Stuck => {
                    let pause = self.pause;
                    self.pause = (pause * 2).min(LONGEST_PAUSE);
                    Some(pause)
                }
            };
            if stop.is_cancelled() {
                return;
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.core.arrived.notified(), if matches!(pass, Pass::Empty | Pass::Arriving) => {}
                () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => {}
            }
        }
    }

    /// Publishes one batch.
    async fn pass(&mut self) -> Result<Pass, Error> {
        self.remove_published().await;
        if self.core.account.waiting() == 0 {
            return Ok(Pass::Empty);
        }
        if !self.core.broker_is_up() {
            return Ok(Pass::Away);
        }
        let writes = self.core.account.writes();
        let now = Instant::now();
        self.held.retain(|_, until| *until > now);
        let held: Vec<String> = self.held.keys().cloned().collect();
        let mut batch = rows::next(self.core.db.read(), self.after, &held, BATCH_ROWS, BATCH_BYTES).await?;
        if batch.is_empty() {
            return self.nothing_found(writes).await;
        }
        let last = batch.last().map_or(self.after, |row| row.id);
        batch.retain(|row| !self.published.contains_key(&row.id));
        let done = self.publish(batch).await?;
        let moved = !done.gone.is_empty();
        self.core.account.published(done.gone.len() as u64);
        self.published.extend(done.gone);
        self.after = done.first_kept.map_or(last, |id| id - 1);
        self.remove_published().await;
        self.core.show();
        Ok(if moved { Pass::Moved } else { Pass::Stuck })
    }

    /// All that waits is held, on its way, or not there at all.
    async fn nothing_found(&mut self, writes: u64) -> Result<Pass, Error> {
        self.after = 0;
        if !self.held.is_empty() {
            return Ok(Pass::Stuck);
        }
        if self.core.account.is_doubtful() {
            let found = rows::load(self.core.db.read()).await?;
            self.core.account.correct(writes, found);
            self.core.show();
        }
        Ok(Pass::Arriving)
    }

    async fn publish(&mut self, batch: Vec<Stored>) -> Result<Done, Error> {
        let mut done = Done::default();
        let mut rows = Vec::with_capacity(batch.len());
        let mut outgoing = Vec::with_capacity(batch.len());
        for row in batch {
            match row.route() {
                Some(route) => {
                    outgoing.push(Outgoing { route, message: row.message.clone() });
                    rows.push(row);
                }
                None => self.set_aside(&row, "its route is not one of this release").await?,
            }
        }
        let fates = self.core.publisher.publish(outgoing).await;
        let mut kept = BTreeSet::new();
        for (row, fate) in rows.into_iter().zip(fates) {
            if self.conclude(&row, fate).await? {
                done.gone.push((row.id, row.bytes));
            } else {
                kept.insert(row.id);
            }
        }
        done.first_kept = kept.first().copied();
        Ok(done)
    }

    /// Whether the broker has the message, as it is or as a dead letter.
    async fn conclude(&mut self, row: &Stored, fate: Fate) -> Result<bool, Error> {
        match fate {
            Ok(()) => return Ok(true),
            Err(PublishError::TooLarge(why)) => return self.bury(row, why).await,
            Err(error @ (PublishError::Refused | PublishError::Unroutable(_))) => {
                let held = self.held.insert(row.route.clone(), Instant::now() + HELD);
                if held.is_none() {
                    tracing::warn!(route = row.route, %error, "what is spooled for this route waits");
                }
            }
            Err(PublishError::Unavailable(_) | PublishError::Unknown) => {}
        }
        Ok(false)
    }

    /// What never fits its queue may fit among the dead letters, where people find it.
    async fn bury(&mut self, row: &Stored, why: String) -> Result<bool, Error> {
        let mut trail = row.message.trail();
        trail.code = Some(Code::TooLarge);
        trail.error = Some(why.clone());
        if let Some(Route::Work(queue)) = row.route() {
            trail.queue = Some(queue.to_string());
        }
        let message = row.message.clone().with_trail(&trail);
        let letter = Outgoing { route: Route::Work(Queue::Dead), message };
        match self.core.publisher.publish(vec![letter]).await.pop() {
            Some(Ok(())) => {
                self.core.metrics.dead.with_label_values(&["spool", Code::TooLarge.as_str()]).inc();
                Ok(true)
            }
            Some(Err(PublishError::TooLarge(_))) => {
                self.set_aside(row, &why).await?;
                Ok(false)
            }
            _ => Ok(false),
        }
    }

    async fn set_aside(&mut self, row: &Stored, why: &str) -> Result<(), Error> {
        tracing::error!(row = row.id, why, "a spooled event can't be published; it stays in the file");
        let (id, text) = (row.id, why.to_owned());
        let written = self
            .core
            .db
            .write(move |conn| Box::pin(async move { rows::set_aside(conn, id, &text).await }))
            .await;
        self.core.note(&written);
        written?;
        self.core.account.unfit(1);
        Ok(())
    }

    /// Removes what was published. Where the disk does not let us, it is remembered and not published again.
    async fn remove_published(&mut self) {
        if self.published.is_empty() || self.remove_at.is_some_and(|at| Instant::now() < at) {
            return;
        }
        let ids: Vec<i64> = self.published.keys().copied().collect();
        let load = Load { events: ids.len() as u64, bytes: self.published.values().sum() };
        let written =
            self.core.db.write(move |conn| Box::pin(async move { rows::remove(conn, &ids).await })).await;
        self.core.note(&written);
        self.remove_at = written.is_err().then(|| Instant::now() + LONGEST_PAUSE);
        if written.is_ok() {
            self.core.account.removed(load);
            self.published.clear();
            self.after = 0;
            self.core.show();
        }
    }

    async fn measure(&mut self, pass: Pass) {
        if pass != Pass::Empty && self.measured.is_some_and(|at| at.elapsed() < MEASURE_EVERY) {
            return;
        }
        self.measured = Some(Instant::now());
        let oldest = match pass {
            Pass::Empty => None,
            _ => rows::oldest(self.core.db.read(), self.after).await.ok().flatten(),
        };
        let age = oldest.map_or(0.0, |at| (self.core.clock.now() - at).as_seconds_f64().max(0.0));
        self.core.metrics.spool_oldest_seconds.set(age);
    }
}

/// What became of a batch.
#[derive(Debug, Default)]
struct Done {
    /// What the broker has now, and how much each counts for.
    gone: Vec<(i64, u64)>,
    /// The first of those that it has not.
    first_kept: Option<i64>,
}
