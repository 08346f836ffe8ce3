//! How the world behaves from its start.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::carriers::{CarrierName, Limit};
use crate::timeline::script::Script;

/// In seconds of the epoch.
const BEGIN: i64 = 1_795_000_000;

/// How the world behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// Chooses the parcels' places and times.
    pub seed: u64,
    /// The earliest first step of any parcel; the others' lie within ten hours after it, further steps three hours
    /// apart. Fixed unless told otherwise, so that a world started again tells the same.
    pub begin: DateTime<Utc>,
    /// Most calls that each carrier takes in any second, unless `limits` says something else of it.
    pub carrier_quota_per_second: u32,
    /// What single carriers take.
    pub limits: BTreeMap<CarrierName, Limit>,
    /// Carriers refuse calls above their quota instead of only counting them.
    pub enforce_quota: bool,
    /// How long every carrier thinks about every call.
    pub carrier_latency: Duration,
    /// Which story the carriers tell of which parcel.
    pub script: Script,
    /// The first pause before a push that was not taken is sent again; the next ones are longer, as documented.
    pub push_retry: Duration,
    /// Messages that a Slack channel takes at once before it holds to one a second; 0 lifts the limit.
    pub slack_burst: u32,
    /// Where HTTP is served; port 0 for a free one.
    pub listen: SocketAddr,
    /// Where SMTP is served; port 0 for a free one.
    pub smtp: SocketAddr,
}

impl Default for Options {
    fn default() -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            seed: 1,
            begin: DateTime::from_timestamp(BEGIN, 0).unwrap_or_default(),
            carrier_quota_per_second: 1_000,
            limits: BTreeMap::new(),
            enforce_quota: false,
            carrier_latency: Duration::ZERO,
            script: Script::default(),
            push_retry: Duration::from_secs(30),
            slack_burst: 10,
            listen: any,
            smtp: any,
        }
    }
}

impl Options {
    /// What this carrier takes.
    #[must_use]
    pub fn limit(&self, name: CarrierName) -> Limit {
        self.limits.get(&name).copied().unwrap_or(Limit::per_second(self.carrier_quota_per_second))
    }

    /// What each carrier's documents say that it takes, enforced.
    #[must_use]
    pub fn with_documented_limits(mut self) -> Self {
        let documented = |name: CarrierName| Some((name, name.documented_limit()?));
        self.limits.extend(CarrierName::ALL.into_iter().filter_map(documented));
        self.enforce_quota = true;
        self
    }
}
