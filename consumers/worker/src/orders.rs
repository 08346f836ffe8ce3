//! What people ordered of this worker, as the loops of its queues see it.

use std::collections::BTreeSet;

use tokio::sync::watch;

/// Why a queue is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closed {
    /// By every worker, until its pause ends.
    Paused,
    /// By this worker, for as long as it lives.
    Drained,
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
        (!self.heard || self.paused.contains(queue)).then_some(Closed::Paused)
    }
}

/// Waits for other orders. Without anybody who could give any, for ever.
pub(crate) async fn changed(orders: &mut watch::Receiver<StandingOrders>) {
    if orders.changed().await.is_err() {
        std::future::pending().await
    }
}
