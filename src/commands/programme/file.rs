//! A programme's file, TOML or JSON.

use std::path::Path;

use forebay_domain::programme::{Draft, Fault, read as read_value};
use serde_json::Value;

use crate::commands::people;
use crate::exit::{Exit, FAILED};

/// Reads a file; what is wrong with it is told whole.
pub(super) fn read(path: &Path) -> Result<(Value, Draft), Exit> {
    let bytes = people::read_input(path)?;
    let name = if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
    let unreadable = |why: String| Exit::new(FAILED, format!("{name} can't be read: {why}"));
    let text = String::from_utf8(bytes).map_err(|_| unreadable("it is not UTF-8".to_owned()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let value = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|error| unreadable(error.to_string()))?
    } else {
        of_toml(text).map_err(unreadable)?
    };
    match read_value(&value) {
        Ok(draft) => Ok((value, draft)),
        Err(faults) => Err(Exit::new(FAILED, told(&name, &faults))),
    }
}

/// TOML as the JSON that the api takes: its dates are texts there.
pub(super) fn of_toml(text: &str) -> Result<Value, String> {
    let table: toml::Table = toml::from_str(text).map_err(|error| error.to_string())?;
    Ok(json_of(toml::Value::Table(table)))
}

fn json_of(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(yes) => yes.into(),
        toml::Value::Datetime(when) => when.to_string().into(),
        toml::Value::Array(values) => values.into_iter().map(json_of).collect(),
        toml::Value::Table(table) => {
            Value::Object(table.into_iter().map(|(name, value)| (name, json_of(value))).collect())
        }
    }
}

fn told(name: &str, faults: &[Fault]) -> String {
    let mut text = format!("{name}: {} to mend", faults.len());
    for fault in faults {
        let place = place(&fault.pointer);
        let unknown = fault.unknown.as_deref().map(|name| format!(" (`{name}`)")).unwrap_or_default();
        let detail = &fault.detail;
        text = format!("{text}\n  {place}: {detail}{unknown}");
    }
    text
}

/// A place as people write it: `rules[1].reward.sku`.
fn place(pointer: &str) -> String {
    let mut place = String::new();
    for part in pointer.split('/').skip(1) {
        match part.parse::<usize>() {
            Ok(index) => place = format!("{place}[{}]", index + 1),
            Err(_) if place.is_empty() => part.clone_into(&mut place),
            Err(_) => place = format!("{place}.{part}"),
        }
    }
    if place.is_empty() { "the programme".to_owned() } else { place }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_from_one_as_people_do() {
        assert_eq!(place("/rules/0/reward/sku"), "rules[1].reward.sku");
        assert_eq!(place("/tz"), "tz");
        assert_eq!(place(""), "the programme");
    }

    #[test]
    fn dates_of_toml_are_texts() {
        let value = of_toml("a = 2026-11-01\nb = 2026-12-15T00:00:00+09:00\nc = [1, true]").unwrap();
        assert_eq!(
            value,
            serde_json::json!({"a": "2026-11-01", "b": "2026-12-15T00:00:00+09:00", "c": [1, true]})
        );
    }
}
