//! The breaker of an outside system, shared with every other worker through the store.
//!
//! How calls end is counted in memory and told once a second: no round trip a call. It is told at once when it may
//! open the breaker, or was a probe.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use forebay_domain::breaker::{BreakerPolicy, CallEnd, Phase, Tally};
use forebay_store::{Breakers, Standing, within};
use tokio::time::Instant;

/// How often calls that went as they should are told of.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// A store that takes longer counts as gone.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a breaker is told by.
#[derive(Debug, Clone)]
pub struct BreakerOptions {
    /// The system's name, the same as its pacer's.
    pub key: String,
    /// Tells credentials apart without being one.
    pub credential: String,
    /// When it opens.
    pub policy: BreakerPolicy,
}

/// Counts how calls end. Cheap to clone; clones count together.
#[derive(Clone)]
pub struct Breaker(Arc<Inner>);

struct Inner {
    store: Arc<dyn Breakers + Send + Sync>,
    options: BreakerOptions,
    counted: Mutex<Counted>,
    /// One tells at a time; others wait for what comes of it.
    telling: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Counted {
    tally: Tally,
    why: String,
    open_until: Option<Instant>,
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breaker").field("options", &self.0.options).finish_non_exhaustive()
    }
}

impl Breaker {
    /// Starts the task that tells; it ends with the last clone. Must be called within a runtime.
    #[must_use]
    pub fn new(store: Arc<dyn Breakers + Send + Sync>, options: BreakerOptions) -> Self {
        let (counted, telling) = (Mutex::default(), tokio::sync::Mutex::default());
        let inner = Arc::new(Inner { store, options, counted, telling });
        let told = Arc::downgrade(&inner);
        tokio::spawn(async move {
            let mut renewed = false;
            while let Some(inner) = told.upgrade() {
                if !renewed {
                    renewed = inner.renew().await;
                }
                inner.tell().await;
                drop(inner);
                tokio::time::sleep(TELL_EVERY).await;
            }
        });
        Self(inner)
    }

    /// Counts the end of a call. Answers for how long nobody is to call, if the breaker is known to be open: then a
    /// failure is not its message's.
    pub async fn count(&self, end: CallEnd, why: &str, probe: bool) -> Option<Duration> {
        if self.0.add(end, why) || probe {
            self.0.tell().await;
        }
        self.open_for()
    }

    /// For how long the breaker is known to be open.
    #[must_use]
    pub fn open_for(&self) -> Option<Duration> {
        let left = self.0.lock().open_until?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts, and answers whether it is to be told at once.
    fn add(&self, end: CallEnd, why: &str) -> bool {
        let policy = &self.options.policy;
        let mut counted = self.lock();
        counted.tally.count(end);
        if end != CallEnd::Well {
            why.clone_into(&mut counted.why);
        }
        let Tally { well, failed, in_row, denied } = counted.tally;
        let share = failed * 100 >= (well + failed) * policy.percent && well + failed >= policy.calls;
        end != CallEnd::Well && (denied > 0 || in_row >= policy.in_row || share)
    }

    async fn tell(&self) {
        let _turn = self.telling.lock().await;
        let (tally, why) = {
            let mut counted = self.lock();
            (std::mem::take(&mut counted.tally), counted.why.clone())
        };
        if tally.is_empty() {
            return;
        }
        let BreakerOptions { key, credential, policy } = &self.options;
        match within(PATIENCE, self.store.report_calls(key, &tally, &why, credential, policy)).await {
            Ok(Standing { phase, left, .. }) => {
                self.lock().open_until = (phase != Phase::Closed).then(|| Instant::now() + left);
            }
            // Without the store nobody gets permits either; what was counted is of no use later.
            Err(error) => tracing::warn!(system = %key, %error, "how calls went could not be told"),
        }
    }

    /// Tells which credentials are used from now on; `false` when it could not.
    async fn renew(&self) -> bool {
        let BreakerOptions { key, credential, .. } = &self.options;
        within(PATIENCE, self.store.renew_credential(key, credential)).await.is_ok()
    }
}
