//! What is wrong with one carrier's system.

use serde::{Deserialize, Serialize};

/// What is wrong with one carrier's system. Everything is 0, `false` or absent when all is well.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CarrierFaults {
    /// It answers this late, in milliseconds.
    pub latency_ms: u64,
    /// It takes calls and never answers.
    pub hang: bool,
    /// This many of 100 calls get a 5xx.
    pub fail_percent: u64,
    /// So many of the next calls get a 5xx.
    pub fail_next: u64,
    /// It answers 429 (or what it has instead) to everything.
    pub rate_limited: Option<RetryAfter>,
    /// Most calls a second, from now on enforced.
    pub quota_per_second: Option<u32>,
    /// Most calls a day (from midnight, UTC), from now on enforced.
    pub daily_quota: Option<u64>,
    /// It refuses the credentials.
    pub refuses_key: bool,
    /// It says that the credentials have expired.
    pub key_expired: bool,
    /// An HTML page with status 200 instead of every answer.
    pub html: bool,
    /// Every answer ends in the middle.
    pub truncated: bool,
    /// Every parcel's last event is told twice.
    pub duplicates: bool,
    /// Every parcel's events are told in a wrong order.
    pub out_of_order: bool,
    /// Every number was an earlier parcel's too.
    pub reused: bool,
    /// How long a token is good for, in seconds, those already given included.
    pub token_life_s: Option<u64>,
    /// How long the token endpoint stays shut after a flood, in seconds.
    pub token_ban_s: Option<u64>,
    /// So many copies of each push are sent besides the first.
    pub push_repeats: u32,
    /// Of two pushes, the second is sent first.
    pub push_out_of_order: bool,
    /// Pushes are sent this late, in milliseconds.
    pub push_delay_ms: u64,
    /// Pushes are signed with a wrong secret.
    pub push_forged: bool,
}

/// When the caller may come again; with nothing set, it is not told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetryAfter {
    /// `Retry-After` with so many seconds.
    pub seconds: Option<u64>,
    /// `Retry-After` with the date that lies so many seconds ahead.
    pub date_in_s: Option<u64>,
}
