//! Slack's limits on messages (its reference for blocks): what it takes, and the error for what it does not.

use std::collections::HashSet;

use serde_json::Value;

const TEXT_CHARS: usize = 40_000;
const BLOCKS: usize = 50;
const HEADER_CHARS: usize = 150;
const SECTION_CHARS: usize = 3_000;
const FIELDS: usize = 10;
const FIELD_CHARS: usize = 2_000;
const CONTEXT_ELEMENTS: usize = 10;
const ACTION_ELEMENTS: usize = 25;
const BUTTON_CHARS: usize = 75;
const URL_CHARS: usize = 3_000;
const VALUE_CHARS: usize = 2_000;
const MARKDOWN_CHARS: usize = 12_000;
const ID_CHARS: usize = 255;
const ALT_CHARS: usize = 2_000;
const CONFIRM_TITLE_CHARS: usize = 100;
const CONFIRM_TEXT_CHARS: usize = 300;
const CONFIRM_BUTTON_CHARS: usize = 30;
/// Above this many characters in all blocks Slack answers `msg_blocks_too_long`; the limit is not documented.
const TOTAL_CHARS: usize = 13_000;

/// Slack's error for a message that it does not take.
pub(crate) fn checked(message: &Value) -> Result<(), &'static str> {
    let none = Vec::new();
    let blocks = match &message["blocks"] {
        Value::Null => &none,
        Value::Array(blocks) => blocks,
        _ => return Err("invalid_blocks_format"),
    };
    let text = message["text"].as_str().unwrap_or_default();
    if blocks.is_empty() && text.is_empty() {
        return Err("no_text");
    }
    if text.chars().count() > TEXT_CHARS {
        return Err("msg_too_long");
    }
    let mut ids = HashSet::new();
    let mut named_once =
        |block: &Value| block["block_id"].as_str().is_none_or(|id| ids.insert(id.to_owned()));
    if blocks.len() > BLOCKS || !blocks.iter().all(|block| sound(block) && named_once(block)) {
        return Err("invalid_blocks");
    }
    let total: usize = blocks.iter().map(|block| block.to_string().chars().count()).sum();
    if total > TOTAL_CHARS { Err("msg_blocks_too_long") } else { Ok(()) }
}

fn sound(block: &Value) -> bool {
    if !short(&block["block_id"], ID_CHARS) {
        return false;
    }
    let text = &block["text"];
    match block["type"].as_str() {
        Some("header") => text["type"] == "plain_text" && is_text(text, HEADER_CHARS),
        Some("section") => {
            let fields = &block["fields"];
            (text.is_null() || is_text(text, SECTION_CHARS))
                && (fields.is_null() || all(fields, FIELDS, |field| is_text(field, FIELD_CHARS)))
                && !(text.is_null() && fields.is_null())
        }
        Some("context") => {
            all(&block["elements"], CONTEXT_ELEMENTS, |element| match element["type"].as_str() {
                Some("image") => image(element),
                _ => is_text(element, FIELD_CHARS),
            })
        }
        Some("actions") => all(&block["elements"], ACTION_ELEMENTS, action),
        Some("markdown") => text.as_str().is_some_and(|text| within(text, MARKDOWN_CHARS)),
        Some("image") => image(block),
        Some("divider" | "rich_text") => true,
        _ => false,
    }
}

fn action(element: &Value) -> bool {
    let button = element["type"] != "button"
        || (element["text"]["type"] == "plain_text" && is_text(&element["text"], BUTTON_CHARS));
    let confirm = &element["confirm"];
    button
        && (confirm.is_null() || confirmation(confirm))
        && short(&element["action_id"], ID_CHARS)
        && short(&element["url"], URL_CHARS)
        && short(&element["value"], VALUE_CHARS)
}

fn confirmation(dialog: &Value) -> bool {
    let plain = |name: &str, most| dialog[name]["type"] == "plain_text" && is_text(&dialog[name], most);
    plain("title", CONFIRM_TITLE_CHARS)
        && is_text(&dialog["text"], CONFIRM_TEXT_CHARS)
        && plain("confirm", CONFIRM_BUTTON_CHARS)
        && plain("deny", CONFIRM_BUTTON_CHARS)
}

/// An image by its address, with words for those who can't see it.
fn image(image: &Value) -> bool {
    let is = |name: &str, most| image[name].as_str().is_some_and(|text| within(text, most));
    is("alt_text", ALT_CHARS) && (is("image_url", URL_CHARS) || image["slack_file"].is_object())
}

/// A text object that is not empty and not too long.
fn is_text(object: &Value, most: usize) -> bool {
    matches!(object["type"].as_str(), Some("plain_text" | "mrkdwn"))
        && object["text"].as_str().is_some_and(|text| within(text, most))
}

fn within(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.chars().count())
}

/// Not there, or a text that is not too long.
fn short(text: &Value, most: usize) -> bool {
    text.is_null() || text.as_str().is_some_and(|text| text.chars().count() <= most)
}

fn all(list: &Value, most: usize, sound: impl Fn(&Value) -> bool) -> bool {
    list.as_array().is_some_and(|list| (1..=most).contains(&list.len()) && list.iter().all(sound))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with(block: &Value) -> Result<(), &'static str> {
        checked(&json!({ "text": "t", "blocks": [block] }))
    }

    fn text(kind: &str, length: usize) -> Value {
        json!({ "type": kind, "text": "가".repeat(length) })
    }

    #[test]
    fn each_limit_holds_to_the_character() {
        let header = |n| json!({ "type": "header", "text": text("plain_text", n) });
        let section = |n| json!({ "type": "section", "text": text("mrkdwn", n) });
        let fields = |count, n| json!({ "type": "section", "fields": vec![text("mrkdwn", n); count] });
        let button = |n| json!({ "type": "actions", "elements": [{ "type": "button", "text": text("plain_text", n) }] });
        for good in [header(150), section(3_000), fields(10, 1_000), fields(1, 2_000), button(75)] {
            assert_eq!(with(&good), Ok(()), "{good}");
        }
        for bad in
            [header(0), header(151), section(0), section(3_001), fields(11, 1), fields(0, 1), button(76)]
        {
            assert_eq!(with(&bad), Err("invalid_blocks"), "{bad}");
        }
        assert_eq!(with(&fields(1, 2_001)), Err("invalid_blocks"));
    }

    #[test]
    fn the_whole_message_is_limited_too() {
        let divider = || json!({ "type": "divider" });
        let dividers = |n| json!({ "text": "t", "blocks": vec![divider(); n] });
        assert_eq!(checked(&dividers(50)), Ok(()));
        assert_eq!(checked(&dividers(51)), Err("invalid_blocks"));
        let section = json!({ "type": "section", "text": text("mrkdwn", 2_900) });
        assert_eq!(checked(&json!({ "blocks": vec![section.clone(); 4] })), Ok(()));
        assert_eq!(checked(&json!({ "blocks": vec![section; 5] })), Err("msg_blocks_too_long"));
        assert_eq!(checked(&json!({ "text": "x".repeat(40_001) })), Err("msg_too_long"));
        assert_eq!(checked(&json!({ "text": "", "blocks": [] })), Err("no_text"));
        assert_eq!(checked(&json!({ "text": "t", "blocks": "[]" })), Err("invalid_blocks_format"));
    }

    #[test]
    fn images_dialogs_and_ids_have_limits_too() {
        let image = |alt: usize| json!({ "type": "image", "image_url": "https://a.example/b.png", "alt_text": "x".repeat(alt) });
        let dialog = |title, said, yes| {
            let confirm = json!({ "title": text("plain_text", title), "text": text("mrkdwn", said),
                "confirm": text("plain_text", yes), "deny": text("plain_text", 2) });
            json!({ "type": "actions", "elements":
                [{ "type": "button", "text": text("plain_text", 5), "confirm": confirm }] })
        };
        for good in [image(1), image(2_000), dialog(100, 300, 30)] {
            assert_eq!(with(&good), Ok(()), "{good}");
        }
        for bad in [image(0), image(2_001), dialog(101, 300, 30), dialog(100, 301, 30), dialog(100, 300, 31)]
        {
            assert_eq!(with(&bad), Err("invalid_blocks"), "{bad}");
        }
        let twice = json!({ "type": "divider", "block_id": "one" });
        assert_eq!(checked(&json!({ "text": "t", "blocks": [twice.clone(), twice] })), Err("invalid_blocks"));
    }

    #[test]
    fn a_block_of_no_known_type_is_refused() {
        assert_eq!(with(&json!({ "type": "banner" })), Err("invalid_blocks"));
        assert_eq!(with(&json!("text")), Err("invalid_blocks"));
        assert_eq!(with(&json!({ "type": "header", "text": text("mrkdwn", 3) })), Err("invalid_blocks"));
    }
}
