//! Replies in the thread of an incident's Slack message: what people who follow it have to hear of.

use chrono::{DateTime, Utc};
use forebay_domain::incident::{Incident, Severity, Why};
use forebay_outbound::SlackMessage;

use super::slack_blocks::{escaped, section};
use super::wording::{Wording, length};

const REPLY_CHARS: usize = 700;

/// The reply; none for what the message itself says well enough: its counts, and its end.
pub(super) fn reply(
    incident: &Incident,
    why: Why,
    now: DateTime<Utc>,
    wording: &Wording,
) -> Option<SlackMessage> {
    let said = said(incident, why, now, wording)?;
    let said = escaped(&said, REPLY_CHARS);
    Some(SlackMessage { blocks: vec![section(&said)], text: said, mark: String::new() })
}

fn said(incident: &Incident, why: Why, now: DateTime<Utc>, wording: &Wording) -> Option<String> {
    let counts = wording.occurrences(incident);
    let handled = || wording.handled(incident).unwrap_or_default();
    let headline = || wording.headline(incident, why);
    Some(match why {
        Why::Worse => {
            let before = incident.told.severity.map_or("", Severity::as_str);
            format!(
                "⬆️ It got worse, from {before} to {}. {}. Occurrences: {counts}.",
                incident.raise.severity.as_str(),
                headline()
            )
        }
        Why::Grown => format!("📈 Ten times as many as were told before, or more. Occurrences: {counts}."),
        Why::Acknowledged => format!("👀 {}.", handled()),
        Why::Snoozed => format!("🔕 {}.", handled()),
        Why::Awake => format!("🔔 The silence is over, and it is still open. Occurrences: {counts}."),
        Why::Flapping => format!(
            "🔁 It comes and goes: it came back {} times, each within an hour of its end. It stays one incident, and \
             its end is told when it stays away.",
            incident.flaps
        ),
        Why::Repeated => format!(
            "⏰ Still open after {}, and nobody took it on. {}. Occurrences: {counts}. To take it on: forebay alert ack {}",
            length(now - incident.first_seen),
            headline(),
            incident.id
        ),
        Why::Opened | Why::Updated | Why::Resolved => return None,
    })
}
