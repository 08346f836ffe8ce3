//! Outside systems as the fleet sees them: breakers, limits set at run time, what is left of the day.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use forebay_domain::breaker::{Breaker, BreakerPolicy, Cause, Change, Force, Phase, Tally};
use forebay_domain::daily::{Purpose, planned_by};
use forebay_domain::incident::{About, AlertRule, Raise, Severity};
use forebay_domain::limits::{LiveLimits, Terms};
use forebay_domain::pacing::Share;
use serde_json::{Value, json};

use crate::audit_log::{AuditEntry, By};
use crate::error::Error;

/// Calls of a day so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayUse {
    /// The day's first instant.
    pub from: DateTime<Utc>,
    /// The next day's first instant.
    pub until: DateTime<Utc>,
    /// Calls granted.
    pub used: u32,
}

/// An outside system, as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemView {
    /// Its key, e.g. `carrier/sweettracker`.
    pub key: String,
    /// The version of the limits that people set; 0 when nobody did.
    pub version: i64,
    /// What people set.
    pub live: LiveLimits,
    /// The share of its rate that was found out, for an adaptive one.
    pub share: Share,
    /// Since when its rate comes back.
    pub recovering_from: Option<DateTime<Utc>>,
    /// Until when its gate is closed, and why; it may be over.
    pub gate: Option<(DateTime<Utc>, String)>,
    /// The day of its last call, which may be over.
    pub day: Option<DayUse>,
    /// Its breaker.
    pub breaker: Breaker,
    /// The store's time of this view.
    pub now: DateTime<Utc>,
}

/// Why nothing may be sent to a system at present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shut {
    /// Until then at least.
    pub until: DateTime<Utc>,
    /// Why.
    pub reason: String,
}

/// How many calls the planner may count on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlook {
    /// So many.
    Calls(u32),
    /// One, to see whether the system is back.
    Probe,
}

impl SystemView {
    /// One that nobody has called or steered yet.
    #[must_use]
    pub fn untouched(key: &str, now: DateTime<Utc>) -> Self {
        Self {
            key: key.to_owned(),
            version: 0,
            live: LiveLimits::default(),
            share: Share::WHOLE,
            recovering_from: None,
            gate: None,
            day: None,
            breaker: Breaker::default(),
            now,
        }
    }

    /// Why no planned call may be made now, if so. A breaker whose pause is over is not shut: a probe may go.
    #[must_use]
    pub fn shut(&self, terms: &Terms) -> Option<Shut> {
        self.shut_for(terms, Purpose::Routine)
    }

    /// The same of a call for this purpose: for people there may be something left of a day that is over for the plan.
    #[must_use]
    pub fn shut_for(&self, terms: &Terms, purpose: Purpose) -> Option<Shut> {
        let gate = self.gate.as_ref().map(|(until, reason)| (*until, reason.as_str()));
        let bar = self.breaker.bar.as_ref().map(|bar| (bar.until, bar.why.as_str()));
        let most = terms.with(&self.live).most_for(purpose);
        let spent = self.day.filter(|day| most.is_some_and(|most| day.used >= most));
        let day = spent.map(|day| (day.until, crate::pacing::DAY_USED_UP));
        let shut = [gate, bar, day].into_iter().flatten().filter(|(until, _)| *until > self.now);
        shut.max_by_key(|(until, _)| *until).map(|(until, reason)| Shut { until, reason: reason.to_owned() })
    }

    /// The breaker's pause is over, and nobody's probe is out.
    #[must_use]
    pub fn probe_due(&self) -> bool {
        self.breaker.bar.as_ref().is_some_and(|bar| bar.until <= self.now)
    }

    /// Calls that are left of the day for this purpose, where there is a budget.
    #[must_use]
    pub fn left_today(&self, terms: &Terms, purpose: Purpose) -> Option<u32> {
        let most = terms.with(&self.live).most_for(purpose)?;
        let used = self.day.filter(|day| day.until > self.now).map_or(0, |day| day.used);
        Some(most.saturating_sub(used))
    }

    /// Calls a second at present, breaker and gate aside.
    #[must_use]
    pub fn rate(&self, terms: &Terms) -> f64 {
        let live = terms.with(&self.live);
        let found = if terms.adaptive { self.share } else { Share::WHOLE };
        let back = self.recovering_from.map_or(Share::WHOLE, |from| {
            live.recovering((self.now - from).num_microseconds().unwrap_or(i64::MAX))
        });
        live.quota.rate() * (found.0 as f64 / 1e6) * (back.0 as f64 / 1e6)
    }

    /// How many planned calls will pass within this time.
    #[must_use]
    pub fn outlook(&self, terms: &Terms, within: Duration) -> Outlook {
        if self.shut(terms).is_some() {
            return Outlook::Calls(0);
        }
        if self.breaker.bar.is_some() {
            return Outlook::Probe;
        }
        let calls = (self.rate(terms) * within.as_secs_f64()).max(1.0) as u32;
        Outlook::Calls(self.left_for_now(terms).map_or(calls, |left| left.min(calls)))
    }

    /// Planned calls that are left for now, where there is a budget: it is spent evenly over its day.
    fn left_for_now(&self, terms: &Terms) -> Option<u32> {
        let live = terms.with(&self.live);
        let (most, daily) = live.most_for(Purpose::Routine).zip(live.daily)?;
        let (from, until) = daily.reset.day_of(self.now);
        let used = self.day.filter(|day| day.until > self.now).map_or(0, |day| day.used);
        Some(planned_by(most, from, until, self.now).saturating_sub(used))
    }
}

/// How a breaker stands after a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// How it stands.
    pub phase: Phase,
    /// What the report changed.
    pub change: Change,
    /// For how long nobody calls.
    pub left: Duration,
}

impl Standing {
    /// After a report that did this.
    #[must_use]
    pub fn of(breaker: &Breaker, change: Change, now: DateTime<Utc>) -> Self {
        let left = breaker.bar.as_ref().and_then(|bar| (bar.until - now).to_std().ok());
        Self { phase: breaker.phase(now), change, left: left.unwrap_or_default() }
    }
}

/// Outside systems.
#[async_trait]
pub trait Breakers {
    /// Every system for which a permit was ever asked, or that people have steered, by key.
    async fn systems(&self) -> Result<Vec<SystemView>, Error>;

    /// Tells how calls went: a few transactions a minute, not one a call. An incident is raised when the breaker
    /// opens and resolved when it closes. `credential` tells credentials apart without being one; it is kept when
    /// they are refused.
    async fn report_calls(
        &self,
        key: &str,
        tally: &Tally,
        why: &str,
        credential: &str,
        policy: &BreakerPolicy,
    ) -> Result<Standing, Error>;

    /// For a breaker whose pause is over: `true` for the one worker that is to look for a call to probe with, within
    /// this time.
    async fn claim_probe(&self, key: &str, within: Duration) -> Result<bool, Error>;

    /// Lets a system be tried at once that had refused other credentials than these.
    async fn renew_credential(&self, key: &str, credential: &str) -> Result<(), Error>;

    /// Sets what the system bears, in place of all that was set before; nothing when it was set to another version
    /// than the expected one meanwhile. The answer is the version after it, and whether it is of this call.
    async fn set_limits(
        &self,
        key: &str,
        live: &LiveLimits,
        expected: Option<i64>,
        by: &By,
    ) -> Result<(i64, bool), Error>;

    /// Keeps the breaker open or closed as a person orders, or lets it go by itself again.
    async fn force_breaker(&self, key: &str, force: Option<Force>, by: &By) -> Result<(), Error>;
}

/// The fingerprint of the incident of a breaker.
#[must_use]
pub fn breaker_fingerprint(key: &str) -> String {
    format!("breaker/{key}")
}

/// The incident of a breaker that opened; none when a person wants it open.
#[must_use]
pub fn breaker_incident(key: &str, breaker: &Breaker) -> Option<Raise> {
    let bar = breaker.bar.as_ref()?;
    let id = key.rsplit('/').next().unwrap_or(key);
    let show = format!("forebay carrier show {id}");
    let (severity, title, next, action) = match bar.cause {
        Cause::Ordered => return None,
        Cause::Failing => (
            Severity::Warning,
            format!("{id} does not answer as it should"),
            "It is tried again by itself.",
            show,
        ),
        Cause::Denied => (
            Severity::Critical,
            format!("{id} refuses our credentials"),
            "Somebody has to set the credentials right.",
            format!(
                "{show}\n# Set client_id and key of carriers.{id} right and restart the workers: it is tried at once."
            ),
        ),
    };
    Some(Raise {
        fingerprint: breaker_fingerprint(key),
        rule: AlertRule::BreakerOpen,
        about: Some(About::system_of(key)),
        severity,
        title,
        impact: format!("Nothing is sent to it; its messages wait and lose no attempt. {next}"),
        action,
        sample: bar.why.clone(),
        count: 1,
    })
}

/// What the audit log says of limits.
#[must_use]
pub fn limits_entry(
    key: &str,
    before: &LiveLimits,
    after: &LiveLimits,
    by: &By,
    now: DateTime<Utc>,
) -> AuditEntry {
    AuditEntry {
        subject: key.to_owned(),
        count: 1,
        before: json!(before),
        after: json!(after),
        ..AuditEntry::of(by, "carriers.limit", now)
    }
}

/// What the audit log says of a breaker that was forced or let go.
#[must_use]
pub fn force_entry(
    key: &str,
    before: Option<&Force>,
    after: Option<&Force>,
    by: &By,
    now: DateTime<Utc>,
) -> AuditEntry {
    let told = |force: Option<&Force>| {
        force.map_or(
            Value::Null,
            |force| json!({ "forced": if force.open { "open" } else { "closed" }, "until": force.until }),
        )
    };
    AuditEntry {
        subject: key.to_owned(),
        count: 1,
        before: told(before),
        after: told(after),
        ..AuditEntry::of(by, "carriers.breaker", now)
    }
}

/// The instant so long from now, within what every store can hold.
#[must_use]
pub fn later(now: DateTime<Utc>, length: Duration) -> DateTime<Utc> {
    let length = TimeDelta::from_std(length).unwrap_or(TimeDelta::MAX);
    let far = forebay_domain::breaker::FAR;
    now.checked_add_signed(length).map_or(far, |at| at.min(far))
}
