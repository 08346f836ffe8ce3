//! Switches by which a test makes the world misbehave, at run time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::RwLock;
use serde::{Deserialize, Serialize};

/// What is wrong with the world. Everything is 0 or absent when all is well. Posted as JSON to `/_control/faults`,
/// which replaces all switches.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// The carrier answers this late, in milliseconds.
    pub carrier_latency_ms: u64,
    /// This many of 100 carrier calls get a 500.
    pub carrier_fail_percent: u64,
    /// The carrier answers 429 to everything; with this `Retry-After` in seconds when above 0.
    pub carrier_rate_limited: Option<u64>,
    /// The carrier refuses the key.
    pub carrier_refuses_key: bool,
    /// This many of 100 results get a 503 from the shop.
    pub results_fail_percent: u64,
    /// The shop takes results and then lets the caller wait this long, in milliseconds.
    pub results_hang_ms: u64,
    /// Slack answers 429 with this `Retry-After` in seconds.
    pub slack_rate_limited: Option<u64>,
    /// Slack answers 500.
    pub slack_fails: bool,
    /// Slack refuses the token.
    pub slack_refuses_token: bool,
    /// The mail server answers 451 to every recipient.
    pub mail_refuses: bool,
}

/// The switches in force, shared by every part of the world.
#[derive(Debug, Clone, Default)]
pub(crate) struct Switches {
    now: Arc<RwLock<Faults>>,
    dice: Arc<AtomicU64>,
}

impl Switches {
    pub(crate) fn set(&self, faults: Faults) {
        *self.now.write() = faults;
    }

    pub(crate) fn get(&self) -> Faults {
        self.now.read().clone()
    }

    /// True in `percent` of 100 calls, spread evenly and the same in each run.
    pub(crate) fn strikes(&self, percent: u64) -> bool {
        if percent == 0 {
            return false;
        }
        // 37 has no factor in common with 100, so 100 calls meet each remainder once.
        let roll = self.dice.fetch_add(1, Ordering::Relaxed).wrapping_mul(37) % 100;
        roll < percent
    }
}

pub(crate) async fn pause(ms: u64) {
    if ms > 0 {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}
