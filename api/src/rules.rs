//! Rules that several bodies share.

use std::borrow::Cow;

use forebay_intake::{Kind, Problem};
use forebay_schemas::Violation;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// Longest reason, in bytes.
const REASON_BYTES: usize = 500;

/// A reason that must be given, as it is described.
pub(crate) struct Reason;

/// A reason that may be given, as it is described.
pub(crate) struct Note;

const RULE: &str = "Why, for those who find it later; 500 bytes at most, without control characters.";

impl JsonSchema for Reason {
    fn schema_name() -> Cow<'static, str> {
        "Reason".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\x00-\x20\x7f-\xa0][^\x00-\x1f\x7f-\x9f]*$";
        json_schema!({ "type": "string", "maxLength": REASON_BYTES, "pattern": pattern, "description": RULE })
    }
}

impl JsonSchema for Note {
    fn schema_name() -> Cow<'static, str> {
        "Note".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let pattern = r"^[^\x00-\x1f\x7f-\x9f]*$";
        json_schema!({ "type": "string", "maxLength": REASON_BYTES, "pattern": pattern, "description": RULE })
    }
}

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
