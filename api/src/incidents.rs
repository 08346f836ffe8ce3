//! Open incidents.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use forebay_domain::incident::{Incident, Severity};
use forebay_intake::Problem;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::api::Api;
use crate::callers::Reports;
use crate::extract::Asked;
use crate::page::{limit, page};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IncidentsAsk {
    limit: Option<u32>,
}

#[derive(Debug, Serialize)]
struct IncidentView {
    id: Uuid,
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
    told_at: Option<DateTime<Utc>>,
}

impl From<Incident> for IncidentView {
    fn from(incident: Incident) -> Self {
        let raise = incident.raise;
        Self {
            id: incident.id,
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
            told_at: incident.told_at,
        }
    }
}

pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    _: Reports,
    Asked(asked): Asked<IncidentsAsk>,
) -> Result<Response, Problem> {
    let limit = limit(asked.limit)?;
    let incidents = api.ask(api.store.open_incidents(limit + 1)).await?;
    Ok(page(incidents.into_iter().map(IncidentView::from).collect(), limit, |_| None))
}
