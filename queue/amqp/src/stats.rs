//! Counters for whoever watches.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of one broker, since it was made. Only ever grow.
#[derive(Debug, Default)]
pub struct Stats {
    reconnects: AtomicU64,
    confirmed: AtomicU64,
    refused: AtomicU64,
    returned: AtomicU64,
    unknown: AtomicU64,
    blocked: AtomicU64,
    resubscribed: AtomicU64,
    stalled: AtomicU64,
    filled: AtomicU64,
}

/// What [`Stats`] said at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Connections made again after one was lost.
    pub reconnects: u64,
    /// Messages that the broker confirmed.
    pub confirmed: u64,
    /// Messages that the broker refused (nack), e.g. because a queue is full.
    pub refused: u64,
    /// Messages that came back because no queue takes them.
    pub returned: u64,
    /// Messages whose fate stayed unknown: no confirm in time, or the channel was lost meanwhile.
    pub unknown: u64,
    /// Times that the broker stopped taking publishes.
    pub blocked: u64,
    /// Consumers that had to be set up again.
    pub resubscribed: u64,
    /// Consumers that were given up because they got nothing though their queue was not empty.
    pub stalled: u64,
    /// Times that a consumer stopped fetching because of the bytes that it held.
    pub filled: u64,
}

impl Stats {
    /// The counters as they are now.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Figures {
            reconnects: read(&self.reconnects),
            confirmed: read(&self.confirmed),
            refused: read(&self.refused),
            returned: read(&self.returned),
            unknown: read(&self.unknown),
            blocked: read(&self.blocked),
            resubscribed: read(&self.resubscribed),
            stalled: read(&self.stalled),
            filled: read(&self.filled),
        }
    }

    pub(crate) fn reconnected(&self) {
        self.reconnects.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn confirmed(&self) {
        self.confirmed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn returned(&self) {
        self.returned.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn unknown(&self) {
        self.unknown.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn blocked(&self) {
        self.blocked.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn resubscribed(&self) {
        self.resubscribed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn stalled(&self) {
        self.stalled.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn filled(&self) {
        self.filled.fetch_add(1, Ordering::Relaxed);
    }
}
