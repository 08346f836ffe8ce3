//! Pacing: the generic cell rate algorithm, so set that no sliding window sees more than the quota.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// What an outside system bears: at most `limit` arrivals in any window of length `window`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// L: most calls in any window.
    pub limit: u32,
    /// T: the window's length.
    pub window: Duration,
    /// b: how many calls may start at once after a rest; less than `limit`.
    pub burst: u32,
    /// J: how late after its grant a call may arrive; a grant older than this is given back unused.
    pub margin: Duration,
}

/// Calls that may be made, each at its own time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// How many.
    pub count: u32,
    /// When the first may start, from the moment of the grant.
    pub first_in: Duration,
    /// How far apart the later ones are; those of a burst may all start at once.
    pub spacing: Duration,
    /// How many of them may start with the first one.
    pub at_once: u32,
    /// When nothing was granted: ask again after this.
    pub retry_in: Duration,
}

impl Quota {
    /// The time between two calls at rate r = (L − b) / (T + J), in microseconds, rounded up.
    #[must_use]
    pub fn interval_us(&self) -> i64 {
        let span = u64::try_from((self.window + self.margin).as_micros()).unwrap_or(u64::MAX);
        let steady = u64::from(self.limit.saturating_sub(self.burst).max(1));
        i64::try_from(span.div_ceil(steady)).unwrap_or(i64::MAX).max(1)
    }

    /// Calls a second at the steady rate r.
    #[must_use]
    pub fn rate(&self) -> f64 {
        1_000_000.0 / self.interval_us() as f64
    }

    /// What this quota asks of the row that paces it, at this share of its rate.
    #[must_use]
    pub fn rhythm(&self, share: Share) -> Rhythm {
        let base = self.interval_us();
        let spacing_us = share.stretch(base);
        // A burst is never longer than at the whole rate: a share that changes must not bring two of them.
        let tolerance_us = base.min(spacing_us).saturating_mul(i64::from(self.burst.max(1)) - 1);
        let horizon_us = i64::try_from(self.margin.as_micros()).unwrap_or(i64::MAX);
        Rhythm { spacing_us, tolerance_us, horizon_us }
    }

    /// Grants up to `want` calls at the whole rate: see [`Rhythm::grant`].
    #[must_use]
    pub fn grant(&self, tat: DateTime<Utc>, now: DateTime<Utc>, want: u32) -> (Grant, DateTime<Utc>) {
        self.rhythm(Share::WHOLE).grant(tat, now, want)
    }
}

/// A share of a rate, in millionths. More than the whole is for systems whose limits are found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(pub i64);

impl Share {
    /// All of it.
    pub const WHOLE: Self = Self(1_000_000);

    /// The time between two calls at this share, when it is `interval_us` at the whole rate; rounded up.
    #[must_use]
    pub fn stretch(self, interval_us: i64) -> i64 {
        let wide =
            (i128::from(interval_us) * 1_000_000 + i128::from(self.0.max(1)) - 1) / i128::from(self.0.max(1));
        i64::try_from(wide).unwrap_or(i64::MAX).max(1)
    }
}

/// The numbers by which calls are spaced, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rhythm {
    /// Between two calls.
    pub spacing_us: i64,
    /// How much earlier than its turn a call of a burst may start.
    pub tolerance_us: i64,
    /// How far ahead of their start calls are granted.
    pub horizon_us: i64,
}

impl Rhythm {
    /// Grants up to `want` calls that may start within the horizon from `now`; `tat` is the theoretical arrival time
    /// that the last grant left. Returns the grant and the new arrival time to keep.
    ///
    /// Slot k starts at max(now, base + k × spacing − tolerance) with base = max(tat, now).
    #[must_use]
    pub fn grant(&self, tat: DateTime<Utc>, now: DateTime<Utc>, want: u32) -> (Grant, DateTime<Utc>) {
        let Self { spacing_us: interval, tolerance_us: tolerance, horizon_us: horizon } = *self;
        let ahead = (tat - now).num_microseconds().unwrap_or(i64::MAX).max(0);
        let room = horizon.saturating_sub(ahead).saturating_add(tolerance);
        let fit = if room < 0 { 0 } else { room / interval + 1 };
        let count = u32::try_from(fit.min(i64::from(want))).unwrap_or(want);
        let first_in = micros(ahead.saturating_sub(tolerance));
        let free = tolerance.saturating_sub(ahead);
        let at_once = if free < 0 { 1 } else { u32::try_from(free / interval + 1).unwrap_or(u32::MAX) };
        let grant = Grant {
            count,
            first_in,
            spacing: micros(interval),
            at_once: at_once.min(count.max(1)),
            retry_in: micros(
                ahead.saturating_sub(tolerance).saturating_sub(horizon).max(interval.min(horizon)),
            ),
        };
        let used = interval.saturating_mul(i64::from(count));
        let kept = now + chrono::Duration::microseconds(ahead.saturating_add(used));
        (grant, if count == 0 { tat } else { kept })
    }
}

impl Grant {
    /// When call `k` (from 0) of this grant may start, from the moment of the grant.
    #[must_use]
    pub fn start_of(&self, k: u32) -> Duration {
        self.first_in + self.spacing * (k + 1).saturating_sub(self.at_once)
    }
}

fn micros(us: i64) -> Duration {
    Duration::from_micros(us.max(0).unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn start() -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000, 0).unwrap()
    }

    proptest! {
        #[test]
        fn no_window_of_arrivals_exceeds_the_limit(
            limit in 4u32..200,
            burst in 1u32..4,
            margin_ms in 10u64..200,
            asks in prop::collection::vec((0i64..400_000, 1u32..50, 0u64..=100), 1..200),
        ) {
            let quota = Quota {
                limit, burst, window: Duration::from_secs(1), margin: Duration::from_millis(margin_ms),
            };
            let (mut now, mut tat) = (start(), start());
            let mut arrivals: Vec<i64> = Vec::new();
            for (pause_us, want, late) in asks {
                now += chrono::Duration::microseconds(pause_us);
                let (grant, kept) = quota.grant(tat, now, want);
                tat = kept;
                for k in 0..grant.count {
                    let begins = now + grant.start_of(k);
                    // Each arrives up to the margin after its own start.
                    let arrives = begins + quota.margin.mul_f64(late as f64 / 100.0);
                    arrivals.push((arrives - start()).num_microseconds().unwrap());
                }
            }
            arrivals.sort_unstable();
            for (i, at) in arrivals.iter().enumerate() {
                let seen = arrivals[i..].iter().take_while(|b| **b < at + 1_000_000).count();
                prop_assert!(seen <= limit as usize, "{seen} arrivals in a second, the limit is {limit}");
            }
        }

        #[test]
        fn a_share_that_changes_all_the_time_never_brings_more_than_the_limit(
            limit in 4u32..200,
            burst in 1u32..4,
            asks in prop::collection::vec((0i64..400_000, 1u32..50, 10_000i64..=1_000_000), 1..200),
        ) {
            let quota = Quota {
                limit, burst, window: Duration::from_secs(1), margin: Duration::from_millis(100),
            };
            let (mut now, mut tat) = (start(), start());
            let mut arrivals: Vec<i64> = Vec::new();
            for (pause_us, want, share) in asks {
                now += chrono::Duration::microseconds(pause_us);
                let (grant, kept) = quota.rhythm(Share(share)).grant(tat, now, want);
                tat = kept;
                for k in 0..grant.count {
                    arrivals.push((now + grant.start_of(k) - start()).num_microseconds().unwrap());
                }
            }
            arrivals.sort_unstable();
            for (i, at) in arrivals.iter().enumerate() {
                let seen = arrivals[i..].iter().take_while(|b| **b < at + 1_000_000).count();
                prop_assert!(seen <= limit as usize, "{seen} arrivals in a second, the limit is {limit}");
            }
        }

        #[test]
        fn while_there_is_work_the_steady_rate_is_used(limit in 10u32..500) {
            let quota = Quota {
                limit, burst: 2, window: Duration::from_secs(1), margin: Duration::from_millis(50),
            };
            let (mut now, mut tat, mut granted) = (start(), start(), 0u32);
            while now < start() + chrono::Duration::seconds(20) {
                let (grant, kept) = quota.grant(tat, now, 1000);
                tat = kept;
                granted += grant.count;
                now += chrono::Duration::milliseconds(20);
            }
            prop_assert!(f64::from(granted) >= 0.95 * 20.0 * quota.rate());
        }
    }
}
