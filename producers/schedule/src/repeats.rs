//! Telling again what is open for long and nobody took on.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use forebay_domain::NewOutbox;
use forebay_domain::incident::{
    Incident, TELLINGS_MAX, TELLINGS_WITHIN, may_be_silenced, repeat_due, silencer,
};
use forebay_schemas::events::TellIncident;
use forebay_schemas::{Queue, Route};
use forebay_store::{Error, PAGE_MAX};
use uuid::Uuid;

use crate::jobs::Jobs;

/// So often a repeat is sent again that nobody heard: it was silenced, or every attempt failed. One too many says
/// nothing.
const TRIED_EVERY: TimeDelta = TimeDelta::hours(1);

impl Jobs {
    /// Tells again what has been open and untold for long, whoever fires it. What is silenced waits for its silencer's
    /// end.
    pub(crate) async fn repeat_open(&self, now: DateTime<Utc>) -> Result<(), Error> {
        let mut due = self.store().open_incidents(PAGE_MAX).await?;
        due.retain(|incident| repeat_due(incident, now, &self.options().timing));
        if due.iter().any(|incident| may_be_silenced(&incident.raise.rule)) {
            let silencing = self.store().silencing_incidents().await?;
            due.retain(|incident| silencer(incident, &silencing).is_none());
        }
        for (slot, incident) in slots(&due, now) {
            let command = TellIncident::of(incident.id, incident.revision);
            let id = Uuid::new_v5(&incident.id, slot.as_bytes()).to_string();
            let row = NewOutbox::command(id, Route::Work(Queue::Notices), now, &command);
            self.fire("incident-repeat", &slot, vec![row], vec![], now).await?;
        }
        Ok(())
    }
}

/// The slot of each repeat. Of those that nobody ever heard of there may be many at once: they share the few slots of
/// their rule.
fn slots(due: &[Incident], now: DateTime<Utc>) -> Vec<(String, &Incident)> {
    let turn = |length: TimeDelta| now.timestamp().div_euclid(length.num_seconds());
    let mut unheard: HashMap<&str, usize> = HashMap::new();
    let mut slots = Vec::new();
    for incident in due {
        if let Some(told_at) = incident.told_at.or(incident.tell_due_at) {
            let slot = format!("{}/{}/{}", incident.id, told_at.timestamp_micros(), turn(TRIED_EVERY));
            slots.push((slot, incident));
            continue;
        }
        let rule = incident.raise.rule.as_str();
        let place = unheard.entry(rule).or_default();
        if *place < TELLINGS_MAX {
            slots.push((format!("unheard/{rule}/{}/{place}", turn(TELLINGS_WITHIN)), incident));
        }
        *place += 1;
    }
    slots
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use forebay_domain::incident::{AlertRule, Raise, Severity, Timing, raised};

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_699_999_200 + seconds, 0).unwrap()
    }

    fn open(n: u128, told_at: Option<DateTime<Utc>>) -> Incident {
        let raise = Raise {
            fingerprint: n.to_string(),
            rule: AlertRule::NoConsumers,
            about: None,
            severity: Severity::Critical,
            title: String::new(),
            impact: String::new(),
            action: String::new(),
            sample: String::new(),
            count: 1,
        };
        let incident = raised(None, &raise, at(0), Uuid::from_u128(n), &Timing::default()).incident;
        Incident { told_at, tell_due_at: None, ..incident }
    }

    fn of(due: &[Incident], seconds: i64) -> HashSet<String> {
        slots(due, at(seconds)).into_iter().map(|(slot, _)| slot).collect()
    }

    #[test]
    fn a_repeat_that_nobody_heard_is_sent_again_an_hour_later() {
        let told = [open(1, Some(at(0)))];
        assert_eq!(of(&told, 0), of(&told, 3_599), "once an hour");
        assert!(of(&told, 0).is_disjoint(&of(&told, 3_600)));
        assert!(of(&told, 0).is_disjoint(&of(&[open(1, Some(at(1)))], 0)), "each telling has its own");
    }

    #[test]
    fn of_what_nobody_ever_heard_five_of_a_rule_are_told_in_a_quarter_of_an_hour() {
        let unheard: Vec<Incident> = (0..40).map(|n| open(n, None)).collect();
        let first = of(&unheard, 0);
        assert_eq!(first.len(), TELLINGS_MAX);
        assert_eq!(of(&unheard[5..], 899), first, "others find the same slots");
        assert!(of(&unheard[5..], 900).is_disjoint(&first));
    }
}
