//! `member …`: a person erased.

use std::time::Duration;

use forebay_schemas::MemberId;
use serde_json::{Value, json};
use url::Url;

use crate::cli::{ApiArgs, MemberCommand};
use crate::commands::people::{self, Api};
use crate::exit::{Exit, REFUSED};

/// An erasure reads every dead letter.
const PATIENCE: Duration = Duration::from_secs(150);
/// What is counted, and how it is called.
const COUNTS: [(&str, &str); 7] = [
    ("attendance", "days checked in"),
    ("claims", "claims"),
    ("orders", "orders"),
    ("ledger_entries", "entries of the ledger"),
    ("dead_letters", "dead letters"),
    ("outbox", "messages to be published"),
    ("texts", "other texts"),
];

pub(crate) async fn run(args: &ApiArgs, command: MemberCommand) -> Result<(), Exit> {
    let MemberCommand::Erase { member, reason, dry_run, yes, json } = command;
    let path = path(&member)?;
    let api = Api::new(args)?;
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

/// The path of a member, whose id may hold any sign.
fn path(member: &str) -> Result<String, Exit> {
    let member = MemberId::new(member).map_err(|error| Exit::failed(format!("MEMBER: {error}")))?;
    let mut url = Url::parse("http://api/").map_err(Exit::failed)?;
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.extend(["v1", "members", member.as_str(), "erase"]);
    }
    Ok(url.path().to_owned())
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
    fn whatever_sign_an_id_holds_it_stays_within_its_place() {
        assert_eq!(path("m-1").unwrap(), "/v1/members/m-1/erase");
        assert_eq!(path("a/b?c#d%").unwrap(), "/v1/members/a%2Fb%3Fc%23d%25/erase");
        assert!(path("a b").is_err());
    }

    #[test]
    fn what_was_found_is_told_in_words() {
        assert_eq!(counted(&json!({ "claims": 2, "orders": 0, "texts": 1 })), "2 claims, 1 other texts");
        assert_eq!(counted(&json!({})), "nothing: no trace was found");
    }
}
