//! Deliveries of one consumer between the broker and the handler: those that wait to be received, and those that
//! were received and wait to be settled.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use forebay_queue::{Delivery, Receipt};
use lapin::options::{BasicAckOptions, BasicNackOptions};
use lapin::{Acker, Channel};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::waiting::while_open;

/// The channel that deliveries came on. It stays open as long as one of them is unsettled.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) epoch: u64,
    pub(crate) channel: Channel,
    outstanding: AtomicUsize,
    bytes: AtomicUsize,
    /// A delivery was settled.
    settled: Arc<Notify>,
}

impl Source {
    pub(crate) fn new(epoch: u64, channel: Channel, settled: Arc<Notify>) -> Arc<Self> {
        Arc::new(Self {
            epoch,
            channel,
            outstanding: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            settled,
        })
    }

    /// Deliveries of it that the broker counts as unsettled.
    pub(crate) fn outstanding(&self) -> usize {
        if self.channel.status().connected() { self.outstanding.load(Ordering::Acquire) } else { 0 }
    }

    /// Bytes of their bodies.
    pub(crate) fn bytes(&self) -> usize {
        if self.channel.status().connected() { self.bytes.load(Ordering::Acquire) } else { 0 }
    }
}

/// The right to settle one delivery.
#[derive(Debug)]
pub(crate) struct Hold {
    acker: Acker,
    source: Arc<Source>,
    bytes: usize,
}

impl Hold {
    /// Settling it can still work.
    pub(crate) fn is_usable(&self) -> bool {
        self.acker.usable()
    }

    /// Removes the message from its queue; `false` when its channel is gone.
    pub(crate) async fn acknowledge(self) -> lapin::Result<bool> {
        while_open(&self.source.channel, self.acker.ack(BasicAckOptions::default())).await
    }

    /// Puts the message back into its queue; `false` when its channel is gone.
    pub(crate) async fn give_back(self) -> lapin::Result<bool> {
        let requeue = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
        while_open(&self.source.channel, self.acker.nack(requeue)).await
    }

    /// Of a delivery with a body of so many bytes.
    pub(crate) fn new(acker: Acker, source: &Arc<Source>, bytes: usize) -> Self {
        source.outstanding.fetch_add(1, Ordering::AcqRel);
        source.bytes.fetch_add(bytes, Ordering::AcqRel);
        Self { acker, source: Arc::clone(source), bytes }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.source.outstanding.fetch_sub(1, Ordering::AcqRel);
        self.source.bytes.fetch_sub(self.bytes, Ordering::AcqRel);
        self.source.settled.notify_one();
    }
}

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
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    ready: VecDeque<(Delivery, Hold)>,
    held: HashMap<Receipt, Hold>,
    paused: bool,
    closed: bool,
}

impl Inner {
    fn take(&mut self, most: usize) -> Vec<Delivery> {
        let mut taken = Vec::new();
        while taken.len() < most && !self.closed {
            let Some((delivery, hold)) = self.ready.pop_front() else { break };
            if hold.is_usable() {
                self.held.insert(delivery.receipt, hold);
                taken.push(delivery);
            }
        }
        taken
    }
}

impl Shelf {
    /// Something came in.
    pub(crate) fn put(&self, delivery: Delivery, hold: Hold) {
        self.inner.lock().ready.push_back((delivery, hold));
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

    /// To be told of the next change; register before looking.
    pub(crate) fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.changed.notified()
    }

    /// Gives out up to `most`, without those whose channel is gone: the broker delivers them again.
    pub(crate) fn take(&self, most: usize) -> Vec<Delivery> {
        let mut inner = self.inner.lock();
        if inner.paused { Vec::new() } else { inner.take(most) }
    }

    /// Gives out everything, paused or not.
    pub(crate) fn take_rest(&self) -> Vec<Delivery> {
        self.inner.lock().take(usize::MAX)
    }

    /// Takes the right to settle a delivery; `None` when it is lost, settled or being settled.
    pub(crate) fn claim(&self, receipt: Receipt) -> Option<Hold> {
        self.inner.lock().held.remove(&receipt)
    }

    /// Puts a claimed right back, unused.
    pub(crate) fn restore(&self, receipt: Receipt, hold: Hold) {
        if hold.is_usable() {
            self.inner.lock().held.insert(receipt, hold);
        }
    }

    /// Forgets all deliveries of a channel that is gone.
    pub(crate) fn forget(&self, epoch: u64) {
        let mut inner = self.inner.lock();
        inner.ready.retain(|(delivery, _)| delivery.receipt.epoch != epoch);
        inner.held.retain(|receipt, _| receipt.epoch != epoch);
    }

    pub(crate) fn pause(&self, paused: bool) {
        self.inner.lock().paused = paused;
        self.changed.notify_waiters();
    }

    /// Nothing is given out from now on.
    pub(crate) fn close(&self) {
        self.inner.lock().closed = true;
        self.changed.notify_waiters();
    }

    /// Forgets everything: the connection is closed.
    pub(crate) fn forget_all(&self) {
        let mut inner = self.inner.lock();
        inner.ready.clear();
        inner.held.clear();
    }

    /// Takes everything that was never received.
    pub(crate) fn clear(&self) -> Vec<Hold> {
        self.inner.lock().ready.drain(..).map(|(_, hold)| hold).collect()
    }
}
