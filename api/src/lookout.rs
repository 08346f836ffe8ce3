//! The one place where queues are looked at: how full they are, how they empty, how many workers they have work for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use forebay_domain::Clock;
use forebay_domain::daily::Purpose;
use forebay_domain::drain::{Drain, Trend};
use forebay_domain::scale::{Demand, Useful, Work};
use forebay_domain::watch::QueueSeen;
use forebay_queue::Depth;
use forebay_schemas::Queue;
use forebay_store::{Error, PAGE_MAX, Pause, Store, SystemView, WorkerView, within};
use forebay_telemetry::Metrics;
use futures::future::join_all;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::carriers::CarrierSystem;
use crate::queues::Queues;

/// How often they are looked at.
const EVERY: Duration = Duration::from_secs(5);
/// Within this time a backlog is to be gone, unless it is said otherwise.
const DRAIN_WITHIN: Duration = Duration::from_secs(300);
/// How long the back end may take to tell how full a queue is; without an answer the rest is told.
const DEPTH_DEADLINE: Duration = Duration::from_secs(2);
/// How long the store may take for what it knows.
const STORE_DEADLINE: Duration = Duration::from_secs(4);

/// Looks at the queues: again and again for the metrics, and when somebody asks.
#[derive(Debug)]
pub struct Lookout {
    queues: Queues,
    carriers: Vec<CarrierSystem>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    /// A backlog is to be gone within it.
    within: Duration,
    trends: Mutex<BTreeMap<Queue, Trend>>,
}

/// What the store knows of all queues.
#[derive(Debug)]
pub(crate) struct Known {
    now: DateTime<Utc>,
    pauses: Vec<Pause>,
    /// Those that take messages: neither lost nor asked to drain.
    workers: Vec<WorkerView>,
    systems: Vec<SystemView>,
}

/// What is known of a queue.
#[derive(Debug)]
pub(crate) struct Figures {
    /// None when the back end did not answer.
    pub(crate) depth: Option<Depth>,
    pub(crate) drain: Drain,
    /// That it is left alone, as people ordered.
    pub(crate) pause: Option<Pause>,
    /// Workers that take from it.
    pub(crate) workers: usize,
    /// How many it has work for; nobody works on a delay queue.
    pub(crate) useful: Option<Useful>,
    /// Messages a second that they settle.
    pub(crate) pace: f64,
    /// People or its outside system's breaker want it left alone.
    pub(crate) left_alone: bool,
}

impl Lookout {
    /// A lookout over these queues, of which some are those of carriers' systems.
    #[must_use]
    pub fn new(
        queues: Queues,
        carriers: Vec<CarrierSystem>,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
        within: Duration,
    ) -> Self {
        metrics.drain_within_seconds.set(within.as_secs_f64());
        Self { queues, carriers, store, clock, metrics, within, trends: Mutex::default() }
    }

    /// One that nobody runs, for an api that is asked now and then.
    pub(crate) fn alone(queues: Queues, store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        let metrics = Metrics::new(env!("CARGO_PKG_VERSION"));
        Self::new(queues, Vec::new(), store, clock, metrics, DRAIN_WITHIN)
    }

    /// Looks at every queue again and again until `stop`, and sets the metrics.
    pub async fn run(&self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            self.look().await;
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Looks at every queue once and sets the metrics. What can't be learned keeps its last value.
    pub async fn look(&self) {
        let queues = self.queues.topology.queues();
        let depths = self.depths(&queues).await;
        for (queue, depth) in queues.iter().zip(&depths) {
            if let Some(depth) = depth {
                self.tell_depth(queue, depth);
            }
        }
        match within(STORE_DEADLINE, self.known()).await {
            Ok(known) => {
                for (queue, depth) in queues.iter().zip(depths) {
                    let figures = self.figures(queue, depth, &known);
                    let label = &[queue.to_string()];
                    let workers = i64::try_from(figures.workers).unwrap_or(i64::MAX);
                    if let Some(useful) = figures.useful {
                        self.metrics.queue_workers.with_label_values(label).set(workers);
                        self.metrics.useful_workers.with_label_values(label).set(i64::from(useful.workers));
                    }
                }
            }
            Err(error) => tracing::debug!(%error, "who works on the queues can't be told at present"),
        }
        let now = self.clock.now().timestamp() as f64;
        self.metrics.last_done.with_label_values(&["queues"]).set(now);
    }

    fn tell_depth(&self, queue: &Queue, depth: &Depth) {
        let (now, label) = (self.clock.now(), &[queue.to_string()]);
        self.metrics.queue_ready.with_label_values(label).set(depth.ready as f64);
        let trends = self.trends.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(trend) = trends.get(queue) else { return };
        let nonempty = trend.nonempty(now).as_secs_f64();
        self.metrics.queue_nonempty_seconds.with_label_values(label).set(nonempty);
        if let Some(seconds) = trend.drain().seconds() {
            self.metrics.queue_drain_seconds.with_label_values(label).set(seconds);
        }
        match depth.oldest {
            Some(oldest) => {
                let age = (now - oldest).as_seconds_f64().max(0.0);
                self.metrics.queue_oldest_seconds.with_label_values(label).set(age);
            }
            // It told once, so it tells: the queue is empty now.
            None if depth.ready == 0 => {
                let _ = self.metrics.queue_oldest_seconds.remove_label_values(label);
            }
            None => {}
        }
    }

    /// What the rules about queues go by; only its name of a queue of which the back end tells nothing. Delay queues are
    /// nobody's work.
    ///
    /// # Errors
    /// When the store does not tell what it knows.
    pub async fn seen(&self) -> Result<Vec<Result<QueueSeen, String>>, Error> {
        let mut queues = self.queues.topology.queues();
        queues.retain(|queue| !matches!(queue, Queue::Delay(_)));
        let depths = self.depths(&queues).await;
        let known = self.known().await?;
        let seen = queues.iter().zip(depths).map(|(queue, depth)| {
            let depth = depth.ok_or_else(|| queue.to_string())?;
            Ok(self.seen_of(queue, depth, &known))
        });
        Ok(seen.collect())
    }

    fn seen_of(&self, queue: &Queue, depth: Depth, known: &Known) -> QueueSeen {
        let (ready, oldest) = (depth.ready, depth.oldest);
        let figures = self.figures(queue, Some(depth), known);
        let trends = self.trends.lock().unwrap_or_else(PoisonError::into_inner);
        let trend = trends.get(queue);
        QueueSeen {
            queue: queue.to_string(),
            ready,
            oldest: oldest.map(|at| (known.now - at).to_std().unwrap_or_default()),
            nonempty: trend.map(|trend| trend.nonempty(known.now)).unwrap_or_default(),
            was_empty: trend.is_some_and(Trend::was_empty),
            pace: figures.pace,
            drain: figures.drain,
            within: self.within,
            workers: figures.workers,
            left_alone: figures.left_alone,
        }
    }

    /// What the store knows of all queues.
    pub(crate) async fn known(&self) -> Result<Known, Error> {
        let now = self.clock.now();
        let pauses = self.store.pauses(now).await?;
        let mut workers = self.store.workers(PAGE_MAX).await?;
        workers.retain(|worker| !worker.is_lost(now) && worker.drain.is_none());
        let systems = self.store.systems().await?;
        Ok(Known { now, pauses, workers, systems })
    }

    /// How full these queues are at this moment.
    pub(crate) async fn depths(&self, queues: &[Queue]) -> Vec<Option<Depth>> {
        let depths = queues.iter().map(|queue| timeout(DEPTH_DEADLINE, self.queues.broker.depth(queue)));
        let depths: Vec<Option<Depth>> =
            join_all(depths).await.into_iter().map(|depth| depth.ok()?.ok()).collect();
        let now = self.clock.now();
        let mut trends = self.trends.lock().unwrap_or_else(PoisonError::into_inner);
        for (queue, depth) in queues.iter().zip(&depths) {
            if let Some(depth) = depth {
                trends.entry(queue.clone()).or_default().see(depth.ready, now);
            }
        }
        depths
    }

    /// All of a queue.
    pub(crate) fn figures(&self, queue: &Queue, depth: Option<Depth>, known: &Known) -> Figures {
        let name = queue.to_string();
        let mut told: Vec<Work> = Vec::new();
        for worker in &known.workers {
            told.extend(worker.beat.queues.iter().filter(|of| of.queue == name).map(|of| of.work));
        }
        let trends = self.trends.lock().unwrap_or_else(PoisonError::into_inner);
        let trend = trends.get(queue);
        let drain = match depth {
            Some(_) => trend.map_or(Drain::Unknown, Trend::drain),
            None => Drain::Unknown,
        };
        let pause = known.pauses.iter().find(|pause| pause.queue == name).cloned();
        let (calls_per_s, shut) = self.bears(queue, known);
        let (work, left_alone) = (Work::together(&told), shut || pause.is_some());
        let useful = depth.as_ref().filter(|_| !matches!(queue, Queue::Delay(_))).map(|depth| {
            let demand = Demand {
                backlog: depth.ready + depth.unsettled.unwrap_or(0),
                growth: trend.and_then(Trend::growth).unwrap_or(0.0),
                within: self.within,
                work,
                calls_per_s,
                left_alone,
            };
            demand.useful()
        });
        let pace = work.pace_milli as f64 / 1_000.0;
        Figures { depth, drain, pause, workers: told.len(), useful, pace, left_alone }
    }

    /// Calls a second that a queue's outside system takes, where it has one, and whether that is left alone.
    fn bears(&self, queue: &Queue, known: &Known) -> (Option<f64>, bool) {
        let Queue::Tracking(id) = queue else { return (None, false) };
        let Some(system) = self.carriers.iter().find(|system| system.id == *id) else { return (None, false) };
        let untouched = || SystemView::untouched(&system.key, known.now);
        let view = known.systems.iter().find(|view| view.key == system.key).cloned();
        let view = view.unwrap_or_else(untouched);
        let shut = view.breaker.bar.is_some() || view.shut(&system.terms).is_some();
        let of_day = view.left_today(&system.terms, Purpose::Routine);
        let of_day =
            of_day.map_or(f64::INFINITY, |left| f64::from(left) / self.within.as_secs_f64().max(1.0));
        (Some(view.rate(&system.terms).min(of_day)), shut)
    }
}

impl Known {
    /// When it was learned.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.now
    }
}
