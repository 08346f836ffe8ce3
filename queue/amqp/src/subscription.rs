//! The task behind a consumer: keeps one channel subscribed to its queue, for ever.
//!
//! Whatever goes wrong with the channel, it is thrown away with everything on it and a new one is opened; the
//! broker delivers again what was not settled. A channel on which consuming was stopped is never used to consume
//! again either (RabbitMQ 3.10 may fail there when deliveries are on their way); it is kept open only until what
//! is held on it has been settled.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use forebay_queue::Receipt;
use forebay_schemas::Queue;
use futures::stream::{SelectAll, StreamExt as _};
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

use crate::backoff::Backoff;
use crate::declaration;
use crate::delivery::Arrived;
use crate::dial;
use crate::link::Link;
use crate::shelf::{Hold, Shelf, Source};
use crate::stall::Stall;
use crate::stats::Stats;

/// Longest wait for the broker's answer to one request.
const ANSWER_BOUND: Duration = Duration::from_secs(5);
/// Longest wait for what was on its way when consuming stopped.
const DRAIN_BOUND: Duration = Duration::from_secs(3);
/// How often a consumer that waits for room looks whether there is some.
const LOOK: Duration = Duration::from_millis(500);

/// What the consumer's owner wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    Run,
    Pause,
    Close,
}

/// One consumer's task.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) queue: Queue,
    pub(crate) prefetch: u16,
    pub(crate) link: Arc<Link>,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) stats: Arc<Stats>,
    pub(crate) wish: watch::Receiver<Wish>,
    pub(crate) settled: Arc<Notify>,
    /// Numbers channels, so that no receipt is ever valid on two.
    pub(crate) epochs: Arc<AtomicU64>,
    /// Channels on which consuming was stopped and that still hold deliveries.
    pub(crate) retired: Vec<Weak<Source>>,
}

/// Why serving a channel ended.
enum End {
    /// The owner wants something else; the channel stays open for what is held.
    Stopped,
    /// There will never be a connection again.
    Closed,
    /// Something is wrong with the channel.
    Broken(String),
}

type Deliveries =
    SelectAll<futures::stream::BoxStream<'static, Option<lapin::Result<lapin::message::Delivery>>>>;

impl Subscription {
    /// Runs until it is closed.
    pub(crate) async fn run(mut self) {
        let mut backoff = Backoff::new();
        while self.wait_until_wanted().await {
            let epoch = self.epochs.fetch_add(1, Ordering::Relaxed);
            match self.serve(epoch, &mut backoff).await {
                End::Stopped => {}
                End::Closed => break,
                End::Broken(reason) => {
                    self.shelf.forget(epoch);
                    self.link.suspect();
                    self.stats.resubscribed();
                    tracing::warn!(queue = %self.queue, %reason, "consuming was interrupted");
                    let wait = tokio::time::sleep(backoff.next());
                    let mut wish = self.wish.clone();
                    tokio::select! {
                        () = wait => {}
                        _ = wish.wait_for(|wish| *wish == Wish::Close) => {}
                    }
                }
            }
        }
        self.shelf.close();
        give_back(self.shelf.clear()).await;
    }

    /// Waits until consuming is wanted and what is still held leaves room for more; `false` when closed.
    async fn wait_until_wanted(&mut self) -> bool {
        loop {
            let wish = *self.wish.borrow_and_update();
            let room = self.held_on_retired() < usize::from(self.prefetch);
            match wish {
                Wish::Close => return false,
                Wish::Run if room => return true,
                Wish::Run | Wish::Pause => {}
            }
            tokio::select! {
                changed = self.wish.changed() => if changed.is_err() { return false },
                () = self.settled.notified() => {}
                // A channel that went away takes what was held on it along, without a word.
                () = tokio::time::sleep(LOOK), if wish == Wish::Run => {}
            }
        }
    }

    fn held_on_retired(&mut self) -> usize {
        self.retired.retain(|source| source.upgrade().is_some_and(|source| source.outstanding() > 0));
        self.retired.iter().filter_map(Weak::upgrade).map(|source| source.outstanding()).sum()
    }

    /// Consumes on a new channel until that breaks or is no longer wanted.
    async fn serve(&mut self, epoch: u64, backoff: &mut Backoff) -> End {
        let live = tokio::select! {
            live = self.link.up() => live,
            () = unwanted(self.wish.clone()) => return End::Stopped,
        };
        let Some(live) = live else { return End::Closed };
        let opened = answer(live.connection.create_channel()).await;
        drop(live);
        let channel = match opened {
            Ok(channel) => channel,
            Err(reason) => return End::Broken(reason),
        };
        let source = Source::new(epoch, channel, Arc::clone(&self.settled));
        let end = self.consume(&source, backoff).await;
        match &end {
            End::Stopped => self.retired.push(Arc::downgrade(&source)),
            // Otherwise the broker would go on waiting for what it delivered here.
            End::Broken(_) | End::Closed => abandon(&source).await,
        }
        end
    }

    async fn consume(&mut self, source: &Arc<Source>, backoff: &mut Backoff) -> End {
        let room = usize::from(self.prefetch).saturating_sub(self.held_on_retired());
        let mut granted = u16::try_from(room).unwrap_or(self.prefetch).max(1);
        let mut deliveries = Deliveries::new();
        if let Err(reason) = self.subscribe(source, granted, &mut deliveries).await {
            return End::Broken(reason);
        }
        let unwanted = unwanted(self.wish.clone());
        tokio::pin!(unwanted);
        let mut stall = Stall::new(Instant::now());
        loop {
            tokio::select! {
                next = deliveries.next() => match next.flatten() {
                    Some(Ok(delivery)) => {
                        backoff.reset();
                        stall.alive(Instant::now());
                        self.arrive(delivery, source);
                    }
                    Some(Err(error)) => return End::Broken(dial::reason(&error)),
                    None => return End::Broken("the broker ended the subscription".to_owned()),
                },
                () = &mut unwanted => return self.stop(source, deliveries).await,
                () = sleep_until(stall.next_look()) => {
                    if self.is_stalled(&mut stall, source, granted).await {
                        return End::Broken("nothing is delivered though the queue is not empty".to_owned());
                    }
                }
                () = self.settled.notified(), if granted < self.prefetch => {
                    if self.held_on_retired() == 0 {
                        // The rest of the prefetch, now that nothing is held elsewhere.
                        let rest = self.prefetch - granted;
                        if let Err(reason) = self.subscribe(source, rest, &mut deliveries).await {
                            return End::Broken(reason);
                        }
                        granted = self.prefetch;
                    }
                }
            }
        }
    }

    /// Adds a subscription with a prefetch of its own to the channel.
    async fn subscribe(&self, source: &Source, prefetch: u16, into: &mut Deliveries) -> Result<(), String> {
        let channel = &source.channel;
        answer(channel.basic_qos(prefetch, BasicQosOptions::default())).await?;
        let queue = dial::short(self.queue.to_string()).map_err(|error| dial::reason(&error))?;
        let tag =
            dial::short(format!("{}-{}", source.epoch, into.len())).map_err(|error| dial::reason(&error))?;
        let consume =
            channel.basic_consume(queue, tag, BasicConsumeOptions::default(), FieldTable::default());
        let consumer = answer(consume).await?;
        // The end of one subscription must be seen, which the merged stream would swallow.
        into.push(consumer.map(Some).chain(futures::stream::iter([None])).boxed());
        Ok(())
    }

    /// Looks at the queue after a long silence.
    async fn is_stalled(&self, stall: &mut Stall, source: &Source, granted: u16) -> bool {
        let room = source.outstanding() < usize::from(granted);
        let depth = declaration::depth(&self.link, &self.queue).await;
        let waiting = depth.is_ok_and(|depth| depth.ready > 0);
        stall.looked(Instant::now(), room && waiting)
    }

    fn arrive(&self, delivery: lapin::message::Delivery, source: &Arc<Source>) {
        let receipt = Receipt { epoch: source.epoch, tag: delivery.delivery_tag };
        let hold = Hold::new(delivery.acker, source);
        let (properties, body) = (delivery.properties, delivery.data);
        let arrived = Arrived { properties, body, redelivered: delivery.redelivered };
        self.shelf.put(arrived.into_delivery(&self.queue, receipt), hold);
    }

    /// Stops consuming and takes in what was on its way.
    async fn stop(&self, source: &Arc<Source>, mut deliveries: Deliveries) -> End {
        for number in 0..deliveries.len() {
            let tag = match dial::short(format!("{}-{number}", source.epoch)) {
                Ok(tag) => tag,
                Err(error) => return End::Broken(dial::reason(&error)),
            };
            if let Err(reason) = answer(source.channel.basic_cancel(tag, BasicCancelOptions::default())).await
            {
                return End::Broken(reason);
            }
        }
        let drain = async {
            while let Some(next) = deliveries.next().await {
                match next {
                    Some(Ok(delivery)) => self.arrive(delivery, source),
                    Some(Err(error)) => return End::Broken(dial::reason(&error)),
                    None => {}
                }
            }
            End::Stopped
        };
        let late = |_| End::Broken("what was on its way did not come in time".to_owned());
        tokio::time::timeout(DRAIN_BOUND, drain).await.unwrap_or_else(late)
    }
}

/// Ends when consuming is no longer wanted.
async fn unwanted(mut wish: watch::Receiver<Wish>) {
    // An error says that the owner is gone, which comes to the same.
    let _ = wish.wait_for(|wish| *wish != Wish::Run).await;
}

async fn answer<T>(request: impl Future<Output = lapin::Result<T>>) -> Result<T, String> {
    match tokio::time::timeout(ANSWER_BOUND, request).await {
        Ok(answer) => answer.map_err(|error| dial::reason(&error)),
        Err(_) => Err(format!("no answer within {} s", ANSWER_BOUND.as_secs())),
    }
}

async fn abandon(source: &Source) {
    if let Ok(text) = dial::short("abandoned") {
        // It may be closed already, which is as good.
        let _ = tokio::time::timeout(ANSWER_BOUND, source.channel.close(200, text)).await;
    }
}

/// Gives back what nobody received, so that another consumer gets it.
async fn give_back(holds: Vec<Hold>) {
    let all = futures::future::join_all(holds.into_iter().map(Hold::give_back));
    // Where it fails the channel is gone, and the broker has them back already.
    let _ = tokio::time::timeout(ANSWER_BOUND, all).await;
}
