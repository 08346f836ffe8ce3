//! The terms by which a dead letter is found: ids of what it is about, and what its error names.
//!
//! A term is a number, the beginning of a hash of its kind and its text: an index of them is small, the same on both
//! stores, and holds nobody's id in the clear. Ids are found whole, not by their beginnings.

use std::collections::BTreeSet;

use forebay_schemas::Event;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::parted;

/// Most terms of one dead letter: a check of parcels names a hundred of them.
const MOST: usize = 256;
/// Longest text that becomes a term, in bytes.
const TEXT_BYTES: usize = 255;

/// What a term says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The message's id.
    Message,
    /// The event's subject.
    Subject,
    /// An order's id.
    Order,
    /// A return's id.
    Return,
    /// A parcel's number, or its id in our store.
    Parcel,
    /// A member's id.
    Member,
    /// A claim's id.
    Claim,
    /// A refund's id.
    Refund,
    /// A word that tells this error from others of its group; letters of either case are the same.
    Word,
}

impl Kind {
    const ALL: [Self; 9] = [
        Self::Message,
        Self::Subject,
        Self::Order,
        Self::Return,
        Self::Parcel,
        Self::Member,
        Self::Claim,
        Self::Refund,
        Self::Word,
    ];

    /// What a field of an event's data is, by its name.
    fn of_field(name: &str) -> Option<Self> {
        Some(match name {
            "order_id" => Self::Order,
            "return_id" => Self::Return,
            "tracking_number" | "parcel_id" => Self::Parcel,
            "member_id" => Self::Member,
            "claim_id" => Self::Claim,
            "refund_id" => Self::Refund,
            _ => return None,
        })
    }
}

/// The term of a text.
#[must_use]
pub fn term(kind: Kind, text: &str) -> i64 {
    let mut hash = Sha256::new();
    hash.update([kind as u8]);
    match kind {
        Kind::Word => hash.update(text.to_lowercase()),
        _ => hash.update(text),
    }
    let bytes: [u8; 32] = hash.finalize().into();
    i64::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7]])
}

/// The terms of a dead letter.
#[must_use]
pub fn of_letter(message_id: &str, event: Option<&Event>, error: &str) -> Vec<i64> {
    let mut terms = Terms::default();
    terms.add(Kind::Message, message_id);
    if let Some(event) = event {
        if let Some(subject) = &event.subject {
            terms.add(Kind::Subject, subject);
            terms.add(Kind::Word, subject.rsplit('/').next().unwrap_or_default());
        }
        let data: Value = serde_json::from_str(event.data.get()).unwrap_or(Value::Null);
        terms.walk(&data);
    }
    for word in parted(error).1 {
        terms.add(Kind::Word, &word);
    }
    terms.0.into_iter().collect()
}

/// How a text that a person typed is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextSearch {
    /// What the masked error of a group must hold, in lower case.
    pub masked: String,
    /// What a letter of such a group must have besides.
    pub variables: Vec<i64>,
    /// A letter with any one of these has the text as an id or a word, whatever its group.
    pub whole: Vec<i64>,
}

impl TextSearch {
    /// Looks for this text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let text = text.trim();
        let (masked, variables) = parted(text);
        Self {
            masked: masked.to_lowercase(),
            variables: variables.iter().map(|word| term(Kind::Word, word)).collect(),
            whole: Kind::ALL.iter().map(|kind| term(*kind, text)).collect(),
        }
    }
}

#[derive(Default)]
struct Terms(BTreeSet<i64>);

impl Terms {
    fn add(&mut self, kind: Kind, text: &str) {
        if (1..=TEXT_BYTES).contains(&text.len()) && self.0.len() < MOST {
            self.0.insert(term(kind, text));
        }
    }

    /// An event's data holds ids under the same names, however deep.
    fn walk(&mut self, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.walk(item)),
            Value::Object(fields) => {
                for (name, value) in fields {
                    match (Kind::of_field(name), value) {
                        (Some(kind), Value::String(text)) => self.add(kind, text),
                        (Some(kind), Value::Number(number)) => self.add(kind, &number.to_string()),
                        _ => self.walk(value),
                    }
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(data: &str) -> Event {
        let text = format!(
            r#"{{"specversion":"1.0","id":"e-1","source":"/s","type":"t.v1","subject":"return/R-1","data":{data}}}"#
        );
        Event::decode(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_letter_is_found_by_each_id_and_by_what_its_error_names() {
        let event = event(
            r#"{"order_id":"O-1","parcel":{"tracking_number":"4711"},"refund_id":7,
                "parcels":[{"tracking_number":"4712"}],"member_id":"m-1"}"#,
        );
        let terms = of_letter("e-1", Some(&event), "no system for \"Nobody\", status 404");
        for (kind, text) in [
            (Kind::Message, "e-1"),
            (Kind::Subject, "return/R-1"),
            (Kind::Word, "R-1"),
            (Kind::Order, "O-1"),
            (Kind::Parcel, "4711"),
            (Kind::Parcel, "4712"),
            (Kind::Refund, "7"),
            (Kind::Member, "m-1"),
            (Kind::Word, "nobody"),
            (Kind::Word, "404"),
        ] {
            assert!(terms.contains(&term(kind, text)), "{kind:?} {text}");
            assert!(TextSearch::of(text).whole.iter().any(|t| terms.contains(t)), "{text} as a text");
        }
        assert!(!terms.contains(&term(Kind::Member, "O-1")), "an order is no member");
    }

    #[test]
    fn an_error_that_was_copied_out_is_found_by_its_group_and_its_words() {
        let error = "no system for \"Nobody\", status 404";
        let search = TextSearch::of(error);
        assert_eq!(search.masked, super::super::masked(error).to_lowercase());
        let terms = of_letter("", None, error);
        assert!(search.variables.iter().all(|t| terms.contains(t)));
        assert_eq!(TextSearch::of("No System").masked, "no system");
    }

    #[test]
    fn a_letter_has_a_bounded_number_of_terms() {
        let many: Vec<String> = (0..1000).map(|n| format!(r#"{{"order_id":"O-{n}"}}"#)).collect();
        let event = event(&format!("[{}]", many.join(",")));
        assert_eq!(of_letter("e-1", Some(&event), "").len(), MOST);
        assert_eq!(of_letter("", None, &"x1".repeat(500)).len(), 0);
    }
}
