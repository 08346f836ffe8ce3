//! Incidents: opened, updated, resolved; told in time and not too often; acknowledged and snoozed by people.

mod about;
mod course;
mod handling;
mod inhibition;
mod news;
mod pace;
mod rules;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use self::about::About;
use self::course::opened;
pub use self::course::{Change, raised, resolved};
pub use self::handling::{Handled, Handling, Order, handled, repeat_due};
pub use self::inhibition::{hush, may_be_silenced, outlived, silenced_by_rules, silencer, silencing_rules};
pub use self::news::{Why, overtaken, why_told};
pub use self::pace::{
    HELD_BACK, HeldBack, Pace, TELLINGS_MAX, TELLINGS_WITHIN, held_back, rules_told, summed_up,
};

pub use self::rules::{AlertRule, INHIBITIONS, Inhibition, RULES, Reach, RuleOf, is_report};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// For the report.
    Info,
    /// Somebody should look today.
    Warning,
    /// Somebody should look now.
    Critical,
}

impl Severity {
    /// The severity as it stands in the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    /// Reads what [`Severity::as_str`] wrote.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        [Self::Info, Self::Warning, Self::Critical].into_iter().find(|s| s.as_str() == text)
    }
}

/// Something happened that people may have to know. Raises with one fingerprint are one incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raise {
    /// What makes it the same incident, e.g. `stock/mug`.
    pub fingerprint: String,
    /// The rule that saw it.
    pub rule: AlertRule,
    /// What it is about, when something that is down there may be its cause: then the incident of that silences it
    /// ([`INHIBITIONS`]).
    pub about: Option<About>,
    /// How bad it is.
    pub severity: Severity,
    /// The symptom, in under 80 characters.
    pub title: String,
    /// What it means: who is affected, what is not lost.
    pub impact: String,
    /// The command to run, or what to do.
    pub action: String,
    /// One example of the cause, e.g. the top error.
    pub sample: String,
    /// How many occurrences this raise stands for; at least 1.
    pub count: i64,
}

/// An incident as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// Its id.
    pub id: Uuid,
    /// What it was raised as last, with the highest severity so far and the count of all.
    pub raise: RaiseKept,
    /// Grows with every change that is worth telling.
    pub revision: i64,
    /// First occurrence.
    pub first_seen: DateTime<Utc>,
    /// Last occurrence.
    pub last_seen: DateTime<Utc>,
    /// When it was resolved.
    pub resolved_at: Option<DateTime<Utc>>,
    /// When people were last told.
    pub told_at: Option<DateTime<Utc>>,
    /// The revision of which they were told.
    pub told_revision: i64,
    /// What the last telling said.
    pub told: Said,
    /// When people last heard of it: a message of its own, not one that was changed in place.
    pub heard_at: Option<DateTime<Utc>>,
    /// How many occurrences that one told.
    pub heard_count: i64,
    /// A telling is on its way, due then.
    pub tell_due_at: Option<DateTime<Utc>>,
    /// The Slack message that is updated in place: channel and time stamp.
    pub slack: Option<SlackRef>,
    /// What people did about it.
    pub handling: Handling,
    /// How often it has come back within [`FLAPS_WITHIN`] of its end.
    pub flaps: i64,
}

impl Incident {
    /// Whether it comes and goes: then it stays one incident.
    #[must_use]
    pub fn is_flapping(&self) -> bool {
        self.flaps >= FLAPPING_FROM
    }
}

/// What comes back so often …
pub const FLAPPING_FROM: i64 = 3;
/// … each time so soon after its end is flapping.
pub const FLAPS_WITHIN: TimeDelta = TimeDelta::hours(1);

/// What a telling said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Said {
    /// How many occurrences.
    pub count: i64,
    /// How bad it was; `None` before the first telling.
    pub severity: Option<Severity>,
    /// How often it had come back.
    pub flaps: i64,
}

impl Said {
    /// What a telling of this incident says.
    #[must_use]
    pub fn of(incident: &Incident) -> Self {
        let RaiseKept { count, severity, .. } = incident.raise;
        Self { count, severity: Some(severity), flaps: incident.flaps }
    }
}

/// What of the raises is kept: as [`Raise`], with owned words.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in `Raise`")]
pub struct RaiseKept {
    pub fingerprint: String,
    pub rule: String,
    pub about: Option<About>,
    pub severity: Severity,
    pub title: String,
    pub impact: String,
    pub action: String,
    pub sample: String,
    pub count: i64,
}

/// A message in Slack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlackRef {
    /// The channel's id.
    pub channel: String,
    /// The message's time stamp, which is its id.
    pub ts: String,
}

/// When people are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// How long occurrences are gathered before the first telling.
    pub group_wait: Duration,
    /// How far apart updates are at least.
    pub update_every: Duration,
    /// After how long an open incident that nobody took on is told again; after that once a day.
    pub repeat_every: Duration,
    /// For how long a thing must be well again before its incident ends.
    pub well_for: Duration,
}

impl Default for Timing {
    /// 30 s, 5 min, 4 h; 1 min.
    fn default() -> Self {
        Self {
            group_wait: Duration::from_secs(30),
            update_every: Duration::from_secs(300),
            repeat_every: Duration::from_secs(4 * 3600),
            well_for: Duration::from_secs(60),
        }
    }
}

impl From<&Raise> for RaiseKept {
    fn from(raise: &Raise) -> Self {
        Self {
            fingerprint: raise.fingerprint.clone(),
            rule: raise.rule.as_str().to_owned(),
            about: raise.about.clone(),
            severity: raise.severity,
            title: raise.title.clone(),
            impact: raise.impact.clone(),
            action: raise.action.clone(),
            sample: raise.sample.clone(),
            count: raise.count,
        }
    }
}

impl Raise {
    /// Gathers raises of one fingerprint into one, counts added up, the last one's words and the highest severity
    /// kept; the order of first appearance stays.
    #[must_use]
    pub fn gathered(raises: Vec<Raise>) -> Vec<Raise> {
        let mut out: Vec<Raise> = Vec::new();
        for raise in raises {
            match out.iter_mut().find(|r| r.fingerprint == raise.fingerprint) {
                Some(kept) => {
                    let (count, severity) = (kept.count + raise.count, kept.severity.max(raise.severity));
                    *kept = Raise { count, severity, ..raise };
                }
                None => out.push(raise),
            }
        }
        out
    }
}

#[cfg(test)]
mod tests;
