//! `claim …`: looked at, shipped, taken back, exported.

use serde_json::{Value, json};

use crate::cli::{self, ApiArgs, ClaimCommand, ClaimsArgs, TakeBackArgs};
use crate::commands::people::{self, Api};
use crate::commands::tracking::{list, listed, path};
use crate::commands::{csv_export, table};
use crate::exit::Exit;

/// What of a claim is shown, in this order.
const SHOWN: [(&str, &str); 15] = [
    ("claim", "claim_id"),
    ("state", "state"),
    ("refused", "reject_code"),
    ("look again", "review"),
    ("member", "member_id"),
    ("programme", "programme_id"),
    ("rule", "rule_id"),
    ("reward", "reward_id"),
    ("days", "days_seen"),
    ("received", "accepted_at"),
    ("settled", "settled_at"),
    ("shipped", "fulfilled_at"),
    ("by", "carrier"),
    ("number", "tracking_number"),
    ("taken back", "reversed_at"),
];

pub(crate) async fn run(args: &ApiArgs, command: ClaimCommand) -> Result<(), Exit> {
    let api = Api::new(args)?;
    match command {
        ClaimCommand::List { which, limit, all, json } => {
            let answer = list(&api, "/v1/claims", query(&which), limit, all).await?;
            listed(&answer, json, "no claim is like that", rows)
        }
        ClaimCommand::Show { id, json } => {
            let claim = api.get(&path(&["claims", &id.to_string()])?, &[]).await?;
            shown(&claim, json)
        }
        ClaimCommand::Ship { id, carrier, number, reason, replace, json } => {
            let body = json!({
                "carrier": carrier, "tracking_number": number, "reason": reason, "replace": replace,
            });
            let claim = api.post_json(&path(&["claims", &id.to_string(), "ship"])?, &body).await?;
            shown(&claim, json)
        }
        ClaimCommand::Cancel(asked) => take_back(&api, asked, "cancel").await,
        ClaimCommand::Reverse(asked) => take_back(&api, asked, "reverse").await,
        ClaimCommand::Keep { id, reason, json } => {
            let keep = path(&["claims", &id.to_string(), "keep"])?;
            let claim = api.post_json(&keep, &json!({ "reason": reason })).await?;
            shown(&claim, json)
        }
        ClaimCommand::Export { which, out } => {
            csv_export::run(&api, "/v1/claims/export", query(&which), &out, "claims").await
        }
    }
}

async fn take_back(api: &Api, asked: TakeBackArgs, verb: &str) -> Result<(), Exit> {
    let mut body = json!({ "reason": asked.reason });
    if asked.restock || asked.no_restock {
        body["restock"] = json!(asked.restock);
    }
    let claim = api.post_json(&path(&["claims", &asked.id.to_string(), verb])?, &body).await?;
    shown(&claim, asked.json)
}

fn query(which: &ClaimsArgs) -> [(&'static str, Option<String>); 10] {
    let flag = |set: bool| set.then(|| "true".to_owned());
    let instant = |at: Option<chrono::DateTime<chrono::Utc>>| {
        at.map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
    };
    [
        ("programme", which.programme.clone()),
        ("rule", which.rule.clone()),
        ("reward", which.reward.clone()),
        ("member", which.member.clone()),
        ("state", which.state.map(cli::word)),
        ("to_ship", flag(which.to_ship)),
        ("overdue", flag(which.overdue)),
        ("needs_review", flag(which.needs_review)),
        ("from", instant(which.from)),
        ("to", instant(which.to)),
    ]
}

fn rows(items: &[Value]) -> String {
    let what = |item: &Value| {
        let of = |name: &str| item.get(name).filter(|value| !value.is_null());
        let number = of("tracking_number").map(|number| table::cell(Some(number)));
        let review = of("review").map(|why| format!("look again: {}", table::cell(Some(why))));
        let refused = of("reject_code").map(|code| table::cell(Some(code)));
        [refused, number, review].into_iter().flatten().collect::<Vec<_>>().join("; ")
    };
    let cells = |item: &Value| {
        let of = |name: &str| table::cell(item.get(name));
        vec![of("settled_at"), of("state"), of("reward_id"), of("member_id"), of("claim_id"), what(item)]
    };
    table::plain(&["settled", "state", "reward", "member", "claim", ""], items.iter().map(cells))
}

fn shown(claim: &Value, json: bool) -> Result<(), Exit> {
    if json {
        return people::print_json(claim);
    }
    let known = |(label, name): (&str, &str)| {
        let value = claim.get(name).filter(|value| !value.is_null())?;
        Some(vec![label.to_owned(), table::cell(Some(value))])
    };
    people::print(&table::plain(&[], SHOWN.into_iter().filter_map(known)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_tells_why_a_claim_was_refused_and_under_which_number_it_was_sent() {
        let shown = rows(&[
            json!({ "claim_id": "a", "state": "rejected", "reject_code": "out_of_stock" }),
            json!({ "claim_id": "b", "state": "fulfilled", "tracking_number": "600000000001", "review": "day_voided" }),
        ]);
        assert!(shown.contains("out_of_stock"), "{shown}");
        assert!(shown.contains("600000000001; look again: day_voided"), "{shown}");
    }
}
