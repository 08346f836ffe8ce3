//! Each rule is shown by a test in which a real fault of a running system opens an incident of it, once, and ends it.

use std::collections::BTreeSet;

use forebay_domain::incident::{AlertRule, RULES};

/// A test: the text of its file, and its name.
macro_rules! test {
    ($module:ident, $test:ident) => {
        (include_str!(concat!(stringify!($module), ".rs")), stringify!($test))
    };
}

const PROCESSES: (&str, &str) =
    test!(watching, each_fault_opens_one_incident_while_it_lasts_and_ends_it_when_it_is_mended);
const REFUSALS: (&str, &str) = test!(alerts, a_test_that_is_taken_ends_the_incident_of_the_refusal);
const SHELVES: (&str, &str) =
    test!(watching_shelves, what_is_low_late_or_wrong_is_told_once_until_it_is_mended_and_reports_once_a_day);
const SYSTEMS: (&str, &str) = test!(
    watching_systems,
    each_fault_of_an_outside_system_is_one_incident_until_it_is_mended_as_its_notice_says
);

const SHOWN_BY: &[(AlertRule, (&str, &str))] = &[
    (AlertRule::HeldBack, SYSTEMS),
    (AlertRule::BooksDiffer, SHELVES),
    (AlertRule::BreakerOpen, SYSTEMS),
    (
        AlertRule::BrokerDown,
        test!(watching_broker, a_broker_that_takes_nothing_from_the_relay_is_one_incident_until_it_does),
    ),
    (AlertRule::BudgetNearlySpent, SYSTEMS),
    (AlertRule::ClaimsUnshipped, SHELVES),
    (AlertRule::CredentialsExpire, SYSTEMS),
    (AlertRule::DailyReport, SHELVES),
    (AlertRule::DeadLetters, test!(dead_letters, letters_are_replayed_once_their_cause_is_mended_on_servers)),
    (AlertRule::DrainLate, SYSTEMS),
    (AlertRule::IntakeRefuses, PROCESSES),
    (AlertRule::MailRefused, REFUSALS),
    (
        AlertRule::MemberKeysUnavailable,
        test!(watching_keys, keys_of_tokens_that_are_not_to_be_had_are_one_incident_until_they_are),
    ),
    (AlertRule::NoConsumers, PROCESSES),
    (AlertRule::OutboxOld, PROCESSES),
    (AlertRule::QueueOld, PROCESSES),
    (AlertRule::ScheduleMissed, PROCESSES),
    (AlertRule::SlackRefused, REFUSALS),
    (AlertRule::SpoolInUse, PROCESSES),
    (AlertRule::StockDigest, SHELVES),
    (AlertRule::StockLow, SHELVES),
    (AlertRule::StockOut, SHELVES),
    (AlertRule::TokenNotRenewed, SYSTEMS),
];

#[test]
fn each_rule_is_shown_by_a_test_with_a_real_fault() {
    let shown: BTreeSet<AlertRule> = SHOWN_BY.iter().map(|(rule, _)| *rule).collect();
    let rules: BTreeSet<AlertRule> = RULES.iter().map(|of| of.rule).collect();
    assert_eq!(shown, rules);
    for (rule, (source, test)) in SHOWN_BY {
        let lines: Vec<&str> = source.lines().collect();
        let end = format!("fn {test}() {{");
        let at = lines.iter().position(|line| line.ends_with(&end));
        let at = at.unwrap_or_else(|| panic!("{rule}: there is no {test}"));
        let mut attributes = lines[..at].iter().rev().take_while(|line| line.starts_with("#["));
        assert!(attributes.any(|line| line.contains("test")), "{rule}: {test} is no test");
    }
}
