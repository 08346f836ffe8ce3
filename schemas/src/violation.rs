//! What is wrong with an event, said so that its author can mend it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::code::Code;

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Violation {
    /// JSON pointer into the event (RFC 6901), e.g. `/data/amount_minor`.
    pub pointer: String,
    /// What is wrong, without repeating the offending value.
    pub detail: String,
}

impl Violation {
    /// A violation at `pointer`.
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }
}

/// An event that can't be taken, with every reason that was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Refusal {
    /// The code under which it is refused or dead-lettered.
    pub code: Code,
    /// What is wrong; never empty.
    pub violations: Vec<Violation>,
}

impl Refusal {
    /// A refusal for one reason.
    pub fn one(code: Code, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { code, violations: vec![Violation::new(pointer, detail)] }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.code)?;
        for (i, v) in self.violations.iter().take(3).enumerate() {
            write!(f, "{} {}: {}", if i == 0 { ":" } else { ";" }, v.pointer, v.detail)?;
        }
        if self.violations.len() > 3 {
            write!(f, "; and {} more", self.violations.len() - 3)?;
        }
        Ok(())
    }
}
