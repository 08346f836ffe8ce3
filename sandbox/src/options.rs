//! How the world behaves from its start.

use std::net::SocketAddr;
use std::time::Duration;

use crate::script::Script;

/// How the world behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// Chooses the parcels' places and times.
    pub seed: u64,
    /// Most calls that the carrier takes in any second.
    pub carrier_quota_per_second: u32,
    /// The carrier refuses calls above its quota (code 103) instead of only counting them.
    pub enforce_quota: bool,
    /// How long the carrier thinks about every call.
    pub carrier_latency: Duration,
    /// Which story the carrier tells of which parcel.
    pub script: Script,
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
            carrier_quota_per_second: 1_000,
            enforce_quota: false,
            carrier_latency: Duration::ZERO,
            script: Script::default(),
            slack_burst: 10,
            listen: any,
            smtp: any,
        }
    }
}
