//! Incidents: opened, updated, resolved; told in time and not too often; acknowledged and snoozed by people.

mod about;
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
}

impl Default for Timing {
    /// 30 s, 5 min, 4 h.
    fn default() -> Self {
        Self {
            group_wait: Duration::from_secs(30),
            update_every: Duration::from_secs(300),
            repeat_every: Duration::from_secs(4 * 3600),
        }
    }
}

/// What a raise or a resolution does to an incident: its new form, and when to tell if a telling is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The incident as it is to be stored.
    pub incident: Incident,
    /// Send a telling at this time; it is also in `incident.tell_due_at`.
    pub tell_at: Option<DateTime<Utc>>,
    /// Send another one now: what is planned comes later.
    pub also_now: bool,
    /// The telling counts among those of its rule, of which there are not to be too many. What people know of may
    /// always get worse and end.
    pub counts: bool,
}

/// Applies a raise to the open incident of its fingerprint, or to the last one that is over when it flaps, or opens
/// one.
#[must_use]
pub fn raised(
    known: Option<Incident>,
    raise: &Raise,
    now: DateTime<Utc>,
    new_id: Uuid,
    timing: &Timing,
) -> Change {
    let (open, flaps) = came_back(known, raise, now);
    let Some(mut incident) = open else {
        let tell_at = now + timing.group_wait;
        let incident = Incident { flaps, ..opened(raise, now, new_id, tell_at) };
        return Change {
            incident,
            tell_at: Some(tell_at),
            also_now: false,
            counts: !is_report(raise.rule.as_str()),
        };
    };
    let worse = raise.severity > incident.raise.severity;
    incident.raise = RaiseKept {
        severity: raise.severity.max(incident.raise.severity),
        count: incident.raise.count.saturating_add(raise.count),
        ..RaiseKept::from(raise)
    };
    incident.last_seen = now;
    incident.revision += 1;
    if worse {
        // Who took it on, or wanted to hear no more of it, knew of something less bad.
        incident.handling = Handling::default();
    } else if incident.handling.is_acknowledged() {
        return Change { incident, tell_at: None, also_now: false, counts: false };
    }
    let settled =
        incident.told_at.map_or(incident.first_seen + timing.group_wait, |told| told + timing.update_every);
    let wanted = if worse { now } else { incident.handling.heard_at(settled.max(now)) };
    // A telling that is already on its way tells the state of its own moment, which includes this one.
    let tell_at = match incident.tell_due_at {
        Some(due) if due <= wanted && !handling::is_lost(due, now) => None,
        _ => Some(wanted),
    };
    if tell_at.is_some() {
        incident.tell_due_at = tell_at;
    }
    let counts = !(worse && incident.told_at.is_some());
    Change { incident, tell_at, also_now: false, counts }
}

/// The incident that a raise goes into, and for a new one how often it has come back.
fn came_back(known: Option<Incident>, raise: &Raise, now: DateTime<Utc>) -> (Option<Incident>, i64) {
    let Some(known) = known else { return (None, 0) };
    let Some(ended) = known.resolved_at else { return (Some(known), 0) };
    if is_report(raise.rule.as_str()) || ended + FLAPS_WITHIN <= now {
        return (None, 0);
    }
    let again =
        Incident { flaps: known.flaps + 1, resolved_at: None, handling: Handling::default(), ..known };
    if again.is_flapping() { (Some(again), 0) } else { (None, again.flaps) }
}

/// Resolves an open incident. One that nobody was told of, and is not about to be, ends in silence. The end of one
/// that flaps is told when it stayed away.
#[must_use]
pub fn resolved(mut incident: Incident, now: DateTime<Utc>) -> Change {
    incident.resolved_at = Some(now);
    incident.revision += 1;
    let end = if incident.is_flapping() { now + FLAPS_WITHIN } else { now };
    let tell_at = incident.told_at.map(|_| incident.handling.heard_at(end));
    incident.tell_due_at = tell_at;
    Change { incident, tell_at, also_now: false, counts: false }
}

fn opened(raise: &Raise, now: DateTime<Utc>, id: Uuid, tell_at: DateTime<Utc>) -> Incident {
    Incident {
        id,
        raise: RaiseKept::from(raise),
        revision: 1,
        first_seen: now,
        last_seen: now,
        // The summary goes on counting until it is told.
        resolved_at: (is_report(raise.rule.as_str()) && raise.rule != AlertRule::HeldBack).then_some(now),
        told_at: None,
        told_revision: 0,
        told: Said::default(),
        heard_at: None,
        heard_count: 0,
        tell_due_at: Some(tell_at),
        slack: None,
        handling: Handling::default(),
        flaps: 0,
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
