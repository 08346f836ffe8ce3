//! `dlq groups|list|show`.

use serde_json::Value;

use crate::cli::{ApiArgs, DlqCommand};
use crate::commands::people::{self, Api};
use crate::commands::table;
use crate::exit::Exit;

pub(crate) async fn run(args: &ApiArgs, command: DlqCommand) -> Result<(), Exit> {
    let api = Api::new(args)?;
    match command {
        DlqCommand::Groups { json } => {
            let answer = api.get("/v1/dead-letters/groups", &[]).await?;
            let columns = ["fingerprint", "count", "code", "queue", "kind", "last_at", "sample_error"];
            show(&answer, &columns, json, "no dead letters")
        }
        DlqCommand::List { code, queue, group, message_id, subject, limit, json } => {
            let limit = limit.to_string();
            let given = [
                ("code", &code),
                ("queue", &queue),
                ("group", &group),
                ("message_id", &message_id),
                ("subject", &subject),
            ];
            let mut query: Vec<(&str, &str)> =
                given.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect();
            query.push(("limit", &limit));
            let answer = api.get("/v1/dead-letters", &query).await?;
            let columns = ["id", "code", "queue", "kind", "message_id", "dead_at", "error"];
            show(&answer, &columns, json, "no dead letters match")
        }
        DlqCommand::Show { id } => {
            people::print_json(&api.get(&format!("/v1/dead-letters/{id}"), &[]).await?)
        }
    }
}

fn show(answer: &Value, columns: &[&str], json: bool, empty: &str) -> Result<(), Exit> {
    if json {
        return people::print_json(answer);
    }
    let rows = answer.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if rows.is_empty() {
        people::note(empty);
        return Ok(());
    }
    let cells = |row: &Value| columns.iter().map(|c| cell(row.get(*c))).collect();
    people::print(&table::plain(columns, rows.iter().map(cells)))?;
    if answer.get("more").and_then(Value::as_bool) == Some(true) {
        people::note("there are more; narrow the search or raise --limit");
    }
    Ok(())
}

/// A value in a table: short, and without what could move a terminal's cursor.
fn cell(value: Option<&Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => return "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    forebay_schemas::trail::bounded(&text, 100)
}
