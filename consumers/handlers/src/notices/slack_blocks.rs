//! A notice as a Slack message: Block Kit within every limit.
//!
//! Limits (Slack's reference for blocks): header 150 characters, section text 3,000, fields 10 of 2,000 each, context
//! element 2,000. The undocumented limit for all text together lies above 11,000 characters; these stay below 8,000.

use forebay_domain::incident::Incident;
use forebay_outbound::SlackMessage;
use serde_json::{Value, json};

use super::wording::{Phase, Wording};

const HEADER_CHARS: usize = 150;
const PART_CHARS: usize = 600;
const ACTION_CHARS: usize = 500;

pub(super) fn message(incident: &Incident, phase: Phase, wording: &Wording) -> SlackMessage {
    let raise = &incident.raise;
    let mut blocks = vec![json!({
        "type": "header",
        "text": { "type": "plain_text", "text": cut(&wording.headline(incident, phase), HEADER_CHARS), "emoji": true },
    })];
    if phase != Phase::Resolved {
        blocks.push(section(&format!("*So what:* {}", escaped(&raise.impact, PART_CHARS))));
        blocks.push(section(&format!("*Now what:*\n```{}```", escaped(&raise.action, ACTION_CHARS))));
        if !raise.sample.is_empty() {
            blocks.push(section(&format!("*Top error:*\n```{}```", escaped(&raise.sample, 300))));
        }
    }
    let fields: Vec<Value> = wording
        .facts(incident)
        .into_iter()
        .take(10)
        .map(|(label, text)| json!({ "type": "mrkdwn", "text": format!("*{label}*\n{}", escaped(&text, 200)) }))
        .collect();
    blocks.push(json!({ "type": "section", "fields": fields }));
    let context = format!("{} · incident {}", escaped(&wording.shop, 100), incident.id);
    blocks.push(json!({ "type": "context", "elements": [{ "type": "mrkdwn", "text": context }] }));
    SlackMessage { text: escaped(&wording.summary(incident, phase), 1_000), blocks }
}

fn section(text: &str) -> Value {
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } })
}

/// Text from outside, harmless in mrkdwn: the three characters that begin mentions and links are entities, and a
/// back quote can't close a code block.
fn escaped(text: &str, most: usize) -> String {
    cut(text, most).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('`', "ʼ")
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::super::wording::tests::{incident, wording};
    use super::*;

    #[test]
    fn text_from_outside_can_neither_mention_nor_link_nor_leave_its_code_block() {
        let mut incident = incident();
        incident.raise.sample = "``` <!channel> <https://a|b> &".into();
        let message = message(&incident, Phase::Opened, &wording());
        let text = serde_json::to_string(&message.blocks).unwrap();
        assert!(!text.contains("<!channel>") && !text.contains("<https"), "{text}");
        assert!(text.contains("&lt;!channel&gt;") && text.contains("ʼʼʼ"), "{text}");
    }

    #[test]
    fn every_limit_holds_for_texts_of_any_length() {
        let mut incident = incident();
        let long = "<&>".repeat(20_000);
        incident.raise.title = long.clone();
        incident.raise.impact = long.clone();
        incident.raise.action = long.clone();
        incident.raise.sample = long;
        for phase in [Phase::Opened, Phase::Updated, Phase::Resolved] {
            let message = message(&incident, phase, &wording());
            assert!(message.blocks.len() <= 10);
            assert!(message.blocks[0]["text"]["text"].as_str().unwrap().chars().count() <= 150);
            for block in &message.blocks[1..] {
                let text = block["text"]["text"].as_str().unwrap_or_default();
                assert!(text.chars().count() <= 3_000, "{}", text.len());
            }
            let total = serde_json::to_string(&message.blocks).unwrap().chars().count();
            assert!(total <= 11_000, "{total} characters in all");
        }
    }

    #[test]
    fn a_notice_says_what_so_what_and_now_what() {
        let message = message(&incident(), Phase::Opened, &wording());
        let text = serde_json::to_string(&message.blocks).unwrap();
        for part in
            ["🟡 [warning] schema_invalid in forebay.returns", "So what", "forebay dlq list --group ab"]
        {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert!(message.text.contains("3× since 2026-"), "{}", message.text);
    }
}
