//! `member points|ledger|adjust`: what a member has, how it came, and corrections.

use forebay_domain::{Ids as _, RandomIds};
use serde_json::{Value, json};

use crate::cli::{AdjustArgs, LinesArgs, PointsArgs};
use crate::commands::people::{self, Api};
use crate::commands::table;
use crate::exit::Exit;

use super::path;

const LOTS: &[&str] = &["points", "granted", "usable_from", "expires_at", "lot_id"];
const LINES: &[&str] = &["at", "kind", "delta", "balance_after", "shortfall", "fact", "txn_id"];

pub(super) async fn points(api: &Api, args: PointsArgs) -> Result<(), Exit> {
    let answer = api.get(&path(&args.member, "points")?, &[]).await?;
    if args.json {
        return people::print_json(&answer);
    }
    let number = |name: &str| answer.get(name).and_then(Value::as_i64).unwrap_or_default();
    people::print(&format!("{} points, {} of them to be spent now", number("balance"), number("usable")))?;
    let lots = answer.get("lots").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if lots.is_empty() {
        return Ok(());
    }
    people::print(&table::of(LOTS, lots))
}

pub(super) async fn ledger(api: &Api, args: LinesArgs) -> Result<(), Exit> {
    let (limit, before) = (args.limit.to_string(), args.before.map(|txn| txn.to_string()));
    let mut query = vec![("limit", limit.as_str())];
    query.extend(before.as_deref().map(|before| ("cursor", before)));
    let answer = api.get(&path(&args.member, "ledger")?, &query).await?;
    table::show(&answer, LINES, args.json, "no points ever moved")
}

pub(super) async fn adjust(api: &Api, args: AdjustArgs) -> Result<(), Exit> {
    let key = args.key.unwrap_or_else(|| RandomIds.next().to_string());
    let ask = json!({ "delta": args.by, "reason": args.reason });
    let answer = api.post_json_once(&path(&args.member, "points")?, &ask, &key).await?;
    if args.json {
        return people::print_json(&answer);
    }
    let cell = |name: &str| table::cell(answer.get(name));
    people::print(&format!("{} points now, by transaction {}", cell("balance_after"), cell("txn_id")))
}
