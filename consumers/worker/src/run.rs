//! The loop of each queue, and the stop of all of them.

use std::sync::Arc;
use std::time::Duration;

use forebay_domain::Clock;
use forebay_domain::crash::CrashPolicy;
use forebay_domain::retry::RetryPolicy;
use forebay_queue::{Broker, ConsumeOptions, Consumer, Delivery};
use forebay_schemas::Queue;
use forebay_telemetry::{Check, Health, Metrics};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::batch::Bench;
use crate::handler::{RawHandler, Shape};
use crate::orders::{StandingOrders, Take, changed};
use crate::valve::Valve;

/// How often a worker asks whether its consumers get what waits for them.
const LOOK_AT_STALLS: Duration = Duration::from_secs(2);

/// How a worker behaves.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// How often and how long messages are tried.
    pub policy: RetryPolicy,
    /// When a message counts as the one that crashes its workers.
    pub crashes: CrashPolicy,
    /// Most messages held of one queue, whatever the handler's shape asks for. 64 KiB each at the most.
    pub prefetch_max: u16,
    /// How long a stop waits for what is under way.
    pub grace: Duration,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self {
            policy: RetryPolicy::default(),
            crashes: CrashPolicy::default(),
            prefetch_max: 2_000,
            grace: Duration::from_secs(25),
        }
    }
}

/// A queue and who works on it.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// The queue.
    pub queue: Queue,
    /// Its handler.
    pub handler: Arc<dyn RawHandler>,
}

/// Works on queues until it is told to stop.
#[derive(Debug)]
pub struct Worker {
    broker: Arc<dyn Broker>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    health: Health,
    options: WorkerOptions,
    orders: watch::Receiver<StandingOrders>,
}

impl Worker {
    /// A worker on this back end.
    #[must_use]
    pub fn new(
        broker: Arc<dyn Broker>,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
        health: Health,
        options: WorkerOptions,
    ) -> Self {
        let orders = watch::Sender::new(StandingOrders::none()).subscribe();
        Self { broker, clock, metrics, health, options, orders }
    }

    /// The same, obeying these orders.
    #[must_use]
    pub fn obeying(self, orders: watch::Receiver<StandingOrders>) -> Self {
        Self { orders, ..self }
    }

    /// Works on these queues until `stop`; then takes no more, finishes or gives back what is held, and returns.
    /// `false` when something was still under way after the grace time; it will be delivered again.
    pub async fn run(&self, assignments: Vec<Assignment>, stop: CancellationToken) -> bool {
        let loops = TaskTracker::new();
        for assignment in assignments {
            loops.spawn(self.queue_loop(assignment, stop.clone()));
        }
        loops.close();
        stop.cancelled().await;
        tokio::time::timeout(self.options.grace, loops.wait()).await.is_ok()
    }

    fn queue_loop(
        &self,
        assignment: Assignment,
        stop: CancellationToken,
    ) -> impl Future<Output = ()> + use<> {
        let shape = assignment.handler.shape();
        let wanted = shape.batch.max(1).saturating_mul(shape.concurrency.max(1)).saturating_mul(2);
        let prefetch = u16::try_from(wanted).unwrap_or(u16::MAX).min(self.options.prefetch_max).max(1);
        let (broker, options, clock) =
            (Arc::clone(&self.broker), self.options.clone(), Arc::clone(&self.clock));
        let (metrics, health, orders) = (self.metrics.clone(), self.health.clone(), self.orders.clone());
        async move {
            let label = assignment.queue.to_string();
            health.ready(Check::ok(format!("consumer {label}")));
            if !opened(orders.clone(), &label, &stop).await {
                return;
            }
            let consumer = broker.consume(assignment.queue.clone(), ConsumeOptions { prefetch });
            let bench = Arc::new(Bench {
                label,
                queue: assignment.queue,
                handler: assignment.handler,
                consumer: Arc::clone(&consumer),
                policy: options.policy,
                crashes: options.crashes,
                clock,
                metrics,
                stop: stop.clone(),
                orders: orders.clone(),
            });
            let telling = tokio::spawn(tell_stalls(health, Arc::clone(&consumer), bench.label.clone()));
            let end = CancellationToken::new();
            let valve = tokio::spawn(Valve { bench: Arc::clone(&bench), orders }.run(end.clone()));
            let tasks = TaskTracker::new();
            let permits = Arc::new(Semaphore::new(shape.concurrency.max(1)));
            let batch_size = bench.metrics.batch_size.with_label_values(&[&bench.label]);
            let mut orders = bench.orders.clone();
            let mut probed = None;
            while let Ok(permit) = Arc::clone(&permits).acquire_owned().await {
                let batch = tokio::select! {
                    batch = next(&consumer, &shape, &mut orders, &bench.label, &mut probed) => batch,
                    () = stop.cancelled() => break,
                };
                if batch.is_empty() {
                    break;
                }
                batch_size.observe(batch.len() as f64);
                let bench = Arc::clone(&bench);
                tasks.spawn(async move {
                    bench.work(batch).await;
                    drop(permit);
                });
            }
            telling.abort();
            end.cancel();
            if let Err(error) = valve.await {
                tracing::error!(%error, "the valve of a queue failed");
            }
            consumer.close().await;
            tasks.close();
            tasks.wait().await;
        }
    }
}

/// The next messages, as many as may be taken at once; none once the consumer is closed.
async fn next(
    consumer: &Arc<dyn Consumer>,
    shape: &Shape,
    orders: &mut watch::Receiver<StandingOrders>,
    label: &str,
    probed: &mut Option<u64>,
) -> Vec<Delivery> {
    loop {
        let take = orders.borrow_and_update().take(label);
        let (most, linger) = match take {
            Take::Batch => (shape.batch.max(1), shape.linger),
            Take::One(number) if *probed != Some(number) => (1, Duration::ZERO),
            Take::One(_) | Take::Nothing => {
                changed(orders).await;
                continue;
            }
        };
        tokio::select! {
            batch = consumer.receive(most, linger) => {
                if let Take::One(number) = take {
                    *probed = Some(number);
                }
                return batch;
            }
            () = changed(orders) => {}
        }
    }
}

/// Waits until a queue may be worked on, so that nothing is fetched from it before; `false` when the worker stops.
async fn opened(mut orders: watch::Receiver<StandingOrders>, label: &str, stop: &CancellationToken) -> bool {
    while orders.borrow_and_update().close(label).is_some() {
        tokio::select! {
            () = changed(&mut orders) => {}
            () = stop.cancelled() => return false,
        }
    }
    true
}

/// Reports, for as long as it runs, whether the consumer gets what waits for it: a restart may help if it doesn't.
async fn tell_stalls(health: Health, consumer: Arc<dyn Consumer>, label: String) {
    let name = format!("consumer {label}");
    loop {
        health.live(match consumer.stalled() {
            None => Check::ok(&name),
            Some(why) => Check::failed(&name, why),
        });
        tokio::time::sleep(LOOK_AT_STALLS).await;
    }
}
