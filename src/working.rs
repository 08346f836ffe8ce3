//! The worker as a role: who works on which queue, and the steward that hears what people order.

use std::sync::Arc;
use std::time::Duration;

use forebay_handlers::{Archive, Notices, Pushes, Results, Returns, Reviving, Rewards, Tracking};
use forebay_queue::Broker;
use forebay_schemas::Queue;
use forebay_store::Store;
use forebay_worker::{Assignment, Decoding, Identity, RawHandler, Steward, Watched, Worker, WorkerOptions};
use tokio_util::sync::CancellationToken;

use crate::compose::{System, system_key};
use crate::exit::Exit;
use crate::roles::Running;

impl System {
    /// The worker, on the queues named or on all. `role` is what kind of process people see in it.
    pub(crate) fn run_worker(
        &self,
        running: &Running,
        broker: &Arc<dyn Broker>,
        store: &Arc<dyn Store>,
        role: &str,
        queues: &[Queue],
    ) -> Result<(), Exit> {
        let mut assignments = self.assignments(store)?;
        if !queues.is_empty() {
            assignments.retain(|a| queues.contains(&a.queue));
        }
        let queues: Vec<Queue> = assignments.iter().map(|a| a.queue.clone()).collect();
        let lanes = assignments.iter().map(|a| (a.queue.clone(), a.handler.shape().concurrency)).collect();
        let steward = self.steward(store, role, &queues).measuring(lanes);
        let options = WorkerOptions {
            grace: Duration::from_secs(self.config.work.grace_s),
            ..WorkerOptions::default()
        };
        let worker = Worker::new(
            Arc::clone(broker),
            Arc::clone(&self.clock),
            self.metrics.clone(),
            self.health.clone(),
            options,
        )
        .obeying(steward.orders());
        let stop = running.stop.clone();
        running.tasks.spawn(async move {
            let done = CancellationToken::new();
            let stewarding = tokio::spawn(steward.run(done.clone()));
            if !worker.run(assignments, stop).await {
                tracing::warn!("work was cut off at the end of the grace time; it will be delivered again");
            }
            done.cancel();
            if let Err(error) = stewarding.await {
                tracing::error!(%error, "the steward failed");
            }
        });
        Ok(())
    }

    fn steward(&self, store: &Arc<dyn Store>, role: &str, queues: &[Queue]) -> Steward {
        let identity = Identity {
            id: self.ids.next(),
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            role: role.to_owned(),
        };
        tracing::info!(worker = %identity.id, role, "known to people by this id");
        let watched = self.config.carriers.configured().map(|(id, system)| Watched {
            queue: Queue::Tracking(id.clone()),
            key: system_key(id),
            terms: system.terms(),
        });
        let watched = watched.filter(|watched| queues.contains(&watched.queue)).collect();
        Steward::new(
            Arc::clone(store),
            Arc::clone(&self.clock),
            self.metrics.clone(),
            self.health.clone(),
            identity,
            queues,
        )
        .watching(watched)
    }

    fn assignments(&self, store: &Arc<dyn Store>) -> Result<Vec<Assignment>, Exit> {
        let client = self.http_client()?;
        let carriers = Arc::new(self.carriers(&client, store)?);
        let shop = self.shop(&client)?;
        let clock = || Arc::clone(&self.clock);
        let decoding = |handler| -> Arc<dyn RawHandler> {
            let decoding = Arc::new(Decoding::new(Arc::clone(&self.catalogue), handler));
            Arc::new(Reviving::new(Arc::clone(store), clock(), self.metrics.clone(), decoding))
        };
        let collects = self.config.returns.api_url.is_some().then(|| Arc::clone(&shop));
        let first_looks = carriers
            .ids()
            .map(|id| (id.clone(), Duration::from_secs(self.carrier_system(id).first_look_within_s)))
            .collect();
        let returns = Returns::new(Arc::clone(store), clock(), Arc::clone(&carriers), collects, first_looks);
        let rewards = Rewards::new(Arc::clone(store), clock(), self.config.work.concurrency);
        let notices = Notices::new(
            Arc::clone(store),
            clock(),
            self.sinks(&client)?,
            self.wording(),
            self.config.alerts.timing(),
            self.metrics.clone(),
        );
        let mut assignments = vec![
            Assignment { queue: Queue::Returns, handler: decoding(Arc::new(returns)) },
            Assignment { queue: Queue::Rewards, handler: decoding(Arc::new(rewards)) },
            Assignment { queue: Queue::Notices, handler: decoding(Arc::new(notices)) },
        ];
        let pushes = carriers.ids().filter_map(Self::push_reader).collect();
        let pushes = Pushes::new(Arc::clone(store), clock(), pushes, &self.metrics);
        assignments.push(Assignment { queue: Queue::Pushes, handler: decoding(Arc::new(pushes)) });
        let results = Results::new(Arc::clone(store), clock(), shop, self.config.returns.concurrency);
        assignments.push(Assignment { queue: Queue::Results, handler: decoding(Arc::new(results)) });
        for carrier in carriers.ids().filter_map(|id| carriers.get(id)) {
            let (pacer, breaker) = self.pacer(carrier.as_ref(), store);
            let concurrency = self.carrier_system(carrier.id()).concurrency;
            let queue = Queue::Tracking(carrier.id().clone());
            let reader = Self::push_reader(carrier.id());
            let mut tracking = Tracking::new(
                Arc::clone(store),
                clock(),
                carrier,
                pacer,
                breaker,
                self.metrics.clone(),
                concurrency,
            );
            if let Some(reader) = reader {
                tracking = tracking.with_pushes(reader);
            }
            assignments.push(Assignment { queue, handler: decoding(Arc::new(tracking)) });
        }
        for queue in [Queue::Dead, Queue::Unrouted] {
            let archive = Archive::new(Arc::clone(store), clock(), self.metrics.clone(), queue.clone());
            assignments.push(Assignment { queue, handler: Arc::new(archive) });
        }
        Ok(assignments)
    }
}
