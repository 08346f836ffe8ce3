//! The sections of the configuration. What each setting means stands beside its default, in
//! `src/forebay.default.toml`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use chrono::NaiveTime;
use chrono_tz::Tz;
use forebay_domain::incident::Timing;
use forebay_domain::watch::Limits;
use forebay_outbound::AllowedHost;
use serde::{Deserialize, Serialize};
use url::Url;

use super::secret::{BackEndUrl, Secret};

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
pub(crate) struct Intake {
    pub(crate) listen: SocketAddr,
    pub(crate) public_url: Option<Url>,
    pub(crate) spool: PathBuf,
    pub(crate) spool_max_events: u64,
    pub(crate) spool_max_bytes: u64,
}

/// How much a spool takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SpoolBounds {
    pub(crate) events: u64,
    pub(crate) bytes: u64,
}

impl Intake {
    pub(crate) fn spool_bounds(&self) -> SpoolBounds {
        SpoolBounds { events: self.spool_max_events, bytes: self.spool_max_bytes }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Api {
    pub(crate) listen: SocketAddr,
    pub(crate) spool: PathBuf,
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
    pub(crate) drain_within_s: u64,
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
    pub(crate) runbooks_url: Option<Url>,
    pub(crate) dashboard_url: Option<Url>,
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
    pub(crate) unshipped_after_days: u32,
    pub(crate) report_at: NaiveTime,
    pub(crate) limits: Limits,
}

impl Alerts {
    pub(crate) fn timing(&self) -> Timing {
        let seconds = |s: f64| Duration::try_from_secs_f64(s).unwrap_or_default();
        Timing {
            group_wait: seconds(self.group_wait_s),
            update_every: seconds(self.update_every_s),
            repeat_every: seconds(self.repeat_every_s),
            well_for: seconds(self.limits.well_for_s),
        }
    }
}

/// How long what is done is remembered, in days.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Retention {
    pub(crate) inbox_days: u32,
    pub(crate) dead_letters_days: u32,
    pub(crate) closed_dead_letters_days: u32,
    pub(crate) audit_days: u32,
    pub(crate) incidents_days: u32,
}

impl Retention {
    pub(crate) fn days(days: u32) -> Duration {
        Duration::from_secs(u64::from(days) * 24 * 3600)
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Log {
    pub(crate) format: String,
    pub(crate) filter: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Traces {
    pub(crate) endpoint: Option<Url>,
    pub(crate) authorization: Secret,
    pub(crate) authorization_file: Option<PathBuf>,
    pub(crate) sample: f64,
}
