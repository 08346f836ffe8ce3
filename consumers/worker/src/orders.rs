//! What people ordered of this worker, as the loops of its queues see it.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::watch;

/// Why a queue is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closed {
    /// By every worker, until its pause ends.
    Paused,
    /// By this worker, for as long as it lives.
    Drained,
    /// By every worker, because the outside system behind it is left alone.
    Barred,
}

/// How much may be taken from a queue at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Take {
    /// Nothing.
    Nothing,
    /// One message, for the probe of this number.
    One(u64),
    /// As much as its handler works on.
    Batch,
}

/// The orders that are in force.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StandingOrders {
    /// They were heard. A worker that has not heard any takes nothing: its queues may be paused.
    pub heard: bool,
    /// The names of the queues that are left alone.
    pub paused: BTreeSet<String>,
    /// No queue is worked on.
    pub drain: bool,
    /// The names of the queues whose outside system is left alone, and why.
    pub barred: BTreeMap<String, String>,
    /// The names of the queues of which one message is to be taken, to see whether their system is back.
    pub probes: BTreeMap<String, u64>,
}

impl StandingOrders {
    /// Every queue is worked on.
    #[must_use]
    pub fn none() -> Self {
        Self { heard: true, ..Self::default() }
    }

    /// Why a queue is left alone, if it is.
    pub(crate) fn close(&self, queue: &str) -> Option<Closed> {
        if self.drain {
            return Some(Closed::Drained);
        }
        if !self.heard || self.paused.contains(queue) {
            return Some(Closed::Paused);
        }
        self.barred.contains_key(queue).then_some(Closed::Barred)
    }

    /// How much may be taken from a queue at once.
    pub(crate) fn take(&self, queue: &str) -> Take {
        match (self.close(queue), self.probes.get(queue)) {
            (Some(_), _) => Take::Nothing,
            (None, Some(number)) => Take::One(*number),
            (None, None) => Take::Batch,
        }
    }
}

/// Waits for other orders. Without anybody who could give any, for ever.
pub(crate) async fn changed(orders: &mut watch::Receiver<StandingOrders>) {
    if orders.changed().await.is_err() {
        std::future::pending().await
    }
}
