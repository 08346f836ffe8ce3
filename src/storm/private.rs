//! What is private to a storm: a sandbox, an installation of processes pointed at it, proxies in front of its servers,
//! and the evidence in the end.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use forebay_intake::{ApiKey, Scope};
use forebay_queue::Broker;
use forebay_sandbox::Sandbox;
use forebay_store::Store;
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::time::Instant;
use url::Url;

use crate::burst::invariants::{Evidence, Invariant};
use crate::burst::mix::{self, Leaves, Planned, Straight};
use crate::burst::straight;
use crate::burst::watch::Expected;
use crate::cli::StormArgs;
use crate::commands::people;
use crate::compose::{Opened, System};
use crate::config::{BackEndUrl, Config};
use crate::exit::{CONFIGURATION, Exit};
use crate::storm::faults::Fault;
use crate::storm::fleet::Fleet;
use crate::storm::proxy::Proxy;
use crate::world;

/// The sandbox's carrier takes so many calls a second.
const QUOTA: u32 = 1_000;
/// How often the sums are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A storm's own installation.
pub(crate) struct Private {
    /// The storm's own view of the back ends, past the proxies.
    pub(crate) system: System,
    pub(crate) sandbox: Sandbox,
    pub(crate) fleet: Fleet,
    pub(crate) proxies: Vec<Proxy>,
    pub(crate) key: SecretString,
    /// The queue, where more than the one process reaches it.
    pub(crate) broker: Option<Arc<dyn Broker>>,
    opened: Option<Opened>,
    folder: TempDir,
}

impl Private {
    /// Prepares the back ends and starts every process.
    pub(crate) async fn start(args: &StormArgs) -> Result<Self, Exit> {
        let folder = tempfile::tempdir()?;
        let sandbox = Sandbox::start(forebay_sandbox::Options {
            seed: args.seed,
            carrier_quota_per_second: QUOTA,
            ..forebay_sandbox::Options::default()
        })
        .await?;
        let mut config = Config::defaults()?;
        let file = format!("sqlite:{}", folder.path().join("storm.db").display());
        config.queue.url = BackEndUrl::new(args.queue_url.clone().unwrap_or_else(|| file.clone()));
        config.store.url = BackEndUrl::new(args.store_url.clone().unwrap_or(file));
        world::point_at(&mut config, &sandbox)?;
        let system = System::new(config);
        let intake = free_address()?;
        let mut environment = outside(&sandbox, &system)?;
        environment.push(("FOREBAY_INTAKE__LISTEN", intake.clone()));
        environment.push(("FOREBAY_OPERATIONS__LISTEN", "127.0.0.1:0".to_owned()));
        match (&args.queue_url, &args.store_url) {
            (Some(queue), Some(store)) => {
                Self::servers(args, folder, sandbox, system, intake, environment, [queue, store]).await
            }
            _ => Self::embedded(folder, sandbox, system, intake, environment).await,
        }
    }

    /// One process on one file.
    async fn embedded(
        folder: TempDir,
        sandbox: Sandbox,
        system: System,
        intake: String,
        environment: Vec<(&'static str, String)>,
    ) -> Result<Self, Exit> {
        let every = [Fault::Worker, Fault::Relay, Fault::Intake, Fault::Schedule];
        let mut fleet = Fleet::new(folder.path(), intake, environment)?;
        fleet.role("forebay", &["dev", "--data", "storm.db", "--no-sandbox"], &every);
        fleet.start().await?;
        let key = std::fs::read_to_string(folder.path().join("storm.db.key"))?;
        let key = SecretString::from(key.trim());
        Ok(Self { system, sandbox, fleet, proxies: Vec::new(), key, broker: None, opened: None, folder })
    }

    /// Each role as a process, with a proxy in front of each server.
    async fn servers(
        args: &StormArgs,
        folder: TempDir,
        sandbox: Sandbox,
        system: System,
        intake: String,
        mut environment: Vec<(&'static str, String)>,
        urls: [&String; 2],
    ) -> Result<Self, Exit> {
        let opened = system.open().await?;
        let store = system.store(&opened).await?;
        store.migrate().await?;
        if store.tally().await?.inbox > 0 {
            let text = "the store is not empty, and the storm's sums are over the whole store; give it an empty database";
            return Err(Exit::new(CONFIGURATION, text));
        }
        let now = system.clock.now();
        store.put_programme(&mix::programme(now)?, now).await?;
        store.close().await;
        let broker = system.broker(&opened).await?;
        world::declare(&system, broker.as_ref()).await?;
        let mut proxies = Vec::new();
        for (name, url) in ["FOREBAY_QUEUE__URL", "FOREBAY_STORE__URL"].into_iter().zip(urls) {
            let (proxy, through) = proxied(url).await?;
            proxies.push(proxy);
            environment.push((name, through));
        }
        let (key, ring) = ApiKey::mint(&rand::random(), Scope::ALL);
        let scopes: Vec<String> = ring.scopes().iter().map(|scope| format!("\"{scope}\"")).collect();
        let (id, hash, scopes) = (ring.id(), ring.secret_sha256(), scopes.join(","));
        environment
            .push(("FOREBAY_KEYS", format!("[{{id=\"{id}\", sha256=\"{hash}\", scopes=[{scopes}]}}]")));
        let mut fleet = Fleet::new(folder.path(), intake, environment)?;
        fleet.role("intake", &["serve", "intake"], &[Fault::Intake]);
        for n in 1..=args.workers {
            fleet.role(format!("worker-{n}"), &["work"], &[Fault::Worker]);
        }
        fleet.role("relay", &["relay"], &[Fault::Relay]);
        fleet.role("schedule", &["schedule"], &[Fault::Schedule]);
        fleet.start().await?;
        let broker = Some(broker);
        Ok(Self { system, sandbox, fleet, proxies, key, broker, opened: Some(opened), folder })
    }

    /// Plays a shop's faulty program that publishes past the intake.
    pub(crate) async fn publish_straight(&self, messages: &[Straight]) -> Result<(), Exit> {
        match &self.broker {
            Some(broker) => straight::publish(broker.publisher().as_ref(), messages).await,
            None => Ok(()),
        }
    }

    /// Waits until everything is there; `false` when patience ran out.
    pub(crate) async fn settled(
        &mut self,
        events: &[Planned],
        straight: &[Straight],
        patience: Duration,
    ) -> Result<bool, Exit> {
        let expected = Expected::of(events, straight);
        let results =
            events.iter().filter(|e| e.leaves == Leaves::Return).filter_map(|e| e.return_id.as_deref());
        let results = results.collect::<std::collections::BTreeSet<_>>().len();
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            tokio::time::sleep(LOOK_EVERY).await;
            // The last results are the last effects, as a rule; what the store holds decides.
            if self.sandbox.record().distinct_results().len() < results {
                continue;
            }
            if self.broker.is_none() {
                // The one process has its file to itself: it rests while the books are read.
                self.fleet.stop().await?;
            }
            let there = match self.store().await {
                Ok((store, opened)) => {
                    let tally = store.tally().await;
                    close(store.as_ref(), opened).await;
                    tally.is_ok_and(|tally| expected.met(&tally))
                }
                Err(_) => false,
            };
            if there {
                return Ok(true);
            }
            if self.broker.is_none() {
                self.fleet.start().await?;
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        Ok(false)
    }

    /// Checks what is there in the end, against the client's list, the sandbox's record and sums in SQL.
    pub(crate) async fn evidence(
        &self,
        events: &[Planned],
        accepted: &[usize],
        straight: &[Straight],
    ) -> Result<Vec<Invariant>, Exit> {
        let (store, opened) = self.store().await?;
        let evidence = Evidence {
            accepted: accepted.iter().map(|i| &events[*i]).collect(),
            straight,
            store: store.as_ref(),
            record: self.sandbox.record(),
            quota: QUOTA,
        };
        let invariants = evidence.check().await;
        close(store.as_ref(), opened).await;
        invariants
    }

    async fn store(&self) -> Result<(Arc<dyn Store>, Opened), Exit> {
        let opened = self.system.open().await?;
        let store = self.system.store(&opened).await?;
        Ok((store, opened))
    }

    /// Ends everything; the folder with the logs stays when something was wrong.
    pub(crate) async fn end(self, sound: bool) -> Result<(), Exit> {
        drop(self.fleet);
        if let Some(broker) = self.broker {
            broker.close().await;
        }
        if let Some(opened) = self.opened {
            opened.close().await;
        }
        self.sandbox.stop().await;
        if !sound {
            people::note(&format!("the logs of the processes are in {}", self.folder.keep().display()));
        }
        Ok(())
    }
}

async fn close(store: &dyn Store, opened: Opened) {
    store.close().await;
    opened.close().await;
}

/// The settings that point an installation at the sandbox.
fn outside(sandbox: &Sandbox, system: &System) -> Result<Vec<(&'static str, String)>, Exit> {
    let base = Url::parse(&sandbox.http_url()).map_err(Exit::failed)?;
    let at = |path: &str| format!("{}/{path}", sandbox.http_url());
    let host = base.host_str().unwrap_or_default();
    let port = base.port_or_known_default().unwrap_or_default();
    let carrier = system.config.carriers.get("sweettracker").cloned().unwrap_or_default();
    let text = |text: &str| text.to_owned();
    Ok(vec![
        ("FOREBAY_OUTBOUND__ALLOW", format!("[{{host=\"{host}\", port={port}, private=true, plain=true}}]")),
        ("FOREBAY_CARRIERS__SWEETTRACKER__URL", at("sweettracker/")),
        ("FOREBAY_CARRIERS__SWEETTRACKER__KEY", text(forebay_sandbox::CARRIER_KEY)),
        ("FOREBAY_CARRIERS__SWEETTRACKER__LIMIT", carrier.limit.to_string()),
        ("FOREBAY_CARRIERS__SWEETTRACKER__BURST", carrier.burst.to_string()),
        ("FOREBAY_CARRIERS__SWEETTRACKER__MARGIN_MS", carrier.margin_ms.to_string()),
        ("FOREBAY_CARRIERS__SWEETTRACKER__CONCURRENCY", carrier.concurrency.to_string()),
        ("FOREBAY_RETURNS__API_URL", at("shop/returns")),
        ("FOREBAY_RETURNS__API_TOKEN", text(forebay_sandbox::SHOP_TOKEN)),
        ("FOREBAY_RETURNS__RESULT_URL", at("shop/return-results")),
        ("FOREBAY_RETURNS__SIGNING_SECRET", text(forebay_sandbox::SIGNING_SECRET)),
        ("FOREBAY_SLACK__API_URL", at("slack/api/")),
        ("FOREBAY_SLACK__BOT_TOKEN", text(forebay_sandbox::SLACK_TOKEN)),
        ("FOREBAY_SLACK__CHANNEL", text(forebay_sandbox::SLACK_CHANNEL)),
    ])
}

/// A proxy in front of the server of this address, and the address through it.
async fn proxied(url: &str) -> Result<(Proxy, String), Exit> {
    let wrong = |_| Exit::new(CONFIGURATION, "--queue-url or --store-url is not a URL with one host");
    let mut through = Url::parse(url).map_err(wrong)?;
    let port = through.port().unwrap_or(if through.scheme().starts_with("amqp") { 5672 } else { 5432 });
    let host = through.host_str().unwrap_or("127.0.0.1").to_owned();
    let proxy = Proxy::start(format!("{host}:{port}")).await?;
    through.set_host(Some("127.0.0.1")).map_err(wrong)?;
    let _ = through.set_port(Some(proxy.address().port()));
    Ok((proxy, through.into()))
}

/// An address of this machine that nobody listens on now.
fn free_address() -> Result<String, Exit> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.to_string())
}

impl std::fmt::Debug for Private {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Private").field("folder", &self.folder.path()).finish_non_exhaustive()
    }
}
