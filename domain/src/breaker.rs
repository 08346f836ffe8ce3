//! The breaker of an outside system: who fails is left alone, asked once in a while by one caller, and comes back
//! step by step.
//!
//! closed → open, when too many calls fail or our credentials are refused → half-open, when its pause is over and one
//! caller of the whole fleet makes a probe → closed again, or open for longer.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When a breaker opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// Fewest calls of the window of which a share may open it.
    pub calls: u32,
    /// The share of them that failed, in hundredths.
    pub percent: u32,
    /// Failures in a row that open it when there were fewer calls.
    pub in_row: u32,
    /// How long it is open at first; after each probe that fails twice as long.
    pub pause: Duration,
    /// The longest pause.
    pub pause_max: Duration,
    /// The pause when the credentials are refused: somebody has to mend them.
    pub pause_denied: Duration,
    /// How long a probe may be out.
    pub probe: Duration,
}

impl Default for BreakerPolicy {
    /// Half of at least 20 calls in a minute, or 5 in a row; 30 s to 5 min, 10 min when refused; a probe has 60 s.
    fn default() -> Self {
        Self {
            calls: 20,
            percent: 50,
            in_row: 5,
            pause: Duration::from_secs(30),
            pause_max: Duration::from_secs(300),
            pause_denied: Duration::from_secs(600),
            probe: Duration::from_secs(60),
        }
    }
}

/// How a call went, as far as it tells of the system's health. A business error is a good answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallEnd {
    /// It answered.
    Well,
    /// It did not answer, or not sensibly.
    Failed,
    /// It refuses our credentials.
    Denied,
}

/// Ends of calls, counted where they were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// That went well.
    pub well: u32,
    /// That failed.
    pub failed: u32,
    /// That failed since the last that went well.
    pub in_row: u32,
    /// That were refused.
    pub denied: u32,
}

impl Tally {
    /// Counts one more.
    pub fn count(&mut self, end: CallEnd) {
        match end {
            CallEnd::Well => {
                self.well += 1;
                self.in_row = 0;
            }
            CallEnd::Failed => {
                self.failed += 1;
                self.in_row += 1;
            }
            CallEnd::Denied => self.denied += 1,
        }
    }

    /// Nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Why a breaker is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "BreakerCause")]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Its calls fail.
    Failing,
    /// It refuses our credentials.
    Denied,
    /// A person wants it so.
    Ordered,
}

/// It is not closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bar {
    /// Since when.
    pub since: DateTime<Utc>,
    /// Until then nobody calls; after it one caller may make a probe.
    pub until: DateTime<Utc>,
    /// A probe is out, and has until then.
    pub probing: bool,
    /// Why.
    pub cause: Cause,
    /// Why, in words.
    pub why: String,
}

/// What a person ordered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Force {
    /// Open, or closed.
    pub open: bool,
    /// Until then; without it, until somebody takes it back.
    pub until: Option<DateTime<Utc>>,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Who: the id of the API key.
    pub actor: String,
    /// Why.
    pub reason: String,
}

/// Ends of calls within ten seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// Which ten seconds.
    pub slot: i64,
    /// Calls.
    pub calls: u32,
    /// Those that failed.
    pub failed: u32,
}

/// The end of what has none: the year 9999, which every store can hold.
pub const FAR: DateTime<Utc> = match DateTime::from_timestamp(253_370_764_800, 0) {
    Some(far) => far,
    None => DateTime::<Utc>::MAX_UTC,
};

const BUCKET_S: i64 = 10;
/// Buckets of the window: one minute.
const BUCKETS: i64 = 6;

/// A breaker.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Breaker {
    /// It is not closed.
    pub bar: Option<Bar>,
    /// Probes that failed since it was last well.
    #[serde(default)]
    pub strikes: u32,
    /// When it closed after it was open.
    #[serde(default)]
    pub recovered_at: Option<DateTime<Utc>>,
    /// The last minute.
    #[serde(default)]
    pub recent: Vec<Bucket>,
    /// Failures since a call went well.
    #[serde(default)]
    pub in_row: u32,
    /// What a person ordered, over or not.
    #[serde(default)]
    pub force: Option<Force>,
}

/// What a report or an order did to a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is as it was.
    None,
    /// It opened, or stays open for another cause: people have to know.
    Opened,
    /// It stays open: a probe failed.
    Reopened,
    /// It closed.
    Closed,
}

/// How a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "BreakerPhase")]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Calls are made.
    Closed,
    /// None are.
    Open,
    /// One is, or may be.
    HalfOpen,
}

impl Phase {
    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

impl Breaker {
    /// How it stands.
    #[must_use]
    pub fn phase(&self, now: DateTime<Utc>) -> Phase {
        match &self.bar {
            None => Phase::Closed,
            Some(bar) if bar.probing || bar.until <= now => Phase::HalfOpen,
            Some(_) => Phase::Open,
        }
    }

    /// What a person ordered, as long as it holds.
    #[must_use]
    pub fn forced(&self, now: DateTime<Utc>) -> Option<&Force> {
        self.force.as_ref().filter(|force| force.until.is_none_or(|until| until > now))
    }

    /// Lets one caller make a probe; `false` when it is not time for one.
    pub fn probe(&mut self, policy: &BreakerPolicy, now: DateTime<Utc>) -> bool {
        match &mut self.bar {
            Some(bar) if bar.until <= now => {
                bar.until = later(now, policy.probe);
                bar.probing = true;
                true
            }
            _ => false,
        }
    }

    /// Takes in how calls went; `why` is the last error of them.
    pub fn report(&mut self, tally: &Tally, why: &str, policy: &BreakerPolicy, now: DateTime<Utc>) -> Change {
        if let Some(bar) = &mut self.bar {
            let (probing, cause) = (bar.probing, bar.cause);
            return match (probing, tally) {
                (_, Tally { denied: 1.., .. }) if cause != Cause::Ordered || probing => {
                    self.open(Cause::Denied, why, policy, now)
                }
                (true, Tally { failed: 1.., .. }) => {
                    self.strikes = self.strikes.saturating_add(1);
                    self.open(Cause::Failing, why, policy, now)
                }
                (true, Tally { well: 1.., .. }) => {
                    self.close(now);
                    Change::Closed
                }
                // Calls that were under way when it opened.
                _ => Change::None,
            };
        }
        self.count(tally, now);
        if self.forced(now).is_some() {
            return Change::None;
        }
        if tally.denied > 0 {
            return self.open(Cause::Denied, why, policy, now);
        }
        if tally.failed > 0 && self.fails(policy) {
            return self.open(Cause::Failing, why, policy, now);
        }
        Change::None
    }

    /// Keeps it open or closed as a person orders, or, with `None`, lets it go by itself again: one that was open is
    /// tried at once.
    pub fn order(&mut self, force: Option<Force>, now: DateTime<Utc>) -> Change {
        let was_open = self.bar.is_some();
        self.force = force;
        match &self.force {
            Some(force) if force.open => {
                let until = force.until.unwrap_or(FAR);
                let since = self.bar.as_ref().map_or(now, |bar| bar.since);
                let why = force.reason.clone();
                self.bar = Some(Bar { since, until, probing: false, cause: Cause::Ordered, why });
                if was_open { Change::None } else { Change::Opened }
            }
            Some(_) => {
                self.close(now);
                if was_open { Change::Closed } else { Change::None }
            }
            None => {
                if let Some(bar) = &mut self.bar {
                    (bar.until, bar.probing) = (now, false);
                }
                Change::None
            }
        }
    }

    /// Tries it at once when it is open because of credentials that are others by now.
    pub fn renewed(&mut self, now: DateTime<Utc>) {
        if let Some(bar) = self.bar.as_mut().filter(|bar| bar.cause == Cause::Denied) {
            (bar.until, bar.probing) = (now, false);
        }
    }

    fn count(&mut self, tally: &Tally, now: DateTime<Utc>) {
        let slot = now.timestamp().div_euclid(BUCKET_S);
        self.recent.retain(|bucket| bucket.slot > slot - BUCKETS && bucket.slot <= slot);
        let calls = tally.well.saturating_add(tally.failed);
        match self.recent.iter_mut().find(|bucket| bucket.slot == slot) {
            Some(bucket) => {
                bucket.calls = bucket.calls.saturating_add(calls);
                bucket.failed = bucket.failed.saturating_add(tally.failed);
            }
            None => self.recent.push(Bucket { slot, calls, failed: tally.failed }),
        }
        self.in_row = if tally.well == 0 { self.in_row.saturating_add(tally.failed) } else { tally.in_row };
    }

    fn fails(&self, policy: &BreakerPolicy) -> bool {
        let sum = |of: fn(&Bucket) -> u32| self.recent.iter().map(|b| u64::from(of(b))).sum::<u64>();
        let (calls, failed) = (sum(|b| b.calls), sum(|b| b.failed));
        if calls < u64::from(policy.calls) {
            return self.in_row >= policy.in_row;
        }
        failed * 100 >= calls * u64::from(policy.percent)
    }

    fn open(&mut self, cause: Cause, why: &str, policy: &BreakerPolicy, now: DateTime<Utc>) -> Change {
        let long_well = self.recovered_at.is_none_or(|at| now - at > TimeDelta::seconds(BUCKET_S * BUCKETS));
        let change = match &self.bar {
            Some(bar) if bar.cause != cause => Change::Opened,
            Some(_) => Change::Reopened,
            None => {
                // One that fails again while it comes back has not been well.
                self.strikes = if long_well { 0 } else { self.strikes.saturating_add(1) };
                Change::Opened
            }
        };
        let pause = match cause {
            Cause::Denied => policy.pause_denied,
            _ => policy.pause.saturating_mul(1 << self.strikes.min(16)).min(policy.pause_max),
        };
        let since = self.bar.as_ref().map_or(now, |bar| bar.since);
        let why = why.to_owned();
        self.bar = Some(Bar { since, until: later(now, pause), probing: false, cause, why });
        self.recent.clear();
        self.in_row = 0;
        change
    }

    fn close(&mut self, now: DateTime<Utc>) {
        if self.bar.take().is_some() {
            self.recovered_at = Some(now);
        }
        self.recent.clear();
        self.in_row = 0;
    }
}

fn later(now: DateTime<Utc>, length: Duration) -> DateTime<Utc> {
    let length = TimeDelta::from_std(length).unwrap_or(TimeDelta::MAX);
    now.checked_add_signed(length).map_or(FAR, |at| at.min(FAR))
}

#[cfg(test)]
mod tests;
