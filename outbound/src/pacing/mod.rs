//! Permits for calls to an outside system, shared with every other worker through the store.
//!
//! Callers of one process stand in one line. A single task asks the store for as many permits as it needs in one
//! statement and hands them out, each with its own start. A permit that is not used within the quota's margin of
//! its start is thrown away, because the other side would count it in the wrong window.

mod desk;
mod held;
mod permit;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use forebay_domain::daily::Purpose;
use forebay_domain::limits::Terms;
use forebay_store::{Closing, Error, Pacing};
use forebay_telemetry::Metrics;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout_at};
use uuid::Uuid;

use desk::{Asker, CLOSED_BELIEVED, Desk, Shut};
pub use permit::{NotNow, Permit, Why};

/// Most callers of one process that stand in one line.
const LINE_MAX: usize = 4096;

/// How one outside system is paced.
#[derive(Debug, Clone)]
pub struct PacerOptions {
    /// The system's name, the same for every worker, e.g. `carrier/sweettracker`. Also the metric's label.
    pub key: String,
    /// What the system bears from all workers together, as configured; people may set it otherwise at run time.
    pub terms: Terms,
    /// Most calls of the whole fleet that are under way at once; at least 1.
    pub concurrency: usize,
    /// What this process is called among those that call the system.
    pub holder: Uuid,
    /// Longer than any call takes: then a process that does not ask any more has none under way.
    pub lease: Duration,
    /// How long a caller waits at most before it is told to come back later.
    pub max_wait: Duration,
}

/// Hands out permits for one outside system. Cheap to clone; clones share the line.
#[derive(Clone)]
pub struct Pacer(Arc<Inner>);

struct Inner {
    options: PacerOptions,
    store: Arc<dyn Pacing + Send + Sync>,
    places: Arc<Semaphore>,
    line: mpsc::Sender<Asker>,
    shut: Arc<Shut>,
    metrics: Metrics,
}

impl fmt::Debug for Pacer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pacer").field("options", &self.0.options).finish_non_exhaustive()
    }
}

impl Pacer {
    /// Starts the task that asks the store; it ends with the last clone. Must be called within a runtime.
    #[must_use]
    pub fn new(store: Arc<dyn Pacing + Send + Sync>, options: PacerOptions, metrics: Metrics) -> Self {
        // The line has as many places as can be served in time: who finds none would wait in vain.
        let served = options.max_wait.as_secs_f64() * options.terms.quota.rate();
        let line_length =
            (served as usize).saturating_add(options.terms.quota.burst as usize).clamp(1, LINE_MAX);
        let (line, asked) = mpsc::channel(line_length);
        let shut = Arc::new(Shut::default());
        let desk = Desk::new(Arc::clone(&store), &options, Arc::clone(&shut));
        tokio::spawn(desk.attend(asked));
        let places = Arc::new(Semaphore::new(options.concurrency.max(1)));
        Self(Arc::new(Inner { options, store, places, line, shut, metrics }))
    }

    /// What the system bears, as configured.
    #[must_use]
    pub fn terms(&self) -> &Terms {
        &self.0.options.terms
    }

    /// Waits until a planned call may be made: see [`Pacer::permit_for`].
    ///
    /// # Errors
    /// As [`Pacer::permit_for`].
    pub async fn permit(&self) -> Result<Permit, NotNow> {
        self.permit_for(Purpose::Routine).await
    }

    /// Waits until a call may be made. The call is to be made at once, and the permit kept until its answer.
    ///
    /// # Errors
    /// [`NotNow`] when the system's gate is closed, when the wait would be longer than the limit, or when the store
    /// can't be asked.
    pub async fn permit_for(&self, purpose: Purpose) -> Result<Permit, NotNow> {
        let answer = self.wait_for(purpose).await;
        let result = match &answer {
            Ok(permit) if permit.is_probe() => "probe",
            Ok(_) => "granted",
            Err(_) => "refused",
        };
        self.0.metrics.permits.with_label_values(&[self.0.options.key.as_str(), result]).inc();
        answer
    }

    async fn wait_for(&self, purpose: Purpose) -> Result<Permit, NotNow> {
        let begun = Instant::now();
        let deadline = begun + self.0.options.max_wait;
        // For people there may be something left of a day that is over for what is only planned.
        let told = || self.0.shut.told().filter(|_| purpose == Purpose::Routine);
        if let Some(closed) = told() {
            return Err(closed);
        }
        let paced = || NotNow::paced(self.0.options.max_wait);
        let places = Arc::clone(&self.0.places);
        let place = timeout_at(deadline, places.acquire_owned()).await.ok().and_then(Result::ok);
        let place = place.ok_or_else(paced)?;
        while Instant::now() <= deadline {
            let (reply, answer) = oneshot::channel();
            self.0.line.try_send(Asker { purpose, reply }).map_err(|_| paced())?;
            let slot = timeout_at(deadline, answer).await.ok().and_then(Result::ok).ok_or_else(paced)??;
            sleep_until(slot.start).await;
            if let Some(closed) = told().filter(|_| !slot.probe) {
                return Err(closed);
            }
            if Instant::now() <= slot.use_by {
                let waited = begun.elapsed().as_secs_f64();
                let key = self.0.options.key.as_str();
                self.0.metrics.permit_wait_seconds.with_label_values(&[key]).observe(waited);
                return Ok(Permit::new(place, slot.held, slot.probe));
            }
        }
        Err(paced())
    }

    /// Closes the system's gate for every worker, for at least this long: after a 429, or a quota used up.
    ///
    /// # Errors
    /// The store's, when it can't be told; this process keeps away all the same.
    pub async fn penalise(&self, length: Duration, reason: &str, closing: Closing) -> Result<(), Error> {
        self.0.shut.close(length, length, reason);
        self.0.store.close_gate(&self.0.options.key, length, reason, closing).await?;
        // From now on the store knows, and may be told otherwise.
        self.0.shut.close(length, CLOSED_BELIEVED, reason);
        Ok(())
    }
}
