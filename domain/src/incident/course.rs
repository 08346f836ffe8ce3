//! The course of an incident: it opens, goes on or comes back, and ends.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    AlertRule, FLAPS_WITHIN, Handling, Incident, Raise, RaiseKept, Said, Timing, handling, is_report,
};

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

pub(super) fn opened(raise: &Raise, now: DateTime<Utc>, id: Uuid, tell_at: DateTime<Utc>) -> Incident {
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
