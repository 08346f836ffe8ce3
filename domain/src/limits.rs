//! What an outside system bears: as configured, as people set it at run time, and as it is found out.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::breaker::BreakerPolicy;
use crate::daily::{Daily, Purpose};
use crate::pacing::{Quota, Share};

/// How one outside system is paced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Rate and burst.
    pub quota: Quota,
    /// Calls a day, where there is a limit of them.
    pub daily: Option<Daily>,
    /// Its limits are not published: the rate is found out, beginning with that of the quota.
    pub adaptive: bool,
    /// When it is left alone because it fails. Its first pause is also the time that the rate takes to come back after
    /// a pause, whoever asked for that.
    pub breaker: BreakerPolicy,
}

/// How often the rate of an adaptive system may grow.
pub const ADAPT_EVERY: Duration = Duration::from_secs(60);
/// The least and the most share of its configured rate that an adaptive system comes to.
pub const ADAPT_LEAST: Share = Share(62_500);
/// See [`ADAPT_LEAST`].
pub const ADAPT_MOST: Share = Share(16_000_000);
/// Steps of a recovery: 1/32 of the rate, then twice as much with each step.
pub const RECOVERY_STEPS: u32 = 5;

/// What people set at run time; what is `None` is as configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LiveLimits {
    /// Most calls in any window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// The window's length, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_ms: Option<u64>,
    /// Calls that may start at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<u32>,
    /// Calls a day; needs a configured beginning of the day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daily: Option<u32>,
    /// How much of the day, in hundredths, is kept for people's requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserve_percent: Option<u8>,
}

/// Limits that can't be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadLimits {
    /// Nothing would be left to pace.
    #[error("burst is {burst}; it must be at least 1 and less than limit ({limit})")]
    Burst {
        /// What it would be.
        burst: u32,
        /// Of so many.
        limit: u32,
    },
    /// No length.
    #[error("window_ms must be above 0")]
    Window,
    /// Nothing would be left.
    #[error("daily must be above 0")]
    Daily,
    /// More than there is.
    #[error("reserve_percent is {0}; it must be 0 to 99")]
    Reserve(u8),
}

impl Terms {
    /// These terms with what people set.
    #[must_use]
    pub fn with(mut self, live: &LiveLimits) -> Self {
        let quota = &mut self.quota;
        quota.limit = live.limit.unwrap_or(quota.limit);
        quota.window = live.window_ms.map_or(quota.window, Duration::from_millis);
        quota.burst = live.burst.unwrap_or(quota.burst);
        if let Some(most) = live.daily {
            let reset = self.daily.map_or(crate::daily::DayReset::UTC_MIDNIGHT, |daily| daily.reset);
            let reserve_percent = self.daily.map_or(0, |daily| daily.reserve_percent);
            self.daily = Some(Daily { most, reset, reserve_percent });
        }
        if let (Some(daily), Some(percent)) = (&mut self.daily, live.reserve_percent) {
            daily.reserve_percent = percent;
        }
        self
    }

    /// Whether they can be kept.
    ///
    /// # Errors
    /// The first that can't.
    pub fn check(&self) -> Result<(), BadLimits> {
        let Quota { limit, burst, window, .. } = self.quota;
        if burst == 0 || burst >= limit {
            return Err(BadLimits::Burst { burst, limit });
        }
        if window.is_zero() {
            return Err(BadLimits::Window);
        }
        match self.daily {
            Some(Daily { most: 0, .. }) => Err(BadLimits::Daily),
            Some(Daily { reserve_percent, .. }) if reserve_percent > 99 => {
                Err(BadLimits::Reserve(reserve_percent))
            }
            _ => Ok(()),
        }
    }

    /// Most calls of a day for this purpose, where there is a budget.
    #[must_use]
    pub fn most_for(&self, purpose: Purpose) -> Option<u32> {
        self.daily.map(|daily| daily.most_for(purpose))
    }

    /// By how much the share of an adaptive system grows after a clean minute: one call a second more, but no more
    /// than a quarter of what it began with. Nothing for others.
    #[must_use]
    pub fn growth(&self) -> Share {
        if !self.adaptive {
            return Share(0);
        }
        let one_a_second = self.quota.interval_us().min(Share::WHOLE.0);
        Share(one_a_second.min(Share::WHOLE.0 / 4))
    }

    /// The length of a step of the recovery, in microseconds.
    #[must_use]
    pub fn recovery_step_us(&self) -> i64 {
        i64::try_from(self.breaker.pause.as_micros()).unwrap_or(i64::MAX) / i64::from(RECOVERY_STEPS)
    }

    /// The share of its rate that a system is given so long after its recovery began.
    #[must_use]
    pub fn recovering(&self, since_us: i64) -> Share {
        let step_us = self.recovery_step_us().max(1);
        let step = (since_us.max(0) / step_us).min(i64::from(RECOVERY_STEPS));
        Share(Share::WHOLE.0 >> (i64::from(RECOVERY_STEPS) - step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daily::DayReset;

    fn terms() -> Terms {
        let quota =
            Quota { limit: 52, window: Duration::from_secs(1), burst: 2, margin: Duration::from_millis(0) };
        let daily = Daily { most: 1000, reset: DayReset::UTC_MIDNIGHT, reserve_percent: 10 };
        Terms { quota, daily: Some(daily), adaptive: true, breaker: BreakerPolicy::default() }
    }

    #[test]
    fn what_people_set_takes_the_place_of_what_is_configured() {
        let live = LiveLimits { limit: Some(10), daily: Some(50), ..LiveLimits::default() };
        let set = terms().with(&live);
        assert_eq!((set.quota.limit, set.quota.burst), (10, 2));
        assert_eq!(set.daily.map(|daily| (daily.most, daily.reserve_percent)), Some((50, 10)));
        assert_eq!(terms().with(&LiveLimits::default()), terms());
        set.check().unwrap();
    }

    #[test]
    fn limits_that_cannot_be_kept_are_refused() {
        let refused = |live: LiveLimits| terms().with(&live).check().unwrap_err();
        let live = LiveLimits::default();
        assert_eq!(
            refused(LiveLimits { limit: Some(2), ..live }),
            BadLimits::Burst { burst: 2, limit: 2 },
            "a burst of the whole limit leaves no rate"
        );
        assert_eq!(refused(LiveLimits { window_ms: Some(0), ..live }), BadLimits::Window);
        assert_eq!(refused(LiveLimits { daily: Some(0), ..live }), BadLimits::Daily);
        assert_eq!(refused(LiveLimits { reserve_percent: Some(100), ..live }), BadLimits::Reserve(100));
    }

    #[test]
    fn an_adaptive_rate_grows_by_one_a_second() {
        let growth = terms().growth();
        assert_eq!(growth, Share(20_000), "one of fifty");
        assert_eq!(Terms { adaptive: false, ..terms() }.growth(), Share(0));
        let slow = Quota { limit: 3, ..terms().quota };
        assert_eq!(Terms { quota: slow, ..terms() }.growth(), Share(250_000), "no leap");
    }

    #[test]
    fn a_recovery_doubles_step_by_step() {
        let at = |seconds: i64| terms().recovering(seconds * 1_000_000).0;
        assert_eq!([at(-5), at(0), at(6), at(12), at(18)], [31_250, 31_250, 62_500, 125_000, 250_000]);
        assert_eq!([at(24), at(30), at(i64::MAX / 1_000_000)], [500_000, 1_000_000, 1_000_000]);
    }
}
