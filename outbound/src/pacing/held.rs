//! The places that this process holds at a system: calls under way, and those that were granted to it and come next.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// What came free is told with the next wish, or after this time together with what else came free.
const GIVE_BACK: Duration = Duration::from_millis(50);

/// Counts the places of this process.
#[derive(Debug, Default, Clone)]
pub(super) struct Count(Arc<Counted>);

#[derive(Debug, Default)]
struct Counted {
    places: AtomicU32,
    freed: Notify,
    unused: Mutex<Option<Unused>>,
}

/// Grants that came too late for whom they were meant, or found nobody: no call was made by them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unused {
    /// How many.
    pub(super) calls: u32,
    /// When the first of them was asked for.
    pub(super) since: Instant,
}

impl Count {
    /// How many are held.
    pub(super) fn held(&self) -> u32 {
        self.0.places.load(Ordering::Acquire)
    }

    /// Holds one more, which was asked for at this moment, until it is dropped.
    pub(super) fn hold(&self, asked_at: Instant) -> Held {
        self.0.places.fetch_add(1, Ordering::AcqRel);
        Held { count: self.clone(), unused_since: Some(asked_at) }
    }

    /// What was not used since this was asked last.
    pub(super) fn take_unused(&self) -> Option<Unused> {
        self.0.unused.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// These were not used.
    fn unused(&self, more: Unused) {
        let mut unused = self.0.unused.lock().unwrap_or_else(PoisonError::into_inner);
        let Unused { calls, since } = unused.unwrap_or(Unused { calls: 0, since: more.since });
        let calls = calls.saturating_add(more.calls);
        *unused = Some(Unused { calls, since: since.min(more.since) });
    }

    /// Waits until one comes free from now on.
    pub(super) async fn freed(&self) {
        self.0.freed.notified().await;
    }

    /// Waits until fewer are held than the store was told, for long enough that it is worth a statement.
    pub(super) async fn fewer_than(&self, told: u32) {
        while self.held() >= told {
            self.freed().await;
        }
        tokio::time::sleep(GIVE_BACK).await;
    }
}

/// A place.
#[derive(Debug)]
pub(super) struct Held {
    count: Count,
    unused_since: Option<Instant>,
}

impl Held {
    /// The call is made.
    pub(super) fn used(mut self) -> Self {
        self.unused_since = None;
        self
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(since) = self.unused_since {
            self.count.unused(Unused { calls: 1, since });
        }
        let Count(counted) = &self.count;
        counted.places.fetch_sub(1, Ordering::AcqRel);
        counted.freed.notify_one();
    }
}
