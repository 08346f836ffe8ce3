//! The valve of one queue: it stops and starts the consumer as the orders say, and costs no message anything.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::batch::Bench;
use crate::orders::{Closed, StandingOrders, changed};

/// How long a paused queue's messages that were fetched ahead are kept, in case it goes on soon. After that they wait
/// in the queue: a back end does not leave messages in anybody's hands for ever.
const KEPT: Duration = Duration::from_secs(60);
/// How often it is looked for messages that were fetched ahead; some are still on their way when fetching stops.
const LOOK: Duration = Duration::from_millis(500);
/// How long a stop waits for the back end to take what was fetched ahead.
const STOP_BOUND: Duration = Duration::from_secs(5);

/// Stops and starts one consumer.
#[derive(Debug)]
pub(crate) struct Valve {
    pub(crate) bench: Arc<Bench>,
    pub(crate) orders: watch::Receiver<StandingOrders>,
}

impl Valve {
    /// Obeys until the end. What was fetched ahead of a queue that is closed by then is put off, since a back end
    /// would count what is given back as delivered.
    pub(crate) async fn run(mut self, end: CancellationToken) {
        let mut closed_at: Option<Instant> = None;
        while !end.is_cancelled() {
            let closed = self.orders.borrow_and_update().close(&self.bench.label);
            let at = self.turn(closed, &mut closed_at).await;
            if closed == Some(Closed::Drained) || at.is_some_and(|at| at.elapsed() >= KEPT) {
                tokio::select! {
                    () = self.bench.put_off_unreceived() => {}
                    () = end.cancelled() => {}
                }
            }
            tokio::select! {
                () = changed(&mut self.orders) => {}
                () = tokio::time::sleep(LOOK), if closed.is_some() => {}
                () = end.cancelled() => {}
            }
        }
        if closed_at.is_some() {
            let _ = tokio::time::timeout(STOP_BOUND, self.bench.put_off_unreceived()).await;
        }
    }

    /// Turns the consumer to what it should be, and answers since when it is stopped.
    async fn turn(&self, closed: Option<Closed>, closed_at: &mut Option<Instant>) -> Option<Instant> {
        match (closed, &closed_at) {
            (Some(why), None) => {
                tracing::info!(queue = %self.bench.queue, ?why, "left alone from now on");
                self.bench.consumer.pause().await;
                *closed_at = Some(Instant::now());
            }
            (None, Some(_)) => {
                tracing::info!(queue = %self.bench.queue, "worked on again");
                self.bench.consumer.resume().await;
                *closed_at = None;
            }
            _ => {}
        }
        *closed_at
    }
}
