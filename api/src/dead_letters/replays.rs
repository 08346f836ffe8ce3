//! Replays: begun, looked at, ended. What goes on with them is the schedule.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use forebay_domain::dead_letter::replay::{Progress, RATE_DEFAULT, RATE_MAX, Stage, State as ReplayState};
use forebay_intake::{Kind, Problem};
use forebay_store::{By, DeadLetter, DeadLetterCount, DeadLetterFilter, NewReplay, Replay};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ask::{ASK_BYTES, LettersAsk};
use crate::api::Api;
use crate::callers::{Operator, Reports};
use crate::extract::{Asked, Named, Sent};
use crate::failure::not_found;
use crate::openapi::{Either, Taken};
use crate::page::{Page, limit, page};
use crate::rules::{Note, broken, check_reason};

/// Letters that a dry run shows.
const EXAMPLES: u32 = 5;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplaysAsk {
    #[schemars(range(min = 1, max = crate::page::MOST))]
    limit: Option<u32>,
    cursor: Option<Uuid>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AbortAsk {
    #[serde(default)]
    #[schemars(with = "Note")]
    reason: String,
}

/// A replay, as people see it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ReplayView {
    id: Uuid,
    state: ReplayState,
    stage: Stage,
    /// Letters there were at its beginning; at least so many when `capped`.
    total: i64,
    capped: bool,
    published: u64,
    skipped: u64,
    done: u64,
    failed: u64,
    /// Sent, and without an outcome so far.
    waiting: u64,
    rate_per_s: u32,
    filter: DeadLetterFilter,
    actor: String,
    reason: String,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Replay> for ReplayView {
    fn from(replay: Replay) -> Self {
        let waiting = replay.progress.waiting();
        let Progress { state, stage, published, skipped, done, failed, .. } = replay.progress;
        Self {
            id: replay.id,
            state,
            stage,
            total: replay.total,
            capped: replay.capped,
            published,
            skipped,
            done,
            failed,
            waiting,
            rate_per_s: replay.rate,
            filter: replay.filter,
            actor: replay.actor,
            reason: replay.reason,
            created_at: replay.created_at,
            updated_at: replay.updated_at,
        }
    }
}

/// What would be touched.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct DryRun {
    dry_run: bool,
    #[serde(flatten)]
    count: DeadLetterCount,
    examples: Vec<DeadLetter>,
}

/// Counts the letters of a filter and shows some.
pub(super) async fn dry_run(api: &Api, filter: &DeadLetterFilter) -> Result<Json<DryRun>, Problem> {
    let count = api.ask(api.store.count_dead_letters(filter)).await?;
    let examples = api.ask(api.store.dead_letters(filter, None, EXAMPLES)).await?;
    Ok(Json(DryRun { dry_run: true, count, examples }))
}

pub(crate) async fn begin(
    State(api): State<Arc<Api>>,
    operator: Operator,
    Sent(mut asked): Sent<LettersAsk, ASK_BYTES>,
) -> Result<Either<Json<DryRun>, Taken<ReplayView>>, Problem> {
    let filter = asked.filter()?;
    let rate = asked.rate_per_s.unwrap_or(RATE_DEFAULT);
    if !(1..=RATE_MAX).contains(&rate) {
        return Err(broken("/rate_per_s", format!("must be 1 to {RATE_MAX}")));
    }
    let reason = asked.reason()?;
    if asked.dry_run {
        return dry_run(&api, &filter).await.map(Either::One);
    }
    let new = NewReplay { filter, rate, canary: asked.canary.unwrap_or(true) };
    let by = By { id: api.new_id(), actor: operator.key_id, reason };
    let replay = api.ask(api.store.start_replay(new, &by, api.clock.now())).await?;
    let place = format!("/v1/dead-letters/replays/{}", replay.id);
    Ok(Either::Other(Taken::at(place, ReplayView::from(replay))))
}

pub(crate) async fn replays(
    State(api): State<Arc<Api>>,
    _: Reports,
    Asked(asked): Asked<ReplaysAsk>,
) -> Result<Page<ReplayView>, Problem> {
    let limit = limit(asked.limit)?;
    let replays = api.ask(api.store.replays(asked.cursor, limit + 1)).await?;
    let views = replays.into_iter().map(ReplayView::from).collect();
    Ok(page(views, limit, |view: &ReplayView| Some(view.id.to_string())))
}

pub(crate) async fn replay(
    State(api): State<Arc<Api>>,
    _: Reports,
    Named(id): Named<Uuid>,
) -> Result<Json<ReplayView>, Problem> {
    let replay = api.ask(api.store.replay(id)).await?.ok_or_else(|| not_found("replay"))?;
    Ok(Json(ReplayView::from(replay)))
}

pub(crate) async fn abort(
    State(api): State<Arc<Api>>,
    operator: Operator,
    Named(id): Named<Uuid>,
    Asked(AbortAsk { reason }): Asked<AbortAsk>,
) -> Result<Json<ReplayView>, Problem> {
    check_reason(&reason)?;
    let by = By { id: api.new_id(), actor: operator.key_id, reason };
    let aborted = api.ask(api.store.abort_replay(id, &by, api.clock.now())).await?;
    let replay = aborted.ok_or_else(|| not_found("replay"))?;
    let state = replay.progress.state;
    if state != ReplayState::Aborted {
        let detail = format!("The replay has ended by itself ({}); nothing was changed.", state.as_str());
        return Err(Problem::new(Kind::Conflict, detail));
    }
    Ok(Json(ReplayView::from(replay)))
}
