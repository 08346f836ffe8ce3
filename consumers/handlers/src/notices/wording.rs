//! What a notice says, whatever the sink: what, so what, now what.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use forebay_domain::incident::{Incident, Severity, is_report};

/// The parts of the words that depend on the installation.
#[derive(Debug, Clone)]
pub struct Wording {
    /// The shop's name: which installation speaks.
    pub shop: String,
    /// The zone in which times are told.
    pub tz: Tz,
}

/// What a notice tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It has begun.
    Opened,
    /// It goes on.
    Updated,
    /// It is over.
    Resolved,
    /// It was over before anybody heard of it, or is a report that was told: nothing is told.
    Quiet,
}

impl Phase {
    /// The phase that people have to hear of next.
    #[must_use]
    pub fn of(incident: &Incident) -> Self {
        match (incident.resolved_at, incident.told_at) {
            // A report is over as soon as it is written, and told once all the same.
            (_, told) if is_report(&incident.raise.rule) => {
                if told.is_none() { Self::Opened } else { Self::Quiet }
            }
            (Some(_), None) => Self::Quiet,
            (Some(_), Some(_)) => Self::Resolved,
            (None, None) => Self::Opened,
            (None, Some(_)) => Self::Updated,
        }
    }
}

impl Wording {
    /// The first line: state, severity, symptom. Under 150 characters, Slack's limit for a header.
    pub(super) fn headline(&self, incident: &Incident, phase: Phase) -> String {
        let (sign, word) = match (phase, incident.raise.severity) {
            (Phase::Resolved, _) => ("🟢", "resolved"),
            (_, Severity::Critical) => ("🔴", "critical"),
            (_, Severity::Warning) => ("🟡", "warning"),
            (_, Severity::Info) => ("🔵", "info"),
        };
        let title: String = incident.raise.title.chars().take(110).collect();
        format!("{sign} [{word}] {title}")
    }

    /// The one line that stands for the whole notice: notification, screen reader, mail subject.
    pub(super) fn summary(&self, incident: &Incident, phase: Phase) -> String {
        let since = self.time(incident.first_seen);
        let headline = self.headline(incident, phase);
        match phase {
            Phase::Resolved => format!("{headline} · {} · after {}", self.shop, duration(incident)),
            _ => format!("{headline} · {} · {}× since {since}", self.shop, incident.raise.count),
        }
    }

    /// What people read besides: label and text.
    pub(super) fn facts(&self, incident: &Incident) -> Vec<(&'static str, String)> {
        let mut facts = vec![
            ("Occurrences", incident.raise.count.to_string()),
            ("Rule", incident.raise.rule.clone()),
            ("Runbook", runbook(&incident.raise.rule)),
            ("First seen", self.time(incident.first_seen)),
            ("Last seen", self.time(incident.last_seen)),
        ];
        if incident.resolved_at.is_some() && !is_report(&incident.raise.rule) {
            facts.push(("Lasted", duration(incident)));
        }
        facts
    }

    fn time(&self, at: DateTime<Utc>) -> String {
        at.with_timezone(&self.tz).format("%Y-%m-%d %H:%M:%S %Z").to_string()
    }
}

/// Where more is written of a rule, for those with the sources and for those with the binary alone.
fn runbook(rule: &str) -> String {
    format!("docs/runbooks/{rule}.md (forebay explain {rule})")
}

fn duration(incident: &Incident) -> String {
    let seconds =
        (incident.resolved_at.unwrap_or(incident.last_seen) - incident.first_seen).num_seconds().max(0);
    match (seconds / 3600, seconds % 3600 / 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use forebay_domain::incident::RaiseKept;

    pub(in crate::notices) fn incident() -> Incident {
        let at = |s: i64| DateTime::from_timestamp(1_795_143_600 + s, 0).unwrap();
        Incident {
            id: uuid::Uuid::from_u128(7),
            raise: RaiseKept {
                fingerprint: "dead_letters/ab".into(),
                rule: "dead_letters".into(),
                severity: Severity::Warning,
                title: "schema_invalid in forebay.returns".into(),
                impact: "3 messages are kept as dead letters; nothing else waits for them.".into(),
                action: "forebay dlq list --group ab".into(),
                sample: "schema_invalid: /data/order_id: <!channel> & \"order_id\" is missing".into(),
                count: 3,
            },
            revision: 2,
            first_seen: at(0),
            last_seen: at(90),
            resolved_at: None,
            told_at: None,
            told_revision: 0,
            tell_due_at: None,
            slack: None,
        }
    }

    pub(in crate::notices) fn wording() -> Wording {
        Wording { shop: "main".into(), tz: chrono_tz::Asia::Seoul }
    }

    #[test]
    fn the_headline_stays_within_slacks_limit_whatever_the_title() {
        let mut incident = incident();
        incident.raise.title = "x".repeat(5_000);
        assert!(wording().headline(&incident, Phase::Opened).chars().count() <= 150);
    }

    #[test]
    fn a_notice_leads_to_its_runbook() {
        let facts = wording().facts(&incident());
        let told = "docs/runbooks/dead_letters.md (forebay explain dead_letters)";
        assert!(facts.contains(&("Runbook", told.to_owned())), "{facts:?}");
    }

    #[test]
    fn a_resolved_incident_tells_how_long_it_lasted() {
        let mut incident = incident();
        incident.resolved_at = Some(incident.first_seen + chrono::Duration::seconds(3_725));
        assert!(wording().summary(&incident, Phase::Resolved).ends_with("after 1 h 2 min"));
    }
}
