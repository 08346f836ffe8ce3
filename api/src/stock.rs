//! Rewards and their stock: looked at, changed with a reason, and what happened to it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, header};
use chrono::DateTime;
use forebay_intake::{Kind, Problem};
use forebay_schemas::events::StockChangeKind;
use forebay_schemas::{Code, RewardId};
use forebay_store::{
    By, Error, PAGE_MAX, RewardView, StockAfter, StockCursor, StockEntry, StockMovement, StockOutcome,
    StockSetting, StockView, Store,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::Api;
use crate::callers::{EventManager, Reader, Reports};
use crate::csv::{self, Cell, Column, Csv};
use crate::dates::Instant;
use crate::etag::{IfMatch, version};
use crate::extract::{Asked, COMMAND_BYTES, Named, Sent};
use crate::failure::not_found;
use crate::idempotency::{NeededKey, reused};
use crate::openapi::{Either, Repeated, Tagged};
use crate::page::{Page, csv_limit, limit, page};
use crate::rules::{Reason, broken, need_reason};

/// Most that a stock may hold: so that sums stay far from the end of what a number holds.
const MOST: i64 = 1_000_000_000_000;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RewardsAsk {
    #[schemars(range(min = 1, max = crate::page::MOST))]
    limit: Option<u32>,
    cursor: Option<RewardId>,
}

pub(crate) async fn rewards(
    State(api): State<Arc<Api>>,
    _: Reader,
    Asked(asked): Asked<RewardsAsk>,
) -> Result<Page<RewardView>, Problem> {
    let limit = limit(asked.limit)?;
    let rewards = api.ask(api.store.rewards(asked.cursor.as_ref(), limit + 1)).await?;
    Ok(page(rewards, limit, |reward| Some(reward.reward_id.clone())))
}

pub(crate) async fn one(
    State(api): State<Arc<Api>>,
    _: Reader,
    Named(reward_id): Named<RewardId>,
) -> Result<Tagged<Shown>, Problem> {
    let RewardView { stock, reward_id, name, .. } = api.reward(&reward_id).await?;
    let stock = stock.ok_or_else(no_stock)?;
    let version = stock.version;
    Ok(Tagged { version, what: Shown { reward_id, name, stock } })
}

/// A stock, as it is shown.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "RewardStock")]
pub(crate) struct Shown {
    reward_id: String,
    name: String,
    #[serde(flatten)]
    stock: StockView,
}

/// What people say of a change by so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MoveKind {
    /// More came in.
    Receive,
    /// What was counted is not what was written.
    Correct,
    /// Things that were given out came back to be given out again.
    Return,
}

impl From<MoveKind> for StockChangeKind {
    fn from(kind: MoveKind) -> Self {
        match kind {
            MoveKind::Receive => Self::Receive,
            MoveKind::Correct => Self::Correct,
            MoveKind::Return => Self::Return,
        }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MoveAsk {
    kind: MoveKind,
    /// Not 0, and below it only for `correct`.
    #[schemars(range(min = -MOST, max = MOST), extend("not" = { "const": 0 }))]
    delta: i64,
    #[serde(default)]
    #[schemars(!default, with = "Reason")]
    reason: String,
}

/// By so many.
pub(crate) async fn change(
    State(api): State<Arc<Api>>,
    manager: EventManager,
    Named(reward_id): Named<RewardId>,
    NeededKey(key): NeededKey,
    Sent(ask): Sent<MoveAsk, COMMAND_BYTES>,
) -> Result<Repeated<Tagged<StockAfter>>, Problem> {
    need_reason(&ask.reason)?;
    let MoveAsk { kind, delta, reason } = ask;
    match kind {
        MoveKind::Receive | MoveKind::Return if !(1..=MOST).contains(&delta) => {
            return Err(broken("/delta", format!("must be 1 to {MOST}; to take away, the kind is correct")));
        }
        _ if delta == 0 || !(-MOST..=MOST).contains(&delta) => {
            return Err(broken("/delta", format!("must not be 0, and {MOST} at most")));
        }
        _ => {}
    }
    let movement = StockMovement { reward_id, kind: kind.into(), delta, key };
    let by = By { id: api.new_id(), actor: manager.key_id, reason };
    answer(api.ask(api.store.move_stock(&movement, &by, api.clock.now())).await?)
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetAsk {
    #[schemars(range(min = 0, max = MOST))]
    total: i64,
    #[schemars(range(min = 0, max = MOST))]
    low_at: Option<i64>,
    #[serde(default)]
    #[schemars(!default, with = "Reason")]
    reason: String,
}

/// To so many, by somebody who has seen what there was.
pub(crate) async fn set(
    State(api): State<Arc<Api>>,
    manager: EventManager,
    Named(reward_id): Named<RewardId>,
    IfMatch(tag): IfMatch,
    Sent(ask): Sent<SetAsk, COMMAND_BYTES>,
) -> Result<Repeated<Tagged<StockAfter>>, Problem> {
    let Some(tag) = tag else {
        let detail = "Send If-Match with the ETag of the stock that you have seen.";
        return Err(Problem::new(Kind::PreconditionRequired, detail));
    };
    // It would overwrite whatever is there, which is what the header is asked for to prevent.
    if tag.as_bytes().trim_ascii() == b"*" {
        let detail = "If-Match: * names no version: send the ETag of the stock that you have seen.";
        return Err(Problem::new(Kind::PreconditionRequired, detail));
    }
    need_reason(&ask.reason)?;
    let within = |n: i64| (0..=MOST).contains(&n);
    if !within(ask.total) {
        return Err(broken("/total", format!("must be 0 to {MOST}")));
    }
    if !ask.low_at.is_none_or(within) {
        return Err(broken("/low_at", format!("must be 0 to {MOST}")));
    }
    // What is none of our tags is not the present one.
    let version = tag.to_str().ok().and_then(version).unwrap_or(-1);
    let setting = StockSetting { reward_id, total: ask.total, low_at: ask.low_at, version };
    let by = By { id: api.new_id(), actor: manager.key_id, reason: ask.reason };
    answer(api.ask(api.store.set_stock(&setting, &by, api.clock.now())).await?)
}

fn answer(outcome: StockOutcome) -> Result<Repeated<Tagged<StockAfter>>, Problem> {
    let shown = |after: StockAfter, before| {
        let answer = Tagged { version: after.version, what: after };
        Repeated { before, answer }
    };
    match outcome {
        StockOutcome::Done(after) => Ok(shown(after, false)),
        StockOutcome::Before(after) => Ok(shown(after, true)),
        StockOutcome::NotThere => Err(no_stock()),
        StockOutcome::KeyReused => Err(reused()),
        StockOutcome::Stale(now) => {
            let detail = "The stock was changed since you saw it; nothing was done.";
            let problem = Problem::new(Kind::PreconditionFailed, detail);
            Err(match HeaderValue::try_from(etag(now.version)) {
                Ok(tag) => problem.header(header::ETAG, tag),
                Err(_) => problem,
            })
        }
        StockOutcome::BelowCommitted(now) => {
            let committed = now.issued + now.reserved;
            let detail = format!(
                "{committed} of {} were given out or are held back, and no total can be below that; nothing was done.",
                now.total
            );
            Err(Problem::new(Kind::Conflict, detail).code(Code::StockBelowCommitted))
        }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HistoryAsk {
    #[schemars(range(min = 1, max = PAGE_MAX))]
    limit: Option<u32>,
    #[schemars(with = "Option<String>")]
    cursor: Option<Place>,
}

/// A cursor: microseconds and an id.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Place(StockCursor);

impl TryFrom<String> for Place {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let read = || {
            let (at, id) = text.split_once('_')?;
            let Instant(at) = DateTime::from_timestamp_micros(at.parse().ok()?)?.try_into().ok()?;
            Some(Self(StockCursor { at, id: id.parse().ok()? }))
        };
        read().ok_or("a cursor must be one that a page has given")
    }
}

fn place(cursor: StockCursor) -> String {
    format!("{}_{}", cursor.at.timestamp_micros(), cursor.id)
}

pub(crate) async fn history(
    State(api): State<Arc<Api>>,
    reports: Reports,
    Named(reward_id): Named<RewardId>,
    csv::Wanted(csv): csv::Wanted,
    Asked(asked): Asked<HistoryAsk>,
) -> Result<Either<Page<StockEntry>, Csv<Exported>>, Problem> {
    if csv {
        return export(State(api), reports, Named(reward_id), Asked(asked)).await.map(Either::Other);
    }
    let limit = limit(asked.limit)?;
    let after = asked.cursor.map(|place| place.0);
    let entries = api.ask(api.store.stock_history(&reward_id, after, limit + 1)).await?;
    if entries.is_empty() {
        // Nothing may mean that there is no such reward.
        api.reward(&reward_id).await?;
    }
    Ok(Either::One(page(entries, limit, |entry| Some(place(StockCursor::from(entry))))))
}

/// Everything as CSV; with a limit a page of it, whose header says where the next one begins.
pub(crate) async fn export(
    State(api): State<Arc<Api>>,
    _: Reports,
    Named(reward_id): Named<RewardId>,
    Asked(asked): Asked<HistoryAsk>,
) -> Result<Csv<Exported>, Problem> {
    api.reward(&reward_id).await?;
    let after = asked.cursor.map(|place| place.0);
    let name = format!("stock-{reward_id}");
    let mut rows = Exported { store: Arc::clone(&api.store), reward_id, after };
    let Some(limit) = asked.limit else { return csv::download(&api, &name, rows).await };
    let limit = csv_limit(limit)?;
    let _permit = csv::permit(&api)?;
    let page = api.ask(rows.page(limit)).await?;
    // A page that is full may be followed by an empty one.
    let next = rows.after.filter(|_| page.len() == limit as usize).map(place);
    Ok(csv::page(&name, after.is_none(), &page, next.as_deref()))
}

/// How far an export has come.
pub(crate) struct Exported {
    store: Arc<dyn Store>,
    reward_id: RewardId,
    after: Option<StockCursor>,
}

impl Exported {
    async fn page(&mut self, size: u32) -> Result<Vec<Vec<Cell>>, Error> {
        let entries = self.store.stock_history(&self.reward_id, self.after, size).await?;
        self.after = entries.last().map(StockCursor::from).or(self.after);
        Ok(entries.into_iter().map(row).collect())
    }
}

impl csv::Rows for Exported {
    const COLUMNS: &'static [Column] = &[
        ("at", "when"),
        ("kind", "`claim`, or what people did: `receive`, `correct`, `return`, `set`, `reversal`"),
        ("delta", "what it added to what is left; below 0 for what it took"),
        ("left", "what was left after it; empty for a claim"),
        ("total", "all there ever was, after it; empty for a claim"),
        ("claim_id", "the claim that took it, or that was taken back"),
        ("actor", "who did it; empty for a claim"),
        ("reason", "why; empty for a claim"),
        ("id", "the claim or the change"),
    ];

    async fn next(&mut self) -> Result<Vec<Vec<Cell>>, Error> {
        self.page(PAGE_MAX).await
    }
}

fn row(entry: StockEntry) -> Vec<Cell> {
    vec![
        entry.at.into(),
        entry.kind.into(),
        entry.delta.into(),
        entry.left.into(),
        entry.total.into(),
        entry.claim_id.map(|id| id.to_string()).into(),
        entry.actor.into(),
        entry.reason.into(),
        entry.id.to_string().into(),
    ]
}

impl Api {
    async fn reward(&self, id: &RewardId) -> Result<RewardView, Problem> {
        let found = self.ask(self.store.reward(id)).await?;
        found.ok_or_else(|| not_found("reward"))
    }
}

fn no_stock() -> Problem {
    not_found("stock: there is no such reward, or it never runs out")
}

fn etag(version: i64) -> String {
    format!("\"{version}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_what_is_none_is_refused() {
        let place =
            Place::try_from("1700000000000001_00000000-0000-0000-0000-000000000007".to_owned()).unwrap();
        assert_eq!((place.0.at.timestamp_micros(), place.0.id.as_u128()), (1_700_000_000_000_001, 7));
        let of_another_age = "-8334601228800000000_00000000-0000-0000-0000-000000000007";
        for text in ["", "x", "1_2", "_00000000-0000-0000-0000-000000000007", of_another_age] {
            assert!(Place::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
