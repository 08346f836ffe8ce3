//! Tables for people.

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

use crate::commands::people;
use crate::exit::Exit;

/// A table without lines, as wide as its content.
pub(crate) fn plain(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    if !header.is_empty() {
        table.set_header(header.iter().map(|h| h.to_uppercase()));
    }
    for row in rows {
        table.add_row(row);
    }
    table.to_string().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// Shows a page of the api: as it is, or some of its columns as a table.
pub(crate) fn show(answer: &Value, columns: &[&str], json: bool, empty: &str) -> Result<(), Exit> {
    if json {
        return people::print_json(answer);
    }
    let rows = answer.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if rows.is_empty() {
        people::note(empty);
        return Ok(());
    }
    people::print(&of(columns, rows))?;
    if answer.get("more").and_then(Value::as_bool) == Some(true) {
        people::note("there are more; narrow the search or raise --limit");
    }
    Ok(())
}

/// Some columns of objects.
pub(crate) fn of(columns: &[&str], rows: &[Value]) -> String {
    let cells = |row: &Value| columns.iter().map(|c| cell(row.get(*c))).collect();
    plain(columns, rows.iter().map(cells))
}

/// A text in full, over its lines, without what could move a terminal's cursor.
pub(crate) fn text(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) if !text.is_empty() => {
            let lines = text.lines().map(|line| forebay_schemas::trail::bounded(line, 2_000));
            lines.collect::<Vec<_>>().join("\n")
        }
        other => cell(other),
    }
}

/// A value in a table: short, and without what could move a terminal's cursor.
pub(crate) fn cell(value: Option<&Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => return "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    forebay_schemas::trail::bounded(&text, 100)
}
