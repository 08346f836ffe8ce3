//! The roles as processes of their own, and what prepares their back ends.

use std::sync::Arc;

use forebay_queue::Broker;
use forebay_schemas::Queue;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

use crate::cli::{ServeRole, TopologyCommand};
use crate::commands::people;
use crate::compose::System;
use crate::config::{BackEnds, Config};
use crate::exit::{CONFIGURATION, Exit};
use crate::roles::Running;

/// A role of its own needs back ends that several processes can share.
fn servers_only(config: &Config) -> Result<(), Exit> {
    match config.back_ends() {
        Ok(BackEnds::Servers) => Ok(()),
        Ok(BackEnds::Embedded(_)) => Err(Exit::new(
            CONFIGURATION,
            "queue.url and store.url name the embedded set, which lives in one process; run `forebay dev`, or set \
             queue.url to amqp://… and store.url to postgres://…",
        )),
        Err(fault) => Err(Exit::new(CONFIGURATION, fault)),
    }
}

pub(crate) async fn bind(name: &str, address: std::net::SocketAddr) -> Result<TcpListener, Exit> {
    TcpListener::bind(address).await.map_err(|error| {
        let text =
            format!("{name} is {address}, which can't be listened on: {error}; choose another address");
        Exit::new(CONFIGURATION, text)
    })
}

pub(crate) async fn serve(config: Config, role: ServeRole) -> Result<(), Exit> {
    servers_only(&config)?;
    let system = System::new(config);
    let opened = system.open().await?;
    let running = system.running();
    operations(&system, &running).await?;
    let broker = system.broker(&opened).await?;
    let config = &system.config;
    let (setting, spool) = match role {
        ServeRole::Intake => ("intake.spool", &config.intake.spool),
        ServeRole::Api => ("api.spool", &config.api.spool),
    };
    let accepting = system.accepting(&broker, setting, spool, config.intake.spool_bounds()).await?;
    system.watch_accepting(&running, &accepting);
    let keys = Arc::new(system.keys()?);
    let intake = system.intake(accepting.publisher(), Arc::clone(&keys))?;
    let mut inside = accepting.inside(role.word());
    match role {
        ServeRole::Intake => {
            let listener = bind("intake.listen", system.config.intake.listen).await?;
            system.run_http(&running, "intake", listener, intake.routes());
        }
        ServeRole::Api => {
            let store = system.store(&opened).await?;
            system.watch_store(&running, &store);
            let listener = bind("api.listen", system.config.api.listen).await?;
            let lookout = system.run_lookout(&running, &broker, &store);
            let api = system.api(&broker, &store, &intake, keys, lookout)?;
            system.run_watch_of_schedule(&running, &store);
            inside.keys = Some(api.member_keys());
            system.run_http(&running, "api", listener, api.routes());
        }
    }
    system.run_reporting(&running, inside);
    stop_signal(&system).await?;
    let told = Instant::now();
    running.stop().await;
    accepting.close(told).await;
    broker.close().await;
    Ok(())
}

pub(crate) async fn work(config: Config, queues: &[String]) -> Result<(), Exit> {
    servers_only(&config)?;
    let mut named = Vec::with_capacity(queues.len());
    for name in queues {
        let queue: Queue =
            name.parse().map_err(|error| Exit::new(CONFIGURATION, format!("--queues: {name}: {error}")))?;
        named.push(queue);
    }
    let system = System::new(config);
    let known = system.topology.queues();
    if let Some(unknown) = named.iter().find(|queue| !known.contains(queue)) {
        let text = format!("--queues: {unknown} is not configured; is its carrier's url set?");
        return Err(Exit::new(CONFIGURATION, text));
    }
    let opened = system.open().await?;
    let running = system.running();
    operations(&system, &running).await?;
    let broker = system.broker(&opened).await?;
    let store = system.store(&opened).await?;
    system.watch_broker(&running, &broker);
    system.watch_store(&running, &store);
    system.run_lookout(&running, &broker, &store);
    system.run_worker(&running, &broker, &store, "work", &named)?;
    system.run_watch_of_schedule(&running, &store);
    until_told(&system, &running, &broker).await
}

pub(crate) async fn relay(config: Config) -> Result<(), Exit> {
    servers_only(&config)?;
    let system = System::new(config);
    let opened = system.open().await?;
    let running = system.running();
    operations(&system, &running).await?;
    let broker = system.broker(&opened).await?;
    let store = system.store(&opened).await?;
    system.watch_broker(&running, &broker);
    system.watch_store(&running, &store);
    system.run_relay(&running, &broker, &store);
    until_told(&system, &running, &broker).await
}

pub(crate) async fn schedule(config: Config) -> Result<(), Exit> {
    servers_only(&config)?;
    let system = System::new(config);
    let opened = system.open().await?;
    let running = system.running();
    operations(&system, &running).await?;
    let broker = system.broker(&opened).await?;
    let store = system.store(&opened).await?;
    system.watch_store(&running, &store);
    system.run_schedule(&running, &store)?;
    // It looks at the queues; without a broker it does all the rest.
    system.run_watch(&running, &broker, &store);
    stop_signal(&system).await?;
    running.stop().await;
    broker.close().await;
    store.close().await;
    Ok(())
}

pub(crate) async fn migrate(config: Config) -> Result<(), Exit> {
    let system = System::new(config);
    let opened = system.open().await?;
    let store = system.store(&opened).await?;
    store.migrate().await?;
    let status = store.status().await?;
    store.close().await;
    opened.close().await;
    people::print(&format!("the store's schema has version {}", status.schema_version))
}

pub(crate) async fn topology(config: Config, command: &TopologyCommand) -> Result<(), Exit> {
    let system = System::new(config);
    if matches!(command, TopologyCommand::Users) {
        return people::print(&system.broker_users()?.join("\n"));
    }
    let opened = system.open().await?;
    let broker = system.broker(&opened).await?;
    let result = if matches!(command, TopologyCommand::Apply) {
        broker.declare(&system.topology).await?;
        people::print(&format!("declared {} queues", system.topology.queues().len()))
    } else {
        people::print(&broker.plan(&system.topology).join("\n"))
    };
    broker.close().await;
    opened.close().await;
    result
}

async fn operations(system: &System, running: &Running) -> Result<(), Exit> {
    let listener = bind("operations.listen", system.config.operations.listen).await?;
    system.run_operations(running, listener);
    Ok(())
}

async fn until_told(system: &System, running: &Running, broker: &Arc<dyn Broker>) -> Result<(), Exit> {
    stop_signal(system).await?;
    running.stop().await;
    broker.close().await;
    Ok(())
}

/// SIGTERM and Ctrl-C, noticed from when this is made on: before anybody is told that the process is ready.
pub(crate) struct StopSignal {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignal {
    pub(crate) fn listen() -> Result<Self, Exit> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Waits for one. A second one ends the process at once.
    pub(crate) async fn wait(mut self, system: &System) {
        self.received().await;
        tracing::info!("stopping: taking no more, finishing what is under way");
        system.health.stopping();
        tokio::spawn(async move {
            self.received().await;
            at_once();
        });
    }
}

async fn stop_signal(system: &System) -> Result<(), Exit> {
    StopSignal::listen()?.wait(system).await;
    Ok(())
}

#[expect(clippy::exit, reason = "the second signal means now; what is held is delivered again")]
fn at_once() {
    std::process::exit(130);
}
