//! How often people are told of one rule: not more than they can read.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::{AlertRule, Change, Incident, Raise, opened};

/// The rule of the summary of what was held back.
pub const HELD_BACK: &str = AlertRule::HeldBack.as_str();
/// Most tellings of one rule …
pub const TELLINGS_MAX: usize = 5;
/// … in so long a time.
pub const TELLINGS_WITHIN: TimeDelta = TimeDelta::minutes(15);

/// The tellings of one rule that are planned or were sent not long ago.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pace(Vec<DateTime<Utc>>);

impl Pace {
    /// The tellings, when they were or are due.
    #[must_use]
    pub fn new(planned: Vec<DateTime<Utc>>) -> Self {
        Self(planned)
    }

    /// When the tellings were or are due.
    #[must_use]
    pub fn planned(&self) -> &[DateTime<Utc>] {
        &self.0
    }

    /// Plans one more telling, or says when the summary of what is held back is due.
    fn take(&mut self, at: DateTime<Utc>, now: DateTime<Utc>) -> Result<(), DateTime<Utc>> {
        self.0.retain(|planned| now - TELLINGS_WITHIN < *planned);
        let near = self.0.iter().filter(|planned| (at - **planned).abs() < TELLINGS_WITHIN);
        let (count, first) = near.fold((0, at), |(count, first), planned| (count + 1, first.min(*planned)));
        if count >= TELLINGS_MAX {
            return Err(first + TELLINGS_WITHIN);
        }
        self.0.push(at);
        Ok(())
    }
}

/// The rules of which these changes want tellings that count, sorted.
#[must_use]
pub fn rules_told(changes: &[Change]) -> Vec<String> {
    let counted = changes.iter().filter(|change| change.counts && change.tell_at.is_some());
    let mut rules: Vec<String> = counted.map(|change| change.incident.raise.rule.clone()).collect();
    rules.sort();
    rules.dedup();
    rules
}

/// What is held back of a rule: when its summary is due, and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldBack {
    /// When the summary is due, unless one is on its way.
    pub due_at: DateTime<Utc>,
    /// The summary.
    pub summary: Raise,
}

/// Takes away the tellings that are too many of their rule. Each of these incidents is kept all the same; what was
/// held back is counted, a summary a rule, in the order of their fingerprints.
#[must_use]
pub fn held_back(
    changes: &mut [Change],
    paces: &mut BTreeMap<String, Pace>,
    now: DateTime<Utc>,
) -> Vec<HeldBack> {
    let mut held: BTreeMap<String, HeldBack> = BTreeMap::new();
    for change in changes.iter_mut().filter(|change| change.counts) {
        let Some(at) = change.tell_at else { continue };
        let raise = &change.incident.raise;
        let Err(due_at) = paces.entry(raise.rule.clone()).or_default().take(at, now) else { continue };
        let title = raise.title.clone();
        let one = held
            .entry(raise.rule.clone())
            .and_modify(|held| {
                held.summary.count += 1;
                held.summary.severity = held.summary.severity.max(raise.severity);
            })
            .or_insert_with(|| HeldBack { due_at, summary: summary(&raise.rule, raise.severity) });
        one.summary.sample = format!("the last of them: {title}");
        change.tell_at = None;
        change.incident.tell_due_at = None;
    }
    held.into_values().collect()
}

/// Counts what is held back into the summary that is on its way, or begins one.
#[must_use]
pub fn summed_up(open: Option<Incident>, held: &HeldBack, now: DateTime<Utc>, new_id: uuid::Uuid) -> Change {
    let HeldBack { due_at, summary } = held;
    let Some(mut incident) = open else {
        let tell_at = Some((*due_at).max(now));
        let incident = Incident { tell_due_at: tell_at, ..opened(summary, now, new_id, *due_at) };
        return Change { incident, tell_at, also_now: false, counts: false };
    };
    incident.raise.count = incident.raise.count.saturating_add(summary.count);
    incident.raise.severity = incident.raise.severity.max(summary.severity);
    incident.raise.sample.clone_from(&summary.sample);
    incident.last_seen = now;
    incident.revision += 1;
    Change { incident, tell_at: None, also_now: false, counts: false }
}

fn summary(rule: &str, severity: super::Severity) -> Raise {
    Raise {
        fingerprint: format!("held_back/{rule}"),
        rule: AlertRule::HeldBack,
        about: None,
        severity,
        title: format!("More alerts of {rule} than are told one by one"),
        impact: format!(
            "At most {TELLINGS_MAX} of one rule are told in {} minutes; the count says how many were held back. Each \
             incident is kept.",
            TELLINGS_WITHIN.num_minutes()
        ),
        action: format!("forebay alert list --rule {rule}"),
        sample: String::new(),
        count: 1,
    }
}
