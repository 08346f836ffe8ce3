//! Deliveries of one consumer between the table and the handler: those that wait to be received, and those that
//! were received and wait to be settled.

use std::collections::{HashMap, VecDeque};

use forebay_queue::{Delivery, Receipt};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::rows::Stored;

/// What a caller of `receive` finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stock {
    /// So many could be taken.
    Ready(usize),
    /// Nothing is given out at present.
    Paused,
    /// Nothing is given out ever again.
    Closed,
}

/// The deliveries of one consumer.
#[derive(Debug)]
pub(crate) struct Shelf {
    epoch: u64,
    prefetch: usize,
    inner: Mutex<Inner>,
    /// Something for `receive` to look at.
    changed: Notify,
    /// There may be room for more.
    roomier: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    ready: VecDeque<Stored>,
    /// Ids of rows by the tag of their delivery.
    held: HashMap<u64, i64>,
    /// Deliveries whose settlement is being stored.
    settling: usize,
    last_tag: u64,
    paused: bool,
    closed: bool,
}

impl Inner {
    fn take(&mut self, epoch: u64, most: usize) -> Vec<Delivery> {
        if self.closed {
            return Vec::new();
        }
        let count = most.min(self.ready.len());
        let taken: Vec<Stored> = self.ready.drain(..count).collect();
        let deliver = |stored: Stored| {
            self.last_tag += 1;
            let tag = self.last_tag;
            self.held.insert(tag, stored.id);
            Delivery {
                message: stored.message,
                receipt: Receipt { epoch, tag },
                redelivered: stored.delivery_count > 0,
                delivery_count: stored.delivery_count,
                enqueued_at: stored.enqueued_at,
            }
        };
        taken.into_iter().map(deliver).collect()
    }
}

impl Shelf {
    pub(crate) fn new(epoch: u64, prefetch: u16) -> Self {
        let prefetch = usize::from(prefetch.max(1));
        let inner = Mutex::new(Inner::default());
        Self { epoch, prefetch, inner, changed: Notify::new(), roomier: Notify::new() }
    }

    /// How many more may be leased.
    pub(crate) fn room(&self) -> usize {
        let inner = self.inner.lock();
        if inner.paused || inner.closed {
            return 0;
        }
        self.prefetch.saturating_sub(inner.ready.len() + inner.held.len() + inner.settling)
    }

    /// Waits until there may be more room than before.
    pub(crate) async fn roomier(&self) {
        self.roomier.notified().await;
    }

    /// Leased messages came in.
    pub(crate) fn put(&self, stored: Vec<Stored>) {
        self.inner.lock().ready.extend(stored);
        self.changed.notify_waiters();
    }

    pub(crate) fn stock(&self) -> Stock {
        let inner = self.inner.lock();
        match inner {
            _ if inner.closed => Stock::Closed,
            _ if inner.paused => Stock::Paused,
            _ => Stock::Ready(inner.ready.len()),
        }
    }

    /// To be told of the next change; enable it before looking.
    pub(crate) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// Gives out up to `most`.
    pub(crate) fn take(&self, most: usize) -> Vec<Delivery> {
        let mut inner = self.inner.lock();
        if inner.paused { Vec::new() } else { inner.take(self.epoch, most) }
    }

    /// Gives out everything, paused or not.
    pub(crate) fn take_rest(&self) -> Vec<Delivery> {
        self.inner.lock().take(self.epoch, usize::MAX)
    }

    /// Takes the right to settle a delivery, and the id of its row; `None` when it is not held here any more.
    pub(crate) fn claim(&self, receipt: Receipt) -> Option<i64> {
        if receipt.epoch != self.epoch {
            return None;
        }
        let mut inner = self.inner.lock();
        let id = inner.held.remove(&receipt.tag)?;
        inner.settling += 1;
        Some(id)
    }

    /// So many claimed deliveries are settled, and make room.
    pub(crate) fn settled(&self, count: usize) {
        let mut inner = self.inner.lock();
        inner.settling = inner.settling.saturating_sub(count);
        self.roomier.notify_one();
    }

    pub(crate) fn pause(&self, paused: bool) {
        self.inner.lock().paused = paused;
        self.changed.notify_waiters();
        self.roomier.notify_one();
    }

    /// Nothing is given out from now on.
    pub(crate) fn close(&self) {
        self.inner.lock().closed = true;
        self.changed.notify_waiters();
    }

    /// Takes what was never received.
    pub(crate) fn clear(&self) -> Vec<i64> {
        self.inner.lock().ready.drain(..).map(|stored| stored.id).collect()
    }

    /// Takes what was received and is not being settled. Their receipts are worth nothing any more.
    pub(crate) fn abandon(&self) -> Vec<i64> {
        self.inner.lock().held.drain().map(|(_, id)| id).collect()
    }
}
