//! What a notice says, whatever the sink: what, so what, now what.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use forebay_domain::incident::{AlertRule, Incident, Severity, Why, is_report};
use url::Url;

/// How the fingerprint of a test begins: nothing is behind it.
pub(super) const TEST: &str = "test/";

/// The parts of the words that depend on the installation.
#[derive(Debug, Clone)]
pub struct Wording {
    /// The shop's name: which installation speaks.
    pub shop: String,
    /// The zone in which times are told.
    pub tz: Tz,
    /// The folder of the runbooks, with the slash, where people can open it.
    pub runbooks: Option<Url>,
    /// The dashboard to open first.
    pub dashboard: Option<Url>,
}

impl Wording {
    /// The first line: state, severity, symptom. Under 150 characters, Slack's limit for a header.
    pub(super) fn headline(&self, incident: &Incident, why: Why) -> String {
        let (sign, word) = match (why, incident.raise.severity) {
            (Why::Resolved, _) => ("🟢", "resolved"),
            (_, Severity::Critical) => ("🔴", "critical"),
            (_, Severity::Warning) => ("🟡", "warning"),
            (_, Severity::Info) => ("🔵", "info"),
        };
        let title: String = incident.raise.title.chars().take(110).collect();
        let flapping = if incident.is_flapping() { "flapping: " } else { "" };
        format!("{sign} [{word}] {flapping}{title}")
    }

    /// The one line that stands for the whole notice: notification, screen reader, mail subject.
    pub(super) fn summary(&self, incident: &Incident, why: Why) -> String {
        format!("{} · {}", self.headline(incident, why), self.standing(incident, why))
    }

    /// Which installation it is, how often it happened, and who sees to it; or how long it lasted.
    pub(super) fn standing(&self, incident: &Incident, why: Why) -> String {
        if why == Why::Resolved {
            return format!("{} · after {}", self.shop, duration(incident));
        }
        let since = self.time(incident.first_seen);
        let handled = self.handled(incident).map(|text| format!(" · {text}")).unwrap_or_default();
        format!("{} · {}× since {since}{handled}", self.shop, incident.raise.count)
    }

    /// What people read besides: label and text.
    pub(super) fn facts(&self, incident: &Incident) -> Vec<(&'static str, String)> {
        let mut facts = vec![
            ("Occurrences", self.occurrences(incident)),
            ("Rule", incident.raise.rule.clone()),
            ("Runbook", runbook(&incident.raise.rule)),
            ("First seen", self.time(incident.first_seen)),
            ("Last seen", self.time(incident.last_seen)),
        ];
        facts.extend(self.handled(incident).map(|text| ("Handled", text)));
        if incident.is_flapping() {
            facts.push(("Flapping", format!("came back {} times, each within an hour", incident.flaps)));
        }
        if let Some(about) = &incident.raise.about {
            facts.push(("About", about.to_string()));
        }
        if incident.resolved_at.is_some() && !is_report(&incident.raise.rule) {
            facts.push(("Lasted", duration(incident)));
        }
        facts
    }

    /// How often it happened, and since when.
    pub(super) fn often(&self, incident: &Incident) -> String {
        let since = self.time(incident.first_seen);
        match incident.raise.count {
            ..=1 if is_report(&incident.raise.rule) => format!("at {since}"),
            ..=1 => format!("since {since}"),
            count => format!("{count} times since {since}"),
        }
    }

    /// How many there were, how fast they come, and how many of them since it was told last.
    pub(super) fn occurrences(&self, incident: &Incident) -> String {
        let count = incident.raise.count;
        let mut said = count.to_string();
        let seconds = (incident.last_seen - incident.first_seen).num_seconds();
        if seconds >= 60 && count >= 2 {
            let hourly = (count as f64 * 3_600.0 / seconds as f64).round();
            said.push_str(&format!(", about {hourly} an hour"));
        }
        let more = count.saturating_sub(incident.told.count);
        if let Some(told_at) = incident.told_at.filter(|_| incident.told.count > 0 && more > 0) {
            let clock = told_at.with_timezone(&self.tz).format("%H:%M");
            said.push_str(&format!("; {more} since {clock}"));
        }
        said
    }

    /// Who took it on, or wanted silence until when, in words.
    pub(super) fn handled(&self, incident: &Incident) -> Option<String> {
        let clock = |at: DateTime<Utc>| at.with_timezone(&self.tz).format("%H:%M").to_string();
        let acknowledged = incident.handling.acknowledged.as_ref();
        let acknowledged =
            acknowledged.map(|acked| format!("acknowledged by {}, {}", acked.by, clock(acked.at)));
        let snoozed = incident.handling.snoozed.as_ref();
        let snoozed =
            snoozed.map(|(who, until)| format!("snoozed by {} until {}", who.by, self.time(*until)));
        let parts: Vec<String> = [acknowledged, snoozed].into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    /// The command by which one takes it on, while there is something to take on.
    pub(super) fn take_on(&self, incident: &Incident, why: Why) -> Option<String> {
        let raise = &incident.raise;
        let nothing = why == Why::Resolved || is_report(&raise.rule) || raise.fingerprint.starts_with(TEST);
        let open = !nothing && !incident.handling.is_acknowledged();
        open.then(|| format!("forebay alert ack {}", incident.id))
    }

    /// What people can open: label and address.
    pub(super) fn links(&self, rule: &str) -> Vec<(&'static str, Url)> {
        let runbook = self.runbooks.as_ref().and_then(|folder| folder.join(&format!("{rule}.md")).ok());
        let dashboard = self.dashboard.clone();
        [runbook.map(|url| ("Runbook", url)), dashboard.map(|url| ("Dashboard", url))]
            .into_iter()
            .flatten()
            .collect()
    }

    fn time(&self, at: DateTime<Utc>) -> String {
        at.with_timezone(&self.tz).format("%Y-%m-%d %H:%M:%S %Z").to_string()
    }
}

/// Rules whose sample is an error; that of the others says more of what is so.
const OF_ERRORS: &[AlertRule] = &[
    AlertRule::BreakerOpen,
    AlertRule::DeadLetters,
    AlertRule::MailRefused,
    AlertRule::MemberKeysUnavailable,
    AlertRule::SlackRefused,
];

/// What an incident's sample is called.
pub(super) fn sample_label(incident: &Incident) -> &'static str {
    let of_error = OF_ERRORS.iter().any(|rule| rule.as_str() == incident.raise.rule);
    if of_error { "Top error" } else { "In detail" }
}

/// Where more is written of a rule, for those with the sources and for those with the binary alone.
fn runbook(rule: &str) -> String {
    format!("docs/runbooks/{rule}.md (forebay explain {rule})")
}

fn duration(incident: &Incident) -> String {
    length(incident.resolved_at.unwrap_or(incident.last_seen) - incident.first_seen)
}

/// A length of time in words.
pub(super) fn length(of: TimeDelta) -> String {
    let seconds = of.num_seconds().max(0);
    match (seconds / 3600, seconds % 3600 / 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use forebay_domain::incident::{Handled, Handling, RaiseKept, Said};

    pub(in crate::notices) fn incident() -> Incident {
        let at = |s: i64| DateTime::from_timestamp(1_795_143_600 + s, 0).unwrap();
        Incident {
            id: uuid::Uuid::from_u128(7),
            raise: RaiseKept {
                fingerprint: "dead_letters/ab".into(),
                rule: "dead_letters".into(),
                about: None,
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
            told: Said::default(),
            heard_at: None,
            heard_count: 0,
            tell_due_at: None,
            slack: None,
            handling: Handling::default(),
            flaps: 0,
        }
    }

    pub(in crate::notices) fn wording() -> Wording {
        Wording { shop: "main".into(), tz: chrono_tz::Asia::Seoul, runbooks: None, dashboard: None }
    }

    #[test]
    fn the_headline_stays_within_slacks_limit_whatever_the_title() {
        let mut incident = incident();
        incident.raise.title = "x".repeat(5_000);
        assert!(wording().headline(&incident, Why::Opened).chars().count() <= 150);
    }

    #[test]
    fn a_notice_leads_to_its_runbook() {
        let facts = wording().facts(&incident());
        let told = "docs/runbooks/dead_letters.md (forebay explain dead_letters)";
        assert!(facts.contains(&("Runbook", told.to_owned())), "{facts:?}");
    }

    #[test]
    fn a_notice_says_who_took_it_on() {
        let mut incident = incident();
        let at = incident.last_seen;
        incident.handling.acknowledged = Some(Handled { at, by: "ops".into() });
        let told = wording().summary(&incident, Why::Updated);
        let clock = at.with_timezone(&wording().tz).format("%H:%M");
        assert!(told.ends_with(&format!("acknowledged by ops, {clock}")), "{told}");
    }

    #[test]
    fn who_reads_of_what_nobody_took_on_is_told_how_to() {
        let mut incident = incident();
        let how = format!("forebay alert ack {}", incident.id);
        assert_eq!(wording().take_on(&incident, Why::Opened), Some(how));
        assert_eq!(wording().take_on(&incident, Why::Resolved), None);
        incident.handling.acknowledged = Some(Handled { at: incident.last_seen, by: "ops".into() });
        assert_eq!(wording().take_on(&incident, Why::Updated), None);
        incident.handling = Handling::default();
        incident.raise.fingerprint = format!("{TEST}7");
        assert_eq!(wording().take_on(&incident, Why::Opened), None);
    }

    #[test]
    fn what_is_no_error_is_not_called_one() {
        let mut incident = incident();
        assert_eq!(sample_label(&incident), "Top error");
        incident.raise.rule = "drain_late".into();
        assert_eq!(sample_label(&incident), "In detail");
    }

    #[test]
    fn a_resolved_incident_tells_how_long_it_lasted() {
        let mut incident = incident();
        incident.resolved_at = Some(incident.first_seen + chrono::Duration::seconds(3_725));
        assert!(wording().summary(&incident, Why::Resolved).ends_with("after 1 h 2 min"));
    }
}
