//! What people do about an incident: they take it on, or want to hear nothing of it for a while.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Change, Incident, Timing};

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
            // What is on its way finds the silence; its end is told instead.
            Some(until)
        }
    };
    incident.revision += 1;
    if tell_at.is_some() {
        incident.tell_due_at = tell_at;
    }
    Some(Change { incident, tell_at, counts: false })
}

/// Whether an open incident has to be told again: nobody took it on, nobody wants silence, none is on its way, and
/// the last telling is long ago.
#[must_use]
pub fn repeat_due(incident: &Incident, now: DateTime<Utc>, timing: &Timing) -> bool {
    incident.resolved_at.is_none()
        && incident.tell_due_at.is_none()
        && !incident.handling.is_acknowledged()
        && incident.handling.silent_until(now).is_none()
        && incident.told_at.is_some_and(|told| told + timing.repeat_every <= now)
}
