//! Rules that several bodies share.

use forebay_intake::{Kind, Problem};
use forebay_schemas::Violation;

/// Longest reason, in bytes.
const REASON_BYTES: usize = 500;

/// A reason is for people.
pub(crate) fn check_reason(reason: &str) -> Result<(), Problem> {
    if reason.len() > REASON_BYTES || reason.chars().any(char::is_control) {
        let rule = format!("must be {REASON_BYTES} bytes at most, without control characters");
        return Err(broken("/reason", rule));
    }
    Ok(())
}

/// A reason that must be given.
pub(crate) fn need_reason(reason: &str) -> Result<(), Problem> {
    if reason.trim().is_empty() {
        return Err(broken("/reason", "is missing; say why, for those who find it later"));
    }
    check_reason(reason)
}

/// A rule of the body that is broken.
pub(crate) fn broken(pointer: &str, rule: impl Into<String>) -> Problem {
    Problem::new(Kind::InvalidContent, "The body breaks its rules; nothing was done.")
        .errors(vec![Violation::new(pointer, rule.into())])
}
