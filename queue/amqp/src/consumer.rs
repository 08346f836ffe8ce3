//! A consumer as its owner sees it; the work is done by its [`Subscription`].

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use async_trait::async_trait;
use forebay_queue::{ConsumeOptions, Consumer, Delivery, Lost, Receipt, Settlement};
use forebay_schemas::Queue;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tokio_util::task::TaskTracker;

use crate::link::Link;
use crate::options::Options;
use crate::publisher::AmqpPublisher;
use crate::settlement::Settler;
use crate::shelf::{Shelf, Stock};
use crate::stats::Stats;
use crate::subscription::{Subscription, Wish};

/// Longest wait for a consumer to stop.
const CLOSE_BOUND: Duration = Duration::from_secs(3);

/// Takes messages out of one queue.
#[derive(Debug)]
pub(crate) struct AmqpConsumer {
    shelf: Arc<Shelf>,
    settler: Settler,
    wish: watch::Sender<Wish>,
    stalled: Arc<Mutex<Option<String>>>,
    task: Mutex<Option<JoinHandle<()>>>,
    settling: TaskTracker,
}

impl AmqpConsumer {
    pub(crate) fn start(
        queue: Queue,
        consume: ConsumeOptions,
        options: &Options,
        link: Arc<Link>,
        publisher: Arc<AmqpPublisher>,
        stats: Arc<Stats>,
        epochs: Arc<AtomicU64>,
    ) -> Arc<Self> {
        let shelf = Arc::new(Shelf::default());
        let stalled = Arc::new(Mutex::new(None));
        let wish = watch::Sender::new(Wish::Run);
        let subscription = Subscription {
            queue: queue.clone(),
            prefetch: consume.prefetch.max(1),
            held_bytes: options.held_bytes,
            stall: options.stall,
            link,
            shelf: Arc::clone(&shelf),
            stats,
            wish: wish.subscribe(),
            settled: Arc::new(Notify::new()),
            epochs,
            stalled: Arc::clone(&stalled),
            stalls: 0,
            retired: Vec::new(),
        };
        let task = Mutex::new(Some(tokio::spawn(subscription.run())));
        let settler = Settler { queue, shelf: Arc::clone(&shelf), publisher };
        Arc::new(Self { shelf, settler, wish, stalled, task, settling: TaskTracker::new() })
    }

    /// Waits until nothing is being settled, for at most `bound`.
    pub(crate) async fn finish(&self, bound: Duration) {
        self.settling.close();
        let _ = tokio::time::timeout(bound, self.settling.wait()).await;
    }

    /// Forgets what is held: the connection is closed, and the broker delivers it again.
    pub(crate) fn forget(&self) {
        self.shelf.forget_all();
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
}

#[async_trait]
impl Consumer for AmqpConsumer {
    async fn receive(&self, most: usize, linger: Duration) -> Vec<Delivery> {
        let most = most.max(1);
        while self.wait_for(most, linger).await {
            // Nothing is awaited after this: a dropped future has taken nothing.
            let taken = self.shelf.take(most);
            if !taken.is_empty() {
                return taken;
            }
        }
        Vec::new()
    }

    async fn settle(&self, items: Vec<(Receipt, Settlement)>) -> Vec<Result<(), Lost>> {
        let _settling = self.settling.token();
        self.settler.settle(items).await
    }

    fn stalled(&self) -> Option<String> {
        self.stalled.lock().clone()
    }

    async fn pause(&self) {
        self.shelf.pause(true);
        self.wish.send_if_modified(|wish| change(wish, Wish::Pause));
    }

    async fn resume(&self) {
        self.wish.send_if_modified(|wish| change(wish, Wish::Run));
        self.shelf.pause(false);
    }

    fn unreceived(&self) -> Vec<Delivery> {
        self.shelf.take_rest()
    }

    async fn close(&self) {
        self.shelf.close();
        self.wish.send_replace(Wish::Close);
        let task = self.task.lock().take();
        if let Some(task) = task {
            let _ = tokio::time::timeout(CLOSE_BOUND, task).await;
        }
    }
}

/// A closed consumer stays closed.
fn change(wish: &mut Wish, to: Wish) -> bool {
    let changes = *wish != Wish::Close && *wish != to;
    if changes {
        *wish = to;
    }
    changes
}

impl Drop for AmqpConsumer {
    fn drop(&mut self) {
        self.wish.send_replace(Wish::Close);
    }
}
