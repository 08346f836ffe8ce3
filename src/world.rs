//! A whole system in one process: every role on one set of back ends, and the sandbox as its outside.

use std::net::SocketAddr;
use std::sync::Arc;

use forebay_intake::{ApiKey, KeyFault, KeyRing, Scope};
use forebay_outbound::AllowedHost;
use forebay_queue::Broker;
use forebay_sandbox::{CarrierName, Sandbox};
use forebay_schemas::CarrierCode;
use forebay_store::Store;
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::commands::production::bind;
use crate::commands::sandbox::settings::{Credentials, credentials};
use crate::compose::{Opened, System};
use crate::config::{Config, MailTls, Secret};
use crate::exit::{CONFIGURATION, Exit};
use crate::reporting::Inside;
use crate::roles::Running;

/// The back ends and the address of a whole system.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) address: SocketAddr,
}

/// Migrates and declares, then starts every role; intake and api share one port.
pub(crate) async fn start_all(
    system: &System,
    opened: &Opened,
    running: &Running,
    keys: Vec<ApiKey>,
) -> Result<Serving, Exit> {
    let listener = bind("intake.listen", system.config.intake.listen).await?;
    let address = listener.local_addr()?;
    let store = system.store(opened).await?;
    store.migrate().await?;
    let broker = system.broker(opened).await?;
    declare(system, broker.as_ref()).await?;
    system.watch_broker(running, &broker);
    let lookout = system.run_lookout(running, &broker, &store);
    system.watch_store(running, &store);
    let keys = Arc::new(
        KeyRing::new(keys.into_iter().chain(system.configured_keys()?))
            .map_err(|fault| Exit::new(CONFIGURATION, format!("keys: {fault}")))?,
    );
    let intake = system.intake(broker.publisher(), Arc::clone(&keys))?;
    let api = system.api(&broker, &store, &intake, keys, lookout)?;
    // One port for both: the intake's fall-back answers for what neither has.
    let routes = intake.routes().merge(api.routes().reset_fallback());
    system.run_http(running, "http", listener, routes);
    system.run_relay(running, &broker, &store);
    system.run_schedule(running, &store)?;
    system.run_watch(running, &broker, &store);
    let keys = Some(api.member_keys());
    let inside = Inside { role: "dev", broker: Arc::clone(&broker), spool: None, keys };
    system.run_reporting(running, inside);
    system.run_worker(running, &broker, &store, "dev", &[])?;
    Ok(Serving { broker, store, address })
}

/// Declares the topology, waiting a while for a broker that is still on its way up.
pub(crate) async fn declare(system: &System, broker: &dyn Broker) -> Result<(), Exit> {
    let begun = tokio::time::Instant::now();
    loop {
        match broker.declare(&system.topology).await {
            Ok(()) => return Ok(()),
            Err(forebay_queue::BrokerError::Unavailable(_)) if begun.elapsed().as_secs() < 15 => {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// A key from its id and secret, with every scope.
pub(crate) fn key_of(id: &str, secret: &str) -> Result<ApiKey, KeyFault> {
    let digest: String = Sha256::digest(secret.as_bytes()).iter().map(|b| format!("{b:02x}")).collect();
    ApiKey::new(id, &digest, Scope::ALL.iter().copied())
}

/// Points whatever outside the configuration leaves open at the sandbox.
pub(crate) fn point_at(config: &mut Config, sandbox: &Sandbox) -> Result<(), Exit> {
    let base = Url::parse(&format!("{}/", sandbox.http_url())).map_err(Exit::failed)?;
    let at = |path: &str| base.join(path).map_err(Exit::failed);
    let mut entry = AllowedHost::of_url(&base, true).map_err(Exit::failed)?;
    entry.plain = true;
    config.outbound.allow.push(entry);
    let quota = sandbox.options().carrier_quota_per_second;
    if let Some(tracker) = config.carriers.get_mut("sweettracker").filter(|tracker| tracker.url.is_none()) {
        tracker.url = Some(at("sweettracker/")?);
        tracker.key = Secret::new(forebay_sandbox::CARRIER_KEY);
        tracker.limit = quota;
        tracker.burst = (quota / 50).clamp(1, 20);
        tracker.margin_ms = 100;
        tracker.concurrency = 64;
        tracker.first_look_within_s = 0;
    }
    if config.returns.api_url.is_none() {
        config.returns.api_url = Some(at("shop/returns")?);
        config.returns.api_token = Secret::new(forebay_sandbox::SHOP_TOKEN);
    }
    if config.returns.result_url.is_none() {
        config.returns.result_url = Some(at("shop/return-results")?);
        config.returns.signing_secret = Secret::new(forebay_sandbox::SIGNING_SECRET);
    }
    if config.slack.webhook_url.get().is_none() && config.slack.bot_token.get().is_none() {
        config.slack.bot_token = Secret::new(forebay_sandbox::SLACK_TOKEN);
        config.slack.channel = forebay_sandbox::SLACK_CHANNEL.to_owned();
        config.slack.api_url = at("slack/api/")?;
    }
    if config.mail.host.is_empty() {
        config.mail.host = sandbox.smtp_addr().ip().to_string();
        config.mail.port = sandbox.smtp_addr().port();
        config.mail.tls = MailTls::None;
        config.mail.from = "forebay@shop.example".to_owned();
        config.mail.to = vec!["on-call@shop.example".to_owned()];
    }
    Ok(())
}

/// Which carrier's parcels are asked about where, when every system is there to be tried: each has some of its own.
const SERVES: [(CarrierName, &str); 4] = [
    (CarrierName::TrackerDelivery, "yamato"),
    (CarrierName::Dhl, "dhl"),
    (CarrierName::Easypost, "dhl_express"),
    (CarrierName::Aftership, "usps"),
];

/// Points every carrier's system that the configuration leaves open at the sandbox, so that each can be tried by hand.
/// Those that push get an address of the intake, which answers at `intake.listen`.
pub(crate) fn point_carriers_at(config: &mut Config, sandbox: &Sandbox) -> Result<(), Exit> {
    let base = Url::parse(&format!("{}/", sandbox.http_url())).map_err(Exit::failed)?;
    if config.intake.public_url.is_none() && config.intake.listen.port() != 0 {
        let url = format!("http://{}", config.intake.listen);
        config.intake.public_url = Some(Url::parse(&url).map_err(Exit::failed)?);
    }
    let quota = sandbox.options().carrier_quota_per_second;
    for name in CarrierName::ALL {
        let known = forebay_carriers::KNOWN.iter().find(|known| known.id == name.id());
        let Some(system) = config.carriers.get_mut(name.id()).filter(|system| system.url.is_none()) else {
            continue;
        };
        let Credentials { client, key, push } = credentials(name);
        system.url = Some(base.join(&format!("{name}/")).map_err(Exit::failed)?);
        system.client_id = client.unwrap_or_default().to_owned();
        system.key = Secret::new(key);
        if known.is_some_and(|known| known.push.is_some()) && system.hook_token.get().is_none() {
            let token: [u8; 16] = rand::random();
            system.hook_token = Secret::new(token.map(|byte| format!("{byte:02x}")).concat());
            system.push_secret = Secret::new(push.unwrap_or_default());
        }
        let serves = SERVES.iter().filter(|(of, _)| *of == name && system.serves.is_empty());
        let serves: Result<Vec<_>, _> = serves.map(|(_, carrier)| CarrierCode::new(*carrier)).collect();
        system.serves.extend(serves.map_err(Exit::failed)?);
        (system.limit, system.burst, system.margin_ms) = (quota, (quota / 50).clamp(1, 20), 100);
        (system.daily, system.first_look_within_s) = (None, 0);
    }
    Ok(())
}
