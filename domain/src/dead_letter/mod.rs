//! Dead letters: what of them is alike, by what they are found, how they are replayed.

pub mod replay;
pub mod terms;

use forebay_schemas::{Code, EventType, Queue, Route};
use sha2::{Digest as _, Sha256};

/// The fingerprint by which dead letters are grouped: SHA-256 of code, type, queue and the error text with digits,
/// hexadecimal runs and quoted parts masked; the first 16 hexadecimal digits.
#[must_use]
pub fn fingerprint(code: Code, kind: &str, queue: &str, error: &str) -> String {
    let text = format!("{code}\n{kind}\n{queue}\n{}", masked(error));
    Sha256::digest(text.as_bytes()).iter().take(8).map(|b| format!("{b:02x}")).collect()
}

/// Who a dead letter is, within one queue: SHA-256 over the event's source, the message's id and the body. Copies of
/// one message are one dead letter; a message without an id is told by its body alone.
#[must_use]
pub fn key(source: Option<&str>, id: &str, body: &[u8]) -> [u8; 32] {
    let source = source.unwrap_or_default();
    let mut hash = Sha256::new();
    for part in [source.as_bytes(), id.as_bytes(), body] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// Where a dead letter of this queue and type goes when it is replayed: back into the queue that it died in; what no
/// queue took goes through the exchange again. `None` when there is no way back.
#[must_use]
pub fn way_back(queue: &str, kind: &str) -> Option<Route> {
    match queue.parse::<Queue>().ok()? {
        Queue::Unrouted if kind.is_empty() => None,
        Queue::Unrouted => Some(Route::Event(kind.to_owned())),
        // Nobody noted the queue that it died in.
        Queue::Dead => kind.parse::<EventType>().ok().map(Route::inbound),
        queue => queue.is_work().then_some(Route::Work(queue)),
    }
}

/// The text without what differs from one message to the next: quoted parts become `"…"`, words that hold a digit
/// become `#`.
#[must_use]
pub fn masked(text: &str) -> String {
    parted(text).0
}

/// The text masked, and what was masked in it.
pub(crate) fn parted(text: &str) -> (String, Vec<String>) {
    let mut variables = Vec::new();
    let mut unquoted = String::with_capacity(text.len());
    let mut quote: Option<(char, String)> = None;
    for c in text.chars() {
        match quote.take() {
            Some((q, quoted)) if c == q => {
                variables.push(quoted);
                unquoted.push_str("\"…\"");
            }
            Some((q, mut quoted)) => {
                quoted.push(c);
                quote = Some((q, quoted));
            }
            None if matches!(c, '"' | '`') => quote = Some((c, String::new())),
            None => unquoted.push(c),
        }
    }
    let mut out = String::with_capacity(unquoted.len());
    let mut word = String::new();
    for c in unquoted.chars().chain([' ']) {
        if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') {
            word.push(c);
            continue;
        }
        if word.chars().any(|w| w.is_ascii_digit()) {
            out.push('#');
            variables.push(word.trim_matches('.').to_owned());
        } else {
            out.push_str(&word);
        }
        word.clear();
        out.push(c);
    }
    out.truncate(out.trim_end().len());
    (out, variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_that_differ_in_numbers_and_quotes_are_alike() {
        let one = fingerprint(Code::Rejected, "t.v1", "q", r#"order "A-17" not found at 12:30"#);
        let two = fingerprint(Code::Rejected, "t.v1", "q", r#"order "B-99" not found at 09:01"#);
        assert_eq!(one, two);
    }

    #[test]
    fn errors_of_another_code_type_queue_or_wording_are_not_alike() {
        let base = fingerprint(Code::Rejected, "t.v1", "q", "no");
        for other in [
            fingerprint(Code::Expired, "t.v1", "q", "no"),
            fingerprint(Code::Rejected, "u.v1", "q", "no"),
            fingerprint(Code::Rejected, "t.v1", "r", "no"),
            fingerprint(Code::Rejected, "t.v1", "q", "yes"),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn what_is_masked_is_known() {
        let (masked, variables) = parted(r#"status 404 for "A 17", after 3 tries."#);
        assert_eq!(masked, r##"status # for "…", after # tries."##);
        assert_eq!(variables, ["A 17", "404", "3"]);
    }

    #[test]
    fn a_key_minds_where_one_part_ends_and_the_next_begins() {
        assert_eq!(key(Some("/s"), "a", b"b"), key(Some("/s"), "a", b"b"));
        assert_ne!(key(Some("/s"), "a", b"b"), key(Some("/s"), "ab", b""));
        assert_ne!(key(Some("/s"), "a", b"b"), key(None, "/sa", b"b"));
    }

    #[test]
    fn a_dead_letter_goes_back_to_where_it_died() {
        let route = |queue, kind| way_back(queue, kind).map(|route| route.to_text());
        let rows = [
            ("forebay.returns", "whatever", Some("work:forebay.returns")),
            ("forebay.tracking.sweettracker", "", Some("work:forebay.tracking.sweettracker")),
            ("forebay.unrouted", "order.paid.v2", Some("event:order.paid.v2")),
            ("forebay.unrouted", "", None),
            ("forebay.dead", "order.paid.v1", Some("event:order.paid.v1")),
            ("forebay.dead", "member.check_in.requested.v1", Some("work:forebay.rewards")),
            ("forebay.dead", "unknown", None),
            ("forebay.delay.5s", "order.paid.v1", None),
            ("of another time", "order.paid.v1", None),
        ];
        for (queue, kind, wanted) in rows {
            assert_eq!(route(queue, kind).as_deref(), wanted, "{queue} {kind}");
        }
    }
}
