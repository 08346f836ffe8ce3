//! Wiring: from the configuration to the parts. The only code that names a back end.

use std::sync::Arc;
use std::time::Duration;

use forebay_carriers::{Carrier, Registry, Settings, Tools};
use forebay_domain::{Clock, Ids, RandomIds, SystemClock};
use forebay_handlers::notices::Wording;
use forebay_handlers::{ShopApi, ShopOptions, Sinks};
use forebay_intake::{ApiKey, KeyFault, KeyRing, Scope};
use forebay_outbound::{
    AllowedHost, Breaker, BreakerOptions, HttpClient, HttpOptions, MailOptions, Mailer, Pacer, PacerOptions,
    Signer, Slack, SlackSink, TokenDesk,
};
use forebay_queue::Broker;
use forebay_queue_amqp::{Address, AmqpBroker};
use forebay_queue_embedded::EmbeddedBroker;
use forebay_schemas::{AdapterId, Catalogue, Topology};
use forebay_sqlite::Db;
use forebay_store::Store;
use forebay_store_postgres::PostgresStore;
use forebay_store_sqlite::SqliteStore;
use forebay_telemetry::{Health, Metrics};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::config::{BackEnds, CarrierSystem, Config, MailTls};
use crate::dev_issuer::DevIssuer;
use crate::exit::{CONFIGURATION, Exit, UNAVAILABLE};

/// How long a call waits for its permit before its message is put off.
const PERMIT_WAIT_MAX: Duration = Duration::from_secs(10);
/// How long it may take to note how a call ended, and to tell that it did.
const CALL_END: Duration = Duration::from_secs(5);

/// The name by which the fleet knows a carrier's system.
pub(crate) fn system_key(adapter: &AdapterId) -> String {
    format!("carrier/{adapter}")
}

/// The parts that every role shares.
#[derive(Debug, Clone)]
pub(crate) struct System {
    pub(crate) config: Arc<Config>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) topology: Topology,
    pub(crate) metrics: Metrics,
    pub(crate) health: Health,
    /// Issues members' tokens, in `forebay dev` alone.
    pub(crate) dev_issuer: Option<Arc<DevIssuer>>,
}

/// The back ends. Each is opened only by the roles that need it: an intake never opens the store.
#[derive(Debug)]
pub(crate) struct Opened {
    db: Option<Db>,
}

impl System {
    pub(crate) fn new(config: Config) -> Self {
        let topology = Topology::new(config.adapters());
        Self {
            config: Arc::new(config),
            clock: Arc::new(SystemClock),
            ids: Arc::new(RandomIds),
            catalogue: Arc::new(Catalogue::new()),
            topology,
            metrics: Metrics::new(env!("CARGO_PKG_VERSION")),
            health: Health::default(),
            dev_issuer: None,
        }
    }

    /// Opens the embedded file if the configuration names one.
    pub(crate) async fn open(&self) -> Result<Opened, Exit> {
        match self.config.back_ends().map_err(|fault| Exit::new(CONFIGURATION, fault))? {
            BackEnds::Embedded(path) => {
                let db = Db::open(&path).await.map_err(|error| Exit::new(UNAVAILABLE, error.to_string()))?;
                Ok(Opened { db: Some(db) })
            }
            BackEnds::Servers => Ok(Opened { db: None }),
        }
    }

    /// The nodes of the broker.
    fn broker_addresses(&self) -> Result<Vec<Address>, Exit> {
        let url = SecretString::from(self.config.queue.url.expose());
        Address::parse_nodes(&url).map_err(|fault| Exit::new(CONFIGURATION, format!("queue.url: {fault}")))
    }

    /// The commands by which an administrator makes the broker's users.
    pub(crate) fn broker_users(&self) -> Result<Vec<String>, Exit> {
        let addresses = self.broker_addresses()?;
        let vhost = addresses.first().map_or("/", Address::vhost);
        let lines = forebay_queue_amqp::USERS.iter().map(|user| {
            let [add, permit] = user.commands(vhost);
            format!("# {}\n{add}\n{permit}", user.of)
        });
        Ok(lines.collect())
    }

    /// The queue.
    pub(crate) async fn broker(&self, opened: &Opened) -> Result<Arc<dyn Broker>, Exit> {
        match &opened.db {
            Some(db) => {
                let clock = Arc::clone(&self.clock);
                let now = Arc::new(move || clock.now());
                let broker = EmbeddedBroker::open(
                    db.clone(),
                    self.topology.clone(),
                    now,
                    forebay_queue_embedded::Options::default(),
                )
                .await
                .map_err(|error| Exit::new(UNAVAILABLE, error.to_string()))?;
                Ok(broker)
            }
            None => {
                let addresses = self.broker_addresses()?;
                let options = forebay_queue_amqp::Options {
                    publish_channels: self.config.queue.publish_channels,
                    ..forebay_queue_amqp::Options::new(addresses, "forebay")
                };
                Ok(AmqpBroker::connect(options))
            }
        }
    }

    /// The store.
    pub(crate) async fn store(&self, opened: &Opened) -> Result<Arc<dyn Store>, Exit> {
        let timing = self.config.alerts.timing();
        let (ids, clock) = (Arc::clone(&self.ids), Arc::clone(&self.clock));
        match &opened.db {
            Some(db) => Ok(Arc::new(SqliteStore::new(db.clone(), ids, clock, timing))),
            None => {
                let url = SecretString::from(self.config.store.url.expose());
                let options = forebay_store_postgres::Options {
                    max_connections: self.config.store.connections,
                    ids,
                    timing,
                    clock,
                    ..forebay_store_postgres::Options::new(url)
                };
                let store = PostgresStore::connect_lazy(options)?;
                Ok(Arc::new(store))
            }
        }
    }

    /// The configured API keys.
    pub(crate) fn configured_keys(&self) -> Result<Vec<ApiKey>, Exit> {
        let wrong = |fault: KeyFault| Exit::new(CONFIGURATION, format!("keys: {fault}"));
        let key = |key: &crate::config::Key| {
            let scopes = key.scopes.iter().map(|s| s.parse()).collect::<Result<Vec<Scope>, KeyFault>>()?;
            ApiKey::new(&key.id, &key.sha256, scopes)
        };
        self.config.keys.iter().map(|k| key(k).map_err(wrong)).collect()
    }

    /// The ring of the configured API keys.
    pub(crate) fn keys(&self) -> Result<KeyRing, Exit> {
        KeyRing::new(self.configured_keys()?)
            .map_err(|fault| Exit::new(CONFIGURATION, format!("keys: {fault}")))
    }

    /// The client for every call to the outside; it may call the configured hosts and no others.
    pub(crate) fn http_client(&self) -> Result<HttpClient, Exit> {
        let c = &self.config;
        let mut allow = c.outbound.allow.clone();
        let slack = (c.slack.bot_token.get().is_some()).then(|| c.slack.api_url.clone());
        let webhook = c.slack.webhook_url.get().and_then(|u| Url::parse(u.expose_secret()).ok());
        let named = [&c.returns.api_url, &c.returns.result_url, &slack, &webhook];
        let carriers = c.carriers.configured().map(|(_, system)| &system.url);
        let issuers: Vec<Option<Url>> = c.members.issuers.iter().map(|i| i.keys_url().ok()).collect();
        for url in named.into_iter().chain(carriers).chain(&issuers).flatten() {
            let host = url.host_str().unwrap_or_default();
            let listed = allow.iter().any(|a| a.host == host && (a.port.is_none() || a.port == url.port()));
            if !listed {
                // What the configuration names is meant to be called; but plain text and private addresses need to
                // be said out loud, in `outbound.allow`.
                let entry = AllowedHost { port: url.port(), ..AllowedHost::public(host) };
                allow.push(entry);
            }
        }
        HttpClient::new(HttpOptions::new(allow), Arc::clone(&self.clock), self.metrics.clone())
            .map_err(|error| Exit::new(CONFIGURATION, format!("outbound.allow: {error}")))
    }

    /// The carriers' systems that are configured, in the order of preference.
    pub(crate) fn carriers(&self, client: &HttpClient, store: &Arc<dyn Store>) -> Result<Registry, Exit> {
        let tokens = TokenDesk::new(client.clone(), Arc::clone(store) as Arc<_>);
        let tools = Tools { http: client.clone(), tokens };
        let mut carriers = Vec::new();
        for known in forebay_carriers::KNOWN {
            let system = self.config.carriers.get(known.id);
            let Some((url, system)) = system.and_then(|system| Some((system.url.as_ref()?, system))) else {
                continue;
            };
            let settings = Settings {
                base_url: url.to_string(),
                client_id: system.client_id.clone(),
                key: system.key.get().cloned().unwrap_or_default(),
                serves: system.serves.clone(),
                quota: system.quota(),
                timeout: Duration::from_secs(system.timeout_s),
                callback: known.push.and_then(|_| self.callback(known.id, system)),
            };
            let carrier = (known.build)(&tools, settings)
                .map_err(|error| Exit::new(CONFIGURATION, format!("carriers.{}: {error}", known.id)))?;
            carriers.push(carrier);
        }
        Ok(Registry::new(carriers))
    }

    /// Where a system reaches the intake to push, if both halves of that are configured.
    fn callback(&self, id: &str, system: &CarrierSystem) -> Option<SecretString> {
        let (base, token) = (self.config.intake.public_url.as_ref()?, system.hook_token.get()?);
        let base = base.as_str().trim_end_matches('/');
        Some(format!("{base}/hooks/carriers/{id}/{}", token.expose_secret()).into())
    }

    /// The settings of a carrier's system.
    pub(crate) fn carrier_system(&self, id: &AdapterId) -> CarrierSystem {
        self.config.carriers.get(id.as_str()).cloned().unwrap_or_default()
    }

    /// The pacer and the breaker of a carrier's system, shared by the whole fleet through the store.
    pub(crate) fn pacer(&self, carrier: &dyn Carrier, store: &Arc<dyn Store>) -> (Pacer, Breaker) {
        let system = self.carrier_system(carrier.id());
        let (key, terms) = (system_key(carrier.id()), system.terms());
        let breaker =
            BreakerOptions { key: key.clone(), credential: system.credential(), policy: terms.breaker };
        let options = PacerOptions {
            key,
            terms,
            concurrency: system.concurrency,
            holder: self.ids.next(),
            // A call begins within its margin, takes no longer than its time, and is told of before it ends.
            lease: Duration::from_secs(system.timeout_s) + terms.quota.margin + CALL_END,
            max_wait: PERMIT_WAIT_MAX,
        };
        let pacer = Pacer::new(Arc::clone(store) as Arc<_>, options, self.metrics.clone());
        (pacer, Breaker::new(Arc::clone(store) as Arc<_>, breaker))
    }

    /// The shop's own systems.
    pub(crate) fn shop(&self, client: &HttpClient) -> Result<Arc<ShopApi>, Exit> {
        let returns = &self.config.returns;
        let results = match (&returns.result_url, returns.signing_secret.get()) {
            (Some(url), Some(secret)) => {
                let signer = Signer::new(std::slice::from_ref(secret))
                    .map_err(|error| Exit::new(CONFIGURATION, format!("returns.signing_secret: {error}")))?;
                Some((url.clone(), signer))
            }
            _ => None,
        };
        let options = ShopOptions {
            returns_url: returns.api_url.clone(),
            returns_token: returns.api_token.get().cloned(),
            results,
        };
        Ok(Arc::new(ShopApi::new(client.clone(), options)))
    }

    /// Where notices go.
    pub(crate) fn sinks(&self, client: &HttpClient) -> Result<Sinks, Exit> {
        let slack = &self.config.slack;
        let sink = match (slack.bot_token.get(), slack.webhook_url.get()) {
            (Some(token), _) => Some(SlackSink::Bot {
                token: token.clone(),
                channel: slack.channel.clone(),
                api_base: slack.api_url.clone(),
            }),
            (None, Some(url)) => Some(SlackSink::Webhook { url: url.clone() }),
            (None, None) => None,
        };
        let slack = sink.map(|sink| Slack::new(client.clone(), sink));
        Ok(Sinks { slack, mail: self.mailer()? })
    }

    fn mailer(&self) -> Result<Option<Mailer>, Exit> {
        let mail = &self.config.mail;
        if mail.host.is_empty() {
            return Ok(None);
        }
        let options = MailOptions {
            host: mail.host.clone(),
            port: mail.port,
            tls: match mail.tls {
                MailTls::Required => forebay_outbound::MailTls::Required,
                MailTls::Starttls => forebay_outbound::MailTls::StartTls,
                MailTls::None => forebay_outbound::MailTls::None,
            },
            login: mail.password.get().map(|password| (mail.user.clone(), password.clone())),
            from: mail.from.clone(),
            to: mail.to.clone(),
        };
        Mailer::new(options, Arc::clone(&self.clock))
            .map(Some)
            .map_err(|error| Exit::new(CONFIGURATION, format!("mail: {error}")))
    }

    /// The words of notices.
    pub(crate) fn wording(&self) -> Wording {
        let slack = &self.config.slack;
        Wording {
            shop: self.config.shop.name.clone(),
            tz: self.config.shop.tz,
            runbooks: slack.runbooks_url.clone(),
            dashboard: slack.dashboard_url.clone(),
        }
    }
}

impl Opened {
    /// Closes the embedded file, after everything that uses it has ended.
    pub(crate) async fn close(self) {
        if let Some(db) = self.db {
            db.close().await;
        }
    }
}
