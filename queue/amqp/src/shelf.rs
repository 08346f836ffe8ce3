//! Deliveries of one consumer between the broker and the handler: those that wait to be received, and those that
//! were received and wait to be settled.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use forebay_queue::{Delivery, Receipt};
use futures::future::join_all;
use lapin::options::{BasicAckOptions, BasicNackOptions};
use lapin::types::DeliveryTag;
use lapin::{Acker, Channel};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::unsettled::Unsettled;
use crate::waiting::while_open;

/// The channel that deliveries came on. It stays open as long as one of them is unsettled.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) epoch: u64,
    pub(crate) channel: Channel,
    outstanding: AtomicUsize,
    bytes: AtomicUsize,
    unsettled: Mutex<Unsettled>,
    /// Held while many are acknowledged with one word: after a later word an earlier one would be about nothing, which
    /// the broker takes for a fault.
    acknowledging: tokio::sync::Mutex<()>,
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
            unsettled: Mutex::default(),
            acknowledging: tokio::sync::Mutex::default(),
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

    /// Notes what the broker was told of. What it may not have heard is never acknowledged with others.
    fn told(&self, answer: &lapin::Result<bool>, tags: impl IntoIterator<Item = DeliveryTag>) {
        if matches!(answer, Ok(true)) {
            let mut unsettled = self.unsettled.lock();
            tags.into_iter().for_each(|tag| unsettled.settled(tag));
        }
    }

    /// Waits for the turn to acknowledge many with one word.
    pub(crate) async fn turn(&self) -> Turn<'_> {
        Turn(self.acknowledging.lock().await)
    }

    /// Removes messages from their queue, in as few words as may be: with one word all before which nothing is unsettled,
    /// the rest one by one. `false` when the channel is gone; the answers are in the holds' order.
    pub(crate) async fn acknowledge(&self, turn: Turn<'_>, holds: Vec<Hold>) -> Vec<lapin::Result<bool>> {
        let tags: BTreeSet<DeliveryTag> = holds.iter().map(|hold| hold.tag).collect();
        let up_to = self.unsettled.lock().up_to(&tags);
        let word = match holds.iter().find(|hold| Some(hold.tag) == up_to) {
            Some(last) => {
                let multiple = BasicAckOptions { multiple: true };
                let word = while_open(&self.channel, last.acker.ack(multiple)).await;
                self.told(&word, tags.into_iter().filter(|tag| Some(*tag) <= up_to));
                word
            }
            None => Ok(false),
        };
        drop(turn);
        let word = &word;
        join_all(holds.into_iter().map(|hold| async move {
            if Some(hold.tag) <= up_to { word.clone() } else { hold.acknowledge().await }
        }))
        .await
    }
}

/// The turn to acknowledge many deliveries of a channel with one word.
#[derive(Debug)]
pub(crate) struct Turn<'s>(#[expect(dead_code, reason = "held, not read")] tokio::sync::MutexGuard<'s, ()>);

/// The right to settle one delivery.
#[derive(Debug)]
pub(crate) struct Hold {
    tag: DeliveryTag,
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
        let answer = while_open(&self.source.channel, self.acker.ack(BasicAckOptions::default())).await;
        self.source.told(&answer, [self.tag]);
        answer
    }

    /// Puts the message back into its queue; `false` when its channel is gone.
    pub(crate) async fn give_back(self) -> lapin::Result<bool> {
        let requeue = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
        let answer = while_open(&self.source.channel, self.acker.nack(requeue)).await;
        self.source.told(&answer, [self.tag]);
        answer
    }

    /// Of a delivery with a body of so many bytes.
    pub(crate) fn new(tag: DeliveryTag, acker: Acker, source: &Arc<Source>, bytes: usize) -> Self {
        source.outstanding.fetch_add(1, Ordering::AcqRel);
        source.bytes.fetch_add(bytes, Ordering::AcqRel);
        source.unsettled.lock().arrived(tag);
        Self { tag, acker, source: Arc::clone(source), bytes }
    }

    /// The channel that it came on.
    pub(crate) fn source(&self) -> Arc<Source> {
        Arc::clone(&self.source)
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
