//! Configuration: one TOML file, `FOREBAY_SECTION__KEY` in the environment over it, defaults below it.
//!
//! The commented defaults in `src/forebay.default.toml` are the manual; a test keeps them equal to the code. Every
//! secret `x` may be given as `x_file` instead: a path whose content is the secret.

mod carriers;
mod check;
mod members;
mod secret;
mod sections;

use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Env, Format, Toml};
use forebay_schemas::AdapterId;
use serde::{Deserialize, Serialize};

pub(crate) use self::carriers::{CarrierSystem, Carriers};
pub(crate) use self::members::{DEV_ISSUER, Members};
pub(crate) use self::secret::{BackEndUrl, Secret};
pub(crate) use self::sections::*;

/// The configuration file that is read when none is named and it is there.
pub(crate) const DEFAULT_FILE: &str = "forebay.toml";
/// The commented defaults.
pub(crate) const DEFAULTS: &str = include_str!("../forebay.default.toml");

/// The whole configuration.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) shop: Shop,
    pub(crate) queue: Queue,
    pub(crate) store: Store,
    pub(crate) intake: Intake,
    pub(crate) api: Api,
    pub(crate) operations: Listener,
    pub(crate) work: Work,
    pub(crate) keys: Vec<Key>,
    pub(crate) members: Members,
    pub(crate) outbound: Outbound,
    pub(crate) carriers: Carriers,
    pub(crate) returns: Returns,
    pub(crate) slack: Slack,
    pub(crate) mail: Mail,
    pub(crate) alerts: Alerts,
    pub(crate) retention: Retention,
    pub(crate) log: Log,
    pub(crate) traces: Traces,
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
        Self::with("")
    }

    /// The defaults and these settings, as they would stand in a file, without the environment.
    pub(crate) fn with(settings: &str) -> Result<Self, Faults> {
        Self::extract(Figment::new().merge(Toml::string(DEFAULTS)).merge(Toml::string(settings)))
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
        self.carriers.configured().map(|(id, _)| id.clone()).collect()
    }
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
        config.queue.url = BackEndUrl::new("amqp://guest:hush@broker:5672,other:5672/");
        config.carriers.get_mut("sweettracker").unwrap().url =
            Some("https://carrier.example/".parse().unwrap());
        config.work.concurrency = 0;
        let mut faults = Vec::new();
        config.check(&mut faults);
        let all = faults.join("\n");
        for part in ["queue.url", "store.url", "carriers.sweettracker.key", "work.concurrency"] {
            assert!(all.contains(part), "{part} is not in: {all}");
        }
        assert!(!all.contains("hush"), "a password is shown: {all}");
    }

    #[test]
    fn an_inbox_that_forgets_before_the_dead_letters_is_refused() {
        let mut config = Config::defaults().unwrap();
        config.retention.dead_letters_days = 34;
        let mut faults = Vec::new();
        config.check(&mut faults);
        assert!(faults.join("\n").contains("retention.inbox_days is 35"), "{faults:?}");
        config.retention.inbox_days = 36;
        faults.clear();
        config.check(&mut faults);
        assert_eq!(faults, Vec::<String>::new());
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
