//! Every route: its method, its path, who may use it, what answers.
//!
//! To add one, write its handler, add a line to [`all`], and a line to the table in `tests/it/access.rs`, which says
//! once more who may, and fails without it. Nothing is served that is not listed here. Who may is checked before
//! anything of the request is read; the handler takes the same caller as an argument (`_: Reader`) where it needs to
//! know who it is. Where a member may come, too, say `.or_the_member()`: then `{member_id}` in the path is nobody
//! else's, `me` stands for it, and what the body names is checked by `MembersActor::member`.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request, State};
use axum::handler::Handler;
use axum::http::{HeaderMap, Method};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use forebay_intake::{Kind, Problem, Scope};

use crate::api::Api;
use crate::callers::{
    Access, Admin, Caller, EventManager, MEMBER_ID, Members, MembersActor, Operator, Reader, Reports,
    Warehouse,
};
use crate::{
    attendance, audit_log, blocks, carriers, check_ins, claims, dead_letters, erasure, fulfilment, incidents,
    ledger, members, parcels, points, profile, programmes, queues, returns, stock, version, why, workers,
};

/// Every route.
#[must_use]
pub fn all() -> Vec<Route> {
    vec![
        // Programmes, and what members do.
        get("/v1/programmes", Reader::ACCESS.or_any_member(), programmes::list),
        get("/v1/programmes/{programme_id}", Reader::ACCESS.or_any_member(), programmes::one),
        put("/v1/programmes/{programme_id}", EventManager::ACCESS, programmes::put),
        post("/v1/programmes/{programme_id}/state", EventManager::ACCESS, programmes::state),
        get("/v1/programmes/{programme_id}/summary", Reports::ACCESS, attendance::summary),
        get("/v1/programmes/{programme_id}/attendance", Reports::ACCESS, attendance::list),
        get("/v1/programmes/{programme_id}/attendance/export", Reports::ACCESS, attendance::export),
        post(
            "/v1/programmes/{programme_id}/attendance/{member_id}/{on_date}/void",
            EventManager::ACCESS,
            attendance::void,
        ),
        post(
            "/v1/programmes/{programme_id}/attendance/{member_id}/{on_date}/restore",
            EventManager::ACCESS,
            attendance::restore,
        ),
        post(
            "/v1/programmes/{programme_id}/check-ins",
            MembersActor::ACCESS.or_the_member(),
            check_ins::post,
        )
        .accepting(),
        post("/v1/programmes/{programme_id}/claims", MembersActor::ACCESS.or_the_member(), claims::post)
            .accepting(),
        get(
            "/v1/programmes/{programme_id}/members/{member_id}/days",
            Reader::ACCESS.or_the_member(),
            members::days,
        ),
        // Claims and stock.
        get("/v1/claims", Reports::ACCESS, fulfilment::list),
        get("/v1/claims/export", Reports::ACCESS, fulfilment::export),
        post("/v1/claims/{claim_id}/ship", Warehouse::ACCESS, fulfilment::ship),
        post("/v1/claims/{claim_id}/cancel", EventManager::ACCESS, fulfilment::cancel),
        post("/v1/claims/{claim_id}/reverse", EventManager::ACCESS, fulfilment::reverse),
        post("/v1/claims/{claim_id}/keep", EventManager::ACCESS, fulfilment::keep),
        get("/v1/rewards", Reader::ACCESS, stock::rewards),
        get("/v1/rewards/{reward_id}/stock", Reader::ACCESS, stock::one),
        put("/v1/rewards/{reward_id}/stock", EventManager::ACCESS, stock::set),
        post("/v1/rewards/{reward_id}/stock/movements", EventManager::ACCESS, stock::change),
        get("/v1/rewards/{reward_id}/stock/history", Reports::ACCESS, stock::history),
        get("/v1/rewards/{reward_id}/stock/history/export", Reports::ACCESS, stock::export),
        get("/v1/claims/{claim_id}", Reader::ACCESS.or_the_member(), claims::one),
        // Members.
        get("/v1/members/{member_id}", Reader::ACCESS.or_the_member(), profile::one),
        get("/v1/members/{member_id}/why", Reader::ACCESS.or_the_member(), why::why),
        post("/v1/members/{member_id}/block", EventManager::ACCESS, blocks::block),
        post("/v1/members/{member_id}/unblock", EventManager::ACCESS, blocks::unblock),
        get("/v1/members/{member_id}/balance", Reader::ACCESS.or_the_member(), members::balance),
        get("/v1/members/{member_id}/claims", Reader::ACCESS.or_the_member(), members::claims),
        post("/v1/members/{member_id}/erase", Admin::ACCESS, erasure::erase),
        // Points.
        post("/v1/members/{member_id}/spends", MembersActor::ACCESS, points::spend).accepting(),
        get("/v1/spends/{spend_id}", Reader::ACCESS.or_the_member(), points::one_spend),
        get("/v1/members/{member_id}/points", Reader::ACCESS.or_the_member(), points::points),
        post("/v1/members/{member_id}/points", EventManager::ACCESS, points::adjust),
        get("/v1/members/{member_id}/ledger", Reader::ACCESS.or_the_member(), points::ledger),
        post("/v1/ledger/{txn_id}/reverse", EventManager::ACCESS, ledger::reverse),
        post("/v1/ledger/check", Reports::ACCESS, ledger::check),
        post("/v1/ledger/mend", Admin::ACCESS, ledger::mend),
        // Returns and parcels.
        get("/v1/returns", Reports::ACCESS, returns::list),
        post("/v1/returns/collect", Warehouse::ACCESS, returns::collect),
        get("/v1/returns/{return_id}", Reader::ACCESS, returns::one),
        post("/v1/returns/{return_id}/resend", Warehouse::ACCESS, returns::resend),
        get("/v1/parcels", Reports::ACCESS, parcels::list),
        get("/v1/parcels/{carrier}/{number}", Reader::ACCESS, parcels::one),
        post("/v1/parcels/{carrier}/{number}/check", Warehouse::ACCESS, parcels::check),
        // Dead letters.
        get("/v1/dead-letters", Reports::ACCESS, dead_letters::list),
        get("/v1/dead-letters/groups", Reports::ACCESS, dead_letters::groups),
        get("/v1/dead-letters/export", Reports::ACCESS, dead_letters::export),
        post("/v1/dead-letters/discard", Operator::ACCESS, dead_letters::discard),
        get("/v1/dead-letters/replays", Reports::ACCESS, dead_letters::replays),
        post("/v1/dead-letters/replays", Operator::ACCESS, dead_letters::begin),
        get("/v1/dead-letters/replays/{id}", Reports::ACCESS, dead_letters::replay),
        delete("/v1/dead-letters/replays/{id}", Operator::ACCESS, dead_letters::abort),
        get("/v1/dead-letters/{id}", Reports::ACCESS, dead_letters::one),
        // The running of the system.
        get("/v1/queues", Reports::ACCESS, queues::list),
        get("/v1/queues/{name}", Reports::ACCESS, queues::one),
        post("/v1/queues/{name}/pause", Operator::ACCESS, queues::pause),
        post("/v1/queues/{name}/resume", Operator::ACCESS, queues::resume),
        get("/v1/scale/{name}", Reports::ACCESS, queues::scale),
        get("/v1/carriers", Reports::ACCESS, carriers::list),
        get("/v1/carriers/{id}", Reports::ACCESS, carriers::one),
        post("/v1/carriers/{id}/limits", Operator::ACCESS, carriers::limit),
        post("/v1/carriers/{id}/breaker", Operator::ACCESS, carriers::breaker),
        get("/v1/workers", Reports::ACCESS, workers::list),
        post("/v1/workers/{id}/drain", Operator::ACCESS, workers::drain),
        get("/v1/audit-log", Reports::ACCESS, audit_log::list),
        get("/v1/incidents", Reports::ACCESS, incidents::list),
        get("/v1/incidents/{id}", Reports::ACCESS, incidents::one),
        post("/v1/incidents/{id}/ack", Operator::ACCESS, incidents::ack),
        post("/v1/incidents/{id}/snooze", Operator::ACCESS, incidents::snooze),
        get("/v1/version", Access::ANYBODY, version::get).accepting(),
    ]
}

/// A route.
#[derive(Debug)]
pub struct Route {
    method: Method,
    path: &'static str,
    access: Access,
    counted: bool,
    handler: MethodRouter<Arc<Api>>,
}

impl Route {
    /// Its method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Its path, with its parameters in braces.
    #[must_use]
    pub fn path(&self) -> &'static str {
        self.path
    }

    /// The scopes of which a key needs one; none where everybody may, with and without a key.
    #[must_use]
    pub fn scopes(&self) -> Option<&'static [Scope]> {
        self.access.scopes
    }

    /// Whether members may come with their tokens.
    #[must_use]
    pub fn members(&self) -> Members {
        self.access.members
    }

    /// It is not counted with the reads: it goes the way of the intake, which has an admission of its own, or costs
    /// nothing.
    fn accepting(self) -> Self {
        Self { counted: false, ..self }
    }
}

fn get<H: Handler<T, Arc<Api>>, T: 'static>(path: &'static str, access: Access, handler: H) -> Route {
    route(Method::GET, MethodFilter::GET, path, access, handler)
}

fn put<H: Handler<T, Arc<Api>>, T: 'static>(path: &'static str, access: Access, handler: H) -> Route {
    route(Method::PUT, MethodFilter::PUT, path, access, handler)
}

fn post<H: Handler<T, Arc<Api>>, T: 'static>(path: &'static str, access: Access, handler: H) -> Route {
    route(Method::POST, MethodFilter::POST, path, access, handler)
}

fn delete<H: Handler<T, Arc<Api>>, T: 'static>(path: &'static str, access: Access, handler: H) -> Route {
    route(Method::DELETE, MethodFilter::DELETE, path, access, handler)
}

fn route<H: Handler<T, Arc<Api>>, T: 'static>(
    method: Method,
    filter: MethodFilter,
    path: &'static str,
    access: Access,
    handler: H,
) -> Route {
    Route { method, path, access, counted: true, handler: on(filter, handler) }
}

/// The routes, each behind its gate.
pub(crate) fn router(api: &Arc<Api>) -> Router {
    let mut router = Router::new();
    for Route { path, access, counted, handler, .. } in all() {
        let gate = Gate { api: Arc::clone(api), access, counted };
        router = router.route(path, handler.route_layer(middleware::from_fn_with_state(gate, enter)));
    }
    router.with_state(Arc::clone(api))
}

/// What stands before a route.
#[derive(Debug, Clone)]
struct Gate {
    api: Arc<Api>,
    access: Access,
    counted: bool,
}

/// Counts the request, finds out who calls, and turns away who may not.
async fn enter(
    State(gate): State<Gate>,
    parameters: Result<RawPathParams, RawPathParamsRejection>,
    mut request: Request,
    next: Next,
) -> Response {
    let Gate { api, access, counted } = gate;
    let permit = if counted { api.reads.enter() } else { None };
    if counted && permit.is_none() {
        return Problem::new(Kind::ReducedCapacity, "Too many requests are in flight; try again.")
            .into_response();
    }
    if access.scopes.is_some() {
        // Finding out who it is may take a while; this is when they came.
        let arrival = api.arrival(request.headers());
        request.extensions_mut().insert(arrival);
        match caller(&api, access, request.headers(), parameters.as_ref().ok()).await {
            Ok(caller) => request.extensions_mut().insert(caller),
            Err(problem) => return problem.into_response(),
        };
    }
    let response = next.run(request).await;
    drop(permit);
    response
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
