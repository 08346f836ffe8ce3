//! The rules by which incidents are raised: one closed list. A test of the binary holds it against the code.

use super::Severity;

/// A rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleOf {
    /// Its name.
    pub name: &'static str,
    /// How bad it is, at most.
    pub severity: Severity,
    /// What raises it.
    pub raised_by: &'static str,
}

const fn rule(name: &'static str, severity: Severity, raised_by: &'static str) -> RuleOf {
    RuleOf { name, severity, raised_by }
}

/// Every rule, by name.
pub const RULES: &[RuleOf] = &[
    rule(
        super::HELD_BACK,
        Severity::Critical,
        "more than 5 tellings of one rule are due in 15 minutes; as bad as what is held back",
    ),
    rule("books_differ", Severity::Critical, "a check of the books finds points or stock that do not add up"),
    rule(
        "breaker_open",
        Severity::Critical,
        "an outside system fails or is too slow, so that it is left alone; critical when it refuses our credentials",
    ),
    rule(
        "budget_nearly_spent",
        Severity::Warning,
        "few of the calls of the day to a carrier's system are left",
    ),
    rule("claims_unshipped", Severity::Warning, "granted products wait to be shipped for days"),
    rule("dead_letters", Severity::Warning, "a message of a group of dead letters died"),
    rule(super::STOCK_DIGEST, Severity::Info, "the time of day of the report of what is low on stock"),
    rule("stock_low", Severity::Warning, "a reward falls to its threshold"),
    rule("stock_out", Severity::Critical, "the last of a reward is given out"),
];
