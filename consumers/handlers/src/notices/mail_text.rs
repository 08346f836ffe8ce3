//! A notice as a mail: the same words as text and as HTML, threaded by incident.

use forebay_domain::incident::{Incident, Severity, Why};
use forebay_outbound::Mail;

use super::wording::{Wording, sample_label};

const PART_CHARS: usize = 2_000;

/// The mail. `telling` is the telling's own id: the same for every try, so that a mail that arrives twice is seen as
/// one, and another one for each telling.
pub(super) fn mail(incident: &Incident, why: Why, telling: &str, wording: &Wording) -> Mail {
    let thread = format!("<incident-{}@forebay>", incident.id);
    let opens = why == Why::Opened;
    let message_id =
        if opens { thread.clone() } else { format!("<incident-{}-{telling}@forebay>", incident.id) };
    Mail {
        subject: wording.headline(incident, why),
        text: text(incident, why, wording),
        html: Some(html(incident, why, wording)),
        message_id,
        in_reply_to: (!opens).then_some(thread),
    }
}

/// What it means, what to do, an example: label and text.
fn parts(incident: &Incident, why: Why) -> Vec<(&'static str, String)> {
    if why == Why::Resolved {
        return Vec::new();
    }
    let raise = &incident.raise;
    let parts =
        [("So what", &raise.impact), ("Now what", &raise.action), (sample_label(incident), &raise.sample)];
    let there = parts.into_iter().filter(|(_, part)| !part.is_empty());
    there.map(|(label, part)| (label, part.chars().take(PART_CHARS).collect())).collect()
}

fn text(incident: &Incident, why: Why, wording: &Wording) -> String {
    let mut text = format!("{}\n\n", wording.summary(incident, why));
    for (label, part) in parts(incident, why) {
        text.push_str(&format!("{label}:\n  {part}\n\n"));
    }
    for (label, fact) in wording.facts(incident) {
        text.push_str(&format!("{label}: {fact}\n"));
    }
    for (label, url) in wording.links(&incident.raise.rule) {
        text.push_str(&format!("{label}: {url}\n"));
    }
    if let Some(command) = wording.take_on(incident, why) {
        text.push_str(&format!("To take it on: {command}\n"));
    }
    text.push_str(&format!("\nIncident {}\n", incident.id));
    text
}

/// Plain and small: one column that a telephone can show, nothing that is fetched from anywhere.
fn html(incident: &Incident, why: Why, wording: &Wording) -> String {
    let colour = match (why, incident.raise.severity) {
        (Why::Resolved, _) => "#1a7f37",
        (_, Severity::Critical) => "#b3261e",
        (_, Severity::Warning) => "#8a5a00",
        (_, Severity::Info) => "#0b57d0",
    };
    let mut body = format!(
        "<h1 style=\"font-size:18px;margin:0 0 12px;padding-left:10px;border-left:4px solid {colour}\">{}</h1>\
         <p style=\"margin:0 0 16px\">{}</p>",
        escaped(&wording.headline(incident, why)),
        escaped(&wording.standing(incident, why))
    );
    for (label, part) in parts(incident, why) {
        let style = "margin:4px 0 16px;white-space:pre-wrap;overflow-wrap:anywhere";
        let code =
            if label == "So what" { "" } else { ";font-family:monospace;background:#f2f2f2;padding:8px" };
        body.push_str(&format!(
            "<p style=\"margin:0\"><b>{label}</b></p><p style=\"{style}{code}\">{}</p>",
            escaped(&part)
        ));
    }
    body.push_str("<table style=\"border-collapse:collapse\">");
    for (label, fact) in wording.facts(incident) {
        body.push_str(&format!(
            "<tr><td style=\"padding:2px 12px 2px 0;vertical-align:top\">{}</td>\
             <td style=\"padding:2px 0;overflow-wrap:anywhere\">{}</td></tr>",
            escaped(label),
            escaped(&fact)
        ));
    }
    body.push_str("</table>");
    for (label, url) in wording.links(&incident.raise.rule) {
        body.push_str(&format!("<p><a href=\"{}\">{}</a></p>", escaped(url.as_str()), escaped(label)));
    }
    if let Some(command) = wording.take_on(incident, why) {
        let style = "font-family:monospace;overflow-wrap:anywhere";
        body.push_str(&format!("<p>To take it on: <span style=\"{style}\">{}</span></p>", escaped(&command)));
    }
    let head =
        "<meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">";
    let style = "font:16px/1.4 sans-serif;max-width:600px;margin:0;padding:12px;color:#1f1f1f";
    format!(
        "<!doctype html><html><head>{head}</head><body style=\"{style}\">{body}<p style=\"color:#666\">Incident \
         {}</p></body></html>",
        incident.id
    )
}

/// Text from outside, harmless between tags and in quoted attributes.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' => out.push('\n'),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::wording::tests::{incident, wording};
    use super::*;

    #[test]
    fn the_mails_of_one_incident_are_one_thread() {
        let opened = mail(&incident(), Why::Opened, "a", &wording());
        let repeated = mail(&incident(), Why::Repeated, "b", &wording());
        let resolved = mail(&incident(), Why::Resolved, "c", &wording());
        for follows in [&repeated, &resolved] {
            assert_eq!(follows.in_reply_to.as_deref(), Some(opened.message_id.as_str()));
        }
        assert_ne!(repeated.message_id, resolved.message_id);
        assert!(opened.text.contains("forebay dlq list --group ab"));
    }

    #[test]
    fn the_html_says_the_same_fetches_nothing_and_shows_text_from_outside_as_text() {
        let mut incident = incident();
        incident.raise.title = "<img src=\"https://evil.example/x.png\" onerror='a()'>".into();
        incident.raise.sample = "</p><script>alert(1)</script> & \"quoted\"".into();
        let mail = mail(&incident, Why::Opened, "a", &wording());
        let html = mail.html.unwrap();
        for part in
            ["forebay dlq list --group ab", "&lt;script&gt;", "&lt;img src=&quot;", "Occurrences", "viewport"]
        {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        for part in ["<img", "<script", "src=\"", "<link", "url(", "@import"] {
            assert!(!html.contains(part), "{part} is in {html}");
        }
    }
}
