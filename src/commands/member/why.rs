//! `member why`: what stands between a member and a reward, in words.

use serde_json::Value;

use crate::cli::WhyArgs;
use crate::commands::people::{self, Api};
use crate::exit::Exit;

use super::path;

pub(super) async fn run(api: &Api, args: WhyArgs) -> Result<(), Exit> {
    let named = [("programme", &args.programme), ("rule", &args.rule)];
    let query: Vec<(&str, &str)> =
        named.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect();
    let answer = api.get(&path(&args.member, "why")?, &query).await?;
    if args.json {
        return people::print_json(&answer);
    }
    people::print(&told(&answer))
}

fn told(answer: &Value) -> String {
    if answer.get("erased").and_then(Value::as_bool) == Some(true) {
        return "erased: nothing is known of this member, and nothing counts any more".to_owned();
    }
    let items = answer.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if items.is_empty() {
        return "no programme is open".to_owned();
    }
    let line = |item: &Value| {
        let word = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        format!("{}/{} ({}): {}", word("programme_id"), word("rule_id"), word("reward"), word("text"))
    };
    items.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_rule_has_its_line() {
        let item = json!({
            "programme_id": "autumn", "rule_id": "five-days", "reward": "A mug",
            "text": "4 of 5 days counted (missing 2026-11-18)",
        });
        let one = told(&json!({ "erased": false, "items": [item] }));
        assert_eq!(one, "autumn/five-days (A mug): 4 of 5 days counted (missing 2026-11-18)");
        assert!(told(&json!({ "erased": true, "items": [] })).starts_with("erased"));
        assert_eq!(told(&json!({ "erased": false, "items": [] })), "no programme is open");
    }
}
