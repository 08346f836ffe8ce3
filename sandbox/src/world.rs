//! What every part of the world shares.

use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use serde_json::Value;

use crate::carriers::tokens::Tokens;
use crate::carriers::trackers::Trackers;
use crate::faults::Switches;
use crate::options::Options;
use crate::pushes::{Hooks, Pushes};
use crate::record::Record;
use crate::slack::Pace;

/// Most returns that the shop holds.
const RETURNS_MAX: usize = 100_000;
/// A Slack time stamp has six digits behind its point.
const STAMPS: u64 = 1_000_000;

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) options: Options,
    pub(crate) record: Record,
    pub(crate) switches: Switches,
    pub(crate) slack_pace: Pace,
    pub(crate) fedex_tokens: Tokens,
    pub(crate) ups_tokens: Tokens,
    pub(crate) easypost: Trackers,
    pub(crate) aftership: Trackers,
    pub(crate) hooks: Hooks,
    pub(crate) pushes: Pushes,
    returns: Mutex<Vec<Value>>,
    stamps: AtomicU64,
}

impl World {
    pub(crate) fn new(options: Options) -> Self {
        Self {
            slack_pace: Pace::new(options.slack_burst),
            options,
            record: Record::default(),
            switches: Switches::default(),
            fedex_tokens: Tokens::new("fedex-token"),
            ups_tokens: Tokens::new("ups-token"),
            easypost: Trackers::default(),
            aftership: Trackers::default(),
            hooks: Hooks::default(),
            pushes: Pushes::default(),
            returns: Mutex::default(),
            stamps: AtomicU64::new(0),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the outside world has a clock of its own")]
    #[expect(clippy::unused_self, reason = "the world's clock, as seen by its parts")]
    pub(crate) fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    /// The day by UTC, counted from the epoch.
    pub(crate) fn today(&self) -> i64 {
        const DAY_S: i64 = 86_400;
        self.now().timestamp().div_euclid(DAY_S)
    }

    /// A time stamp as Slack makes them, none twice.
    pub(crate) fn slack_stamp(&self) -> String {
        let n = self.stamps.fetch_add(1, Ordering::Relaxed) % STAMPS;
        format!("{}.{n:06}", self.now().timestamp())
    }

    /// Puts returns into the shop; `false`, and none of them, when it would hold too many.
    pub(crate) fn add_returns(&self, more: Vec<Value>) -> bool {
        let mut returns = self.returns.lock();
        let fits = returns.len() + more.len() <= RETURNS_MAX;
        if fits {
            returns.extend(more);
        }
        fits
    }

    /// Up to `limit` of the shop's returns from this one on, and where the next page begins.
    pub(crate) fn returns(&self, from: usize, limit: usize) -> (Vec<Value>, usize) {
        let returns = self.returns.lock();
        let end = from.saturating_add(limit).min(returns.len());
        (returns.get(from..end).unwrap_or_default().to_vec(), end)
    }
}
