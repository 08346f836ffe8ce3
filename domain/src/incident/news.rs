//! What of an incident is news to people.

use chrono::{DateTime, Utc};

use super::{FLAPPING_FROM, FLAPS_WITHIN, Incident, Timing, is_report, repeat_due};

/// So many times as many occurrences as people heard of are news.
const GROWN: i64 = 10;

/// Why people are told of an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It has begun.
    Opened,
    /// Its severity rose.
    Worse,
    /// Somebody took it on.
    Acknowledged,
    /// Somebody wants silence.
    Snoozed,
    /// The silence that somebody wanted is over, and it is not.
    Awake,
    /// It comes and goes.
    Flapping,
    /// There are ten times as many as people heard of.
    Grown,
    /// It goes on, with other counts and nothing else of note.
    Updated,
    /// It is open for long, and nobody took it on.
    Repeated,
    /// It is over.
    Resolved,
}

impl Why {
    const ALL: [Self; 10] = [
        Self::Opened,
        Self::Worse,
        Self::Acknowledged,
        Self::Snoozed,
        Self::Awake,
        Self::Flapping,
        Self::Grown,
        Self::Updated,
        Self::Repeated,
        Self::Resolved,
    ];

    /// The reason as it stands in a message.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Worse => "worse",
            Self::Acknowledged => "acknowledged",
            Self::Snoozed => "snoozed",
            Self::Awake => "awake",
            Self::Flapping => "flapping",
            Self::Grown => "grown",
            Self::Updated => "updated",
            Self::Repeated => "repeated",
            Self::Resolved => "resolved",
        }
    }

    /// Reads what [`Why::as_str`] wrote.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|why| why.as_str() == text)
    }

    /// Whether people have to hear of it; else it is enough that the message which they have says it.
    #[must_use]
    pub fn is_of_note(self) -> bool {
        self != Self::Updated
    }

    /// Whether it has to reach those too who do not follow the incident: it got worse, or nobody saw to it.
    #[must_use]
    pub fn is_for_all(self) -> bool {
        matches!(self, Self::Opened | Self::Worse | Self::Repeated)
    }
}

/// Why an incident is told now, if it is: a telling was planned when it had the revision `asked`.
#[must_use]
pub fn why_told(incident: &Incident, asked: i64, now: DateTime<Utc>, timing: &Timing) -> Option<Why> {
    // A newer telling has told this and more.
    if incident.told_revision > asked {
        return None;
    }
    let told_all = incident.told_at.is_some() && incident.told_revision >= incident.revision;
    let handling = &incident.handling;
    let silent = handling.silent_until(now).is_some();
    match (incident.resolved_at, incident.told_at) {
        // A report is over as soon as it is written, and told once all the same.
        (_, told) if is_report(&incident.raise.rule) => told.is_none().then_some(Why::Opened),
        // It was over before anybody heard of it; or its end was told.
        (Some(_), None) => None,
        (Some(_), Some(_)) if told_all || silent => None,
        (Some(_), Some(_)) => Some(Why::Resolved),
        (None, None) => (!silent).then_some(Why::Opened),
        (None, Some(told_at)) => {
            let since = |at: Option<DateTime<Utc>>| at.is_some_and(|at| told_at <= at);
            let snoozed = handling.snoozed.as_ref();
            if !told_all && since(snoozed.map(|(who, _)| who.at)) && silent {
                Some(Why::Snoozed)
            } else if silent {
                None
            } else if handling.acknowledged.is_none() && since(snoozed.map(|(_, until)| *until)) {
                Some(Why::Awake)
            } else if told_all {
                repeat_due(incident, now, timing).then_some(Why::Repeated)
            } else {
                Some(change(incident, since(handling.acknowledged.as_ref().map(|who| who.at))))
            }
        }
    }
}

/// When people are told what came while a telling was under way: `incident` is as it stands when that one is noted. An
/// end and what is worse can't wait. `None` when they know all of it, or another telling is planned.
#[must_use]
pub fn overtaken(incident: &Incident, now: DateTime<Utc>, timing: &Timing) -> Option<DateTime<Utc>> {
    let known = incident.told_revision >= incident.revision;
    if known || incident.tell_due_at.is_some() || is_report(&incident.raise.rule) {
        return None;
    }
    let worse = incident.told.severity.is_some_and(|told| told < incident.raise.severity);
    let at = match incident.resolved_at {
        Some(ended) if incident.is_flapping() => now.max(ended + FLAPS_WITHIN),
        Some(_) => now,
        None if worse => now,
        None if incident.handling.is_acknowledged() => return None,
        None => now + timing.update_every,
    };
    Some(incident.handling.heard_at(at))
}

fn change(incident: &Incident, acknowledged: bool) -> Why {
    let told = incident.told;
    if told.severity.is_some_and(|told| told < incident.raise.severity) {
        Why::Worse
    } else if acknowledged {
        Why::Acknowledged
    } else if incident.is_flapping() && told.flaps < FLAPPING_FROM {
        Why::Flapping
    } else if incident.heard_count > 0 && incident.raise.count / GROWN >= incident.heard_count {
        Why::Grown
    } else {
        Why::Updated
    }
}
