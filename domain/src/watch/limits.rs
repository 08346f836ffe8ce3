//! From when on people are told: one table.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Longest time between two looks.
const EVERY_MAX: Duration = Duration::from_secs(5);
/// Shortest.
const EVERY_MIN: Duration = Duration::from_millis(500);

/// The thresholds of the rules that watch the system. What each means stands beside its default in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each is the rule of its name, in seconds or days")]
pub struct Limits {
    pub drain_late_s: f64,
    pub intake_refuses_s: f64,
    pub member_keys_unavailable_s: f64,
    pub no_consumers_s: f64,
    pub outbox_old_s: f64,
    pub queue_old_s: f64,
    pub schedule_missed_s: f64,
    pub spool_in_use_s: f64,
    pub token_not_renewed_s: f64,
    pub credentials_expire_days: f64,
    /// For so long a thing must be well before its incident ends.
    pub well_for_s: f64,
}

impl Limits {
    /// Each setting and its value.
    #[must_use]
    pub fn settings(&self) -> [(&'static str, f64); 11] {
        [
            ("drain_late_s", self.drain_late_s),
            ("intake_refuses_s", self.intake_refuses_s),
            ("member_keys_unavailable_s", self.member_keys_unavailable_s),
            ("no_consumers_s", self.no_consumers_s),
            ("outbox_old_s", self.outbox_old_s),
            ("queue_old_s", self.queue_old_s),
            ("schedule_missed_s", self.schedule_missed_s),
            ("spool_in_use_s", self.spool_in_use_s),
            ("token_not_renewed_s", self.token_not_renewed_s),
            ("credentials_expire_days", self.credentials_expire_days),
            ("well_for_s", self.well_for_s),
        ]
    }

    /// How often to look, so that no threshold is missed by much: every 5 s, or a quarter of the shortest of them.
    #[must_use]
    pub fn look_every(&self) -> Duration {
        let times = self.settings().into_iter().filter(|(name, _)| name.ends_with("_s"));
        let shortest = times.map(|(_, value)| value).fold(f64::MAX, f64::min);
        seconds(shortest / 4.0).clamp(EVERY_MIN, EVERY_MAX)
    }

    /// The threshold of a rule, as it is written in the configuration; none of a rule that does not watch.
    #[must_use]
    pub fn of(&self, rule: &str) -> Option<(&'static str, f64)> {
        self.settings().into_iter().find(|(name, _)| {
            name.strip_suffix("_s").or_else(|| name.strip_suffix("_days")).is_some_and(|name| name == rule)
        })
    }
}

/// Seconds of the configuration, which were checked there.
pub(super) fn seconds(s: f64) -> Duration {
    Duration::try_from_secs_f64(s).unwrap_or(Duration::MAX)
}
