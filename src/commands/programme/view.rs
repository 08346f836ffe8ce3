//! Programmes as people read them.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use forebay_domain::programme::Change;
use serde_json::Value;

use crate::commands::table;

/// A bar of the funnel is so wide at most.
const BAR: usize = 30;

pub(super) fn programmes(rows: &[Value]) -> String {
    table::of(&["id", "state", "name", "tz", "starts_on", "ends_on", "claim_until"], rows)
}

/// What becomes different, a line each.
pub(super) fn changes(changes: &[Change]) -> String {
    let lines = changes.iter().map(|change| {
        let (before, after) = (table::cell(Some(&change.before)), table::cell(Some(&change.after)));
        match (change.before.is_null(), change.after.is_null()) {
            (true, _) => format!("  + {}: {after}", change.what),
            (_, true) => format!("  - {}: {before}", change.what),
            _ => format!("  ~ {}: {before} -> {after}", change.what),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

pub(super) fn programme(programme: &Value, summary: &Value) -> String {
    let word = |name| table::cell(programme.get(name));
    let mut parts = vec![format!(
        "{} ({}), {}\n{} to {} in {}, claims until {}",
        word("name"),
        word("id"),
        word("state"),
        word("starts_on"),
        word("ends_on"),
        word("tz"),
        local(programme),
    )];
    parts.push(rules(programme, summary));
    let figure = |name| table::cell(summary.get(name));
    let mut funnel = vec![format!("{} members with a check-in", figure("members"))];
    funnel.extend(steps(summary));
    parts.push(funnel.join("\n"));
    let days = list(summary, "days");
    if !days.is_empty() {
        parts.push(table::of(&["on_date", "check_ins", "voided"], days));
    }
    let doubtful = summary.get("needs_review").and_then(Value::as_i64).unwrap_or_default();
    if doubtful > 0 {
        parts.push(format!(
            "{doubtful} claims were granted for days that do not count any more: forebay claim list --needs-review"
        ));
    }
    parts.join("\n\n")
}

/// Until when it can be claimed, by the clocks of the programme's zone.
fn local(programme: &Value) -> String {
    let text = |name| programme.get(name).and_then(Value::as_str);
    let until = text("claim_until").and_then(|until| until.parse::<DateTime<Utc>>().ok());
    match until.zip(text("tz").and_then(|tz| tz.parse::<Tz>().ok())) {
        Some((until, tz)) => until.with_timezone(&tz).format("%Y-%m-%d %H:%M").to_string(),
        None => table::cell(programme.get("claim_until")),
    }
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn rules(programme: &Value, summary: &Value) -> String {
    let claims = list(summary, "claims");
    let of = |rule: Option<&Value>, states: &[&str]| -> i64 {
        let fits = |sum: &&Value| {
            let state = sum.get("state").and_then(Value::as_str);
            sum.get("rule_id") == rule && state.is_some_and(|state| states.contains(&state))
        };
        claims.iter().filter(fits).filter_map(|sum| sum.get("claims")?.as_i64()).sum()
    };
    let rows = list(programme, "rules").iter().map(|rule| {
        let mode = rule.get("count_mode").or_else(|| programme.get("count_mode")).and_then(Value::as_str);
        let how = if mode == Some("consecutive") { "in a row" } else { "in all" };
        let reward = rule.get("reward").unwrap_or(&Value::Null);
        let stock = reward.get("stock").and_then(|stock| stock.get("total"));
        let id = rule.get("id");
        vec![
            table::cell(id),
            format!("{} {how}", table::cell(rule.get("days_required"))),
            table::cell(reward.get("name")),
            stock.map_or_else(|| "never ends".to_owned(), |total| table::cell(Some(total))),
            of(id, &["granted", "fulfilled"]).to_string(),
            of(id, &["rejected"]).to_string(),
            of(id, &["reversed"]).to_string(),
        ]
    });
    let header = ["rule", "days", "reward", "stock", "granted", "refused", "reversed"];
    table::plain(&header, rows)
}

/// How many members have so many days or more: each step has those of the further ones in it.
fn steps(summary: &Value) -> Vec<String> {
    let funnel: Vec<(i64, i64)> = list(summary, "funnel")
        .iter()
        .filter_map(|step| Some((step.get("days")?.as_i64()?, step.get("members")?.as_i64()?)))
        .collect();
    let all: i64 = funnel.iter().map(|(_, members)| members).sum();
    let mut left = all;
    let mut lines = Vec::new();
    for (days, members) in funnel {
        let width = usize::try_from(left * BAR as i64 / all.max(1)).unwrap_or(0).clamp(1, BAR);
        lines.push(format!("  {days:>3} days or more  {left:>8}  {}", "#".repeat(width)));
        left -= members;
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_funnel_counts_who_came_at_least_so_far() {
        let summary = json!({"funnel": [{"days": 1, "members": 3}, {"days": 5, "members": 1}]});
        let steps = steps(&summary);
        assert!(steps[0].contains("1 days or more         4"), "{steps:?}");
        assert!(steps[1].contains("5 days or more         1"), "{steps:?}");
        assert!(steps[0].ends_with(&"#".repeat(BAR)) && steps[1].ends_with(" #######"), "{steps:?}");
    }

    #[test]
    fn the_end_of_claims_is_told_by_the_clocks_of_the_zone() {
        let programme = json!({"tz": "Asia/Seoul", "claim_until": "2026-12-14T14:59:59.999999Z"});
        assert_eq!(local(&programme), "2026-12-14 23:59");
    }

    #[test]
    fn a_change_is_one_line_with_its_sign() {
        let change = |before, after| Change { what: "name".into(), before, after };
        let told = changes(&[
            change(json!("a"), json!("b")),
            change(Value::Null, json!("b")),
            change(json!("a"), Value::Null),
        ]);
        assert_eq!(told, "  ~ name: a -> b\n  + name: b\n  - name: a");
    }
}
