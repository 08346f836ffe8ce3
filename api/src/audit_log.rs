//! What people did.

use std::sync::Arc;

use axum::extract::State;
use forebay_intake::Problem;
use forebay_store::AuditEntry;
use schemars::JsonSchema;
use serde::Deserialize;
use uuid::Uuid;

use crate::api::Api;
use crate::callers::Reports;
use crate::extract::Asked;
use crate::page::{Page, limit, page};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditAsk {
    #[schemars(range(min = 1, max = crate::page::MOST))]
    limit: Option<u32>,
    cursor: Option<Uuid>,
}

pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    _: Reports,
    Asked(asked): Asked<AuditAsk>,
) -> Result<Page<AuditEntry>, Problem> {
    let limit = limit(asked.limit)?;
    let entries = api.ask(api.store.audit_log(asked.cursor, limit + 1)).await?;
    Ok(page(entries, limit, |entry| Some(entry.id.to_string())))
}
