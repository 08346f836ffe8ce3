//! What stands before each route: it counts the request, finds out who calls, and turns away who may not.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request, State};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use forebay_intake::{Kind, Problem};

use crate::api::Api;
use crate::callers::{Access, Caller, MEMBER_ID};

/// The gate of one route.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    pub(crate) api: Arc<Api>,
    pub(crate) access: Access,
    pub(crate) counted: bool,
    /// The statuses that its operation may be answered with, where that is to be made sure of.
    pub(crate) told: Option<Arc<BTreeSet<u16>>>,
}

/// Lets a request through, or not.
pub(crate) async fn enter(
    State(gate): State<Gate>,
    parameters: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
    next: Next,
) -> Response {
    let told = gate.told.clone();
    let response = pass(gate, parameters, request, next).await.into_response();
    let status = response.status().as_u16();
    assert!(
        status == Kind::Internal.status().as_u16() || told.is_none_or(|told| told.contains(&status)),
        "the operation does not tell of {status}: see `refuses` in routes.rs"
    );
    response
}

async fn pass(
    Gate { api, access, counted, .. }: Gate,
    parameters: Result<RawPathParams, RawPathParamsRejection>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let permit = if counted { api.reads.enter() } else { None };
    if counted && permit.is_none() {
        return Err(Problem::new(Kind::ReducedCapacity, "Too many requests are in flight; try again."));
    }
    if access.scopes.is_some() {
        // Finding out who it is may take a while; this is when they came.
        let arrival = api.arrival(request.headers());
        request.extensions_mut().insert(arrival);
        let caller = caller(&api, access, request.headers(), parameters.as_ref().ok()).await?;
        request.extensions_mut().insert(caller);
    }
    let response = next.run(request).await;
    drop(permit);
    Ok(response)
}

/// Who calls, if they may.
async fn caller(
    api: &Api,
    access: Access,
    headers: &HeaderMap,
    parameters: Option<&RawPathParams>,
) -> Result<Caller, Problem> {
    let caller = api.caller(headers).await?;
    let named = parameters.and_then(|all| all.iter().find(|(name, _)| *name == MEMBER_ID));
    access.check(&caller, named.map(|(_, value)| value))?;
    Ok(caller)
}
