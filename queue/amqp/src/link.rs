//! One connection, kept up for ever by a task of its own.

use std::sync::Arc;
use std::time::Duration;

use forebay_queue::Link as Condition;
use futures::StreamExt as _;
use lapin::{Connection, Event};
use rand::seq::SliceRandom as _;
use tokio::sync::{Notify, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::backoff::Backoff;
use crate::dial::{self, Failure};
use crate::options::Options;
use crate::stats::Stats;

/// How often a connection is looked at besides its own events, which do not tell every way to die.
const LOOK: Duration = Duration::from_millis(500);
/// Longest wait for the broker to agree to a close.
const CLOSE_BOUND: Duration = Duration::from_secs(3);

/// A connection that is up.
#[derive(Debug)]
pub(crate) struct Live {
    /// lapin's connection.
    pub(crate) connection: Connection,
    /// Differs for each connection of a link.
    pub(crate) epoch: u64,
    /// Why the broker takes no publishes at present, if so.
    blocked: watch::Sender<Option<String>>,
}

impl Live {
    /// Why the broker takes no publishes at present, if so.
    pub(crate) fn blocked(&self) -> Option<String> {
        if self.connection.status().blocked() {
            return Some(self.blocked.borrow().clone().unwrap_or_else(|| "low on resources".to_owned()));
        }
        None
    }

    /// Ends when the broker has stopped taking publishes.
    pub(crate) async fn until_blocked(&self) {
        // The sender is ours: the wait can't fail.
        let _ = self.blocked.subscribe().wait_for(Option::is_some).await;
    }
}

#[derive(Debug, Clone)]
enum Status {
    /// The first attempt is under way.
    Connecting,
    Up(Arc<Live>),
    Down(Failure),
    Closed,
}

/// A supervised connection. Dropping it closes the connection.
#[derive(Debug)]
pub(crate) struct Link {
    shared: Arc<Shared>,
    _stop: DropGuard,
}

#[derive(Debug)]
struct Shared {
    role: &'static str,
    options: Arc<Options>,
    stats: Arc<Stats>,
    status: watch::Sender<Status>,
    /// Somebody saw an error: look at once.
    suspected: Notify,
    /// The last connection that was found to be of no use, by its epoch.
    useless: watch::Sender<u64>,
    stop: CancellationToken,
}

impl Link {
    /// Starts the supervisor and returns at once. Must be called within a tokio runtime.
    pub(crate) fn open(role: &'static str, options: Arc<Options>, stats: Arc<Stats>) -> Arc<Self> {
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            role,
            options,
            stats,
            status: watch::Sender::new(Status::Connecting),
            suspected: Notify::new(),
            useless: watch::Sender::new(0),
            stop: stop.clone(),
        });
        tokio::spawn(Arc::clone(&shared).supervise());
        Arc::new(Self { shared, _stop: stop.drop_guard() })
    }

    /// The connection, or at once why there is none. Waits only for the very first attempt.
    pub(crate) async fn live(&self) -> Result<Arc<Live>, Failure> {
        let mut status = self.shared.status.subscribe();
        let status = status.wait_for(|s| !matches!(s, Status::Connecting)).await;
        match status.as_deref() {
            Ok(Status::Up(live)) => Ok(Arc::clone(live)),
            Ok(Status::Down(failure)) => Err(failure.clone()),
            _ => Err(Failure { reason: "the queue was closed".to_owned(), refused: false }),
        }
    }

    /// Waits until there is a connection; `None` when the link was closed.
    pub(crate) async fn up(&self) -> Option<Arc<Live>> {
        let mut status = self.shared.status.subscribe();
        match status.wait_for(|s| matches!(s, Status::Up(_) | Status::Closed)).await.as_deref() {
            Ok(Status::Up(live)) => Some(Arc::clone(live)),
            _ => None,
        }
    }

    /// Says that something on the connection failed, so that its death is noticed at once.
    pub(crate) fn suspect(&self) {
        self.shared.suspected.notify_one();
    }

    /// Says that the connection of this epoch looks fine and is of no use: it is made anew.
    pub(crate) fn renew(&self, epoch: u64) {
        self.shared.useless.send_replace(epoch);
    }

    /// How it is at present.
    pub(crate) fn condition(&self) -> Condition {
        match &*self.shared.status.borrow() {
            Status::Connecting => Condition::Down("not connected yet".to_owned()),
            Status::Up(live) => live.blocked().map_or(Condition::Up, Condition::Blocked),
            Status::Down(failure) => Condition::Down(failure.reason.clone()),
            Status::Closed => Condition::Down("closed".to_owned()),
        }
    }

    /// Closes the connection and ends its supervisor.
    pub(crate) async fn close(&self) {
        self.shared.stop.cancel();
        let mut status = self.shared.status.subscribe();
        let closed = status.wait_for(|s| matches!(s, Status::Closed));
        let _ = tokio::time::timeout(CLOSE_BOUND + LOOK, closed).await;
    }
}

impl Shared {
    async fn supervise(self: Arc<Self>) {
        let stop = self.stop.clone();
        // Dropping an attempt is safe: it ends its own socket within the connect timeout.
        stop.run_until_cancelled(self.keep_up()).await;
        let closing = Failure { reason: "the queue is being closed".to_owned(), refused: false };
        if let Status::Up(live) = self.status.send_replace(Status::Down(closing)) {
            dial::close(&live.connection, CLOSE_BOUND).await;
        }
        self.status.send_replace(Status::Closed);
    }

    async fn keep_up(&self) {
        let mut backoff = Backoff::new();
        let mut epoch = 0;
        loop {
            match self.try_each_node().await {
                Ok(connection) => {
                    backoff.reset();
                    epoch += 1;
                    if epoch > 1 {
                        self.stats.reconnected();
                    }
                    let reason = self.serve(connection, epoch).await;
                    tracing::warn!(link = self.role, %reason, "the connection to the broker was lost");
                    self.status.send_replace(Status::Down(Failure { reason, refused: false }));
                    tokio::time::sleep(backoff.next()).await;
                }
                Err(failure) => {
                    let wait = if failure.refused { backoff.longest() } else { backoff.next() };
                    tracing::warn!(link = self.role, reason = %failure.reason, "no connection to the broker");
                    self.status.send_replace(Status::Down(failure));
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    /// The nodes in random order, so that many processes spread over them.
    async fn try_each_node(&self) -> Result<Connection, Failure> {
        let mut nodes: Vec<_> = self.options.addresses.iter().collect();
        nodes.shuffle(&mut rand::rng());
        let mut last = Failure { reason: "no address of a broker is configured".to_owned(), refused: true };
        for node in nodes {
            match dial::dial(node, &self.options, self.role).await {
                Ok(connection) => {
                    tracing::info!(link = self.role, %node, "connected to the broker");
                    return Ok(connection);
                }
                Err(failure) => last = failure,
            }
        }
        Err(last)
    }

    /// Offers the connection until it is no more; says why it ended.
    async fn serve(&self, connection: Connection, epoch: u64) -> String {
        let mut events = Box::pin(connection.events_listener());
        let live = Arc::new(Live { connection, epoch, blocked: watch::Sender::new(None) });
        self.status.send_replace(Status::Up(Arc::clone(&live)));
        let mut reason = None;
        let mut look = tokio::time::interval(LOOK);
        let mut useless = self.useless.subscribe();
        loop {
            tokio::select! {
                event = events.next() => match event {
                    Some(Event::ConnectionBlocked(why)) => self.blocked(&live, why),
                    Some(Event::ConnectionUnblocked) => self.unblocked(&live),
                    Some(Event::Error(error)) => reason = Some(dial::reason(&error)),
                    Some(_) => {}
                    None => return reason.unwrap_or_else(|| "the connection ended".to_owned()),
                },
                () = self.suspected.notified() => {}
                () = async { drop(useless.wait_for(|useless| *useless == epoch).await) } => {
                    dial::close(&live.connection, CLOSE_BOUND).await;
                    return "it was given up, since nothing was delivered over it".to_owned();
                }
                _ = look.tick() => {}
            }
            if !live.connection.status().connected() {
                return reason.unwrap_or_else(|| "the connection was lost".to_owned());
            }
        }
    }

    fn blocked(&self, live: &Live, why: String) {
        tracing::warn!(link = self.role, reason = %why, "the broker takes no publishes");
        self.stats.blocked();
        live.blocked.send_replace(Some(why));
    }

    fn unblocked(&self, live: &Live) {
        tracing::info!(link = self.role, "the broker takes publishes again");
        live.blocked.send_replace(None);
    }
}
