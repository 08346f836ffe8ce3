//! `ledger …`: the books added up and mended, a transaction taken back.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::{ApiArgs, LedgerCommand};
use crate::commands::people::{self, Api};
use crate::commands::table;
use crate::exit::{Exit, FAILED, REFUSED};

/// A check reads the whole ledger.
const PATIENCE: Duration = Duration::from_secs(150);
/// What is counted, and how it is called.
const COUNTS: [(&str, &str); 5] = [
    ("unbalanced", "transactions that do not balance"),
    ("balances_off", "balances that are not the sum of their entries"),
    ("lots_off", "members whose lots do not sum to their balance"),
    ("uses_off", "lots that are not what their transactions left"),
    ("stock_off", "rewards whose stock is not the sum of its movements"),
];

pub(crate) async fn run(args: &ApiArgs, command: LedgerCommand) -> Result<(), Exit> {
    let api = Api::new(args)?;
    match command {
        LedgerCommand::Check { json } => {
            told(&api.post_json_within("/v1/ledger/check", &json!({}), PATIENCE).await?, json)
        }
        LedgerCommand::Mend { reason, yes, json } => {
            if !yes && !people::confirmed("set balances and lots to what the ledger says?")? {
                return Err(Exit::new(REFUSED, "not confirmed: give --yes to mend the books"));
            }
            let ask = json!({ "reason": reason });
            told(&api.post_json_within("/v1/ledger/mend", &ask, PATIENCE).await?, json)
        }
        LedgerCommand::Reverse { txn, reason, json } => {
            let answer =
                api.post_json(&format!("/v1/ledger/{txn}/reverse"), &json!({ "reason": reason })).await?;
            if json {
                return people::print_json(&answer);
            }
            let cell = |name: &str| table::cell(answer.get(name));
            people::print(&format!(
                "{} points for the member, {} now, by transaction {}; missing: {}",
                cell("delta"),
                cell("balance_after"),
                cell("txn_id"),
                cell("shortfall")
            ))
        }
    }
}

fn told(answer: &Value, json: bool) -> Result<(), Exit> {
    if json {
        people::print_json(answer)?;
    } else {
        people::print(&in_words(answer.get("found").unwrap_or(&Value::Null)))?;
    }
    match answer.get("differences").and_then(Value::as_i64).unwrap_or_default() {
        0 => Ok(()),
        differences => Err(Exit::new(FAILED, format!("the books differ in {differences} places"))),
    }
}

fn in_words(found: &Value) -> String {
    let number = |name: &str| found.get(name).and_then(Value::as_i64).unwrap_or_default();
    let mut lines = vec![format!("{} transactions of {} members", number("txns"), number("members"))];
    let off = COUNTS.iter().filter(|(name, _)| number(name) > 0);
    lines.extend(off.map(|(name, words)| format!("{} {words}", number(name))));
    if lines.len() == 1 {
        lines.push("everything adds up".to_owned());
    }
    for (name, words) in [("examples", "transaction"), ("rewards", "reward")] {
        let named = found.get(name).and_then(Value::as_array).into_iter().flatten();
        lines.extend(named.map(|id| format!("  {words} {}", table::cell(Some(id)))));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_told_with_examples() {
        let found = json!({ "txns": 3, "members": 2, "lots_off": 1, "examples": ["a"], "rewards": [] });
        let told = in_words(&found);
        assert_eq!(
            told,
            "3 transactions of 2 members\n1 members whose lots do not sum to their balance\n  transaction a"
        );
    }

    #[test]
    fn books_that_agree_are_told_so() {
        assert!(in_words(&json!({ "txns": 3, "members": 2 })).ends_with("everything adds up"));
    }
}
