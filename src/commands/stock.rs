//! `stock …`: looked at, changed, its history.

use forebay_domain::{Ids as _, RandomIds};
use serde_json::{Value, json};

use crate::cli::{self, AdjustStockArgs, ApiArgs, SetStockArgs, StockCommand};
use crate::commands::people::{self, Api};
use crate::commands::tracking::{list, listed, path};
use crate::commands::{csv_export, table};
use crate::exit::Exit;

pub(crate) async fn run(args: &ApiArgs, command: StockCommand) -> Result<(), Exit> {
    let api = Api::new(args)?;
    match command {
        StockCommand::List { low, json } => {
            let mut answer = list(&api, "/v1/rewards", [], 0, true).await?;
            if low && let Some(items) = answer.get_mut("items").and_then(Value::as_array_mut) {
                items.retain(is_low);
            }
            listed(&answer, json, if low { "nothing is low" } else { "there is no reward" }, rows)
        }
        StockCommand::Show { reward, json } => shown(&api.get(&at(&reward, &[])?, &[]).await?, json),
        StockCommand::Adjust(asked) => adjust(&api, asked).await,
        StockCommand::Set(asked) => set(&api, asked).await,
        StockCommand::History { reward, limit, all, json } => {
            let answer = list(&api, &at(&reward, &["history"])?, [], limit, all).await?;
            listed(&answer, json, "nothing happened to it yet", history)
        }
        StockCommand::Export { reward, out } => {
            csv_export::run(&api, &at(&reward, &["history", "export"])?, [], &out, "entries").await
        }
    }
}

async fn adjust(api: &Api, asked: AdjustStockArgs) -> Result<(), Exit> {
    let AdjustStockArgs { reward, by, kind, reason, key, json } = asked;
    let key = key.unwrap_or_else(|| RandomIds.next().to_string());
    let body = json!({ "kind": cli::word(kind), "delta": by, "reason": reason });
    shown(&api.post_json_once(&at(&reward, &["movements"])?, &body, &key).await?, json)
}

/// Reads what there is first: if somebody changes it meanwhile, nothing is done.
async fn set(api: &Api, asked: SetStockArgs) -> Result<(), Exit> {
    let SetStockArgs { reward, total, low_at, reason, json } = asked;
    let path = at(&reward, &[])?;
    let seen = api.get(&path, &[]).await?;
    let version = seen.get("version").and_then(Value::as_i64).unwrap_or_default();
    let mut body = json!({ "total": total, "reason": reason });
    if let Some(low_at) = low_at {
        body["low_at"] = low_at.into();
    }
    let condition = Some(("if-match", format!("\"{version}\"")));
    shown(&api.put_json(&path, &[], &body, condition).await?, json)
}

fn at(reward: &str, rest: &[&str]) -> Result<String, Exit> {
    path(&[&["rewards", reward, "stock"], rest].concat())
}

fn is_low(reward: &Value) -> bool {
    let of = |name: &str| reward.get("stock")?.get(name)?.as_i64();
    of("left").zip(of("low_at")).is_some_and(|(left, low_at)| left <= low_at)
}

fn rows(items: &[Value]) -> String {
    let cells = |reward: &Value| {
        let stock = |name: &str| {
            let value = reward.get("stock").and_then(|stock| stock.get(name));
            value.map_or_else(String::new, |value| table::cell(Some(value)))
        };
        let left = match reward.get("stock").filter(|stock| !stock.is_null()) {
            Some(_) => stock("left"),
            None => "unlimited".to_owned(),
        };
        let low = if is_low(reward) { "low" } else { "" };
        vec![
            table::cell(reward.get("reward_id")),
            left,
            stock("issued"),
            stock("total"),
            stock("low_at"),
            low.to_owned(),
            table::cell(reward.get("name")),
        ]
    };
    table::plain(&["reward", "left", "given out", "of", "told at", "", "name"], items.iter().map(cells))
}

fn history(items: &[Value]) -> String {
    let cells = |entry: &Value| {
        let of = |name: &str| table::cell(entry.get(name));
        let delta = entry.get("delta").and_then(Value::as_i64).unwrap_or_default();
        vec![
            of("at"),
            of("kind"),
            format!("{delta:+}"),
            of("left"),
            of("actor"),
            of("reason"),
            of("claim_id"),
        ]
    };
    table::plain(&["at", "kind", "by", "left", "who", "why", "claim"], items.iter().map(cells))
}

/// A stock, or what a change has made of it.
fn shown(stock: &Value, json: bool) -> Result<(), Exit> {
    if json {
        return people::print_json(stock);
    }
    let of = |name: &str| table::cell(stock.get(name));
    let changed = match stock.get("delta").and_then(Value::as_i64) {
        Some(delta) => format!("{delta:+}: "),
        None => String::new(),
    };
    let (left, total, low_at) = (of("left"), of("total"), of("low_at"));
    people::print(&format!(
        "{}: {changed}{left} of {total} left; people are told at {low_at}",
        of("reward_id")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_tells_what_is_low_and_what_never_runs_out() {
        let stock = |left: i64| json!({ "left": left, "issued": 45, "total": 50, "low_at": 10 });
        let items = [
            json!({ "reward_id": "mug", "name": "A mug", "stock": stock(5) }),
            json!({ "reward_id": "tee", "name": "A tee", "stock": stock(11) }),
            json!({ "reward_id": "points", "name": "Points", "stock": null }),
        ];
        assert_eq!(items.iter().map(is_low).collect::<Vec<_>>(), [true, false, false]);
        let shown = rows(&items);
        assert!(shown.lines().nth(1).unwrap().contains("low"), "{shown}");
        assert!(shown.lines().nth(3).unwrap().contains("unlimited"), "{shown}");
    }
}
