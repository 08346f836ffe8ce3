//! A person erased: what stands for them from then on, and how their id is taken out of messages and texts.
//!
//! In the books (attendance, claims, orders, ledger) a pseudonym takes the id's place, so that they still add up. In
//! messages and texts [`ERASED`] does. What arrives later about the person is known by the hash of the id.

use std::collections::BTreeSet;

use forebay_schemas::MemberId;
use forebay_schemas::events::ParcelPushed;
use serde::de::IgnoredAny;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// The member of a message whose member was erased. It has nothing, and gets nothing.
pub const ERASED: &str = "forebay:erased";
/// Most texts of one message that are compared with the hashes of erased ids.
const CANDIDATES_MAX: usize = 2_000;
/// Fields whose values are never a member's id, even if they look like one: shops count members and orders alike.
const OTHERS: &[&str] = &[
    "specversion",
    "id",
    "source",
    "type",
    "time",
    "recordedtime",
    "traceparent",
    "datacontenttype",
    "order_id",
    "return_id",
    "refund_id",
    "claim_id",
    "spend_id",
    "txn_id",
    "lot_id",
    "programme_id",
    "rule_id",
    "reward_id",
    "parcel_id",
    "carrier",
    "tracking_number",
    "currency",
    "adapter",
    "incident_id",
];

/// The hash by which an erased member is known again.
#[must_use]
pub fn tombstone(member: &str) -> [u8; 32] {
    Sha256::digest(format!("forebay/erased/{member}")).into()
}

/// A new pseudonym for the books; nothing leads from it to the member.
#[must_use]
pub fn pseudonym(id: Uuid) -> String {
    format!("{ERASED}:{}", id.simple())
}

/// A pseudonym or [`ERASED`]: there is nobody behind it.
#[must_use]
pub fn is_erased(member: &MemberId) -> bool {
    member.as_str().starts_with(ERASED)
}

/// Takes ids out of messages and texts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Redaction(BTreeSet<String>);

impl Redaction {
    /// Takes out these members' ids.
    #[must_use]
    pub fn of(members: impl IntoIterator<Item = String>) -> Self {
        Self(members.into_iter().filter(|member| !member.is_empty()).collect())
    }

    /// There is nothing to take out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text without the ids; `None` when they are not in it.
    #[must_use]
    pub fn text(&self, text: &str) -> Option<String> {
        let mut done: Option<String> = None;
        for member in &self.0 {
            if let Some(replaced) = replaced(done.as_deref().unwrap_or(text), member) {
                done = Some(replaced);
            }
        }
        done
    }

    /// JSON without the ids, otherwise as it was written; `None` when they are not in it. What is no JSON is taken as
    /// a text.
    #[must_use]
    pub fn bytes(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        self.bytes_with(bytes, true)
    }

    fn bytes_with(&self, bytes: &[u8], unpack: bool) -> Option<Vec<u8>> {
        if let Ok(text) = std::str::from_utf8(bytes) {
            let redacted = match serde_json::from_str::<IgnoredAny>(text) {
                Ok(_) => self.json_with(text, unpack),
                Err(_) => self.text(text),
            };
            return redacted.map(String::into_bytes);
        }
        // Any bytes at all: each becomes the character of its number, and back.
        let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
        let redacted = self.text(&text)?;
        Some(redacted.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect())
    }

    /// What a carrier's system pushed, which is kept packed, without the ids.
    fn packed(&self, text: &str) -> Option<String> {
        let body = ParcelPushed::unpack(text).ok()?;
        Some(ParcelPushed::pack(&self.bytes_with(&body, false)?))
    }

    /// A text of valid JSON without the ids.
    #[must_use]
    pub fn json(&self, text: &str) -> Option<String> {
        self.json_with(text, true)
    }

    fn json_with(&self, text: &str, unpack: bool) -> Option<String> {
        let mut out = String::with_capacity(text.len());
        let mut changed = false;
        for Piece { text, key, kind } in pieces(text) {
            let other = key.as_deref().is_some_and(|key| OTHERS.contains(&key));
            let redacted = match kind {
                _ if other => None,
                Kind::Text(text) if unpack && is_packed(key.as_deref(), &text) => {
                    self.packed(&text).map(|text| serde_json::Value::from(text).to_string())
                }
                Kind::Text(text) => self.text(&text).map(|text| serde_json::Value::from(text).to_string()),
                // An id should be a text, and what should be is not always so.
                Kind::Bare if key.as_deref() == Some("member_id") && self.0.contains(text) => {
                    Some(format!("\"{ERASED}\""))
                }
                Kind::Bare | Kind::Other => None,
            };
            changed |= redacted.is_some();
            out.push_str(redacted.as_deref().unwrap_or(text));
        }
        changed.then_some(out)
    }
}

/// Texts of a message that may be a member's id.
#[must_use]
pub fn candidates<'t>(body: &[u8], texts: impl IntoIterator<Item = &'t str>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for text in texts {
        words(text, &mut found);
    }
    words_of(body, true, &mut found);
    found
}

fn words_of(body: &[u8], unpack: bool, found: &mut BTreeSet<String>) {
    match std::str::from_utf8(body) {
        Ok(text) if serde_json::from_str::<IgnoredAny>(text).is_ok() => {
            for Piece { text, key, kind } in pieces(text) {
                match kind {
                    _ if key.as_deref().is_some_and(|key| OTHERS.contains(&key)) => {}
                    Kind::Text(text) if unpack && is_packed(key.as_deref(), &text) => {
                        if let Ok(body) = ParcelPushed::unpack(&text) {
                            words_of(&body, false, found);
                        }
                    }
                    Kind::Text(text) => words(&text, found),
                    Kind::Bare if key.as_deref() == Some("member_id") => drop(found.insert(text.to_owned())),
                    Kind::Bare | Kind::Other => {}
                }
            }
        }
        Ok(text) => words(text, found),
        Err(_) => words(&String::from_utf8_lossy(body), found),
    }
}

/// The text is what a carrier's system pushed, packed as it is kept: gzip in base64 always begins so. What is in it is
/// not looked at for more of the kind: what is packed again and again would never end.
fn is_packed(key: Option<&str>, text: &str) -> bool {
    key == Some("body") && text.starts_with("H4sI")
}

/// A text as a whole, its quoted parts, and its words by two rules: an id may hold dots and signs, or stand before
/// them.
fn words(text: &str, found: &mut BTreeSet<String>) {
    let mut add = |word: &str| {
        if (1..=128).contains(&word.len()) && found.len() < CANDIDATES_MAX {
            found.insert(word.to_owned());
        }
    };
    add(text);
    text.split(['"', '`', '\'']).for_each(&mut add);
    text.split(|c: char| c.is_whitespace() || "\"'`/,;()[]{}".contains(c)).for_each(&mut add);
    text.split(|c: char| !in_word(c)).for_each(&mut add);
}

fn in_word(c: char) -> bool {
    c.is_alphanumeric() || c == '-' || c == '_'
}

/// The text with [`ERASED`] for the member where it stands as a word of its own, but not as the id of something else
/// (`order/4711`).
fn replaced(text: &str, member: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = 0;
    let mut from = 0;
    while let Some(found) = text[from..].find(member) {
        let (begin, end) = (from + found, from + found + member.len());
        let (before, after) = (&text[..begin], &text[end..]);
        let whole = !before.ends_with(in_word) && !after.starts_with(in_word);
        let of_other = before.strip_suffix('/').is_some_and(|path| {
            let kind = path.rsplit(|c: char| !in_word(c)).next().unwrap_or_default();
            ["order", "return", "claim", "refund", "parcel", "reward", "incident"].contains(&kind)
        });
        if whole && !of_other {
            out.push_str(&text[rest..begin]);
            out.push_str(ERASED);
            rest = end;
            from = end;
        } else {
            from = begin + text[begin..].chars().next().map_or(1, char::len_utf8);
        }
    }
    (rest > 0).then(|| out + &text[rest..])
}

/// A piece of JSON text, and the name of the field whose value it is, or is in.
struct Piece<'t> {
    text: &'t str,
    key: Option<String>,
    kind: Kind,
}

enum Kind {
    /// A text that is a value, or a field's name.
    Text(String),
    /// A number or a word.
    Bare,
    /// Signs and spaces.
    Other,
}

/// Cuts a text of valid JSON into pieces that together are the text.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let bytes = text.as_bytes();
    let mut all: Vec<Piece<'_>> = Vec::new();
    let mut key: Option<String> = None;
    let mut at = 0;
    while at < bytes.len() {
        let begin = at;
        if bytes[at] == b'"' {
            at += 1;
            while at < bytes.len() && bytes[at] != b'"' {
                at += if bytes[at] == b'\\' { 2 } else { 1 };
            }
            at = (at + 1).min(bytes.len());
            let decoded: String = serde_json::from_str(&text[begin..at]).unwrap_or_default();
            if bytes[at..].trim_ascii_start().first() == Some(&b':') {
                key = Some(decoded.clone());
                all.push(Piece { text: &text[begin..at], key: None, kind: Kind::Text(decoded) });
            } else {
                all.push(Piece { text: &text[begin..at], key: key.clone(), kind: Kind::Text(decoded) });
            }
            continue;
        }
        let bare = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        let is_bare = bare(bytes[at]);
        while at < bytes.len() && bytes[at] != b'"' && bare(bytes[at]) == is_bare {
            at += 1;
        }
        let kind = if is_bare { Kind::Bare } else { Kind::Other };
        all.push(Piece { text: &text[begin..at], key: key.clone(), kind });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redaction() -> Redaction {
        Redaction::of(["m-1".to_owned(), "4711".to_owned(), "a.b@c".to_owned()])
    }

    #[test]
    fn an_id_is_taken_out_where_it_stands_alone() {
        for (text, wanted) in [
            ("m-1", "forebay:erased"),
            ("member/m-1", "member/forebay:erased"),
            ("no member \"m-1\", or m-1.", "no member \"forebay:erased\", or forebay:erased."),
            ("a.b@c and 4711", "forebay:erased and forebay:erased"),
        ] {
            assert_eq!(redaction().text(text).as_deref(), Some(wanted));
        }
        for text in ["m-10", "xm-1", "m-1-2", "order/4711", "47110", ""] {
            assert_eq!(redaction().text(text), None, "{text}");
        }
    }

    #[test]
    fn json_keeps_everything_else_byte_for_byte() {
        let text = r#"{ "b":1.50,  "member_id" : "m-1", "a":[{"who":"m\u002d1"}], "n": 4711, "order_id":"4711",
            "member_id":4711, "note":"é m-1, \"m-10\"" }"#;
        let wanted = r#"{ "b":1.50,  "member_id" : "forebay:erased", "a":[{"who":"forebay:erased"}], "n": 4711, "order_id":"4711",
            "member_id":"forebay:erased", "note":"é forebay:erased, \"m-10\"" }"#;
        assert_eq!(String::from_utf8(redaction().bytes(text.as_bytes()).unwrap()).unwrap(), wanted);
        assert_eq!(redaction().bytes(br#"{"member_id":"m-10","order_id":"m-1"}"#), None);
    }

    #[test]
    fn what_a_carrier_pushed_is_unpacked_for_it() {
        let push = |body: &str| {
            let packed = ParcelPushed::pack(body.as_bytes());
            format!(r#"{{"data":{{"adapter":"easypost","body":"{packed}"}}}}"#).into_bytes()
        };
        let named = push(r#"{"result":{"signed_by":"m-1","weight":614.0}}"#);
        assert!(candidates(&named, []).contains("m-1"));
        let wanted = push(r#"{"result":{"signed_by":"forebay:erased","weight":614.0}}"#);
        assert_eq!(redaction().bytes(&named), Some(wanted));
        assert_eq!(redaction().bytes(&push(r#"{"signed_by":"m-10"}"#)), None);
        assert_eq!(redaction().bytes(br#"{"body":"H4sInothing of the kind"}"#), None);
    }

    #[test]
    fn what_is_no_json_and_no_text_is_redacted_too() {
        assert_eq!(redaction().bytes(b"{ m-1").unwrap(), b"{ forebay:erased");
        assert_eq!(redaction().bytes(b"\xff m-1 \x00").unwrap(), b"\xff forebay:erased \x00");
    }

    #[test]
    fn whatever_would_be_taken_out_is_among_the_candidates() {
        let bodies = [
            &br#"{"subject":"member/m-1","data":{"x":"y"}}"#[..],
            br#"{"data":{"deep":[{"member_id":"m-1"}]}}"#,
            br#"{"data":{"note":"of m-1."}}"#,
            b"not json: m-1",
            b"\xff m-1",
        ];
        for body in bodies {
            assert!(candidates(body, []).contains("m-1"), "{}", String::from_utf8_lossy(body));
        }
        assert!(candidates(b"", ["no member \"a.b@c\""]).contains("a.b@c"));
        assert!(candidates(br#"{"data":{"member_id":4711}}"#, []).contains("4711"));
        assert!(!candidates(br#"{"data":{"order_id":"4711"}}"#, []).contains("4711"));
    }

    #[test]
    fn pseudonyms_are_members_with_nobody_behind_them() {
        let one = MemberId::new(pseudonym(Uuid::from_u128(7))).unwrap();
        assert!(is_erased(&one) && is_erased(&MemberId::new(ERASED).unwrap()));
        assert!(!is_erased(&MemberId::new("m-1").unwrap()));
        assert_ne!(tombstone("m-1"), tombstone("m-2"));
    }
}
