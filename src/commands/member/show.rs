//! `member show`: what is known of a member.

use serde_json::Value;

use crate::commands::people::{self, Api};
use crate::commands::table;
use crate::exit::Exit;

use super::path;

pub(super) async fn run(api: &Api, member: &str, json: bool) -> Result<(), Exit> {
    let answer = api.get(&path(member, "")?, &[]).await?;
    if json { people::print_json(&answer) } else { people::print(&shown(&answer)) }
}

fn shown(member: &Value) -> String {
    let field = |of: &Value, name: &str| match of.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    };
    let flag = |name: &str| member.get(name).and_then(Value::as_bool).unwrap_or_default();
    let list = |name: &str| member.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    if flag("erased") {
        return "erased: nothing is known of this member, and nothing counts any more".to_owned();
    }
    let blocked = match member.get("block") {
        Some(block) if flag("blocked") => {
            format!("yes, since {}: {}", field(block, "since"), field(block, "reason"))
        }
        _ if flag("blocked") => "yes".to_owned(),
        _ => "no".to_owned(),
    };
    let mut rows =
        vec![vec!["points".to_owned(), field(member, "balance")], vec!["blocked".to_owned(), blocked]];
    for programme in list("programmes") {
        let days = programme.get("days").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let newest = days.last().and_then(Value::as_str).unwrap_or_default();
        let text = format!("{} days, the newest {newest}", days.len());
        rows.push(vec![field(&programme, "programme_id"), text]);
    }
    let claims = list("claims").into_iter().map(|claim| {
        ["settled_at", "programme_id", "rule_id", "state", "reject_code"]
            .map(|name| field(&claim, name))
            .to_vec()
    });
    let claims: Vec<Vec<String>> = claims.collect();
    let mut text = table::plain(&[], rows);
    if !claims.is_empty() {
        let columns = ["settled", "programme", "rule", "state", "refused as"];
        text = format!("{text}\n\n{}", table::plain(&columns, claims));
    }
    text
}
