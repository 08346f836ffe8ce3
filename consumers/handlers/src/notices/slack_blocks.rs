//! A notice as a Slack message: Block Kit within every limit.
//!
//! Limits (Slack's reference for blocks): header 150 characters, section text 3,000, fields 10 of 2,000 each, context
//! element 2,000. The undocumented limit for all text together lies above 11,000 characters; these stay below 10,000,
//! and below 15 blocks.

use chrono::{DateTime, Utc};
use forebay_domain::incident::{Incident, Why};
use forebay_outbound::SlackMessage;
use serde_json::{Value, json};

use super::wording::{Wording, sample_label};

/// More is not read in a list of messages.
const HEADER_CHARS: usize = 80;
const TEXT_CHARS: usize = 1_000;
const TITLE_CHARS: usize = 300;
/// As long as the report of a day.
const IMPACT_CHARS: usize = 1_500;
const ACTION_CHARS: usize = 500;
const SAMPLE_CHARS: usize = 300;
const FIELDS_MAX: usize = 8;
const FIELD_CHARS: usize = 150;
const CONTEXT_CHARS: usize = 100;

pub(super) fn message(incident: &Incident, why: Why, wording: &Wording) -> SlackMessage {
    let raise = &incident.raise;
    let whole = wording.headline(incident, why);
    let headline = cut(&whole, HEADER_CHARS);
    let mut blocks = vec![json!({
        "type": "header", "text": { "type": "plain_text", "text": headline, "emoji": true },
    })];
    if why != Why::Resolved {
        let mut said = format!("*What:* {}", wording.often(incident));
        if headline != whole {
            said = format!("*What:* {}; {}", escaped(&raise.title, TITLE_CHARS), wording.often(incident));
        }
        if !raise.impact.is_empty() {
            said = format!("{said}\n*So what:* {}", escaped(&raise.impact, IMPACT_CHARS));
        }
        blocks.push(section(&said));
        if !raise.action.is_empty() {
            blocks.push(section(&format!("*Now what:*\n```{}```", escaped(&raise.action, ACTION_CHARS))));
        }
        if !raise.sample.is_empty() {
            let (label, sample) = (sample_label(incident), escaped(&raise.sample, SAMPLE_CHARS));
            blocks.push(section(&format!("*{label}:*\n```{sample}```")));
        }
    }
    let fields: Vec<Value> = wording
        .facts(incident)
        .into_iter()
        .take(FIELDS_MAX)
        .map(|(label, text)| mrkdwn(&format!("*{label}*\n{}", escaped(&text, FIELD_CHARS))))
        .collect();
    blocks.push(json!({ "type": "section", "fields": fields }));
    let links = wording.links(&raise.rule);
    if !links.is_empty() {
        let links = links.iter().map(|(label, url)| format!("<{}|{label}>", escaped(url.as_str(), 500)));
        blocks.push(section(&links.collect::<Vec<_>>().join(" · ")));
    }
    let whose = escaped(&wording.shop, CONTEXT_CHARS);
    let place = match wording.take_on(incident, why) {
        Some(command) => format!("{whose} · to take it on: `{command}`"),
        None => format!("{whose} · incident {}", incident.id),
    };
    let times = format!(
        "In your time: first seen {}, last seen {}",
        at_readers(incident.first_seen),
        at_readers(incident.last_seen)
    );
    blocks.push(json!({ "type": "context", "elements": [mrkdwn(&place), mrkdwn(&times)] }));
    SlackMessage { text: escaped(&wording.summary(incident, why), TEXT_CHARS), blocks, mark: String::new() }
}

pub(super) fn section(text: &str) -> Value {
    json!({ "type": "section", "text": mrkdwn(text) })
}

/// `verbatim`: what looks like an address or a name in text from outside does not become a link.
pub(super) fn mrkdwn(text: &str) -> Value {
    json!({ "type": "mrkdwn", "text": text, "verbatim": true })
}

/// An instant that Slack shows in the zone of whoever reads it.
fn at_readers(at: DateTime<Utc>) -> String {
    let fallback = at.format("%Y-%m-%d %H:%M:%S UTC");
    format!("<!date^{}^{{date_num}} {{time_secs}}|{fallback}>", at.timestamp())
}

/// Text from outside, harmless in mrkdwn: the three characters that begin mentions and links are entities, a back
/// quote can't close a code block, and nothing moves the text about. It has at most so many characters as it is sent.
pub(super) fn escaped(text: &str, most: usize) -> String {
    let mut out = String::new();
    let mut length = 0;
    for c in text.chars() {
        let mut one = [0; 4];
        let safe: &str = match c {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '`' => "ʼ",
            '\n' => "\n",
            c if c.is_control() => " ",
            c => c.encode_utf8(&mut one),
        };
        length += safe.chars().count();
        if length >= most {
            out.push('…');
            break;
        }
        out.push_str(safe);
    }
    out
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() < most {
        return text.to_owned();
    }
    text.chars().take(most - 2).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use forebay_domain::incident::{About, Handled, Severity};
    use proptest::test_runner::TestCaseError;

    use super::super::replies;
    use super::super::wording::tests::{incident, wording};
    use super::*;

    #[test]
    fn text_from_outside_can_neither_mention_nor_link_nor_leave_its_code_block() {
        let mut incident = incident();
        incident.raise.sample = "``` <!channel> <https://a|b> &".into();
        let message = message(&incident, Why::Opened, &wording());
        let text = serde_json::to_string(&message.blocks).unwrap();
        assert!(!text.contains("<!channel>") && !text.contains("<https"), "{text}");
        assert!(text.contains("&lt;!channel&gt;") && text.contains("ʼʼʼ"), "{text}");
    }

    #[test]
    fn a_notice_says_what_so_what_and_now_what() {
        let message = message(&incident(), Why::Opened, &wording());
        let text = serde_json::to_string(&message.blocks).unwrap();
        for part in [
            "🟡 [warning] schema_invalid in forebay.returns",
            "*What:* 3 times since 2026-",
            "*So what:* 3 messages",
            "*Now what:*\\n```forebay dlq list --group ab```",
            "*Occurrences*\\n3",
            "<!date^1795143600^",
            "forebay explain dead_letters",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert!(message.text.contains("3× since 2026-"), "{}", message.text);
    }

    #[test]
    fn the_runbook_and_the_dashboard_are_linked_where_they_are_known() {
        let mut wording = wording();
        let without = serde_json::to_string(&message(&incident(), Why::Opened, &wording).blocks).unwrap();
        assert!(!without.contains("|Runbook>"), "{without}");
        wording.runbooks = Some("https://wiki.example/runbooks/".parse().unwrap());
        wording.dashboard = Some("https://grafana.example/d/forebay?a=1&b=2".parse().unwrap());
        let text = serde_json::to_string(&message(&incident(), Why::Opened, &wording).blocks).unwrap();
        assert!(text.contains("<https://wiki.example/runbooks/dead_letters.md|Runbook>"), "{text}");
        assert!(text.contains("a=1&amp;b=2|Dashboard>"), "{text}");
    }

    /// Whatever Slack reads as markup that is not ours.
    fn markup(text: &str) -> Option<String> {
        let ours = ["<!date^", "<https://wiki.example/"];
        let rest = ours.iter().fold(text.to_owned(), |text, begin| text.replace(begin, ""));
        rest.contains('<').then_some(rest)
    }

    fn texts(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                if let (Some(Value::String(kind)), Some(Value::String(text))) =
                    (fields.get("type"), fields.get("text"))
                    && kind == "mrkdwn"
                {
                    into.push(text.clone());
                }
                fields.values().for_each(|value| texts(value, into));
            }
            Value::Array(items) => items.iter().for_each(|value| texts(value, into)),
            _ => {}
        }
    }

    /// Longer than what is sent of it.
    fn anything() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            proptest::collection::vec(
                prop_oneof![
                    Just("<!channel>"),
                    Just("&"),
                    Just("```"),
                    Just("<https://a|b>"),
                    Just("\"\\"),
                    Just("\u{1b}[2J"),
                    Just("가🎁"),
                    Just("\n"),
                ],
                0..700
            )
            .prop_map(|parts| parts.concat()),
        ]
    }

    const WHYS: &[Why] = &[
        Why::Opened,
        Why::Worse,
        Why::Acknowledged,
        Why::Snoozed,
        Why::Awake,
        Why::Flapping,
        Why::Grown,
        Why::Updated,
        Why::Repeated,
        Why::Resolved,
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn any_incident_stays_within_every_limit_and_nothing_from_outside_is_markup(
            title in anything(),
            impact in anything(),
            action in anything(),
            sample in anything(),
            rule in "[a-z_]{1,200}",
            count in any::<i64>(),
            severity in prop_oneof![Just(Severity::Info), Just(Severity::Warning), Just(Severity::Critical)],
            why in proptest::sample::select(WHYS),
            (flaps, told, linked) in (0i64..1_000, any::<bool>(), any::<bool>()),
            about in proptest::option::of(anything()),
            (by, shop) in (proptest::option::of(anything()), anything()),
        ) {
            let mut incident = incident();
            incident.flaps = flaps;
            incident.resolved_at = (why == Why::Resolved).then_some(incident.last_seen);
            let raise = &mut incident.raise;
            (raise.title, raise.impact, raise.action, raise.sample) = (title, impact, action, sample);
            (raise.rule, raise.count, raise.severity) = (rule, count, severity);
            raise.about = about.map(About::Queue);
            let at = incident.last_seen;
            incident.handling.acknowledged = by.clone().map(|by| Handled { at, by });
            incident.handling.snoozed = by.map(|by| (Handled { at, by }, at));
            incident.told_at = told.then_some(at);
            incident.told.count = 1;
            let link = |text: &str| Some(format!("https://wiki.example/{text}/").parse().unwrap());
            let wording = if linked {
                Wording { shop, runbooks: link(&"r".repeat(600)), dashboard: link("d?a=<!channel>&b"), ..wording() }
            } else {
                Wording { shop, ..wording() }
            };
            let message = message(&incident, why, &wording);
            prop_assert!(message.blocks.len() <= 15);
            let header = message.blocks[0]["text"]["text"].as_str().unwrap();
            prop_assert!(header.chars().count() < 80, "{}", header);
            if let Some(reply) = replies::reply(&incident, why, at, &wording) {
                within_limits(&reply)?;
            }
            within_limits(&message)?;
        }
    }

    /// Slack's limits, and ours for all in all; no markup but ours.
    fn within_limits(message: &SlackMessage) -> Result<(), TestCaseError> {
        prop_assert!(!message.text.trim().is_empty() && message.text.chars().count() <= TEXT_CHARS);
        prop_assert_eq!(markup(&message.text), None);
        for block in &message.blocks {
            let length = |text: &Value| text["text"].as_str().map_or(0, |text| text.chars().count());
            let fits = |list: &Value, most: usize| {
                let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
                (1..=10).contains(&list.len()) && list.iter().all(|text| (1..=most).contains(&length(text)))
            };
            let text = (1..=3_000).contains(&length(&block["text"]));
            let sound = match block["type"].as_str() {
                Some("header") => (1..=150).contains(&length(&block["text"])),
                Some("section") if block["text"].is_null() => fits(&block["fields"], 2_000),
                Some("section") => text && (block["fields"].is_null() || fits(&block["fields"], 2_000)),
                Some("context") => fits(&block["elements"], 2_000),
                _ => false,
            };
            prop_assert!(sound, "{}", block);
        }
        let mut all = Vec::new();
        message.blocks.iter().for_each(|block| texts(block, &mut all));
        for text in all {
            prop_assert_eq!(markup(&text), None);
            prop_assert!(text.matches("```").count() % 2 == 0);
        }
        let total = serde_json::to_string(&message.blocks).unwrap().chars().count();
        prop_assert!(total <= 10_000, "{} characters in all", total);
        Ok(())
    }
}
