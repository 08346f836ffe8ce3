//! `programme apply`: what becomes different, then the change.

use std::collections::BTreeMap;

use forebay_domain::programme::{Change, Programme, StockPlan};
use serde::Deserialize;
use serde_json::Value;

use super::{file, view};
use crate::cli::ApplyArgs;
use crate::commands::people::{self, Api};
use crate::commands::tracking::path;
use crate::exit::{Exit, REFUSED};

/// What a dry run says.
#[derive(Debug, Deserialize)]
struct Planned {
    present: Option<i64>,
    changes: Vec<Change>,
}

pub(super) async fn run(api: &Api, apply: ApplyArgs) -> Result<(), Exit> {
    let ApplyArgs { file, reason, dry_run, yes, json } = apply;
    let (body, draft) = file::read(&file)?;
    let kept = kept_stocks(api, &draft.programme).await;
    let id = draft.programme.id;
    let path = path(&["programmes", id.as_str()])?;
    let plan = api.put_json(&path, &[("dry_run", "true"), ("reason", &reason)], &body, None).await?;
    if json && dry_run {
        return people::print_json(&plan);
    }
    let Planned { present, changes } = serde_json::from_value(plan).map_err(Exit::failed)?;
    kept.iter().for_each(|told| people::note(told));
    if changes.is_empty() {
        people::note(&format!("{id} is just so already; nothing was changed"));
        return if json { people::print_json(&api.get(&path, &[]).await?) } else { Ok(()) };
    }
    let what = if present.is_some() { "becomes different" } else { "is new" };
    let shown = format!("{id} {what}:\n{}", view::changes(&changes));
    if dry_run {
        people::print(&shown)?;
        people::note("nothing was done; without --dry-run it is");
        return Ok(());
    }
    people::note(&shown);
    if !yes && !people::confirmed("apply it?")? {
        return Err(Exit::new(REFUSED, "not confirmed: give --yes to apply it"));
    }
    // What was shown is what is done: another change that came meanwhile is not overwritten.
    let condition = match present {
        Some(version) => ("if-match", format!("\"{version}\"")),
        None => ("if-none-match", "*".to_owned()),
    };
    let programme = api.put_json(&path, &[("reason", &reason)], &body, Some(condition)).await?;
    if json {
        return people::print_json(&programme);
    }
    let state = programme.get("state").and_then(Value::as_str).unwrap_or_default();
    people::print(&format!("{id} is written and {state}"))?;
    if state == "draft" {
        people::note(&format!("open it to members: forebay programme resume {id} --reason …"));
    }
    Ok(())
}

/// Of each reward whose stock is another than the file says: that it stays. The file's is the first one, of a reward that
/// has none yet.
async fn kept_stocks(api: &Api, programme: &Programme) -> Vec<String> {
    let planned: BTreeMap<&str, StockPlan> = programme
        .rules
        .iter()
        .filter_map(|rule| Some((rule.reward.id.as_str(), rule.reward.stock?)))
        .collect();
    let mut told = Vec::new();
    for (reward, plan) in planned {
        let Ok(path) = path(&["rewards", reward, "stock"]) else { continue };
        // A reward that is not there yet gets what the file says.
        let Ok(stock) = api.get(&path, &[]).await else { continue };
        let number = |name: &str| stock.get(name).and_then(Value::as_i64);
        let (Some(total), Some(low_at)) = (number("total"), number("low_at")) else { continue };
        if (total, low_at) != (plan.total, plan.low_at) {
            told.push(format!(
                "{reward} keeps the stock that it has, {total} in all, told at {low_at}: the file's is for a new reward; \
                 forebay stock set {reward} --total {} --low-at {} --reason …",
                plan.total, plan.low_at
            ));
        }
    }
    told
}
