//! A notice as a mail: the same words, threaded by incident.

use forebay_domain::incident::Incident;
use forebay_outbound::Mail;

use super::wording::{Phase, Wording};

const PART_CHARS: usize = 2_000;

pub(super) fn mail(incident: &Incident, phase: Phase, wording: &Wording) -> Mail {
    let raise = &incident.raise;
    let mut text = format!("{}\n\n", wording.summary(incident, phase));
    if phase != Phase::Resolved {
        for (label, part) in
            [("So what", &raise.impact), ("Now what", &raise.action), ("Top error", &raise.sample)]
        {
            if !part.is_empty() {
                let part: String = part.chars().take(PART_CHARS).collect();
                text.push_str(&format!("{label}:\n  {part}\n\n"));
            }
        }
    }
    for (label, fact) in wording.facts(incident) {
        text.push_str(&format!("{label}: {fact}\n"));
    }
    text.push_str(&format!("\nIncident {}\n", incident.id));
    // The same id for every try of one telling, so that a mail that arrives twice is seen as one.
    let thread = format!("<incident-{}@forebay>", incident.id);
    let message_id = match phase {
        Phase::Opened => thread.clone(),
        _ => format!("<incident-{}-{}@forebay>", incident.id, incident.revision),
    };
    Mail {
        subject: wording.headline(incident, phase),
        text,
        html: None,
        message_id,
        in_reply_to: (phase != Phase::Opened).then_some(thread),
    }
}

#[cfg(test)]
mod tests {
    use super::super::wording::tests::{incident, wording};
    use super::*;

    #[test]
    fn the_mails_of_one_incident_are_one_thread() {
        let opened = mail(&incident(), Phase::Opened, &wording());
        let resolved = mail(&incident(), Phase::Resolved, &wording());
        assert_eq!(resolved.in_reply_to.as_deref(), Some(opened.message_id.as_str()));
        assert_ne!(opened.message_id, resolved.message_id);
        assert!(opened.text.contains("forebay dlq list --group ab"));
    }
}
