//! The api as a whole: what it needs, how it accepts, its server.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::HeaderMap;
use chrono_tz::Tz;
use forebay_domain::outbox::SOURCE;
use forebay_domain::{Clock, Ids};
use forebay_intake::{Admission, Arrival, Intake, KeyRing, Problem, frame, serve};
use forebay_schemas::{CarrierCode, Event, EventData, TrackingNumber};
use forebay_store::Store;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::carriers::CarrierSystem;
use crate::lookout::Lookout;
use crate::member_tokens::MemberTokens;
use crate::queues::Queues;
use crate::routes;

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
    /// After how many days a granted product that was not shipped is overdue.
    pub unshipped_after_days: u32,
    /// The shop has a returns API to collect from.
    pub collects: bool,
    /// The shop's zone, in which its days begin.
    pub tz: Tz,
}

impl ApiOptions {
    /// 128 reads in flight, 256 that wait, 4 exports, 5 s for the store, 7 days to ship.
    #[must_use]
    pub fn new(version: &'static str) -> Self {
        let store_deadline = Duration::from_secs(5);
        Self {
            version,
            in_flight: 128,
            waiting: 256,
            exports: 4,
            store_deadline,
            unshipped_after_days: 7,
            collects: true,
            tz: Tz::UTC,
        }
    }
}

/// A parcel's number as its carrier writes it, or why it can't be one of its numbers.
pub type NumberRule = fn(&CarrierCode, &TrackingNumber) -> Result<TrackingNumber, String>;

fn as_it_is(_: &CarrierCode, number: &TrackingNumber) -> Result<TrackingNumber, String> {
    Ok(number.clone())
}

/// Answers members, reads and administration.
#[derive(Debug)]
pub struct Api {
    pub(crate) options: ApiOptions,
    pub(crate) queues: Queues,
    pub(crate) lookout: Arc<Lookout>,
    pub(crate) carriers: Vec<CarrierSystem>,
    pub(crate) numbers: NumberRule,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) keys: Arc<KeyRing>,
    pub(crate) members: MemberTokens,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) waiting: Arc<Semaphore>,
    pub(crate) exports: Arc<Semaphore>,
    intake: Arc<Intake>,
    ids: Arc<dyn Ids>,
    pub(crate) reads: Admission,
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
        let lookout = Arc::new(Lookout::alone(queues.clone(), Arc::clone(&store), Arc::clone(&clock)));
        let members = MemberTokens::none(Arc::clone(&clock));
        Self {
            options,
            queues,
            lookout,
            carriers,
            numbers: as_it_is,
            store,
            keys,
            members,
            clock,
            waiting,
            exports,
            intake,
            ids,
            reads,
        }
    }

    /// The same, which takes only numbers that pass this rule.
    #[must_use]
    pub fn with_numbers(self, numbers: NumberRule) -> Self {
        Self { numbers, ..self }
    }

    /// The same, which tells of these carriers' systems and steers them.
    #[must_use]
    pub fn with_carriers(self, carriers: Vec<CarrierSystem>) -> Self {
        Self { carriers, ..self }
    }

    /// The same, which tells what this lookout sees.
    #[must_use]
    pub fn with_lookout(self, lookout: Arc<Lookout>) -> Self {
        Self { lookout, ..self }
    }

    /// The same, which knows members by their tokens.
    #[must_use]
    pub fn with_members(self, members: MemberTokens) -> Self {
        Self { members, ..self }
    }

    /// Whether the keys of members' tokens are to be had.
    #[must_use]
    pub fn member_keys(&self) -> crate::member_tokens::KeyHealth {
        self.members.health()
    }

    /// The api's routes, framed.
    pub fn routes(self: &Arc<Self>) -> Router {
        frame::around(routes::router(self), Arc::clone(&self.ids))
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
