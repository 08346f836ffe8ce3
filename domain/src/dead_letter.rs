//! Dead letters: what of them is alike.

use forebay_schemas::Code;
use sha2::{Digest as _, Sha256};

/// The fingerprint by which dead letters are grouped: SHA-256 of code, type, queue and the error text with digits,
/// hexadecimal runs and quoted parts masked; the first 16 hexadecimal digits.
#[must_use]
pub fn fingerprint(code: Code, kind: &str, queue: &str, error: &str) -> String {
    let text = format!("{code}\n{kind}\n{queue}\n{}", masked(error));
    Sha256::digest(text.as_bytes()).iter().take(8).map(|b| format!("{b:02x}")).collect()
}

/// The text without what differs from one message to the next: quoted parts become `"…"`, words that hold a digit
/// become `#`.
#[must_use]
pub fn masked(text: &str) -> String {
    let mut unquoted = String::with_capacity(text.len());
    let mut quote: Option<char> = None;
    for c in text.chars() {
        match quote {
            Some(q) if c == q => {
                quote = None;
                unquoted.push_str("\"…\"");
            }
            Some(_) => {}
            None if matches!(c, '"' | '`') => quote = Some(c),
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
        } else {
            out.push_str(&word);
        }
        word.clear();
        out.push(c);
    }
    out.truncate(out.trim_end().len());
    out
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
}
