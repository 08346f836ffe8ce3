//! The carriers' systems: one section `[carriers.<id>]` each.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use chrono::NaiveDate;
use forebay_carriers::PushSecrets;
use forebay_domain::breaker::BreakerPolicy;
use forebay_domain::daily::{Daily, DayReset};
use forebay_domain::limits::Terms;
use forebay_domain::pacing::Quota;
use forebay_intake::HookToken;
use forebay_schemas::{AdapterId, CarrierCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use url::Url;

use super::secret::Secret;

/// Every section, by the adapter's id.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Carriers(BTreeMap<AdapterId, CarrierSystem>);

/// One carrier's system. It is asked when its `url` is given.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CarrierSystem {
    pub(crate) url: Option<Url>,
    pub(crate) client_id: String,
    pub(crate) key: Secret,
    pub(crate) key_file: Option<PathBuf>,
    pub(crate) key_ends_on: Option<NaiveDate>,
    pub(crate) hook_token: Secret,
    pub(crate) hook_token_file: Option<PathBuf>,
    pub(crate) push_secret: Secret,
    pub(crate) push_secret_file: Option<PathBuf>,
    pub(crate) push_secret_next: Secret,
    pub(crate) push_secret_next_file: Option<PathBuf>,
    pub(crate) serves: Vec<CarrierCode>,
    pub(crate) limit: u32,
    pub(crate) window_ms: u64,
    pub(crate) burst: u32,
    pub(crate) margin_ms: u64,
    pub(crate) timeout_s: u64,
    pub(crate) concurrency: usize,
    pub(crate) daily: Option<u32>,
    pub(crate) daily_reset: DayReset,
    pub(crate) reserve_percent: u8,
    pub(crate) adaptive: bool,
    pub(crate) breaker_pause_s: u64,
    pub(crate) first_look_within_s: u64,
}

impl Default for CarrierSystem {
    fn default() -> Self {
        Self {
            url: None,
            client_id: String::new(),
            key: Secret::default(),
            key_file: None,
            key_ends_on: None,
            hook_token: Secret::default(),
            hook_token_file: None,
            push_secret: Secret::default(),
            push_secret_file: None,
            push_secret_next: Secret::default(),
            push_secret_next_file: None,
            serves: Vec::new(),
            limit: 2,
            window_ms: 1000,
            burst: 1,
            margin_ms: 100,
            timeout_s: 15,
            concurrency: 4,
            daily: None,
            daily_reset: DayReset::UTC_MIDNIGHT,
            reserve_percent: 10,
            adaptive: false,
            breaker_pause_s: 30,
            first_look_within_s: 1800,
        }
    }
}

impl CarrierSystem {
    pub(crate) fn quota(&self) -> Quota {
        Quota {
            limit: self.limit,
            window: Duration::from_millis(self.window_ms),
            burst: self.burst,
            margin: Duration::from_millis(self.margin_ms),
        }
    }

    /// Tells the present credentials from others without being them.
    pub(crate) fn credential(&self) -> String {
        let secret = self.key.get().map(|key| key.expose_secret()).unwrap_or_default();
        let digest = Sha256::digest(format!("{}:{secret}", self.client_id));
        digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }

    /// How its system is paced, and when it is left alone.
    pub(crate) fn terms(&self) -> Terms {
        let (reset, reserve_percent) = (self.daily_reset, self.reserve_percent);
        let daily = self.daily.map(|most| Daily { most, reset, reserve_percent });
        let pause = Duration::from_secs(self.breaker_pause_s);
        let policy = BreakerPolicy::default();
        let breaker = BreakerPolicy { pause, pause_max: policy.pause_max.max(pause), ..policy };
        Terms { quota: self.quota(), daily, adaptive: self.adaptive, breaker }
    }

    /// Checks what pushes need, given the token of their address.
    fn check_hook(&self, id: &AdapterId, faults: &mut Vec<String>) {
        let section = format!("carriers.{id}");
        let Some(token) = self.hook_token.get() else { return };
        if let Err(fault) = HookToken::new(token) {
            faults.push(format!("{section}.hook_token {fault}"));
        }
        if self.url.is_none() {
            faults.push(format!(
                "{section}.url is missing; the parcels that a system pushes are asked about there once a day"
            ));
        }
        let known = forebay_carriers::KNOWN.iter().find(|known| known.id == id.as_str());
        let Some(build) = known.and_then(|known| known.push) else {
            faults
                .push(format!("{section}.hook_token is given, but this system pushes nothing; take it out"));
            return;
        };
        let signed = build(PushSecrets { current: SecretString::default(), next: None }).is_signed();
        if signed && self.push_secret.get().is_none() {
            faults.push(format!(
                "{section}.push_secret is missing; this system signs what it pushes with it, and nothing unsigned is \
                 taken"
            ));
        }
    }

    fn check(&self, id: &AdapterId, faults: &mut Vec<String>) {
        let section = format!("carriers.{id}");
        if self.key.get().is_none() {
            faults.push(format!("{section}.key is missing; give it, or {section}.key_file"));
        }
        if self.burst == 0 || self.burst >= self.limit {
            faults.push(format!(
                "{section}.burst is {}; it must be at least 1 and less than {section}.limit ({})",
                self.burst, self.limit
            ));
        }
        if self.window_ms == 0 {
            faults.push(format!("{section}.window_ms is 0; it is the length of the quota's window"));
        }
        if self.timeout_s == 0 || self.timeout_s > TIMEOUT_S_MAX {
            faults
                .push(format!("{section}.timeout_s is {}; it must be 1 to {TIMEOUT_S_MAX}", self.timeout_s));
        }
        if self.concurrency == 0 {
            faults.push(format!("{section}.concurrency is 0; it must be above 0"));
        }
        if self.daily == Some(0) {
            faults.push(format!("{section}.daily is 0; leave it out where there is no budget of a day"));
        }
        if self.reserve_percent > 99 {
            faults.push(format!("{section}.reserve_percent is {}; it must be 0 to 99", self.reserve_percent));
        }
        if self.breaker_pause_s == 0 || self.breaker_pause_s > 3600 {
            let pause = self.breaker_pause_s;
            faults.push(format!("{section}.breaker_pause_s is {pause}; it must be 1 to 3600"));
        }
        if self.first_look_within_s > FIRST_LOOK_S_MAX {
            let within = self.first_look_within_s;
            faults.push(format!(
                "{section}.first_look_within_s is {within}; it must be 0 to {FIRST_LOOK_S_MAX}"
            ));
        }
    }
}

/// Longest time until a new parcel is first asked about, in seconds: a day.
const FIRST_LOOK_S_MAX: u64 = 86_400;
/// Longest time for one call in seconds: a permit and the call end before their message's deadline.
const TIMEOUT_S_MAX: u64 = 20;

impl Carriers {
    /// The systems that are asked.
    pub(crate) fn configured(&self) -> impl Iterator<Item = (&AdapterId, &CarrierSystem)> {
        self.0.iter().filter(|(_, system)| system.url.is_some())
    }

    /// A section, whether its system is asked or not.
    pub(crate) fn get(&self, id: &str) -> Option<&CarrierSystem> {
        self.0.get(&AdapterId::new(id).ok()?)
    }

    /// A section to be changed.
    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut CarrierSystem> {
        self.0.get_mut(&AdapterId::new(id).ok()?)
    }

    /// Each secret with its name and its file.
    pub(super) fn secrets(&mut self) -> impl Iterator<Item = (String, &mut Secret, &Option<PathBuf>)> {
        self.0.iter_mut().flat_map(|(id, system)| {
            [
                (format!("carriers.{id}.key"), &mut system.key, &system.key_file),
                (format!("carriers.{id}.hook_token"), &mut system.hook_token, &system.hook_token_file),
                (format!("carriers.{id}.push_secret"), &mut system.push_secret, &system.push_secret_file),
                (
                    format!("carriers.{id}.push_secret_next"),
                    &mut system.push_secret_next,
                    &system.push_secret_next_file,
                ),
            ]
        })
    }

    /// Checks the systems that are asked.
    pub(super) fn check(&self, faults: &mut Vec<String>) {
        let names: Vec<&str> = forebay_carriers::KNOWN.iter().map(|known| known.id).collect();
        for id in self.0.keys().filter(|id| !names.contains(&id.as_str())) {
            faults.push(format!("carriers.{id}: there is no such system; there are: {}", names.join(", ")));
        }
        for (id, system) in self.configured() {
            system.check(id, faults);
        }
        for (id, system) in self.0.iter().filter(|(_, system)| system.hook_token.get().is_some()) {
            system.check_hook(id, faults);
        }
    }
}
