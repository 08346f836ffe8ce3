//! Programmes: listed, created, changed.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use forebay_domain::programme::Programme;
use forebay_intake::{Kind, Problem};
use forebay_schemas::{ProgrammeId, Violation};
use serde::Deserialize;

use crate::api::Api;
use crate::callers::{EventManager, Reader};
use crate::extract::{Asked, Named, PROGRAMME_BYTES, Sent};
use crate::page::{limit, page};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProgrammesAsk {
    limit: Option<u32>,
    cursor: Option<ProgrammeId>,
}

pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    _: Reader,
    Asked(asked): Asked<ProgrammesAsk>,
) -> Result<Response, Problem> {
    let limit = limit(asked.limit)?;
    let all = api.ask(api.store.programmes()).await?;
    let after = all.into_iter().filter(|p| asked.cursor.as_ref().is_none_or(|cursor| p.id > *cursor));
    Ok(page(after.take(limit as usize + 1).collect(), limit, |p| Some(p.id.to_string())))
}

pub(crate) async fn put(
    State(api): State<Arc<Api>>,
    _: EventManager,
    Named(programme_id): Named<ProgrammeId>,
    Sent(programme): Sent<Programme, PROGRAMME_BYTES>,
) -> Result<Json<Programme>, Problem> {
    let mut faults: Vec<Violation> =
        programme.faults().into_iter().map(|fault| Violation::new("", fault)).collect();
    if programme.id != programme_id {
        faults.push(Violation::new("/id", "is not the id in the path"));
    }
    if !faults.is_empty() {
        let detail = "The programme breaks its rules; nothing was changed.";
        return Err(Problem::new(Kind::InvalidContent, detail).errors(faults));
    }
    api.ask(api.store.put_programme(&programme, api.clock.now())).await?;
    Ok(Json(programme))
}
