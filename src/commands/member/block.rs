//! `member block|unblock`: who may neither check in, claim nor spend, and why.

use serde_json::{Value, json};

use crate::cli::BlockArgs;
use crate::commands::people::{self, Api};
use crate::exit::Exit;

use super::path;

pub(super) async fn run(api: &Api, args: BlockArgs, what: &str) -> Result<(), Exit> {
    let answer = api.post_json(&path(&args.member, what)?, &json!({ "reason": args.reason })).await?;
    if args.json {
        return people::print_json(&answer);
    }
    let word = |there: Option<&str>| match there {
        Some("blocked") => "is blocked: check-ins, claims and spendings are refused from now on",
        _ => "is not blocked: check-ins, claims and spendings count again",
    };
    let blocked = answer.get("blocked").and_then(Value::as_bool).unwrap_or_default();
    people::print(&format!("{} {}", args.member, word(blocked.then_some("blocked"))))
}
