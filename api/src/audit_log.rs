//! What people did.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use forebay_intake::Problem;
use serde::Deserialize;
use uuid::Uuid;

use crate::api::Api;
use crate::callers::Reports;
use crate::extract::Asked;
use crate::page::{limit, page};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditAsk {
    limit: Option<u32>,
    cursor: Option<Uuid>,
}

pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    _: Reports,
    Asked(asked): Asked<AuditAsk>,
) -> Result<Response, Problem> {
    let limit = limit(asked.limit)?;
    let entries = api.ask(api.store.audit_log(asked.cursor, limit + 1)).await?;
    Ok(page(entries, limit, |entry| Some(entry.id.to_string())))
}
