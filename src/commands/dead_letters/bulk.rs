//! What is done to many letters: counted first, confirmed, then done.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use forebay_domain::{Clock as _, SystemClock};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{conditions, watch};
use crate::cli::LettersArgs;
use crate::commands::people::{self, Api};
use crate::commands::table;
use crate::exit::{Exit, NOT_FOUND, REFUSED};

const REPLAYS: &str = "/v1/dead-letters/replays";
const DISCARD: &str = "/v1/dead-letters/discard";

pub(super) async fn replay(
    api: &Api,
    letters: &LettersArgs,
    rate: u32,
    canary: bool,
    reason: &str,
    detach: bool,
) -> Result<(), Exit> {
    let mut body = named(letters);
    body.insert("rate_per_s".to_owned(), json!(rate));
    body.insert("canary".to_owned(), json!(canary));
    body.insert("reason".to_owned(), json!(reason));
    if !confirmed(api, REPLAYS, &body, letters, "replay").await? {
        return Ok(());
    }
    let begun = api.post_json(REPLAYS, &Value::Object(body)).await?;
    let id = begun.get("id").and_then(Value::as_str).and_then(|id| id.parse::<Uuid>().ok());
    let id = id.ok_or_else(|| Exit::failed("the api answered without the replay's id"))?;
    people::note(&format!("replay {id} has begun; it goes on by itself"));
    watch::one(api, id, detach, letters.json).await
}

pub(super) async fn discard(api: &Api, letters: &LettersArgs, reason: &str) -> Result<(), Exit> {
    let mut body = named(letters);
    body.insert("reason".to_owned(), json!(reason));
    if !confirmed(api, DISCARD, &body, letters, "discard").await? {
        return Ok(());
    }
    // What dies from now on was not counted.
    let now = forebay_schemas::envelope::rfc3339(SystemClock.now());
    let filter = body.entry("filter").or_insert_with(|| json!({}));
    if filter.get("until").is_none() {
        filter["until"] = json!(now);
        body.remove("all");
    }
    let bar = watch::bar(None);
    let mut total = 0;
    let discarded = loop {
        let told = api.post_json(DISCARD, &Value::Object(body.clone())).await?;
        total += told.get("discarded").and_then(Value::as_u64).unwrap_or(0);
        bar.set_message(format!("{total} discarded"));
        if told.get("more").and_then(Value::as_bool) != Some(true) {
            break json!({ "discarded": total });
        }
    };
    bar.finish_and_clear();
    if letters.json {
        return people::print_json(&discarded);
    }
    people::print(&format!("discarded {total}"))
}

/// The letters as the api takes them.
fn named(letters: &LettersArgs) -> Map<String, Value> {
    let mut body = Map::new();
    if !letters.ids.is_empty() {
        body.insert("ids".to_owned(), json!(letters.ids));
    }
    let conditions = conditions(&letters.filter, SystemClock.now());
    if !conditions.is_empty() {
        let filter: Map<String, Value> =
            conditions.into_iter().map(|(name, value)| (name.to_owned(), Value::String(value))).collect();
        body.insert("filter".to_owned(), Value::Object(filter));
    }
    if letters.all {
        body.insert("all".to_owned(), json!(true));
    }
    body
}

/// Shows what would be touched, and asks. `false` when that was all.
async fn confirmed(
    api: &Api,
    path: &str,
    body: &Map<String, Value>,
    letters: &LettersArgs,
    verb: &str,
) -> Result<bool, Exit> {
    let mut dry = body.clone();
    dry.insert("dry_run".to_owned(), json!(true));
    let counted = api.post_json(path, &Value::Object(dry)).await?;
    if letters.dry_run && letters.json {
        people::print_json(&counted)?;
        return Ok(false);
    }
    let total = counted.get("total").and_then(Value::as_i64).unwrap_or(0);
    if total == 0 {
        return Err(Exit::new(NOT_FOUND, "no open dead letter matches; see `forebay dlq groups`"));
    }
    let told = summary(&counted, total, verb);
    if letters.dry_run {
        people::print(&told)?;
        people::note("nothing was done; without --dry-run it is");
        return Ok(false);
    }
    if letters.yes {
        return Ok(true);
    }
    people::note(&told);
    ask(verb)
}

fn summary(counted: &Value, total: i64, verb: &str) -> String {
    let least = if counted.get("capped").and_then(Value::as_bool) == Some(true) { "at least " } else { "" };
    let codes = counted.get("by_code").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let codes: Vec<String> = codes
        .iter()
        .filter_map(|pair| Some(format!("{} {}", pair.get(1)?.as_i64()?, pair.get(0)?.as_str()?)))
        .collect();
    let examples = counted.get("examples").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let columns = ["id", "code", "queue", "kind", "message_id", "dead_at", "error"];
    let letters = if total == 1 { "letter" } else { "letters" };
    format!("would {verb} {least}{total} {letters} ({})\n{}", codes.join(", "), table::of(&columns, examples))
}

/// Asks the person at the terminal; without one it is not done.
fn ask(verb: &str) -> Result<bool, Exit> {
    let refused = || Exit::new(REFUSED, format!("not confirmed: give --yes to {verb} them"));
    if !std::io::stdin().is_terminal() {
        return Err(refused());
    }
    let _ = write!(std::io::stderr(), "{verb} them? [y/N] ");
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") { Ok(true) } else { Err(refused()) }
}
