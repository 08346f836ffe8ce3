//! The steward of a worker's process: it tells the store of the worker, and the worker of what people ordered.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use forebay_domain::Clock;
use forebay_domain::scale::Work;
use forebay_schemas::Queue;
use forebay_store::fleet::{WorkerQueue, WorkerState};
use forebay_store::{Orders, Store, WorkerBeat, within};
use forebay_telemetry::{Check, Health, Metrics};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::measure::Measure;
use crate::orders::StandingOrders;
use crate::systems::{Bars, Systems, Watched};

/// How often orders are read: an order is obeyed within twice this time.
const LISTEN_EVERY: Duration = Duration::from_secs(1);
/// How often the store is told of a worker of which there is nothing new.
const TELL_EVERY: Duration = Duration::from_secs(5);
/// How long the store may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Which process it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// A new id each time that a process starts: what was ordered of one that ended does not bind the next.
    pub id: Uuid,
    /// The machine.
    pub host: String,
    /// The release.
    pub version: String,
    /// What kind of process, e.g. `work`.
    pub role: String,
}

/// Beats and listens.
#[derive(Debug)]
pub struct Steward {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    health: Health,
    me: WorkerBeat,
    told_at: Option<Instant>,
    /// What was last heard; it stays in force while the store is away.
    last: Option<Orders>,
    /// The store could not be asked the last time.
    deaf: bool,
    orders: watch::Sender<StandingOrders>,
    systems: Systems,
    bars: Bars,
    measure: Measure,
}

impl Steward {
    /// The steward of a process that works on these queues.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
        health: Health,
        identity: Identity,
        queues: &[Queue],
    ) -> Self {
        let Identity { id, host, version, role } = identity;
        let queues = queues.iter().map(|queue| WorkerQueue {
            queue: queue.to_string(),
            in_flight: 0,
            work: Work::default(),
        });
        let me = WorkerBeat {
            id,
            host,
            version,
            role,
            started_at: clock.now(),
            state: WorkerState::Running,
            queues: queues.collect(),
        };
        let orders = watch::Sender::new(StandingOrders::default());
        let systems = Systems::default();
        Self {
            store,
            clock,
            metrics,
            health,
            me,
            told_at: None,
            last: None,
            deaf: false,
            orders,
            systems,
            bars: Bars::default(),
            measure: Measure::default(),
        }
    }

    /// The same, which leaves the queues of these outside systems alone while those are.
    #[must_use]
    pub fn watching(mut self, watched: Vec<Watched>) -> Self {
        for Watched { queue, key, .. } in &watched {
            self.measure.calls(queue.to_string(), key.clone());
        }
        Self { systems: Systems::of(watched), ..self }
    }

    /// The same, which tells what messages cost where so many batches are worked on side by side.
    #[must_use]
    pub fn measuring(mut self, lanes: Vec<(Queue, usize)>) -> Self {
        for (queue, lanes) in lanes {
            self.measure.lanes(queue.to_string(), u32::try_from(lanes).unwrap_or(u32::MAX));
        }
        self
    }

    /// The orders, as they come.
    #[must_use]
    pub fn orders(&self) -> watch::Receiver<StandingOrders> {
        self.orders.subscribe()
    }

    /// Beats and listens until `stop`, then signs off.
    pub async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            self.listen().await;
            self.tell().await;
            tokio::select! {
                () = tokio::time::sleep(LISTEN_EVERY) => {}
                () = stop.cancelled() => {}
            }
        }
        if let Err(error) = within(PATIENCE, self.store.sign_off(self.me.id)).await {
            tracing::debug!(%error, "the worker could not sign off; it will be listed as lost");
        }
    }

    async fn listen(&mut self) {
        let now = self.clock.now();
        match within(PATIENCE, self.store.orders(self.me.id, now)).await {
            Ok(heard) => {
                // Once drained it stays so: an order is not taken back.
                let drain = heard.drain || self.last.as_ref().is_some_and(|last| last.drain);
                self.last = Some(Orders { drain, ..heard });
                self.deaf = false;
                self.metrics.last_done.with_label_values(&["steward"]).set(now.timestamp() as f64);
            }
            Err(error) => {
                if !self.deaf {
                    tracing::warn!(%error, "orders can't be read at present; those that are known stay in force");
                }
                self.deaf = true;
            }
        }
        match self.systems.look(&self.store, &self.metrics, PATIENCE).await {
            Ok(bars) => self.bars = bars,
            Err(error) => tracing::debug!(%error, "how the outside systems are can't be read at present"),
        }
        self.obey(now);
    }

    /// Puts what was last heard into force; a pause that is over ends also while the store is away.
    fn obey(&self, now: DateTime<Utc>) {
        let Some(last) = &self.last else { return };
        let paused = last.pauses.iter().filter(|pause| pause.holds(now)).map(|pause| pause.queue.clone());
        let Bars { barred, probes } = self.bars.clone();
        let standing =
            StandingOrders { heard: true, paused: paused.collect(), drain: last.drain, barred, probes };
        for WorkerQueue { queue, .. } in &self.me.queues {
            let closed = i64::from(standing.close(queue).is_some());
            self.metrics.queue_closed.with_label_values(&[queue]).set(closed);
        }
        let detail = if standing.drain {
            "takes no more messages, as ordered; stop it whenever you like".to_owned()
        } else {
            let paused = standing.paused.iter().map(|queue| format!("paused: {queue}"));
            let barred = standing.barred.iter().map(|(queue, why)| format!("left alone: {queue} ({why})"));
            paused.chain(barred).collect::<Vec<_>>().join(", ")
        };
        self.health.ready(Check::covered("orders", detail));
        self.orders.send_if_modified(|present| {
            let changes = *present != standing;
            *present = standing;
            changes
        });
    }

    async fn tell(&mut self) {
        let before = self.me.clone();
        for WorkerQueue { queue, in_flight, .. } in &mut self.me.queues {
            let held = self.metrics.in_flight.with_label_values(&[queue.as_str()]).get();
            *in_flight = u32::try_from(held.max(0)).unwrap_or(u32::MAX);
        }
        let drain = self.last.as_ref().is_some_and(|last| last.drain);
        let idle = self.me.queues.iter().all(|queue| queue.in_flight == 0);
        self.me.state = match before.state {
            _ if !drain => WorkerState::Running,
            // The order has only just gone out.
            WorkerState::Running => WorkerState::Draining,
            _ if idle => WorkerState::Drained,
            _ => WorkerState::Draining,
        };
        let due = self.told_at.is_none_or(|at| at.elapsed() >= TELL_EVERY);
        if due {
            for WorkerQueue { queue, work, .. } in &mut self.me.queues {
                *work = self.measure.look(queue, &self.metrics, Instant::now());
            }
        }
        if due || self.me != before {
            match within(PATIENCE, self.store.beat(&self.me, self.clock.now())).await {
                Ok(()) => self.told_at = Some(Instant::now()),
                Err(error) => {
                    self.told_at = None;
                    tracing::debug!(%error, "the store could not be told of this worker");
                }
            }
        }
    }
}
