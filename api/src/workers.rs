//! Workers: who is there, and who is to take no more.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use forebay_intake::Problem;
use forebay_store::fleet::{DrainOrder, WorkerQueue};
use forebay_store::{By, WorkerView};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::api::Api;
use crate::callers::{Operator, Reports};
use crate::extract::{Asked, COMMAND_BYTES, Named, Sent};
use crate::failure::not_found;
use crate::page::{Page, limit, page};
use crate::rules::{Reason, need_reason};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WorkersAsk {
    #[schemars(range(min = 1, max = crate::page::MOST))]
    limit: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DrainAsk {
    #[serde(default)]
    #[schemars(!default, with = "Reason")]
    reason: String,
}

/// A worker, as people see it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct WorkerShown {
    id: Uuid,
    host: String,
    version: String,
    role: String,
    /// `running`, `draining`, `drained`, or `lost` when nothing was heard of it for too long.
    state: &'static str,
    started_at: DateTime<Utc>,
    seen_at: DateTime<Utc>,
    /// Messages in its hands.
    in_flight: u64,
    queues: Vec<WorkerQueue>,
    /// That it was asked to take no more.
    drain: Option<DrainOrder>,
}

impl WorkerShown {
    fn of(view: WorkerView, now: DateTime<Utc>) -> Self {
        let state = match &view {
            lost if lost.is_lost(now) => "lost",
            asked if asked.drain.is_some() && asked.beat.state.as_str() == "running" => "draining",
            said => said.beat.state.as_str(),
        };
        let WorkerView { beat, seen_at, drain } = view;
        Self {
            id: beat.id,
            host: beat.host,
            version: beat.version,
            role: beat.role,
            state,
            started_at: beat.started_at,
            seen_at,
            in_flight: beat.queues.iter().map(|queue| u64::from(queue.in_flight)).sum(),
            queues: beat.queues,
            drain,
        }
    }
}

pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    _: Reports,
    Asked(asked): Asked<WorkersAsk>,
) -> Result<Page<WorkerShown>, Problem> {
    let limit = limit(asked.limit)?;
    let workers = api.ask(api.store.workers(limit + 1)).await?;
    let now = api.clock.now();
    Ok(page(workers.into_iter().map(|worker| WorkerShown::of(worker, now)).collect(), limit, |_| None))
}

pub(crate) async fn drain(
    State(api): State<Arc<Api>>,
    operator: Operator,
    Named(id): Named<Uuid>,
    Sent(asked): Sent<DrainAsk, COMMAND_BYTES>,
) -> Result<Json<WorkerShown>, Problem> {
    need_reason(&asked.reason)?;
    let by = By { id: api.new_id(), actor: operator.key_id, reason: asked.reason };
    let now = api.clock.now();
    let worker = api.ask(api.store.drain_worker(id, &by, now)).await?;
    let worker = worker.ok_or_else(|| not_found("worker"))?;
    Ok(Json(WorkerShown::of(worker, now)))
}
