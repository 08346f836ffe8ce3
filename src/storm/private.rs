//! What is private to a storm: a sandbox, an installation of processes pointed at it, proxies in front of its servers,
//! and the evidence in the end.

use std::net::TcpListener;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_intake::{ApiKey, Scope};
use forebay_queue::Broker;
use forebay_sandbox::{Faults, Sandbox};
use forebay_store::Store;
use rand::rngs::StdRng;
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::time::Instant;
use url::Url;

use crate::burst::invariants::{Evidence, Invariant, Outside};
use crate::burst::mix::{self, Leaves, Recipe, Straight, Tag};
use crate::burst::straight;
use crate::burst::watch::Expected;
use crate::cli::StormArgs;
use crate::commands::people;
use crate::compose::{Opened, System};
use crate::config::{BackEndUrl, Config};
use crate::exit::{CONFIGURATION, Exit, UNAVAILABLE};
use crate::storm::far_sandbox::FarSandbox;
use crate::storm::faults::Fault;
use crate::storm::fleet::Fleet;
use crate::storm::installation::{Installation, Sums};
use crate::storm::mending;
use crate::storm::proxy::Proxy;
use crate::storm::told::Told;
use crate::world;

/// The sandbox's carrier takes so many calls a second.
const QUOTA: u32 = 1_000;
/// Where the intake listens: below the ports that the kernel gives to outgoing connections, so that none of these has its
/// port when it is started again.
const INTAKE_PORTS: Range<u16> = 30_000..32_000;
/// The place of the database's proxy.
const STORE_PROXY: usize = 1;
/// How late what goes to and comes from a slow database is.
const SLOW: Duration = Duration::from_millis(150);
/// How often the sums are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A storm's own installation.
pub(crate) struct Private {
    /// The storm's own view of the back ends, past the proxies.
    system: System,
    sandbox: Sandbox,
    fleet: Fleet,
    proxies: Vec<Proxy>,
    intake: Url,
    key: SecretString,
    /// The queue, where more than the one process reaches it.
    broker: Option<Arc<dyn Broker>>,
    opened: Option<Opened>,
    folder: TempDir,
}

impl Private {
    /// Prepares the back ends and starts every process.
    pub(crate) async fn start(args: &StormArgs) -> Result<Self, Exit> {
        let folder = tempfile::tempdir()?;
        if let Some(settings) = &args.settings {
            std::fs::copy(settings, folder.path().join("forebay.toml")).map_err(|error| {
                Exit::new(CONFIGURATION, format!("{} can't be read: {error}", settings.display()))
            })?;
        }
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
        let url = url_of(&intake)?;
        let mut fleet = Fleet::new(folder.path(), intake, environment)?;
        fleet.role("forebay", &["dev", "--data", "storm.db", "--no-sandbox"], &every);
        fleet.start().await?;
        let key = std::fs::read_to_string(folder.path().join("storm.db.key"))?;
        let key = SecretString::from(key.trim());
        Ok(Self {
            system,
            sandbox,
            fleet,
            proxies: Vec::new(),
            intake: url,
            key,
            broker: None,
            opened: None,
            folder,
        })
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
        store.put_programme(&mix::programme(now, &Tag::own())?, now).await?;
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
        let url = url_of(&intake)?;
        let mut fleet = Fleet::new(folder.path(), intake, environment)?;
        fleet.role("intake", &["serve", "intake"], &[Fault::Intake]);
        for n in 1..=args.workers {
            fleet.role(format!("worker-{n}"), &["work"], &[Fault::Worker]);
        }
        fleet.role("relay", &["relay"], &[Fault::Relay]);
        fleet.role("schedule", &["schedule"], &[Fault::Schedule]);
        fleet.start().await?;
        let broker = Some(broker);
        Ok(Self { system, sandbox, fleet, proxies, intake: url, key, broker, opened: Some(opened), folder })
    }

    /// Waits until everything is there; `false` when patience ran out.
    async fn wait(&mut self, sums: &Sums<'_>) -> Result<bool, Exit> {
        let expected = Expected::of(sums.events, sums.straight);
        let results =
            sums.events.iter().filter(|e| e.leaves == Leaves::Return).filter_map(|e| e.return_id.as_deref());
        let results = results.collect::<std::collections::BTreeSet<_>>().len();
        let deadline = Instant::now() + sums.patience;
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
                    let done = store.done().await;
                    close(store.as_ref(), opened).await;
                    done.is_ok_and(|done| expected.met(&done))
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

    /// From now on all that goes to the database and comes from it is so late.
    fn delay_store(&self, by: Duration) {
        if let Some(store) = self.proxies.get(STORE_PROXY) {
            store.delay(by);
        }
    }

    async fn store(&self) -> Result<(Arc<dyn Store>, Opened), Exit> {
        let opened = self.system.open().await?;
        let store = self.system.store(&opened).await?;
        Ok((store, opened))
    }
}

#[async_trait]
impl Installation for Private {
    fn system(&self) -> &System {
        &self.system
    }

    fn intake(&self) -> Url {
        self.intake.clone()
    }

    fn key(&self) -> SecretString {
        self.key.clone()
    }

    fn recipe(&self, count: usize, seed: u64) -> Recipe {
        Recipe::own(count, seed)
    }

    async fn strike(&mut self, fault: Fault, random: &mut StdRng) -> Result<(), Exit> {
        if let Some(faults) = fault.of_the_outside() {
            self.sandbox.set_faults(faults);
            return Ok(());
        }
        match fault {
            Fault::SlowStore => self.delay_store(SLOW),
            Fault::Cut => self.proxies.iter().for_each(Proxy::cut),
            Fault::Freeze => self.proxies.iter().for_each(Proxy::freeze),
            fault => self.fleet.kill(fault, random).await?,
        }
        Ok(())
    }

    async fn mend(&mut self, fault: Fault) -> Result<(), Exit> {
        if fault.of_the_outside().is_some() {
            self.sandbox.set_faults(Faults::default());
        } else if fault == Fault::SlowStore {
            self.delay_store(Duration::ZERO);
        }
        Ok(())
    }

    fn revive(&mut self) -> Result<Vec<String>, Exit> {
        self.fleet.revive()
    }

    async fn outside(&self) -> String {
        let record = self.sandbox.record();
        let (results, calls) = (record.distinct_results().len(), record.carrier_calls());
        format!("results at the shop {results}  carrier calls {calls}")
    }

    async fn publish_straight(&self, messages: Vec<Straight>) -> Result<Vec<Straight>, Exit> {
        // Nobody but the one process reaches the queues of its file.
        let Some(broker) = &self.broker else { return Ok(Vec::new()) };
        straight::publish(broker.publisher().as_ref(), &messages).await?;
        Ok(messages)
    }

    async fn settled(&mut self, sums: &Sums<'_>) -> Result<(bool, Vec<Invariant>), Exit> {
        let deadline = Instant::now() + sums.patience;
        let in_time = self.wait(sums).await?;
        let mut well = None;
        if let Some(since) = sums.until_well.filter(|_| in_time) {
            let (store, opened) = self.store().await?;
            let waited = mending::until_well(&self.system, store.as_ref(), since, deadline).await;
            close(store.as_ref(), opened).await;
            well = Some(waited?);
        }
        self.fleet.stop().await?;
        let (store, opened) = self.store().await?;
        let evidence = Evidence {
            accepted: sums.taken(),
            straight: sums.straight,
            store: store.as_ref(),
            tag: &Tag::own(),
            outside: Some(Outside::of(&self.sandbox)),
        };
        let invariants = evidence.check().await;
        close(store.as_ref(), opened).await;
        let mut invariants = invariants?;
        invariants.extend(well);
        Ok((in_time, invariants))
    }

    async fn told(&self, since: DateTime<Utc>) -> Result<Told, Exit> {
        let sandbox = FarSandbox::reach(&self.system, url_of_sandbox(&self.sandbox)?)?;
        let (store, opened) = self.store().await?;
        let told = Told::gather(store.as_ref(), Some(&sandbox), since).await;
        close(store.as_ref(), opened).await;
        told
    }

    /// The folder with the logs stays when something was wrong.
    async fn end(self: Box<Self>, sound: bool) -> Result<(), Exit> {
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
    let base = url_of_sandbox(sandbox)?;
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
        ("FOREBAY_CARRIERS__SWEETTRACKER__FIRST_LOOK_WITHIN_S", text("0")),
        ("FOREBAY_RETURNS__API_URL", at("shop/returns")),
        ("FOREBAY_RETURNS__API_TOKEN", text(forebay_sandbox::SHOP_TOKEN)),
        ("FOREBAY_RETURNS__RESULT_URL", at("shop/return-results")),
        ("FOREBAY_RETURNS__SIGNING_SECRET", text(forebay_sandbox::SIGNING_SECRET)),
        ("FOREBAY_SLACK__API_URL", at("slack/api/")),
        ("FOREBAY_SLACK__BOT_TOKEN", text(forebay_sandbox::SLACK_TOKEN)),
        ("FOREBAY_SLACK__CHANNEL", text(forebay_sandbox::SLACK_CHANNEL)),
        ("FOREBAY_MAIL__HOST", sandbox.smtp_addr().ip().to_string()),
        ("FOREBAY_MAIL__PORT", sandbox.smtp_addr().port().to_string()),
        ("FOREBAY_MAIL__TLS", text("none")),
        ("FOREBAY_MAIL__FROM", text("forebay@shop.example")),
        ("FOREBAY_MAIL__TO", text("[\"on-call@shop.example\"]")),
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

fn url_of_sandbox(sandbox: &Sandbox) -> Result<Url, Exit> {
    Url::parse(&sandbox.http_url()).map_err(Exit::failed)
}

fn url_of(address: &str) -> Result<Url, Exit> {
    Url::parse(&format!("http://{address}")).map_err(Exit::failed)
}

/// An address of this machine that nobody listens on now.
fn free_address() -> Result<String, Exit> {
    let first = rand::random_range(INTAKE_PORTS);
    let mut ports = (first..INTAKE_PORTS.end).chain(INTAKE_PORTS.start..first);
    let free = ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    let text = || Exit::new(UNAVAILABLE, format!("no port of {INTAKE_PORTS:?} is free for the intake"));
    Ok(format!("127.0.0.1:{}", free.ok_or_else(text)?))
}

impl std::fmt::Debug for Private {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Private").field("folder", &self.folder.path()).finish_non_exhaustive()
    }
}
