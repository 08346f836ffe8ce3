//! Switches by which a test makes the world misbehave, at run time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::RwLock;
use serde::{Deserialize, Serialize};

use crate::carriers::{CarrierFaults, CarrierName, RetryAfter};

/// What is wrong with the world. Everything is 0, `false` or absent when all is well. Posted as JSON to
/// `/_control/faults`, which replaces all switches.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Every carrier answers this late, in milliseconds.
    pub carrier_latency_ms: u64,
    /// This many of 100 calls of every carrier get a 5xx.
    pub carrier_fail_percent: u64,
    /// Every carrier answers 429 to everything; with this `Retry-After` in seconds when above 0.
    pub carrier_rate_limited: Option<u64>,
    /// Every carrier refuses the key.
    pub carrier_refuses_key: bool,
    /// Every carrier says that the key has expired.
    pub carrier_key_expired: bool,
    /// What is wrong with one carrier, by its id; it adds to what is wrong with all of them.
    pub carriers: BTreeMap<CarrierName, CarrierFaults>,
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
    /// Slack lets each caller wait this long before it looks at the call, in milliseconds.
    pub slack_hangs_ms: u64,
    /// Slack takes a message and then lets the caller wait this long for the answer, in milliseconds.
    pub slack_takes_then_hangs_ms: u64,
    /// Slack refuses the token.
    pub slack_refuses_token: bool,
    /// Slack refuses every message with this error, such as `is_archived`.
    pub slack_error: Option<String>,
    /// Slack does not let the bot read what was written.
    pub slack_tells_nothing: bool,
    /// The mail server answers 451 to every recipient.
    pub mail_refuses: bool,
    /// The mail server answers 550 to every recipient.
    pub mail_rejects: bool,
    /// The mail server answers 550 to this recipient.
    pub mail_rejects_only: Option<String>,
    /// The mail server answers 451 to this recipient.
    pub mail_refuses_only: Option<String>,
    /// The mail server keeps silent to each recipient for so long, in milliseconds, or until the switch is off.
    pub mail_hangs_ms: u64,
}

impl Faults {
    /// Everything that is wrong with one carrier.
    #[must_use]
    pub fn of_carrier(&self, name: CarrierName) -> CarrierFaults {
        let own = self.carriers.get(&name).cloned().unwrap_or_default();
        let of_all = |seconds| RetryAfter { seconds: (seconds > 0).then_some(seconds), date_in_s: None };
        CarrierFaults {
            latency_ms: own.latency_ms.max(self.carrier_latency_ms),
            fail_percent: own.fail_percent.max(self.carrier_fail_percent),
            rate_limited: own.rate_limited.or(self.carrier_rate_limited.map(of_all)),
            refuses_key: own.refuses_key || self.carrier_refuses_key,
            key_expired: own.key_expired || self.carrier_key_expired,
            ..own
        }
    }
}

/// Who throws dice, each with dice of its own, so that one does not take the other's turns.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Who {
    Returns,
    Results,
    Carrier(CarrierName),
}

const DICE: usize = 2 + CarrierName::ALL.len();

impl Who {
    fn dice(self) -> usize {
        match self {
            Self::Returns => 0,
            Self::Results => 1,
            Self::Carrier(name) => 2 + name as usize,
        }
    }
}

/// The switches in force.
#[derive(Debug, Default)]
pub(crate) struct Switches {
    now: RwLock<Arc<Faults>>,
    dice: [AtomicU64; DICE],
    /// How often each failed since the switches were set.
    failed: [AtomicU64; DICE],
}

impl Switches {
    pub(crate) fn set(&self, faults: Faults) {
        let mut now = self.now.write();
        self.failed.iter().for_each(|count| count.store(0, Ordering::Relaxed));
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
        let roll = self.dice[who.dice()].fetch_add(1, Ordering::Relaxed).wrapping_mul(37) % 100;
        roll < percent
    }

    /// True for the first `most` calls since the switches were set.
    pub(crate) fn among_first(&self, who: Who, most: u64) -> bool {
        most > 0 && self.failed[who.dice()].fetch_add(1, Ordering::Relaxed) < most
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
            struck[0] += usize::from(switches.strikes(Who::Carrier(CarrierName::Dhl), 1));
            struck[1] += usize::from(switches.strikes(Who::Results, 30));
            assert!(!switches.strikes(Who::Returns, 0));
            assert!(switches.strikes(Who::Carrier(CarrierName::Ups), 100));
        }
        assert_eq!(struck, [10, 300]);
    }

    #[test]
    fn setting_the_switches_again_begins_the_first_results_anew() {
        let switches = Switches::default();
        let count = |n: usize| (0..n).filter(|_| switches.among_first(Who::Results, 2)).count();
        assert_eq!(count(5), 2);
        switches.set(Faults::default());
        assert_eq!(count(5), 2);
    }

    #[test]
    fn what_is_wrong_with_one_carrier_adds_to_what_is_wrong_with_all() {
        let json = r#"{ "carrier_latency_ms": 5, "carrier_rate_limited": 0,
            "carriers": { "fedex": { "latency_ms": 9, "rate_limited": { "seconds": 3 }, "html": true } } }"#;
        let faults: Faults = serde_json::from_str(json).unwrap();
        let (fedex, dhl) = (faults.of_carrier(CarrierName::Fedex), faults.of_carrier(CarrierName::Dhl));
        assert_eq!((fedex.latency_ms, dhl.latency_ms, fedex.html, dhl.html), (9, 5, true, false));
        assert_eq!(fedex.rate_limited, Some(RetryAfter { seconds: Some(3), date_in_s: None }));
        assert_eq!(dhl.rate_limited, Some(RetryAfter::default()));
        assert!(serde_json::from_str::<Faults>(r#"{ "carriers": { "nobody": {} } }"#).is_err());
    }
}
