//! The task behind a consumer: keeps one channel subscribed to its queue, for ever.
//!
//! Whatever goes wrong with the channel, it is thrown away with everything on it and a new one is opened; the
//! broker delivers again what was not settled. A channel on which consuming was stopped is never used to consume
//! again either (RabbitMQ 3.10 may fail there when deliveries are on their way); it is kept open only until what
//! is held on it has been settled.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use forebay_queue::BrokerError;
use forebay_schemas::Queue;
use futures::future::{BoxFuture, Fuse, FusedFuture as _, FutureExt as _};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

use crate::backoff::Backoff;
use crate::declaration;
use crate::intake::{Intake, answer};
use crate::link::Link;
use crate::options::StallOptions;
use crate::shelf::{Hold, Shelf, Source};
use crate::stall::Stall;
use crate::stats::Stats;

/// Longest wait for the broker to take back what nobody received.
const GIVE_BACK_BOUND: Duration = Duration::from_secs(5);
/// How often a consumer that waits for room looks whether there is some.
const LOOK: Duration = Duration::from_millis(500);

/// Silence after which nothing is on its way to a consumer that is to be paused.
const REST: Duration = Duration::from_millis(200);
/// Longest wait for that silence: handlers that finish what they have in hand make room for more.
const REST_BOUND: Duration = Duration::from_secs(1);

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
    /// Bytes of bodies held at which fetching stops.
    pub(crate) held_bytes: usize,
    pub(crate) stall: StallOptions,
    pub(crate) link: Arc<Link>,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) stats: Arc<Stats>,
    pub(crate) wish: watch::Receiver<Wish>,
    pub(crate) settled: Arc<Notify>,
    /// Numbers channels, so that no receipt is ever valid on two.
    pub(crate) epochs: Arc<AtomicU64>,
    /// Why nothing comes though the queue is not empty, if so; for whoever asks after our health.
    pub(crate) stalled: Arc<Mutex<Option<String>>>,
    /// Stalls since something last was as it should be.
    pub(crate) stalls: u32,
    /// Channels on which consuming was stopped and that still hold deliveries.
    pub(crate) retired: Vec<Weak<Source>>,
}

/// Why serving a channel ended.
enum End {
    /// The owner wants something else, or enough is held; the channel stays open for what is held.
    Stopped,
    /// There will never be a connection again.
    Closed,
    /// Something is wrong with the channel.
    Broken(String),
}

/// What a look at the queue says.
enum Seen {
    /// So many messages wait.
    Waiting(u64),
    /// It could not be looked at in time, over a connection that seems to be up.
    NoAnswer(String),
    /// The queue is not there, or not for us; the subscription hears of that by itself.
    Nothing,
}

impl Subscription {
    /// Runs until it is closed.
    pub(crate) async fn run(mut self) {
        let mut backoff = Backoff::new();
        while self.wait_until_wanted().await {
            let epoch = self.epochs.fetch_add(1, Ordering::Relaxed);
            match self.serve(epoch, &mut backoff).await {
                End::Stopped => self.well(),
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
        self.well();
        self.shelf.close();
        give_back(self.shelf.clear()).await;
    }

    /// Waits until consuming is wanted and what is still held leaves room for more; `false` when closed.
    async fn wait_until_wanted(&mut self) -> bool {
        loop {
            let wish = *self.wish.borrow_and_update();
            let (held, bytes) = self.held_on_retired();
            let room = held < usize::from(self.prefetch) && bytes <= self.held_bytes / 2;
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

    /// How many deliveries are unsettled on channels that are no longer consumed from, and their bytes.
    fn held_on_retired(&mut self) -> (usize, usize) {
        self.retired.retain(|source| source.upgrade().is_some_and(|source| source.outstanding() > 0));
        let sources = self.retired.iter().filter_map(Weak::upgrade);
        sources.fold((0, 0), |sum, source| (sum.0 + source.outstanding(), sum.1 + source.bytes()))
    }

    /// Consumes on a new channel until that breaks or is no longer wanted.
    async fn serve(&mut self, epoch: u64, backoff: &mut Backoff) -> End {
        let live = tokio::select! {
            live = self.link.up() => live,
            () = unwanted(self.wish.clone()) => return End::Stopped,
        };
        let Some(live) = live else { return End::Closed };
        let opened = answer(live.connection.create_channel()).await;
        let connection = live.epoch;
        drop(live);
        let channel = match opened {
            Ok(channel) => channel,
            Err(reason) => return End::Broken(reason),
        };
        let source = Source::new(epoch, channel, Arc::clone(&self.settled));
        let mut intake = Intake::new(self.queue.clone(), Arc::clone(&self.shelf), Arc::clone(&source));
        let end = self.consume(&source, &mut intake, connection, backoff).await;
        match &end {
            End::Stopped => self.retired.push(Arc::downgrade(&source)),
            End::Broken(_) | End::Closed => intake.abandon().await,
        }
        end
    }

    async fn consume(
        &mut self,
        source: &Arc<Source>,
        intake: &mut Intake,
        connection: u64,
        backoff: &mut Backoff,
    ) -> End {
        let room = usize::from(self.prefetch).saturating_sub(self.held_on_retired().0);
        let first = u16::try_from(room).unwrap_or(self.prefetch).max(1);
        if let Err(reason) = intake.subscribe(first).await {
            return End::Broken(reason);
        }
        let unwanted = unwanted(self.wish.clone());
        tokio::pin!(unwanted);
        let mut stall = Stall::new(self.stall, Instant::now());
        // Beside the deliveries, which must not wait for it.
        let mut look: Fuse<BoxFuture<'static, Seen>> = Fuse::terminated();
        loop {
            tokio::select! {
                next = intake.next() => {
                    if let Err(reason) = next {
                        return End::Broken(reason);
                    }
                    backoff.reset();
                    stall.alive(Instant::now());
                    self.well();
                    if source.bytes() + self.held_on_retired().1 > self.held_bytes {
                        let end = stop(intake).await;
                        // Only now: whoever reads the figure may rely on it that nothing more comes.
                        self.stats.filled();
                        return end;
                    }
                }
                () = &mut unwanted => {
                    if *self.wish.borrow() == Wish::Pause
                        && let Err(reason) = come_to_rest(intake).await
                    {
                        return End::Broken(reason);
                    }
                    return stop(intake).await;
                }
                () = sleep_until(stall.next_look()), if look.is_terminated() => {
                    stall.looking();
                    look = look_at(Arc::clone(&self.link), self.queue.clone()).boxed().fuse();
                }
                seen = &mut look, if !look.is_terminated() => {
                    let why = amiss(seen).filter(|_| intake.has_room());
                    if why.is_none() {
                        self.well();
                    }
                    if stall.looked(Instant::now(), why.is_some()) {
                        let why = why.unwrap_or_default();
                        self.ill(&why, connection);
                        return End::Broken(why);
                    }
                }
                () = self.settled.notified(), if intake.granted() < self.prefetch => {
                    if self.held_on_retired().0 == 0 {
                        // The rest of the prefetch, now that nothing is held elsewhere.
                        if let Err(reason) = intake.subscribe(self.prefetch - intake.granted()).await {
                            return End::Broken(reason);
                        }
                    }
                }
            }
        }
    }

    /// Messages come, or none are due.
    fn well(&mut self) {
        if self.stalls > 0 {
            tracing::info!(queue = %self.queue, "consuming goes on");
            self.stalls = 0;
            *self.stalled.lock() = None;
        }
    }

    /// Nothing came for too long. The first time the channel is made anew, after that the connection.
    fn ill(&mut self, why: &str, connection: u64) {
        self.stats.stalled();
        self.stalls += 1;
        let silence = self.stall.silence.as_secs_f32();
        *self.stalled.lock() =
            Some(format!("{why} for {silence} s; set up anew, {} times so far", self.stalls));
        if self.stalls > 1 {
            self.link.renew(connection);
        }
    }
}

/// What is wrong when a consumer that gets nothing sees this.
fn amiss(seen: Seen) -> Option<String> {
    match seen {
        Seen::Waiting(0) | Seen::Nothing => None,
        Seen::Waiting(count) => Some(format!("nothing was delivered of {count} messages that wait")),
        Seen::NoAnswer(why) => {
            Some(format!("nothing was delivered, and the queue can't be looked at ({why})"))
        }
    }
}

async fn look_at(link: Arc<Link>, queue: Queue) -> Seen {
    match declaration::depth(&link, &queue).await {
        Ok(depth) => Seen::Waiting(depth.ready),
        Err(BrokerError::Unavailable(why)) => Seen::NoAnswer(why),
        Err(_) => Seen::Nothing,
    }
}

/// Takes in what comes until nothing is on its way: as much is held as may be, or the queue is empty. A quorum queue
/// withholds what is on its way when consuming stops, and counts it as delivered.
async fn come_to_rest(intake: &mut Intake) -> Result<(), String> {
    let until = Instant::now() + REST_BOUND;
    while Instant::now() < until {
        match tokio::time::timeout(REST, intake.next()).await {
            Ok(next) => next?,
            Err(_) => break,
        }
    }
    Ok(())
}

async fn stop(intake: &mut Intake) -> End {
    match intake.stop().await {
        Ok(()) => End::Stopped,
        Err(reason) => End::Broken(reason),
    }
}

/// Ends when consuming is no longer wanted.
async fn unwanted(mut wish: watch::Receiver<Wish>) {
    // An error says that the owner is gone, which comes to the same.
    let _ = wish.wait_for(|wish| *wish != Wish::Run).await;
}

/// Gives back what nobody received, so that another consumer gets it.
async fn give_back(holds: Vec<Hold>) {
    let all = futures::future::join_all(holds.into_iter().map(Hold::give_back));
    // Where it fails the channel is gone, and the broker has them back already.
    let _ = tokio::time::timeout(GIVE_BACK_BOUND, all).await;
}
