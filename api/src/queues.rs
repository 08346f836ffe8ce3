//! Queues as people steer them: how full they are, who works on them, left alone and worked on again.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, TimeDelta, Utc};
use forebay_domain::drain::Drain;
use forebay_domain::scale::Bound;
use forebay_intake::{Kind, Problem};
use forebay_queue::{Broker, Depth};
use forebay_schemas::{Queue, Topology};
use forebay_store::{By, Pause};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::Api;
use crate::callers::{Operator, Reports};
use crate::extract::{COMMAND_BYTES, Named, Sent};
use crate::failure::not_found;
use crate::lookout::Figures;
use crate::page::{MOST, Page, page};
use crate::rules::{Reason, broken, need_reason};

/// Longest pause that ends by itself, in seconds: 30 days.
const PAUSE_MAX_S: u32 = 30 * 24 * 3600;

/// The queues that the api tells of.
#[derive(Debug, Clone)]
pub struct Queues {
    /// Where they are.
    pub broker: Arc<dyn Broker>,
    /// Which there are.
    pub topology: Topology,
}

/// A queue, as people see it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct QueueView {
    name: String,
    /// `work`; `archive` for what waits to become a dead letter; `delay` for what comes back later.
    kind: &'static str,
    /// Messages that could be delivered now; in a delay queue those that wait. None when the back end did not answer.
    ready: Option<u64>,
    /// Messages in somebody's hands, where the back end tells.
    unsettled: Option<u64>,
    /// When the oldest waiting message came in, where the back end tells.
    oldest_at: Option<DateTime<Utc>>,
    /// When it will be empty at its present pace; none while it does not shrink, and when it is.
    empty_at: Option<DateTime<Utc>>,
    /// Seconds until then: 0 when it is empty; none while it does not shrink, or was not looked at for long enough.
    drain_s: Option<f64>,
    /// Messages wait and do not get fewer.
    growing: bool,
    /// Workers that take from it: those that are neither lost nor asked to drain.
    workers: usize,
    /// Workers that it has work for; none when nobody knows how full it is, and for a delay queue.
    useful_workers: Option<u32>,
    /// Why not more: `backlog`, `quota` (of its outside system) or `left_alone`.
    bound_by: Option<Bound>,
    /// That it is left alone.
    paused: Option<PauseView>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PauseView {
    since: DateTime<Utc>,
    until: Option<DateTime<Utc>>,
    actor: String,
    reason: String,
}

impl From<Pause> for PauseView {
    fn from(Pause { since, until, actor, reason, .. }: Pause) -> Self {
        Self { since, until, actor, reason }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PauseAsk {
    #[serde(default)]
    #[schemars(!default, with = "Reason")]
    reason: String,
    /// It ends by itself after so many seconds.
    #[schemars(range(min = 1, max = PAUSE_MAX_S))]
    for_s: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResumeAsk {
    #[serde(default)]
    #[schemars(!default, with = "Reason")]
    reason: String,
}

pub(crate) async fn list(State(api): State<Arc<Api>>, _: Reports) -> Result<Page<QueueView>, Problem> {
    let views = api.views(api.queues.topology.queues()).await?;
    Ok(page(views, MOST, |_| None))
}

pub(crate) async fn one(
    State(api): State<Arc<Api>>,
    _: Reports,
    Named(name): Named<String>,
) -> Result<Json<QueueView>, Problem> {
    let queue = api.queue(&name)?;
    api.view(queue).await
}

/// The number of useful workers, in the shape that KEDA's metrics-api scaler reads.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ScaleView {
    queue: String,
    useful_workers: u32,
    bound_by: Bound,
    workers: usize,
}

pub(crate) async fn scale(
    State(api): State<Arc<Api>>,
    _: Reports,
    Named(name): Named<String>,
) -> Result<Json<ScaleView>, Problem> {
    let queue = api.queue(&name)?;
    if matches!(queue, Queue::Delay(_)) {
        let detail = "Nobody works on a delay queue; ask for the queue that its messages go back to.";
        return Err(Problem::new(Kind::Conflict, detail));
    }
    let view = api.views(vec![queue]).await?.pop().ok_or_else(|| not_found("queue"))?;
    // A scaler that gets no number keeps what it has, or goes to its fall-back: better than a guess.
    let unknown = || Problem::new(Kind::ReducedCapacity, "How full the queue is can't be told at present.");
    let (useful_workers, bound_by) = view.useful_workers.zip(view.bound_by).ok_or_else(unknown)?;
    Ok(Json(ScaleView { queue: view.name, useful_workers, bound_by, workers: view.workers }))
}

pub(crate) async fn pause(
    State(api): State<Arc<Api>>,
    operator: Operator,
    Named(name): Named<String>,
    Sent(asked): Sent<PauseAsk, COMMAND_BYTES>,
) -> Result<Json<QueueView>, Problem> {
    let queue = api.queue(&name)?;
    need_reason(&asked.reason)?;
    let now = api.clock.now();
    let until = match asked.for_s {
        Some(seconds) if (1..=PAUSE_MAX_S).contains(&seconds) => {
            Some(now + Duration::from_secs(u64::from(seconds)))
        }
        Some(_) => return Err(broken("/for_s", format!("must be 1 to {PAUSE_MAX_S}"))),
        None => None,
    };
    if matches!(queue, Queue::Delay(_)) {
        let detail = "Nobody works on a delay queue; pause the queue that its messages go back to.";
        return Err(Problem::new(Kind::Conflict, detail));
    }
    let by = By { id: api.new_id(), actor: operator.key_id, reason: asked.reason };
    api.ask(api.store.pause_queue(&queue, until, &by, now)).await?;
    api.view(queue).await
}

pub(crate) async fn resume(
    State(api): State<Arc<Api>>,
    operator: Operator,
    Named(name): Named<String>,
    Sent(asked): Sent<ResumeAsk, COMMAND_BYTES>,
) -> Result<Json<QueueView>, Problem> {
    let queue = api.queue(&name)?;
    need_reason(&asked.reason)?;
    let by = By { id: api.new_id(), actor: operator.key_id, reason: asked.reason };
    let ended = api.ask(api.store.resume_queue(&queue, &by, api.clock.now())).await?;
    if ended.is_none() {
        return Err(Problem::new(Kind::Conflict, "The queue is not paused; nothing was changed."));
    }
    api.view(queue).await
}

impl Api {
    /// The queue of this name, with or without `forebay.` before it.
    fn queue(&self, name: &str) -> Result<Queue, Problem> {
        let known = name.parse::<Queue>().ok().filter(|queue| self.queues.topology.queues().contains(queue));
        known.ok_or_else(|| not_found("queue"))
    }

    async fn view(&self, queue: Queue) -> Result<Json<QueueView>, Problem> {
        let view = self.views(vec![queue]).await?.pop();
        view.map(Json).ok_or_else(|| not_found("queue"))
    }

    async fn views(&self, queues: Vec<Queue>) -> Result<Vec<QueueView>, Problem> {
        let known = self.ask(self.lookout.known()).await?;
        let depths = self.lookout.depths(&queues).await;
        let view = |(queue, depth): (&Queue, Option<Depth>)| {
            let figures = self.lookout.figures(queue, depth, &known);
            QueueView::of(queue, figures, known.now())
        };
        Ok(queues.iter().zip(depths).map(view).collect())
    }
}

impl QueueView {
    fn of(queue: &Queue, figures: Figures, now: DateTime<Utc>) -> Self {
        let Figures { depth, drain, pause, workers, useful, .. } = figures;
        let (ready, unsettled, oldest_at) =
            depth.map_or((None, None, None), |depth| (Some(depth.ready), depth.unsettled, depth.oldest));
        let empty_at = match drain {
            Drain::In(time) => TimeDelta::from_std(time).ok().and_then(|time| now.checked_add_signed(time)),
            _ => None,
        };
        Self {
            name: queue.to_string(),
            kind: kind(queue),
            ready,
            unsettled,
            oldest_at,
            empty_at,
            drain_s: drain.seconds().filter(|seconds| seconds.is_finite()),
            growing: drain == Drain::Never,
            workers,
            useful_workers: useful.map(|useful| useful.workers),
            bound_by: useful.map(|useful| useful.bound),
            paused: pause.map(PauseView::from),
        }
    }
}

fn kind(queue: &Queue) -> &'static str {
    match queue {
        Queue::Delay(_) => "delay",
        Queue::Dead | Queue::Unrouted => "archive",
        _ => "work",
    }
}
