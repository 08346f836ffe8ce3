//! Incidents: listed, looked at, taken on, left in silence for a while.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use forebay_domain::incident::{Incident, Order, Severity, silencer};
use forebay_intake::{Kind, Problem};
use forebay_store::{By, IncidentFilter, Ordered};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::api::Api;
use crate::callers::{Operator, Reports};
use crate::extract::{Asked, COMMAND_BYTES, Named, Sent};
use crate::failure::not_found;
use crate::page::{Page, limit, page};
use crate::rules::{Note, Reason, broken, check_reason, need_reason};

/// Longest silence, in seconds: 30 days.
const SNOOZE_MAX_S: u32 = 30 * 24 * 3600;

#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Which {
    #[default]
    Open,
    Resolved,
    Any,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct IncidentsAsk {
    #[serde(default)]
    state: Which,
    rule: Option<String>,
    #[schemars(range(min = 1, max = crate::page::MOST))]
    limit: Option<u32>,
    cursor: Option<Uuid>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AckAsk {
    #[serde(default)]
    #[schemars(with = "Note")]
    reason: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SnoozeAsk {
    #[serde(default)]
    #[schemars(!default, with = "Reason")]
    reason: String,
    /// For so many seconds from now …
    #[schemars(range(min = 1, max = SNOOZE_MAX_S))]
    for_s: Option<u32>,
    /// … or until then.
    until: Option<DateTime<Utc>>,
}

/// An incident, as people see it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct IncidentView {
    id: Uuid,
    /// `open` or `resolved`.
    state: &'static str,
    fingerprint: String,
    rule: String,
    severity: Severity,
    title: String,
    impact: String,
    action: String,
    sample: String,
    count: i64,
    first_seen: DateTime<Utc>,
    last_seen: DateTime<Utc>,
    resolved_at: Option<DateTime<Utc>>,
    told_at: Option<DateTime<Utc>>,
    /// When people are told next, when that is planned.
    tell_due_at: Option<DateTime<Utc>>,
    /// What it is about: an outside system or a queue.
    about: Option<String>,
    /// The open incident that it follows from: this one is not told while that one is open.
    silenced_by: Option<SilencerView>,
    /// Who took it on: it is told no more until it gets worse or ends.
    acknowledged: Option<HandledView>,
    /// Who wanted silence, and until when.
    snoozed: Option<HandledView>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SilencerView {
    id: Uuid,
    title: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct HandledView {
    at: DateTime<Utc>,
    by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<DateTime<Utc>>,
}

impl IncidentView {
    /// `silencing` are the open incidents that silence others.
    fn of(incident: Incident, silencing: &[Incident]) -> Self {
        let silenced_by = silencer(&incident, silencing)
            .map(|by| SilencerView { id: by.id, title: by.raise.title.clone() });
        let Incident { raise, handling, .. } = incident;
        let acknowledged = handling.acknowledged;
        let snoozed = handling.snoozed;
        Self {
            id: incident.id,
            state: if incident.resolved_at.is_some() { "resolved" } else { "open" },
            fingerprint: raise.fingerprint,
            rule: raise.rule,
            severity: raise.severity,
            title: raise.title,
            impact: raise.impact,
            action: raise.action,
            sample: raise.sample,
            count: raise.count,
            first_seen: incident.first_seen,
            last_seen: incident.last_seen,
            resolved_at: incident.resolved_at,
            told_at: incident.told_at,
            tell_due_at: incident.tell_due_at,
            about: raise.about.map(|about| about.to_string()),
            silenced_by,
            acknowledged: acknowledged.map(|who| HandledView { at: who.at, by: who.by, until: None }),
            snoozed: snoozed.map(|(who, until)| HandledView { at: who.at, by: who.by, until: Some(until) }),
        }
    }
}

/// An incident after an order.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct OrderedView {
    #[serde(flatten)]
    incident: IncidentView,
    /// It is as it was before.
    unchanged: bool,
}

pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    _: Reports,
    Asked(asked): Asked<IncidentsAsk>,
) -> Result<Page<IncidentView>, Problem> {
    let limit = limit(asked.limit)?;
    let open = match asked.state {
        Which::Open => Some(true),
        Which::Resolved => Some(false),
        Which::Any => None,
    };
    let filter = IncidentFilter { open, rule: asked.rule };
    let incidents = api.ask(api.store.list_incidents(&filter, asked.cursor, limit + 1)).await?;
    let silencing = api.ask(api.store.silencing_incidents()).await?;
    let views = incidents.into_iter().map(|incident| IncidentView::of(incident, &silencing)).collect();
    Ok(page(views, limit, |view: &IncidentView| Some(view.id.to_string())))
}

pub(crate) async fn one(
    State(api): State<Arc<Api>>,
    _: Reports,
    Named(id): Named<Uuid>,
) -> Result<Json<IncidentView>, Problem> {
    let found = api.ask(api.store.incident(id)).await?;
    let incident = found.ok_or_else(|| not_found("incident"))?;
    let silencing = api.ask(api.store.silencing_incidents()).await?;
    Ok(Json(IncidentView::of(incident, &silencing)))
}

pub(crate) async fn ack(
    State(api): State<Arc<Api>>,
    operator: Operator,
    Named(id): Named<Uuid>,
    Sent(asked): Sent<AckAsk, COMMAND_BYTES>,
) -> Result<Json<OrderedView>, Problem> {
    check_reason(&asked.reason)?;
    order(&api, operator, id, Order::Acknowledge, asked.reason).await
}

pub(crate) async fn snooze(
    State(api): State<Arc<Api>>,
    operator: Operator,
    Named(id): Named<Uuid>,
    Sent(asked): Sent<SnoozeAsk, COMMAND_BYTES>,
) -> Result<Json<OrderedView>, Problem> {
    need_reason(&asked.reason)?;
    let until = end(&asked, api.clock.now())?;
    order(&api, operator, id, Order::Snooze { until }, asked.reason).await
}

/// When the silence ends.
fn end(asked: &SnoozeAsk, now: DateTime<Utc>) -> Result<DateTime<Utc>, Problem> {
    let most = now + Duration::from_secs(u64::from(SNOOZE_MAX_S));
    match (asked.for_s, asked.until) {
        (Some(seconds), None) if (1..=SNOOZE_MAX_S).contains(&seconds) => {
            Ok(now + Duration::from_secs(u64::from(seconds)))
        }
        (Some(_), None) => Err(broken("/for_s", format!("must be 1 to {SNOOZE_MAX_S}"))),
        (None, Some(until)) if now < until && until <= most => Ok(until),
        (None, Some(_)) => Err(broken("/until", "must lie in the next 30 days")),
        _ => Err(broken("", "needs one of for_s and until: a silence has an end")),
    }
}

async fn order(
    api: &Api,
    operator: Operator,
    id: Uuid,
    order: Order,
    reason: String,
) -> Result<Json<OrderedView>, Problem> {
    let by = By { id: api.new_id(), actor: operator.key_id, reason };
    match api.ask(api.store.order_incident(id, order, &by, api.clock.now())).await? {
        Ordered::NotThere => Err(not_found("incident")),
        Ordered::Over => Err(Problem::new(Kind::Conflict, "The incident is over; nothing was changed.")),
        Ordered::Done { incident, unchanged } => {
            let silencing = api.ask(api.store.silencing_incidents()).await?;
            Ok(Json(OrderedView { incident: IncidentView::of(*incident, &silencing), unchanged }))
        }
    }
}
