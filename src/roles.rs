//! The roles: each a task that runs until it is told to stop.

use std::sync::Arc;
use std::time::Duration;

use forebay_api::{Api, ApiOptions, CarrierSystem, Lookout, Queues};
use forebay_intake::{Intake, IntakeOptions, KeyRing};
use forebay_queue::{Broker, BrokerError, Link, Publisher};
use forebay_relay::{Relay, RelayOptions};
use forebay_schedule::{Bookkeeper, Cleaner, Figures, Jobs, JobsOptions, Keep, Planner, Replayer, Tracked};
use forebay_schemas::{CarrierCode, TrackingNumber};
use forebay_store::{Store, within};
use forebay_telemetry::{Check, operations};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::compose::{System, system_key};
use crate::config::Retention;
use crate::exit::Exit;

/// How often the back ends are looked at for readiness.
pub(crate) const WATCH_EVERY: Duration = Duration::from_secs(1);

/// What a worker needs after its grace time to give back what it holds.
const AFTER_GRACE: Duration = Duration::from_secs(2);

/// The tasks of one process and how they stop.
#[derive(Debug, Clone)]
pub(crate) struct Running {
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
    grace: Duration,
}

impl Running {
    /// For tasks that have so long to end.
    pub(crate) fn new(grace: Duration) -> Self {
        Self { tasks: TaskTracker::new(), stop: CancellationToken::new(), grace }
    }

    /// Tells every task to stop and waits for them, but no longer than a stop may take: what is still under way then
    /// is not committed, or will be done again.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(self.grace + AFTER_GRACE, self.tasks.wait()).await.is_err() {
            tracing::warn!(
                tasks = self.tasks.len(),
                "not everything ended in time; the process ends all the same"
            );
        }
    }
}

impl System {
    /// A process of this configuration, with nothing in it yet.
    pub(crate) fn running(&self) -> Running {
        Running::new(Duration::from_secs(self.config.work.grace_s))
    }

    /// The operations port.
    pub(crate) fn run_operations(&self, running: &Running, listener: TcpListener) {
        let served = operations::serve(
            listener,
            self.metrics.clone(),
            self.health.clone(),
            running.stop.clone().cancelled_owned(),
        );
        running.tasks.spawn(async move {
            if let Err(error) = served.await {
                tracing::error!(%error, "the operations port failed");
            }
        });
    }

    /// The intake: its accept path, which the api shares.
    pub(crate) fn intake(
        &self,
        publisher: Arc<dyn Publisher>,
        keys: Arc<KeyRing>,
    ) -> Result<Arc<Intake>, Exit> {
        let intake = Intake::new(
            IntakeOptions::default(),
            publisher,
            Arc::clone(&self.catalogue),
            keys,
            Arc::clone(&self.clock),
            Arc::clone(&self.ids),
            self.metrics.clone(),
        );
        Ok(Arc::new(intake.with_hooks(self.hooks()?)))
    }

    /// The api.
    pub(crate) fn api(
        &self,
        broker: &Arc<dyn Broker>,
        store: &Arc<dyn Store>,
        intake: &Arc<Intake>,
        keys: Arc<KeyRing>,
        lookout: Arc<Lookout>,
    ) -> Result<Arc<Api>, Exit> {
        let members = self.members()?;
        let api = Api::new(
            ApiOptions {
                unshipped_after_days: self.config.alerts.unshipped_after_days,
                collects: self.config.returns.api_url.is_some(),
                tz: self.config.shop.tz,
                ..ApiOptions::new(env!("CARGO_PKG_VERSION"))
            },
            self.queues(broker),
            Arc::clone(store),
            Arc::clone(intake),
            keys,
            Arc::clone(&self.clock),
            Arc::clone(&self.ids),
        );
        let api = api.with_numbers(number_of_carrier).with_carriers(self.carrier_systems());
        Ok(Arc::new(api.with_lookout(lookout).with_members(members)))
    }

    /// Serves HTTP routes until the stop.
    pub(crate) fn run_http(
        &self,
        running: &Running,
        name: &'static str,
        listener: TcpListener,
        routes: axum::Router,
    ) {
        let stop = running.stop.clone();
        running.tasks.spawn(async move {
            if let Err(error) = forebay_intake::serve(listener, routes, stop.cancelled_owned()).await {
                tracing::error!(%error, "the {name} port failed");
            }
        });
    }

    /// The relay.
    pub(crate) fn run_relay(&self, running: &Running, broker: &Arc<dyn Broker>, store: &Arc<dyn Store>) {
        let relay = Relay::new(
            Arc::clone(store),
            broker.publisher(),
            Arc::clone(&self.clock),
            self.metrics.clone(),
            self.health.clone(),
            RelayOptions::default(),
        );
        let stop = running.stop.clone();
        running.tasks.spawn(async move { relay.run(stop).await });
    }

    /// The schedule: the jobs of the clock and the planner of checks.
    pub(crate) fn run_schedule(&self, running: &Running, store: &Arc<dyn Store>) -> Result<(), Exit> {
        let returns = &self.config.returns;
        let options = JobsOptions {
            collect_every: returns
                .api_url
                .as_ref()
                .map(|_| Duration::from_secs(returns.collect_every_s.max(1))),
            tz: self.config.shop.tz,
            stock_check_at: self.config.alerts.stock_check_at,
            unshipped_after_days: self.config.alerts.unshipped_after_days,
            timing: self.config.alerts.timing(),
        };
        let parts =
            || (Arc::clone(store), Arc::clone(&self.clock), self.metrics.clone(), self.health.clone());
        let (s, c, m, h) = parts();
        let jobs = Jobs::new(s, c, m, h, options).reporting(self.config.alerts.report_at, self.budgets());
        let carriers = self.carriers(&self.http_client()?, store)?;
        let tracked = carriers
            .ids()
            .filter_map(|id| carriers.get(id))
            .map(|carrier| {
                let batch = u32::try_from(carrier.limits().max_batch).unwrap_or(u32::MAX);
                let (adapter, terms) = (carrier.id().clone(), self.carrier_system(carrier.id()).terms());
                Tracked { key: system_key(&adapter), adapter, batch, terms }
            })
            .collect();
        let (s, c, m, h) = parts();
        let planner = Planner::new(s, c, m, h, tracked);
        let retention = &self.config.retention;
        let keep = Keep {
            inbox: Retention::days(retention.inbox_days),
            incidents: Retention::days(retention.incidents_days),
            dead_letters: Retention::days(retention.dead_letters_days),
            closed_dead_letters: Retention::days(retention.closed_dead_letters_days),
            audit_log: Retention::days(retention.audit_days),
        };
        let (s, c, m, _) = parts();
        let cleaner = Cleaner::new(s, c, m, keep);
        let (s, c, m, h) = parts();
        let replayer = Replayer::new(s, c, m, h);
        let (s, c, m, _) = parts();
        let figures = Figures::new(s, c, m);
        let stop = running.stop.clone();
        running.tasks.spawn(async move { figures.run(stop).await });
        let (s, c, m, _) = parts();
        let bookkeeper = Bookkeeper::new(s, c, m, self.config.shop.tz);
        let stop = running.stop.clone();
        running.tasks.spawn(async move { bookkeeper.run(stop).await });
        let stop = running.stop.clone();
        running.tasks.spawn(async move { replayer.run(stop).await });
        let stop = running.stop.clone();
        running.tasks.spawn(async move { cleaner.run(stop).await });
        let stop = running.stop.clone();
        running.tasks.spawn(async move { jobs.run(stop).await });
        let stop = running.stop.clone();
        running.tasks.spawn(async move { planner.run(stop).await });
        Ok(())
    }

    /// Watches the queue for readiness.
    pub(crate) fn watch_broker(&self, running: &Running, broker: &Arc<dyn Broker>) {
        let (system, broker, stop) = (self.clone(), Arc::clone(broker), running.stop.clone());
        running.tasks.spawn(async move {
            loop {
                system.health.ready(system.broker_check(broker.as_ref()).await);
                tokio::select! {
                    () = tokio::time::sleep(WATCH_EVERY) => {}
                    () = stop.cancelled() => break,
                }
            }
        });
    }

    /// Looks at the queues for the metrics.
    pub(crate) fn run_lookout(
        &self,
        running: &Running,
        broker: &Arc<dyn Broker>,
        store: &Arc<dyn Store>,
    ) -> Arc<Lookout> {
        let lookout = Arc::new(self.lookout(broker, store));
        let (looking, stop) = (Arc::clone(&lookout), running.stop.clone());
        running.tasks.spawn(async move { looking.run(stop).await });
        lookout
    }

    /// Who looks at the queues.
    pub(crate) fn lookout(&self, broker: &Arc<dyn Broker>, store: &Arc<dyn Store>) -> Lookout {
        Lookout::new(
            self.queues(broker),
            self.carrier_systems(),
            Arc::clone(store),
            Arc::clone(&self.clock),
            self.metrics.clone(),
            Duration::from_secs(self.config.work.drain_within_s),
        )
    }

    fn queues(&self, broker: &Arc<dyn Broker>) -> Queues {
        Queues { broker: Arc::clone(broker), topology: self.topology.clone() }
    }

    fn carrier_systems(&self) -> Vec<CarrierSystem> {
        let systems = self.config.carriers.configured().map(|(id, system)| CarrierSystem {
            id: id.clone(),
            key: system_key(id),
            terms: system.terms(),
        });
        systems.collect()
    }

    /// The terms of the systems that may have a budget of the day, by the key of their pacer.
    fn budgets(&self) -> Vec<(String, forebay_domain::limits::Terms)> {
        let systems = self.config.carriers.configured();
        systems.map(|(id, system)| (system_key(id), system.terms())).collect()
    }

    pub(crate) async fn broker_check(&self, broker: &dyn Broker) -> Check {
        match broker.link() {
            Link::Up => match broker.check(&self.topology).await {
                Ok(()) => Check::ok("queue"),
                Err(BrokerError::Unavailable(why)) => Check::failed("queue", why),
                Err(error) => Check::failed("queue", error.to_string()),
            },
            Link::Blocked(why) => Check::failed("queue", format!("takes no messages: {why}")),
            Link::Down(why) => Check::failed("queue", why),
        }
    }

    /// Watches the store: readiness and the schema's version.
    pub(crate) fn watch_store(&self, running: &Running, store: &Arc<dyn Store>) {
        let (health, store, stop) = (self.health.clone(), Arc::clone(store), running.stop.clone());
        let clock = Arc::clone(&self.clock);
        running.tasks.spawn(async move {
            loop {
                health.ready(store_check(store.as_ref(), clock.as_ref()).await);
                tokio::select! {
                    () = tokio::time::sleep(WATCH_EVERY) => {}
                    () = stop.cancelled() => break,
                }
            }
        });
    }
}

/// How far the store's clock may differ from ours.
const SKEW_MAX: chrono::Duration = chrono::Duration::seconds(2);

/// How long the store may take to tell how it is.
const STATUS_PATIENCE: Duration = Duration::from_secs(5);

/// Asks the store how it is.
pub(crate) async fn store_check(store: &dyn Store, clock: &dyn forebay_domain::Clock) -> Check {
    let status = match within(STATUS_PATIENCE, store.status()).await {
        Ok(status) => status,
        Err(error) => return Check::failed("store", error.to_string()),
    };
    if status.schema_version < status.schema_wanted {
        let detail = format!(
            "the schema has version {}, this release needs {}; run `forebay migrate`",
            status.schema_version, status.schema_wanted
        );
        return Check::failed("store", detail);
    }
    let skew = (status.now - clock.now()).abs();
    if skew > SKEW_MAX {
        let detail = format!("its clock differs from ours by {} s; set both by NTP", skew.num_seconds());
        return Check::failed("store", detail);
    }
    Check::ok("store")
}

/// A parcel's number as its carrier writes it.
fn number_of_carrier(carrier: &CarrierCode, number: &TrackingNumber) -> Result<TrackingNumber, String> {
    forebay_carriers::numbers::check(carrier, number).map_err(|fault| fault.to_string())
}
