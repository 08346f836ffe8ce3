//! The places that this process holds at a system: calls under way, and those that were granted to it and come next.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// What came free is told with the next wish, or after this time together with what else came free.
const GIVE_BACK: Duration = Duration::from_millis(50);

/// Counts the places of this process.
#[derive(Debug, Default, Clone)]
pub(super) struct Count(Arc<Counted>);

#[derive(Debug, Default)]
struct Counted {
    places: AtomicU32,
    freed: Notify,
}

impl Count {
    /// How many are held.
    pub(super) fn held(&self) -> u32 {
        self.0.places.load(Ordering::Acquire)
    }

    /// Holds one more, until it is dropped.
    pub(super) fn hold(&self) -> Held {
        self.0.places.fetch_add(1, Ordering::AcqRel);
        Held(self.clone())
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
pub(super) struct Held(Count);

impl Drop for Held {
    fn drop(&mut self) {
        let Count(counted) = &self.0;
        counted.places.fetch_sub(1, Ordering::AcqRel);
        counted.freed.notify_one();
    }
}
