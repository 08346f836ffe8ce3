//! Publishing a batch over the pool, and telling the truth about each message.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use forebay_queue::{Outgoing, PublishError, Publisher};
use forebay_schemas::Route;
use futures::future::join_all;
use lapin::Confirmation;
use lapin::options::BasicPublishOptions;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::task::TaskTracker;

use crate::dial;
use crate::link::{Link, Live};
use crate::outgoing::Parcel;
use crate::pool::{Leased, Pool};
use crate::stats::Stats;
use crate::waiting::while_open;

/// How long confirms are still awaited once the broker has stopped taking publishes: what it took before may yet
/// be confirmed, the rest hangs.
const BLOCKED_GRACE: Duration = Duration::from_millis(500);

/// The publisher; all callers share it.
#[derive(Debug)]
pub(crate) struct AmqpPublisher {
    link: Arc<Link>,
    pool: Arc<Pool>,
    stats: Arc<Stats>,
    deadline: Duration,
    under_way: TaskTracker,
    /// Publishes that the broker has answered.
    answers: AtomicU64,
}

/// What is known about one message of a batch.
#[derive(Debug)]
enum Fate {
    /// Nobody took it yet.
    Waiting(Box<Parcel>),
    /// Taken, and nothing of it sent yet.
    Taken,
    /// Handed to the connection.
    Sent,
    Known(Result<(), PublishError>),
}

impl AmqpPublisher {
    pub(crate) fn new(link: Arc<Link>, channels: u16, deadline: Duration, stats: Arc<Stats>) -> Arc<Self> {
        let (pool, under_way) = (Pool::new(channels), TaskTracker::new());
        Arc::new(Self { link, pool, stats, deadline, under_way, answers: AtomicU64::new(0) })
    }

    /// Waits until no batch is under way, for at most `bound`.
    pub(crate) async fn finish(&self, bound: Duration) {
        self.under_way.close();
        let _ = tokio::time::timeout(bound, self.under_way.wait()).await;
    }

    /// The connection, if it takes publishes.
    async fn open_gate(&self, deadline: Instant) -> Result<Arc<Live>, PublishError> {
        let live = timeout_at(deadline, self.link.live()).await;
        let live = live.map_err(|_| PublishError::Unavailable("not connected yet".to_owned()))?;
        let live = live.map_err(|failure| PublishError::Unavailable(failure.reason))?;
        pass(&live)?;
        Ok(live)
    }

    /// Takes message after message of the batch until none is left. As many of these run at once as there are
    /// channels; each queues up anew for each message, so that a small batch is not behind the whole of a large one.
    async fn carry(&self, batch: &Batch, live: &Arc<Live>, deadline: Instant) {
        while let Some((index, parcel)) = batch.next() {
            let leased = self.pool.lease(live).await.map_err(PublishError::Unavailable);
            let leased = leased.and_then(|leased| {
                // lapin would queue the frames and send them whenever the broker unblocks, long after the caller
                // was told that they failed.
                pass(live).map(|()| leased)
            });
            let result = match leased {
                Ok(leased) => {
                    batch.sent(index);
                    let flight = fly(leased, parcel, deadline, Arc::clone(&self.link));
                    // A task of its own: whatever becomes of the caller, the channel must stay open until its
                    // frames are out. Frames of a closed channel would go out on the next one of its number.
                    tokio::spawn(flight).await.unwrap_or(Err(PublishError::Unknown))
                }
                Err(error) => Err(error),
            };
            if matches!(result, Ok(()) | Err(PublishError::Refused | PublishError::Unroutable(_))) {
                self.answers.fetch_add(1, Ordering::Relaxed);
            }
            batch.known(index, result);
        }
    }

    fn count(&self, results: &[Result<(), PublishError>]) {
        for result in results {
            match result {
                Ok(()) => self.stats.confirmed(),
                Err(PublishError::Refused) => self.stats.refused(),
                Err(PublishError::Unroutable(_)) => self.stats.returned(),
                Err(PublishError::Unknown) => self.stats.unknown(),
                Err(PublishError::Unavailable(_) | PublishError::TooLarge(_)) => {}
            }
        }
    }
}

#[async_trait]
impl Publisher for AmqpPublisher {
    async fn publish(&self, batch: Vec<Outgoing>) -> Vec<Result<(), PublishError>> {
        let _under_way = self.under_way.token();
        let deadline = Instant::now() + self.deadline;
        let batch = Batch::new(batch);
        match self.open_gate(deadline).await {
            Ok(live) => {
                let carriers = self.pool.size().min(batch.len());
                let work = join_all((0..carriers).map(|_| self.carry(&batch, &live, deadline)));
                tokio::select! {
                    _ = work => {}
                    () = cutoff(&live, deadline) => {}
                }
                let reason = pass(&live).err();
                let results = batch.close(reason.unwrap_or_else(|| {
                    PublishError::Unavailable("its turn did not come before the deadline".to_owned())
                }));
                self.count(&results);
                results
            }
            Err(error) => batch.close(error),
        }
    }

    fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }
}

/// Ends at the deadline, or soon after the broker stopped taking publishes.
async fn cutoff(live: &Live, deadline: Instant) {
    tokio::select! {
        () = sleep_until(deadline) => {}
        () = async {
            live.until_blocked().await;
            tokio::time::sleep(BLOCKED_GRACE).await;
        } => {}
    }
}

fn pass(live: &Live) -> Result<(), PublishError> {
    match live.blocked() {
        Some(why) => Err(PublishError::Unavailable(format!("the broker takes no messages: {why}"))),
        None => Ok(()),
    }
}

/// One publish on one channel, until the broker answers or the deadline is over.
async fn fly(
    leased: Leased,
    parcel: Box<Parcel>,
    deadline: Instant,
    link: Arc<Link>,
) -> Result<(), PublishError> {
    let Parcel { route, exchange, routing_key, mandatory, properties, body } = *parcel;
    if !leased.channel.status().connected() {
        link.suspect();
        return Err(PublishError::Unavailable("the connection was lost".to_owned()));
    }
    let options = BasicPublishOptions { mandatory, immediate: false };
    // No deadline here, for the reason given where this is spawned.
    let sending = leased.channel.basic_publish(exchange, routing_key, options, &body, properties);
    let sent = while_open(&leased.channel, sending).await;
    let answer = match sent {
        Ok(confirm) => timeout_at(deadline, confirm).await.map_err(|_| PublishError::Unknown)?,
        Err(error) => Err(error),
    };
    match answer {
        Ok(Confirmation::Ack(None)) => {
            leased.give_back();
            Ok(())
        }
        Ok(Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_))) => {
            leased.give_back();
            Err(PublishError::Unroutable(route.to_text()))
        }
        // The channel is not given back: one whose first message met a quorum queue without a leader is refused every
        // message from then on (seen on 3.10), whoever leads the queue later. A new one costs two round trips.
        Ok(Confirmation::Nack(None)) => Err(PublishError::Refused),
        Ok(Confirmation::NotRequested) => Err(PublishError::Unknown),
        Err(error) => {
            link.suspect();
            Err(verdict(&error, &route))
        }
    }
}

/// What the loss of the channel says about its one message.
fn verdict(error: &lapin::Error, route: &Route) -> PublishError {
    let reason = dial::reason(error);
    match (error.kind(), dial::code(error)) {
        // lapin looks at the channel's state before it queues the first frame.
        (lapin::ErrorKind::InvalidChannelState(_, "basic.publish"), _) => PublishError::Unavailable(reason),
        // Who publishes it tells of it.
        (_, Some(404)) => PublishError::Unroutable(route.to_text()),
        (_, Some(406)) => PublishError::TooLarge(reason),
        (_, Some(403)) => {
            tracing::error!(%reason, "the broker's user may not publish this");
            PublishError::Refused
        }
        _ => PublishError::Unknown,
    }
}

/// A batch and what is known about each of its messages.
#[derive(Debug)]
struct Batch(Mutex<Fates>);

#[derive(Debug)]
struct Fates {
    fates: Vec<Fate>,
    next: usize,
}

impl Batch {
    fn new(batch: Vec<Outgoing>) -> Self {
        let fate = |outgoing| match Parcel::of(outgoing) {
            Ok(parcel) => Fate::Waiting(Box::new(parcel)),
            Err(error) => Fate::Known(Err(error)),
        };
        Self(Mutex::new(Fates { fates: batch.into_iter().map(fate).collect(), next: 0 }))
    }

    fn len(&self) -> usize {
        self.0.lock().fates.len()
    }

    /// The next message that nobody has taken.
    fn next(&self) -> Option<(usize, Box<Parcel>)> {
        let mut inner = self.0.lock();
        loop {
            let index = inner.next;
            inner.next += 1;
            let fate = inner.fates.get_mut(index)?;
            match std::mem::replace(fate, Fate::Taken) {
                Fate::Waiting(parcel) => return Some((index, parcel)),
                other => *fate = other,
            }
        }
    }

    fn sent(&self, index: usize) {
        self.0.lock().fates[index] = Fate::Sent;
    }

    fn known(&self, index: usize, result: Result<(), PublishError>) {
        self.0.lock().fates[index] = Fate::Known(result);
    }

    /// The results, where messages that were never sent get `unsent`.
    fn close(self, unsent: PublishError) -> Vec<Result<(), PublishError>> {
        let settle = |fate| match fate {
            Fate::Waiting(_) | Fate::Taken => Err(unsent.clone()),
            Fate::Sent => Err(PublishError::Unknown),
            Fate::Known(result) => result,
        };
        self.0.into_inner().fates.into_iter().map(settle).collect()
    }
}
