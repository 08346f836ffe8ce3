//! An incident silences those that follow from it.

use chrono::{DateTime, Utc};

use super::{About, Change, INHIBITIONS, Incident, RaiseKept, Reach, Timing};

/// The names of the rules whose open incidents silence others.
#[must_use]
pub fn silencing_rules() -> Vec<&'static str> {
    INHIBITIONS.iter().map(|inhibition| inhibition.by.as_str()).collect()
}

/// The names of the rules of which incidents are silenced by these; sorted.
#[must_use]
pub fn silenced_by_rules(by: &[Incident]) -> Vec<&'static str> {
    let of_them = INHIBITIONS.iter().filter(|i| by.iter().any(|by| by.raise.rule == i.by.as_str()));
    let mut rules: Vec<_> = of_them.flat_map(|i| i.silences.iter().map(|rule| rule.as_str())).collect();
    rules.sort_unstable();
    rules.dedup();
    rules
}

/// Whether some open incident could silence one of this rule.
#[must_use]
pub fn may_be_silenced(rule: &str) -> bool {
    INHIBITIONS.iter().any(|i| i.silences.iter().any(|silenced| silenced.as_str() == rule))
}

/// Whether an incident is silenced by another, while that one is open.
fn is_silenced_by(raise: &RaiseKept, by: &RaiseKept) -> bool {
    let about = raise.about.as_ref();
    let system = about.and_then(About::system);
    INHIBITIONS.iter().any(|inhibition| {
        inhibition.by.as_str() == by.rule
            && inhibition.silences.iter().any(|rule| rule.as_str() == raise.rule)
            && match inhibition.reach {
                Reach::All => true,
                Reach::Queues => matches!(about, Some(About::Queue(_))),
                Reach::SameSystem => system.is_some() && by.about.as_ref().and_then(About::system) == system,
            }
    })
}

/// The first of these that is open and silences this incident, if that is open.
#[must_use]
pub fn silencer<'a>(incident: &Incident, others: &'a [Incident]) -> Option<&'a Incident> {
    if incident.resolved_at.is_some() {
        return None;
    }
    let silences = |by: &&Incident| {
        by.resolved_at.is_none() && by.id != incident.id && is_silenced_by(&incident.raise, &by.raise)
    };
    others.iter().find(silences)
}

/// Takes away the telling of what open incidents silence: it is kept, and told when it outlives them.
pub fn hush(change: &mut Change, open: &[Incident]) {
    if silencer(&change.incident, open).is_some() {
        change.tell_at = None;
        change.incident.tell_due_at = None;
    }
}

/// What is to be told of an incident that outlived what silenced it: `ended` silenced it, `open` go on. `None` when it
/// is silenced still, or people know all of it.
#[must_use]
pub fn outlived(
    mut incident: Incident,
    ended: &[Incident],
    open: &[Incident],
    now: DateTime<Utc>,
    timing: &Timing,
) -> Option<Change> {
    let was_silenced = ended.iter().any(|by| is_silenced_by(&incident.raise, &by.raise));
    let news = incident.told_at.is_none() || incident.told_revision < incident.revision;
    if !was_silenced || incident.resolved_at.is_some() || silencer(&incident, open).is_some() || !news {
        return None;
    }
    if incident.handling.is_acknowledged() && incident.told_at.is_some() {
        return None;
    }
    // What ends with its cause needs that long to be seen to be over.
    let tell_at = incident.handling.heard_at(now + timing.well_for + timing.group_wait);
    incident.tell_due_at = Some(tell_at);
    Some(Change { incident, tell_at: Some(tell_at), also_now: false, counts: true })
}
