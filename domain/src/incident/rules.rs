//! The rules by which incidents are raised: one closed list, and what an incident of one silences.

use super::Severity;

macro_rules! rules {
    ($($name:ident = $word:literal, $severity:ident, $raised_by:literal;)+) => {
        /// A rule by which incidents are raised. Nothing is raised by a rule that is not on this list.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum AlertRule {
            $(#[doc = $raised_by] $name,)+
        }

        impl AlertRule {
            /// The rule's name, as it stands in the store, in metrics and in the runbooks.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word),+ }
            }
        }

        /// Every rule, by name.
        pub const RULES: &[RuleOf] = &[
            $(RuleOf { rule: AlertRule::$name, name: $word, severity: Severity::$severity, raised_by: $raised_by },)+
        ];
    };
}

/// A rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleOf {
    /// The rule.
    pub rule: AlertRule,
    /// Its name.
    pub name: &'static str,
    /// How bad it is, at most.
    pub severity: Severity,
    /// What raises it.
    pub raised_by: &'static str,
}

// One line a rule, by name. Each has a page in docs/runbooks; one that follows from another stands in `INHIBITIONS`.
rules! {
    HeldBack = "alerts_held_back", Critical,
        "more than 5 tellings of one rule are due in 15 minutes; as bad as what is held back";
    BooksDiffer = "books_differ", Critical, "a check of the books finds points or stock that do not add up";
    BreakerOpen = "breaker_open", Critical,
        "an outside system fails or is too slow, so that it is left alone; critical when it refuses our credentials";
    BrokerDown = "broker_down", Critical, "a relay has not reached the broker for a while; it silences what follows from that";
    BudgetNearlySpent = "budget_nearly_spent", Warning, "few of the calls of the day to a carrier's system are left";
    ClaimsUnshipped = "claims_unshipped", Warning, "granted products wait to be shipped for days";
    CredentialsExpire = "credentials_expire", Critical, "credentials whose end is configured end soon, or have ended";
    DailyReport = "daily_report", Info, "the time of day of the report of the day before";
    DeadLetters = "dead_letters", Warning, "a message of a group of dead letters died";
    DrainLate = "drain_late", Warning, "for so long a queue takes longer to empty than `work.drain_within_s`";
    IntakeRefuses = "intake_refuses", Critical, "for so long a process that accepts turns requests away";
    MailRefused = "mail_refused", Warning, "the mail server refuses a recipient for good; told by Slack only";
    MemberKeysUnavailable = "member_keys_unavailable", Critical, "for so long the keys of members' tokens can't be fetched";
    NoConsumers = "no_consumers", Critical, "for so long messages wait and no worker takes from their queue";
    OutboxOld = "outbox_old", Critical, "the oldest due row of the outbox is as old as that";
    QueueOld = "queue_old", Warning, "the oldest message of a queue is as old as that";
    ScheduleMissed = "schedule_missed", Critical, "for so long nobody has done a task of the schedule";
    SlackRefused = "slack_refused", Critical, "Slack refuses messages until somebody mends it; told by mail only";
    SpoolInUse = "spool_in_use", Warning, "for so long events wait in the spool of a process";
    StockDigest = "stock_digest", Info, "the time of day of the report of what is low on stock";
    StockLow = "stock_low", Warning, "a reward falls to its threshold";
    StockOut = "stock_out", Critical, "the last of a reward is given out";
    TokenNotRenewed = "token_not_renewed", Critical, "for so long a token of an outside system is sought and not brought";
}

/// Rules of reports: told once, and over with that.
const REPORTS: &[AlertRule] = &[AlertRule::DailyReport, AlertRule::StockDigest, AlertRule::HeldBack];

/// A report is told once and is over with that: it is neither updated, nor repeated, nor resolved by anybody.
#[must_use]
pub fn is_report(rule: &str) -> bool {
    REPORTS.iter().any(|report| report.as_str() == rule)
}

impl std::fmt::Display for AlertRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How far an open incident silences others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// All.
    All,
    /// Those about any queue.
    Queues,
    /// Those about the same outside system, or about its queue.
    SameSystem,
}

/// What follows from an incident need not be told while it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inhibition {
    /// While an incident of this rule is open …
    pub by: AlertRule,
    /// … incidents of these are not told …
    pub silences: &'static [AlertRule],
    /// … as far as they are about this.
    pub reach: Reach,
}

/// Which incidents silence which. What is silenced is kept and listed, and told if it outlives its silencer. What
/// is silenced as far as it is about something has to say what (`Raise::about`).
pub const INHIBITIONS: &[Inhibition] = &[
    Inhibition {
        by: AlertRule::BrokerDown,
        silences: &[
            AlertRule::DeadLetters,
            AlertRule::DrainLate,
            AlertRule::NoConsumers,
            AlertRule::QueueOld,
        ],
        reach: Reach::Queues,
    },
    Inhibition {
        by: AlertRule::BrokerDown,
        silences: &[AlertRule::OutboxOld, AlertRule::SpoolInUse],
        reach: Reach::All,
    },
    Inhibition {
        by: AlertRule::BreakerOpen,
        silences: &[
            AlertRule::DeadLetters,
            AlertRule::DrainLate,
            AlertRule::NoConsumers,
            AlertRule::QueueOld,
            AlertRule::TokenNotRenewed,
        ],
        reach: Reach::SameSystem,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_listed_by_name_once_each() {
        assert!(RULES.is_sorted_by(|a, b| a.name < b.name));
        assert!(RULES.iter().all(|of| of.rule.as_str() == of.name));
    }
}
