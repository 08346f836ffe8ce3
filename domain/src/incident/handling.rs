//! What people do about an incident: they take it on, or want to hear nothing of it for a while.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{Change, Incident, Timing, may_be_silenced};

/// Who did something, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handled {
    /// When.
    pub at: DateTime<Utc>,
    /// Who: the id of the API key.
    pub by: String,
}

/// What people did about an incident. It is forgotten when the incident gets worse.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handling {
    /// Somebody took it on: it is told no more, until it gets worse or ends.
    pub acknowledged: Option<Handled>,
    /// Somebody wanted silence, until then.
    pub snoozed: Option<(Handled, DateTime<Utc>)>,
}

/// What a person orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Take it on.
    Acknowledge,
    /// Silence until then.
    Snooze {
        /// The silence's end.
        until: DateTime<Utc>,
    },
}

impl Handling {
    /// Whether somebody took it on.
    #[must_use]
    pub fn is_acknowledged(&self) -> bool {
        self.acknowledged.is_some()
    }

    /// Until when it is silent, if it is.
    #[must_use]
    pub fn silent_until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.snoozed.as_ref().map(|(_, until)| *until).filter(|until| now < *until)
    }

    /// When people hear of what would be told then.
    #[must_use]
    pub fn heard_at(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        self.silent_until(at).unwrap_or(at)
    }
}

/// Does what a person ordered to an open incident. `None` when it is so already: who took it on first stays.
#[must_use]
pub fn handled(mut incident: Incident, order: Order, by: &str, now: DateTime<Utc>) -> Option<Change> {
    let handled = Handled { at: now, by: by.to_owned() };
    let mut also_now = false;
    let tell_at = match order {
        Order::Acknowledge => {
            if incident.handling.is_acknowledged() {
                return None;
            }
            incident.handling.acknowledged = Some(handled);
            // Told once, to those who heard of it: the first telling of the others says it, too.
            let silent = incident.handling.silent_until(now).is_some();
            incident.told_at.filter(|_| !silent).map(|_| now)
        }
        Order::Snooze { until } => {
            incident.handling.snoozed = Some((handled, until));
            // Who heard of the incident hears of the silence. What is on its way finds it; its end is told instead.
            also_now = incident.told_at.is_some();
            Some(until)
        }
    };
    incident.revision += 1;
    if tell_at.is_some() {
        incident.tell_due_at = tell_at;
    }
    Some(Change { incident, tell_at, also_now, counts: false })
}

/// Whether a telling that was due then never comes: every attempt to send it failed.
#[must_use]
pub(super) fn is_lost(due: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    now - due > TELLING_LOST
}

/// Longer than a telling is tried.
const TELLING_LOST: TimeDelta = TimeDelta::hours(4);
/// From the second time on an incident is told again so rarely.
const REPEATED_EVERY: TimeDelta = TimeDelta::days(1);

/// Whether an open incident has to be told again: nobody took it on, nobody wants silence, none is on its way, and
/// people heard of it long ago. The first time is after `Timing::repeat_every`; then it is told once a day. So is what
/// was silenced and is not on its way: a process that does not know of silence may have ended its cause.
#[must_use]
pub fn repeat_due(incident: &Incident, now: DateTime<Utc>, timing: &Timing) -> bool {
    let planned = incident.tell_due_at.filter(|due| !is_lost(*due, now));
    let silenced = may_be_silenced(&incident.raise.rule).then_some(incident.last_seen);
    let heard_at = incident.heard_at.or(incident.told_at).or(incident.tell_due_at).or(silenced);
    let Some(heard_at) = heard_at else { return false };
    let again = TimeDelta::from_std(timing.repeat_every).unwrap_or(TimeDelta::MAX);
    let first = heard_at - incident.first_seen < again;
    let wait = if first { again } else { again.max(REPEATED_EVERY) };
    incident.resolved_at.is_none()
        && planned.is_none()
        && !incident.handling.is_acknowledged()
        && incident.handling.silent_until(now).is_none()
        && now - heard_at >= wait
}
