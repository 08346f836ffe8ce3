//! `member erase`: a person erased.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::EraseArgs;
use crate::commands::people::{self, Api};
use crate::exit::{Exit, REFUSED};

use super::path;

/// An erasure reads every dead letter.
const PATIENCE: Duration = Duration::from_secs(150);
/// What is counted, and how it is called.
const COUNTS: [(&str, &str); 9] = [
    ("attendance", "days checked in"),
    ("claims", "claims"),
    ("orders", "orders"),
    ("ledger_entries", "entries of the ledger"),
    ("lots", "lots of points"),
    ("spends", "spendings"),
    ("dead_letters", "dead letters"),
    ("outbox", "messages to be published"),
    ("texts", "other texts"),
];

pub(super) async fn run(api: &Api, args: EraseArgs) -> Result<(), Exit> {
    let EraseArgs { member, reason, dry_run, yes, json } = args;
    let path = path(&member, "erase")?;
    let ask = json!({ "reason": reason.unwrap_or_default(), "dry_run": true });
    let found = api.post_json_within(&path, &ask, PATIENCE).await?;
    if dry_run {
        if json {
            return people::print_json(&found);
        }
        people::print(&format!("would erase the member from {}", counted(&found)))?;
        people::note("nothing was done; without --dry-run it is");
        return Ok(());
    }
    if !yes {
        people::note(&format!("would erase the member from {}; there is no way back", counted(&found)));
        if !people::confirmed("erase the member?")? {
            return Err(Exit::new(REFUSED, "not confirmed: give --yes to erase the member"));
        }
    }
    let ask = json!({ "reason": ask["reason"] });
    let erased = api.post_json_within(&path, &ask, PATIENCE).await?;
    if json {
        return people::print_json(&erased);
    }
    let pseudonym =
        erased.get("pseudonym").and_then(Value::as_str).unwrap_or("no pseudonym: not in the books");
    people::print(&format!("erased from {}\nin the books now: {pseudonym}", counted(&erased)))
}

fn counted(erasure: &Value) -> String {
    let parts: Vec<String> = COUNTS
        .iter()
        .filter_map(|(name, words)| Some((erasure.get(*name)?.as_i64().filter(|n| *n > 0)?, words)))
        .map(|(count, words)| format!("{count} {words}"))
        .collect();
    if parts.is_empty() { "nothing: no trace was found".to_owned() } else { parts.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_told_in_words() {
        assert_eq!(counted(&json!({ "claims": 2, "orders": 0, "texts": 1 })), "2 claims, 1 other texts");
        assert_eq!(counted(&json!({})), "nothing: no trace was found");
    }
}
