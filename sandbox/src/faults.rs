//! Switches by which a test makes the world misbehave, at run time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::RwLock;
use serde::{Deserialize, Serialize};

/// What is wrong with the world. Everything is 0, `false` or absent when all is well. Posted as JSON to
/// `/_control/faults`, which replaces all switches.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// The carrier answers this late, in milliseconds.
    pub carrier_latency_ms: u64,
    /// This many of 100 carrier calls get a 500.
    pub carrier_fail_percent: u64,
    /// The carrier answers 429 to everything; with this `Retry-After` in seconds when above 0.
    pub carrier_rate_limited: Option<u64>,
    /// The carrier refuses the key (code 101).
    pub carrier_refuses_key: bool,
    /// The carrier says that the key has expired (code 102).
    pub carrier_key_expired: bool,
    /// This many of 100 calls of the shop's returns API get a 503.
    pub returns_fail_percent: u64,
    /// So many of the next results get a 503 from the shop.
    pub results_fail_first: u64,
    /// This many of 100 results get a 503 from the shop.
    pub results_fail_percent: u64,
    /// The shop answers 429 to results, with this `Retry-After` in seconds when above 0.
    pub results_rate_limited: Option<u64>,
    /// The shop's result endpoint is gone for good (410).
    pub results_gone: bool,
    /// The shop takes results and then lets the caller wait this long, in milliseconds.
    pub results_hang_ms: u64,
    /// Slack answers 429 with this `Retry-After` in seconds.
    pub slack_rate_limited: Option<u64>,
    /// Slack answers 500.
    pub slack_fails: bool,
    /// Slack refuses the token.
    pub slack_refuses_token: bool,
    /// Slack refuses every message with this error, such as `is_archived`.
    pub slack_error: Option<String>,
    /// The mail server answers 451 to every recipient.
    pub mail_refuses: bool,
    /// The mail server answers 550 to every recipient.
    pub mail_rejects: bool,
}

/// Who throws dice, each with dice of its own, so that one does not take the other's turns.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Who {
    Carrier,
    Returns,
    Results,
}

/// The switches in force.
#[derive(Debug, Default)]
pub(crate) struct Switches {
    now: RwLock<Arc<Faults>>,
    dice: [AtomicU64; 3],
    results_failed: AtomicU64,
}

impl Switches {
    pub(crate) fn set(&self, faults: Faults) {
        let mut now = self.now.write();
        self.results_failed.store(0, Ordering::Relaxed);
        *now = Arc::new(faults);
    }

    pub(crate) fn get(&self) -> Arc<Faults> {
        Arc::clone(&self.now.read())
    }

    /// True in `percent` of 100 calls, spread evenly and the same in each run.
    pub(crate) fn strikes(&self, who: Who, percent: u64) -> bool {
        if percent == 0 {
            return false;
        }
        // 37 has no factor in common with 100, so 100 calls meet each remainder once.
        let roll = self.dice[who as usize].fetch_add(1, Ordering::Relaxed).wrapping_mul(37) % 100;
        roll < percent
    }

    /// True for the first `most` results since the switches were set.
    pub(crate) fn among_first_results(&self, most: u64) -> bool {
        most > 0 && self.results_failed.fetch_add(1, Ordering::Relaxed) < most
    }
}

pub(crate) async fn pause(length: Duration) {
    if !length.is_zero() {
        tokio::time::sleep(length).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_strikes_exactly_that_often_whoever_else_throws() {
        let switches = Switches::default();
        let mut struck = [0; 2];
        for _ in 0..1_000 {
            struck[0] += usize::from(switches.strikes(Who::Carrier, 1));
            struck[1] += usize::from(switches.strikes(Who::Results, 30));
            assert!(!switches.strikes(Who::Returns, 0));
        }
        assert_eq!(struck, [10, 300]);
    }

    #[test]
    fn setting_the_switches_again_begins_the_first_results_anew() {
        let switches = Switches::default();
        let count = |n: usize| (0..n).filter(|_| switches.among_first_results(2)).count();
        assert_eq!(count(5), 2);
        switches.set(Faults::default());
        assert_eq!(count(5), 2);
    }
}
