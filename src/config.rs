//! Configuration: one TOML file, `FOREBAY_SECTION__KEY` in the environment over it, defaults below it.
//!
//! The commented defaults in `src/forebay.default.toml` are the manual; a test keeps them equal to the code. Every
//! secret `x` may be given as `x_file` instead: a path whose content is the secret.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::NaiveTime;
use chrono_tz::Tz;
use figment::Figment;
use figment::providers::{Env, Format, Toml};
use forebay_domain::incident::Timing;
use forebay_domain::pacing::Quota;
use forebay_outbound::AllowedHost;
use forebay_schemas::AdapterId;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use url::Url;

/// The configuration file that is read when none is named and it is there.
pub(crate) const DEFAULT_FILE: &str = "forebay.toml";
/// The commented defaults.
pub(crate) const DEFAULTS: &str = include_str!("forebay.default.toml");

/// A secret in the configuration: never shown, never logged.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Secret(Option<SecretString>);

impl Secret {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(Some(SecretString::from(text.into())))
    }

    pub(crate) fn get(&self) -> Option<&SecretString> {
        self.0.as_ref().filter(|s| !s.expose_secret().is_empty())
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if self.get().is_some() { "***" } else { "" })
    }
}

/// The whole configuration.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) shop: Shop,
    pub(crate) queue: Queue,
    pub(crate) store: Store,
    pub(crate) intake: Listener,
    pub(crate) api: Listener,
    pub(crate) operations: Listener,
    pub(crate) work: Work,
    pub(crate) keys: Vec<Key>,
    pub(crate) outbound: Outbound,
    pub(crate) sweettracker: SweetTracker,
    pub(crate) returns: Returns,
    pub(crate) slack: Slack,
    pub(crate) mail: Mail,
    pub(crate) alerts: Alerts,
    pub(crate) log: Log,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shop {
    pub(crate) name: String,
    pub(crate) tz: Tz,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Queue {
    pub(crate) url: BackEndUrl,
    pub(crate) url_file: Option<PathBuf>,
    pub(crate) publish_channels: u16,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Store {
    pub(crate) url: BackEndUrl,
    pub(crate) url_file: Option<PathBuf>,
    pub(crate) connections: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listener {
    pub(crate) listen: SocketAddr,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Work {
    pub(crate) concurrency: usize,
    pub(crate) grace_s: u64,
}

/// An API key: the secret's hash, never the secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) sha256: String,
    pub(crate) scopes: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Outbound {
    pub(crate) allow: Vec<AllowedHost>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SweetTracker {
    pub(crate) url: Option<Url>,
    pub(crate) key: Secret,
    pub(crate) key_file: Option<PathBuf>,
    pub(crate) limit: u32,
    pub(crate) window_ms: u64,
    pub(crate) burst: u32,
    pub(crate) margin_ms: u64,
    pub(crate) concurrency: usize,
}

impl SweetTracker {
    pub(crate) fn quota(&self) -> Quota {
        Quota {
            limit: self.limit,
            window: Duration::from_millis(self.window_ms),
            burst: self.burst,
            margin: Duration::from_millis(self.margin_ms),
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Returns {
    pub(crate) api_url: Option<Url>,
    pub(crate) api_token: Secret,
    pub(crate) api_token_file: Option<PathBuf>,
    pub(crate) collect_every_s: u64,
    pub(crate) result_url: Option<Url>,
    pub(crate) signing_secret: Secret,
    pub(crate) signing_secret_file: Option<PathBuf>,
    pub(crate) concurrency: usize,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Slack {
    pub(crate) webhook_url: Secret,
    pub(crate) webhook_url_file: Option<PathBuf>,
    pub(crate) bot_token: Secret,
    pub(crate) bot_token_file: Option<PathBuf>,
    pub(crate) channel: String,
    pub(crate) api_url: Url,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mail {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: MailTls,
    pub(crate) user: String,
    pub(crate) password: Secret,
    pub(crate) password_file: Option<PathBuf>,
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
}

/// How mail is protected on its way to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MailTls {
    /// TLS from the first byte.
    Required,
    /// STARTTLS, and nothing without it.
    Starttls,
    /// Plain text; for a relay on the shop's own network.
    None,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Alerts {
    pub(crate) group_wait_s: f64,
    pub(crate) update_every_s: f64,
    pub(crate) repeat_every_s: f64,
    pub(crate) stock_check_at: NaiveTime,
}

impl Alerts {
    pub(crate) fn timing(&self) -> Timing {
        let seconds = |s: f64| Duration::try_from_secs_f64(s).unwrap_or_default();
        Timing {
            group_wait: seconds(self.group_wait_s),
            update_every: seconds(self.update_every_s),
            repeat_every: seconds(self.repeat_every_s),
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Log {
    pub(crate) format: String,
    pub(crate) filter: String,
}

/// The address of a back end. It may hold a password, which is never shown.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub(crate) struct BackEndUrl(SecretString);

impl BackEndUrl {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// The file of an embedded back end: what follows `sqlite:`.
    pub(crate) fn sqlite_path(&self) -> Option<&Path> {
        self.expose().strip_prefix("sqlite:").map(|p| Path::new(p.strip_prefix("//").unwrap_or(p)))
    }
}

impl fmt::Display for BackEndUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.sqlite_path().is_some() {
            return f.write_str(self.expose());
        }
        match Url::parse(self.expose()) {
            Ok(mut url) => {
                if url.password().is_some() {
                    let _ = url.set_password(Some("***"));
                }
                url.set_query(None);
                f.write_str(url.as_str())
            }
            Err(_) => f.write_str("(not a URL)"),
        }
    }
}

impl fmt::Debug for BackEndUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for BackEndUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What is wrong with the configuration: one sentence a fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub(crate) struct Faults(pub(crate) Vec<String>);

/// Which of the two sets of back ends the addresses name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BackEnds {
    /// One process, one SQLite file.
    Embedded(PathBuf),
    /// RabbitMQ and PostgreSQL.
    Servers,
}

impl Config {
    /// Reads the configuration from `file` (or [`DEFAULT_FILE`], if it is there) and the environment.
    pub(crate) fn load(file: Option<&Path>) -> Result<Self, Faults> {
        let mut figment = Figment::new().merge(Toml::string(DEFAULTS));
        match file {
            Some(path) if !path.is_file() => {
                return Err(Faults(vec![format!("the configuration file {} is not there", path.display())]));
            }
            Some(path) => figment = figment.merge(Toml::file_exact(path)),
            None if Path::new(DEFAULT_FILE).is_file() => {
                figment = figment.merge(Toml::file_exact(DEFAULT_FILE))
            }
            None => {}
        }
        Self::extract(figment.merge(Env::prefixed("FOREBAY_").split("__").ignore(&ENV_OF_COMMANDS)))
    }

    /// The defaults alone.
    pub(crate) fn defaults() -> Result<Self, Faults> {
        Self::extract(Figment::new().merge(Toml::string(DEFAULTS)))
    }

    fn extract(figment: Figment) -> Result<Self, Faults> {
        let mut config: Self =
            figment.extract().map_err(|error| Faults(error.into_iter().map(|e| sentence(&e)).collect()))?;
        let mut faults = Vec::new();
        config.read_secret_files(&mut faults);
        config.check(&mut faults);
        if faults.is_empty() { Ok(config) } else { Err(Faults(faults)) }
    }
}

/// Environment variables that belong to commands (`--api-url` and its like), not to the configuration.
const ENV_OF_COMMANDS: [&str; 5] = ["config", "api_url", "intake_url", "token_file", "log"];

fn sentence(error: &figment::Error) -> String {
    let key = error.path.join(".");
    let origin = match &error.metadata {
        Some(metadata) => match &metadata.source {
            Some(source) => format!(" (from {source})"),
            None => format!(" (from {})", metadata.name),
        },
        None => String::new(),
    };
    if key.is_empty() { format!("{}{origin}", error.kind) } else { format!("{key}: {}{origin}", error.kind) }
}

impl Config {
    fn read_secret_files(&mut self, faults: &mut Vec<String>) {
        let secrets = [
            ("sweettracker.key", &mut self.sweettracker.key, &self.sweettracker.key_file),
            ("returns.api_token", &mut self.returns.api_token, &self.returns.api_token_file),
            ("returns.signing_secret", &mut self.returns.signing_secret, &self.returns.signing_secret_file),
            ("slack.webhook_url", &mut self.slack.webhook_url, &self.slack.webhook_url_file),
            ("slack.bot_token", &mut self.slack.bot_token, &self.slack.bot_token_file),
            ("mail.password", &mut self.mail.password, &self.mail.password_file),
        ];
        for (name, secret, file) in secrets {
            let Some(path) = file else { continue };
            if secret.get().is_some() {
                faults.push(format!("{name} and {name}_file are both given; keep one of them"));
            }
            match secret_file(path) {
                Ok(text) => *secret = Secret::new(text),
                Err(error) => faults.push(format!("{name}_file: {} can't be read: {error}", path.display())),
            }
        }
        let urls = [
            ("queue.url", &mut self.queue.url, &self.queue.url_file),
            ("store.url", &mut self.store.url, &self.store.url_file),
        ];
        for (name, url, file) in urls {
            let Some(path) = file else { continue };
            match secret_file(path) {
                Ok(text) => *url = BackEndUrl::new(text),
                Err(error) => faults.push(format!("{name}_file: {} can't be read: {error}", path.display())),
            }
        }
    }

    /// Checks what one value alone can't tell. Every fault is named, not just the first.
    pub(crate) fn check(&self, faults: &mut Vec<String>) {
        if let Err(fault) = self.back_ends() {
            faults.push(fault);
        }
        let quota = self.sweettracker.quota();
        if self.sweettracker.url.is_some() {
            if self.sweettracker.key.get().is_none() {
                faults.push("sweettracker.key is missing; give it, or sweettracker.key_file".to_owned());
            }
            if quota.burst == 0 || quota.burst >= quota.limit {
                faults.push(format!(
                    "sweettracker.burst is {}; it must be at least 1 and less than sweettracker.limit ({})",
                    quota.burst, quota.limit
                ));
            }
            if quota.window.is_zero() {
                faults.push("sweettracker.window_ms is 0; it is the length of the quota's window".to_owned());
            }
        }
        if self.returns.result_url.is_some() && self.returns.signing_secret.get().is_none() {
            faults.push(
                "returns.signing_secret is missing; results are signed with it (whsec_ and base64)"
                    .to_owned(),
            );
        }
        if self.slack.bot_token.get().is_some() && self.slack.channel.is_empty() {
            faults.push("slack.channel is missing; a bot token needs the channel to post to".to_owned());
        }
        if !self.mail.host.is_empty() && (self.mail.from.is_empty() || self.mail.to.is_empty()) {
            faults.push("mail.from and mail.to are needed when mail.host is given".to_owned());
        }
        if self.work.concurrency == 0 || self.work.concurrency > 64 {
            faults.push(format!("work.concurrency is {}; it must be 1 to 64", self.work.concurrency));
        }
        if self.alerts.group_wait_s < 0.0
            || self.alerts.update_every_s <= 0.0
            || self.alerts.repeat_every_s <= 0.0
        {
            faults.push(
                "alerts: group_wait_s must be 0 or more, update_every_s and repeat_every_s above 0"
                    .to_owned(),
            );
        }
        if let Err(error) = self.log.format.parse::<forebay_telemetry::LogFormat>() {
            faults.push(format!("log.format {error}"));
        }
        for key in &self.keys {
            if key.id.starts_with("dev") {
                faults
                    .push(format!("keys: \"{}\" is a key of `forebay dev`; it is refused elsewhere", key.id));
            }
        }
    }

    /// The set of back ends that the addresses name.
    pub(crate) fn back_ends(&self) -> Result<BackEnds, String> {
        let (queue, store) = (&self.queue.url, &self.store.url);
        match (queue.sqlite_path(), store.sqlite_path()) {
            (Some(queue), Some(store)) if queue == store => Ok(BackEnds::Embedded(store.to_owned())),
            (Some(queue), Some(store)) => Err(format!(
                "queue.url is sqlite:{} and store.url is sqlite:{}; the embedded set is one file: make them equal",
                queue.display(),
                store.display()
            )),
            (None, None) => {
                let amqp = ["amqp://", "amqps://"].iter().any(|s| queue.expose().starts_with(s));
                let postgres = ["postgres://", "postgresql://"].iter().any(|s| store.expose().starts_with(s));
                if !amqp {
                    return Err(format!(
                        "queue.url is {queue}; it must begin with sqlite:, amqp:// or amqps://"
                    ));
                }
                if !postgres {
                    return Err(format!("store.url is {store}; it must begin with sqlite: or postgres://"));
                }
                Ok(BackEnds::Servers)
            }
            _ => Err(format!(
                "queue.url is {queue} and store.url is {store}; use sqlite: for both, or amqp:// with postgres://"
            )),
        }
    }

    /// The carriers' systems that are configured.
    pub(crate) fn adapters(&self) -> Vec<AdapterId> {
        self.sweettracker.url.iter().filter_map(|_| AdapterId::new("sweettracker").ok()).collect()
    }
}

fn secret_file(path: &Path) -> std::io::Result<String> {
    let text = std::fs::read_to_string(path)?;
    Ok(text.strip_suffix('\n').map(|t| t.strip_suffix('\r').unwrap_or(t)).unwrap_or(&text).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commented_defaults_are_a_whole_and_valid_configuration() {
        Config::defaults().unwrap();
    }

    #[test]
    fn every_fault_is_named_with_its_setting() {
        let mut config = Config::defaults().unwrap();
        config.queue.url = BackEndUrl::new("amqp://guest:hush@broker/");
        config.sweettracker.url = Some("https://carrier.example/".parse().unwrap());
        config.work.concurrency = 0;
        let mut faults = Vec::new();
        config.check(&mut faults);
        let all = faults.join("\n");
        for part in ["queue.url", "store.url", "sweettracker.key", "work.concurrency"] {
            assert!(all.contains(part), "{part} is not in: {all}");
        }
        assert!(!all.contains("hush"), "a password is shown: {all}");
    }

    #[test]
    fn an_unknown_setting_is_refused_by_name() {
        let figment =
            Figment::new().merge(Toml::string(DEFAULTS)).merge(Toml::string("[work]\nconcurency = 3"));
        let faults = Config::extract(figment).unwrap_err();
        assert!(faults.to_string().contains("concurency"), "{faults}");
    }

    #[test]
    fn shown_secrets_are_stars() {
        let mut config = Config::defaults().unwrap();
        config.slack.webhook_url = Secret::new("https://hooks.example/T/B/hush");
        config.store.url = BackEndUrl::new("postgres://app:hush@db/shop");
        let shown = format!("{} {config:?}", serde_json::to_string(&config).unwrap());
        assert!(!shown.contains("hush"), "{shown}");
    }
}
