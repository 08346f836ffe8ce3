//! The api as a whole: what it needs, its routes, its server.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use forebay_domain::outbox::SOURCE;
use forebay_domain::{Clock, Ids};
use forebay_intake::{Admission, Arrival, Intake, KeyRing, Kind, Problem, frame, serve};
use forebay_schemas::{Event, EventData};
use forebay_store::Store;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::carriers::{self, CarrierSystem};
use crate::queues::{self, Queues};
use crate::{
    audit_log, check_ins, claims, dead_letters, erasure, incidents, members, parcels, programmes, returns,
    workers,
};

/// The api's bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiOptions {
    /// This release, as `/v1/version` tells it.
    pub version: &'static str,
    /// Most reads and administrative requests in flight; further ones are told to come back.
    pub in_flight: usize,
    /// Most requests that wait for an outcome; further ones are answered at once.
    pub waiting: usize,
    /// Most exports under way; further ones are told to come back.
    pub exports: usize,
    /// How long the store may take for one answer.
    pub store_deadline: Duration,
}

impl ApiOptions {
    /// 128 reads in flight, 256 that wait, 4 exports, 5 s for the store.
    #[must_use]
    pub fn new(version: &'static str) -> Self {
        Self { version, in_flight: 128, waiting: 256, exports: 4, store_deadline: Duration::from_secs(5) }
    }
}

/// Answers members, reads and administration.
#[derive(Debug)]
pub struct Api {
    pub(crate) options: ApiOptions,
    pub(crate) queues: Queues,
    pub(crate) carriers: Vec<CarrierSystem>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) keys: Arc<KeyRing>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) waiting: Arc<Semaphore>,
    pub(crate) exports: Arc<Semaphore>,
    intake: Arc<Intake>,
    ids: Arc<dyn Ids>,
    reads: Admission,
}

impl Api {
    /// An api on these queues and this store that accepts through this intake.
    #[must_use]
    pub fn new(
        options: ApiOptions,
        queues: Queues,
        store: Arc<dyn Store>,
        intake: Arc<Intake>,
        keys: Arc<KeyRing>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Self {
        // Reads have no body, and a programme's is bounded by itself: no memory to share out.
        let reads = Admission::new(options.in_flight, 0);
        let waiting = Arc::new(Semaphore::new(options.waiting));
        let exports = Arc::new(Semaphore::new(options.exports));
        let carriers = Vec::new();
        Self { options, queues, carriers, store, keys, clock, waiting, exports, intake, ids, reads }
    }

    /// The same, which tells of these carriers' systems and steers them.
    #[must_use]
    pub fn with_carriers(self, carriers: Vec<CarrierSystem>) -> Self {
        Self { carriers, ..self }
    }

    /// The api's routes, framed.
    pub fn routes(self: &Arc<Self>) -> Router {
        let reads = Router::new()
            .route("/v1/programmes", get(programmes::list))
            .route("/v1/programmes/{programme_id}", put(programmes::put))
            .route("/v1/programmes/{programme_id}/members/{member_id}/days", get(members::days))
            .route("/v1/members/{member_id}/balance", get(members::balance))
            .route("/v1/members/{member_id}/claims", get(members::claims))
            .route("/v1/members/{member_id}/erase", post(erasure::erase))
            .route("/v1/claims/{claim_id}", get(claims::one))
            .route("/v1/returns", get(returns::list))
            .route("/v1/returns/collect", post(returns::collect))
            .route("/v1/returns/{return_id}", get(returns::one))
            .route("/v1/returns/{return_id}/resend", post(returns::resend))
            .route("/v1/parcels", get(parcels::list))
            .route("/v1/parcels/{carrier}/{number}", get(parcels::one))
            .route("/v1/parcels/{carrier}/{number}/check", post(parcels::check))
            .route("/v1/dead-letters", get(dead_letters::list))
            .route("/v1/dead-letters/groups", get(dead_letters::groups))
            .route("/v1/dead-letters/export", get(dead_letters::export))
            .route("/v1/dead-letters/discard", post(dead_letters::discard))
            .route("/v1/dead-letters/replays", get(dead_letters::replays).post(dead_letters::begin))
            .route("/v1/dead-letters/replays/{id}", get(dead_letters::replay).delete(dead_letters::abort))
            .route("/v1/dead-letters/{id}", get(dead_letters::one))
            .route("/v1/queues", get(queues::list))
            .route("/v1/queues/{name}", get(queues::one))
            .route("/v1/queues/{name}/pause", post(queues::pause))
            .route("/v1/queues/{name}/resume", post(queues::resume))
            .route("/v1/carriers", get(carriers::list))
            .route("/v1/carriers/{id}", get(carriers::one))
            .route("/v1/carriers/{id}/limits", post(carriers::limit))
            .route("/v1/carriers/{id}/breaker", post(carriers::breaker))
            .route("/v1/workers", get(workers::list))
            .route("/v1/workers/{id}/drain", post(workers::drain))
            .route("/v1/audit-log", get(audit_log::list))
            .route("/v1/incidents", get(incidents::list))
            .layer(middleware::from_fn_with_state(Arc::clone(self), admit));
        let routes = Router::new()
            .route("/v1/programmes/{programme_id}/check-ins", post(check_ins::post))
            .route("/v1/programmes/{programme_id}/claims", post(claims::post))
            .route("/v1/version", get(version))
            .merge(reads)
            .with_state(Arc::clone(self));
        frame::around(routes, Arc::clone(&self.ids))
    }

    /// Serves the api until `stop` is done and the requests under way have ended.
    ///
    /// # Errors
    /// When the listener is not usable.
    pub async fn serve(
        self: &Arc<Self>,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send,
    ) -> std::io::Result<()> {
        serve(listener, self.routes(), stop).await
    }

    /// Accepts one event of a member and returns its id. The permit is given back before this returns.
    pub(crate) async fn accept<D: EventData>(&self, arrival: &Arrival, data: &D) -> Result<String, Problem> {
        let permit = self.intake.admit().map_err(|busy| busy.problem(false))?;
        let id = self.ids.next().to_string();
        let event = Event::of(id.clone(), SOURCE, arrival.at, data);
        self.intake.accept(permit, arrival, vec![event]).await.map_err(|error| error.problem(false))?;
        Ok(id)
    }

    pub(crate) fn new_id(&self) -> uuid::Uuid {
        self.ids.next()
    }

    pub(crate) fn arrival(&self, headers: &HeaderMap) -> Arrival {
        Arrival::now(self.clock.as_ref(), headers)
    }
}

async fn admit(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let Some(_permit) = api.reads.enter() else {
        return Problem::new(Kind::ReducedCapacity, "Too many requests are in flight; try again.")
            .into_response();
    };
    next.run(request).await
}

async fn version(State(api): State<Arc<Api>>) -> Response {
    Json(serde_json::json!({ "name": "forebay", "version": api.options.version })).into_response()
}
