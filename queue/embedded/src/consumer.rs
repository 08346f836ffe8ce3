//! A consumer as its owner sees it; a [`Feeder`] fills it and the settler writes what it settles.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use forebay_queue::size::fits;
use forebay_queue::{ConsumeOptions, Consumer, Delivery, Lost, Receipt, Settlement};
use forebay_schemas::Queue;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::core::Core;
use crate::feeder::Feeder;
use crate::placing::{at_once, delayed};
use crate::settler::{Changes, Work};
use crate::shelf::{Shelf, Stock};

/// Longest wait for a consumer to stop.
const CLOSE_BOUND: Duration = Duration::from_secs(3);

/// What broker, consumer and feeder know of one subscription.
pub(crate) struct Subscription {
    core: Arc<Core>,
    pub(crate) queue: Queue,
    shelf: Arc<Shelf>,
    stop: CancellationToken,
    feeding: TaskTracker,
    settler: mpsc::Sender<Work>,
}

impl Subscription {
    pub(crate) fn start(
        core: &Arc<Core>,
        queue: Queue,
        options: ConsumeOptions,
        epoch: u64,
        settler: mpsc::Sender<Work>,
    ) -> Arc<Self> {
        let shelf = Arc::new(Shelf::new(epoch, options.prefetch));
        let stop = core.closed.child_token();
        let feeding = TaskTracker::new();
        if stop.is_cancelled() {
            shelf.close();
        } else {
            let feeder = Feeder {
                core: Arc::clone(core),
                queue: queue.to_string(),
                shelf: Arc::clone(&shelf),
                stop: stop.clone(),
            };
            core.spawn(feeding.track_future(feeder.run()));
        }
        feeding.close();
        Arc::new(Self { core: Arc::clone(core), queue, shelf, stop, feeding, settler })
    }

    /// Whether it may still be given messages.
    pub(crate) fn is_open(&self) -> bool {
        !self.stop.is_cancelled()
    }

    /// Gives out nothing from now on; what was never received is given back by the feeder.
    pub(crate) fn stop(&self) {
        self.shelf.close();
        self.stop.cancel();
    }

    /// Waits until what was never received is given back.
    pub(crate) async fn stopped(&self) {
        let _ = tokio::time::timeout(CLOSE_BOUND, self.feeding.wait()).await;
    }

    /// Gives back what is held: nobody will settle it.
    pub(crate) fn abandon(&self) {
        let held = self.shelf.abandon();
        if !held.is_empty() {
            let (core, queue) = (Arc::clone(&self.core), self.queue.to_string());
            drop(self.core.spawn(async move { core.give_back(&queue, held, true).await }));
        }
    }

    /// Waits until as many as wanted are there, or `linger` after the first one; `false` when closed.
    async fn wait_for(&self, most: usize, linger: Duration) -> bool {
        let mut until = None;
        loop {
            let changed = self.shelf.changed();
            tokio::pin!(changed);
            changed.as_mut().enable();
            match self.shelf.stock() {
                Stock::Closed => return false,
                Stock::Ready(count) if count >= most => return true,
                Stock::Ready(0) | Stock::Paused => {
                    until = None;
                    changed.await;
                }
                Stock::Ready(_) => {
                    let until = *until.get_or_insert_with(|| Instant::now() + linger);
                    tokio::select! {
                        () = changed => {}
                        () = sleep_until(until) => return true,
                    }
                }
            }
        }
    }

    /// Adds what this settlement changes. A copy that no back end could ever take leaves the message where it was.
    fn change(&self, changes: &mut Changes, id: i64, settlement: Settlement) -> Result<(), Lost> {
        let now = self.core.now();
        let copy = match settlement {
            Settlement::Ack => None,
            Settlement::Return => {
                self.give_back(changes, id);
                return Ok(());
            }
            Settlement::Delay(tier, message) => Some(delayed(message, tier, &self.queue, now)),
            Settlement::DeadLetter(message) => Some(at_once(message, &Queue::Dead, now)),
        };
        if let Some(Err(error)) = copy.as_ref().map(|row| fits(&row.message)) {
            self.give_back(changes, id);
            return Err(Lost(error.to_string()));
        }
        changes.copies.extend(copy);
        changes.remove.push(id);
        Ok(())
    }

    fn give_back(&self, changes: &mut Changes, id: i64) {
        changes.give_back.push(id);
        changes.given_to.insert(self.queue.to_string());
    }

    async fn settle(&self, items: Vec<(Receipt, Settlement)>) -> Vec<Result<(), Lost>> {
        let mut changes = Changes::default();
        let mut claimed = 0;
        let mut results: Vec<Result<(), Lost>> = Vec::with_capacity(items.len());
        // Nothing is awaited while claiming: a dropped call has settled all of it or nothing.
        for (receipt, settlement) in items {
            results.push(match self.shelf.claim(receipt) {
                Some(id) => {
                    claimed += 1;
                    self.change(&mut changes, id, settlement)
                }
                None => Err(Lost("it was given back, or settled before".to_owned())),
            });
        }
        if claimed == 0 {
            return results;
        }
        let (done, written) = oneshot::channel();
        let work = Work { changes, shelf: Arc::clone(&self.shelf), claimed, done };
        let settler = self.settler.clone();
        // A task of its own: once claimed, a delivery must reach the settler whatever becomes of the caller.
        drop(self.core.spawn(async move {
            let _ = settler.send(work).await;
        }));
        if !written.await.unwrap_or(false) {
            for result in &mut results {
                if result.is_ok() {
                    *result = Err(Lost("the queue was closed before it was stored".to_owned()));
                }
            }
        }
        results
    }
}

/// Takes messages out of one queue.
pub(crate) struct EmbeddedConsumer(pub(crate) Arc<Subscription>);

impl std::fmt::Debug for EmbeddedConsumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let subscription = &self.0;
        f.debug_struct("EmbeddedConsumer")
            .field("queue", &subscription.queue)
            .field("open", &subscription.is_open())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Consumer for EmbeddedConsumer {
    async fn receive(&self, most: usize, linger: Duration) -> Vec<Delivery> {
        let most = most.max(1);
        while self.0.wait_for(most, linger).await {
            // Nothing is awaited after this: a dropped future has taken nothing.
            let taken = self.0.shelf.take(most);
            if !taken.is_empty() {
                return taken;
            }
        }
        Vec::new()
    }

    async fn settle(&self, items: Vec<(Receipt, Settlement)>) -> Vec<Result<(), Lost>> {
        self.0.settle(items).await
    }

    async fn pause(&self) {
        self.0.shelf.pause(true);
    }

    async fn resume(&self) {
        self.0.shelf.pause(false);
    }

    fn unreceived(&self) -> Vec<Delivery> {
        self.0.shelf.take_rest()
    }

    async fn close(&self) {
        self.0.stop();
        self.0.stopped().await;
    }
}

impl Drop for EmbeddedConsumer {
    fn drop(&mut self) {
        self.0.stop();
        self.0.abandon();
    }
}
