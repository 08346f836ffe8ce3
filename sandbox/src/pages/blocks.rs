//! Block Kit as HTML.

use chrono_tz::Tz;
use serde_json::Value;

use super::{escaped, mrkdwn};

/// All blocks of a message, in their order.
pub(super) fn html(blocks: &[Value], zone: Tz) -> String {
    blocks.iter().map(|block| of_block(block, zone)).collect()
}

fn of_block(block: &Value, zone: Tz) -> String {
    match block["type"].as_str() {
        Some("header") => format!("<div class=\"header\">{}</div>", text(&block["text"], zone)),
        Some("section") => {
            let mut out = String::new();
            if !block["text"].is_null() {
                out.push_str(&format!("<div class=\"section\">{}</div>", text(&block["text"], zone)));
            }
            if let Some(fields) = block["fields"].as_array() {
                let fields: String =
                    fields.iter().map(|field| format!("<div>{}</div>", text(field, zone))).collect();
                out.push_str(&format!("<div class=\"fields\">{fields}</div>"));
            }
            out
        }
        Some("context") => {
            let elements =
                list(&block["elements"], |element| format!("<span>{}</span>", text(element, zone)));
            format!("<div class=\"context\">{elements}</div>")
        }
        Some("actions") => format!("<div class=\"section\">{}</div>", list(&block["elements"], button)),
        Some("divider") => "<hr>".to_owned(),
        Some("markdown") => {
            format!("<pre>{}</pre>", escaped(block["text"].as_str().unwrap_or_default()))
        }
        Some("image") => picture(block),
        other => format!("<p class=\"aside\">a block of type {}</p>", escaped(other.unwrap_or("none"))),
    }
}

fn list(elements: &Value, draw: impl Fn(&Value) -> String) -> String {
    elements.as_array().into_iter().flatten().map(draw).collect()
}

/// A text object, or an image among texts.
fn text(object: &Value, zone: Tz) -> String {
    let said = object["text"].as_str().unwrap_or_default();
    match object["type"].as_str() {
        Some("mrkdwn") => mrkdwn::html(said, zone),
        Some("image") => picture(object),
        _ => escaped(said),
    }
}

/// By its words: the page fetches nothing.
fn picture(image: &Value) -> String {
    format!("<span class=\"aside\">🖼 {}</span>", escaped(image["alt_text"].as_str().unwrap_or_default()))
}

fn button(element: &Value) -> String {
    let style = match element["style"].as_str() {
        Some("primary") => " primary",
        Some("danger") => " danger",
        _ => "",
    };
    let label = element["text"]["text"].as_str().or(element["type"].as_str()).unwrap_or_default();
    format!("<span class=\"button{style}\">{}</span>", escaped(label))
}
