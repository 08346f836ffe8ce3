//! The accept path: checked, stamped, published, confirmed. Nothing else happens, and the store is never asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::http::HeaderMap;
use chrono::{DateTime, Utc};
use forebay_domain::{Clock, Ids};
use forebay_queue::{Message, Outgoing, PublishError, Publisher};
use forebay_schemas::{
    Catalogue, Code, Direction, Event, EventType, Queue, Refusal, Route, Violation, limits,
};
use forebay_telemetry::{Metrics, traces};
use schemars::JsonSchema;
use serde::Serialize;

use crate::admission::{Admission, Permit};
use crate::envelope_http::refused;
use crate::hooks::Hooks;
use crate::keys::KeyRing;
use crate::problem::{Kind, Problem};
use crate::tally::Tally;
use crate::trace_context;

/// How often at most the log says that the queue takes nothing, in seconds.
const COMPLAINT_SECONDS: i64 = 5;

/// The intake's bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntakeOptions {
    /// Most requests in flight; further ones are told to come back.
    pub in_flight: usize,
    /// Most memory that bodies in flight may take together, in bytes.
    pub body_bytes: usize,
    /// A body must have arrived whole by then, counted from its request's head.
    pub body_deadline: Duration,
}

impl Default for IntakeOptions {
    /// 512 requests, 32 MiB, 10 s.
    fn default() -> Self {
        Self { in_flight: 512, body_bytes: 32 * 1024 * 1024, body_deadline: Duration::from_secs(10) }
    }
}

/// Takes events in.
#[derive(Debug)]
pub struct Intake {
    pub(crate) options: IntakeOptions,
    publisher: Arc<dyn Publisher>,
    catalogue: Arc<Catalogue>,
    pub(crate) keys: Arc<KeyRing>,
    pub(crate) hooks: Hooks,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) tally: Tally,
    admission: Admission,
    complained_at: AtomicI64,
}

/// When a request came, and the trace that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Our clock when the request's head had been read.
    pub at: DateTime<Utc>,
    /// The W3C trace context of what is done for the request; where nobody records that, the request's own, if it
    /// has a valid one.
    pub traceparent: Option<String>,
}

impl Arrival {
    /// An arrival now, with the trace context of these headers.
    #[must_use]
    pub fn now(clock: &dyn Clock, headers: &HeaderMap) -> Self {
        Self { at: clock.now(), traceparent: traces::current().or_else(|| trace_context::of(headers)) }
    }
}

/// Who an accepted event is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Identity {
    /// The event's id.
    pub id: String,
    /// The event's source.
    pub source: String,
}

/// Events that are durably stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Accepted {
    /// How many.
    pub accepted: usize,
    /// Each, in the order in which they came.
    pub events: Vec<Identity>,
}

/// Why events were not accepted. All or nothing: none of them counts as accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AcceptError {
    /// As many requests as may be are in flight.
    #[error("too many requests are in flight")]
    Busy,
    /// Some can't be taken, by their index.
    #[error("{} events are refused", .0.len())]
    Refused(Vec<(usize, Refusal)>),
    /// Some could not be stored, or it is not known whether they were. All can be sent again under the same identities.
    #[error("{failed} of {all} events are not known to be stored")]
    NotStored {
        /// How many are not known to be stored.
        failed: usize,
        /// Of how many.
        all: usize,
    },
}

impl AcceptError {
    /// The problem to answer. In a batch, pointers begin with the event's index.
    #[must_use]
    pub fn problem(self, batch: bool) -> Problem {
        match self {
            Self::Busy => Problem::new(Kind::ReducedCapacity, "Too many requests are in flight; try again."),
            Self::Refused(refusals) => {
                refused(refusals.into_iter().map(|(index, r)| (batch.then_some(index), r)).collect())
            }
            Self::NotStored { .. } => Problem::new(
                Kind::ReducedCapacity,
                "The queue did not take everything; send all of it again: the same ids are never counted twice.",
            ),
        }
    }
}

impl Intake {
    /// An intake that publishes to `publisher`.
    #[must_use]
    pub fn new(
        options: IntakeOptions,
        publisher: Arc<dyn Publisher>,
        catalogue: Arc<Catalogue>,
        keys: Arc<KeyRing>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        metrics: Metrics,
    ) -> Self {
        let admission = Admission::new(options.in_flight, options.body_bytes);
        let tally = Tally::new(metrics);
        let complained_at = AtomicI64::new(i64::MIN);
        let hooks = Hooks::default();
        Self { options, publisher, catalogue, keys, hooks, clock, ids, tally, admission, complained_at }
    }

    /// The same intake, which takes these pushes as well.
    #[must_use]
    pub fn with_hooks(self, hooks: Hooks) -> Self {
        Self { hooks, ..self }
    }

    /// How many more requests could be in flight now.
    #[must_use]
    pub fn free(&self) -> usize {
        self.admission.free()
    }

    /// A permit to accept; it counts against the requests in flight until it is dropped.
    ///
    /// # Errors
    /// [`AcceptError::Busy`].
    pub fn admit(&self) -> Result<Permit, AcceptError> {
        self.admission.enter().ok_or(AcceptError::Busy)
    }

    /// Checks, stamps and publishes events, and returns when each is confirmed. Whatever `recordedtime` they bring
    /// is replaced by the arrival's; a trace context that is missing or not valid is replaced as well. The permit
    /// ends with the call.
    ///
    /// # Errors
    /// [`AcceptError::Refused`] or [`AcceptError::NotStored`]. Safe to repeat.
    pub async fn accept(
        &self,
        permit: Permit,
        arrival: &Arrival,
        mut events: Vec<Event>,
    ) -> Result<Accepted, AcceptError> {
        let kinds = self.check(&events)?;
        self.stamp(&mut events, arrival);
        self.store(permit, &events, &kinds, kinds.iter().map(|kind| Route::inbound(*kind))).await?;
        let events: Vec<Identity> =
            events.into_iter().map(|event| Identity { id: event.id, source: event.source }).collect();
        Ok(Accepted { accepted: events.len(), events })
    }

    /// Stamps and publishes a command of ours, and returns when it is confirmed. The permit ends with the call.
    pub(crate) async fn accept_command(
        &self,
        permit: Permit,
        arrival: &Arrival,
        event: Event,
        kind: EventType,
        queue: Queue,
    ) -> Result<(), AcceptError> {
        let mut events = [event];
        self.stamp(&mut events, arrival);
        self.store(permit, &events, &[kind], [Route::Work(queue)]).await
    }

    async fn store(
        &self,
        permit: Permit,
        events: &[Event],
        kinds: &[EventType],
        routes: impl IntoIterator<Item = Route>,
    ) -> Result<(), AcceptError> {
        let outgoing = self.messages(events, routes)?;
        let results = self.publisher.publish(outgoing).await;
        drop(permit);
        self.judge(kinds, &results)
    }

    fn check(&self, events: &[Event]) -> Result<Vec<EventType>, AcceptError> {
        let mut kinds = Vec::with_capacity(events.len());
        let mut refusals = Vec::new();
        for (index, event) in events.iter().enumerate() {
            match self.check_one(event) {
                Ok(kind) => kinds.push(kind),
                Err(refusal) => {
                    self.tally.refused(Some(event), &refusal);
                    refusals.push((index, refusal));
                }
            }
        }
        if refusals.is_empty() { Ok(kinds) } else { Err(AcceptError::Refused(refusals)) }
    }

    fn check_one(&self, event: &Event) -> Result<EventType, Refusal> {
        if let Some(kind) = event.event_type() {
            if matches!(kind.direction(), Direction::Command | Direction::Fact) {
                return Err(Refusal::one(
                    Code::Rejected,
                    "/type",
                    "is Forebay's own; nobody else may send it",
                ));
            }
            self.catalogue.check(event)?;
            return Ok(kind);
        }
        Err(Refusal::one(Code::UnknownType, "/type", "is not in the catalogue"))
    }

    fn stamp(&self, events: &mut [Event], arrival: &Arrival) {
        let mut begun: Option<String> = None;
        for event in events {
            event.recorded_time = Some(arrival.at);
            if !event.traceparent.as_deref().is_some_and(trace_context::is_valid) {
                let inherited = arrival.traceparent.clone();
                let begin = || begun.get_or_insert_with(|| trace_context::begin(self.ids.as_ref())).clone();
                event.traceparent = Some(inherited.unwrap_or_else(begin));
            }
        }
    }

    /// The messages to publish. Stamps make an event longer, and a reader takes none above the limit.
    fn messages(
        &self,
        events: &[Event],
        routes: impl IntoIterator<Item = Route>,
    ) -> Result<Vec<Outgoing>, AcceptError> {
        let mut refusals = Vec::new();
        let mut outgoing = Vec::with_capacity(events.len());
        for (index, (event, route)) in events.iter().zip(routes).enumerate() {
            let message = Message::of(event);
            if message.body.len() > limits::EVENT_BYTES {
                let detail = format!("has {} bytes with our stamps", message.body.len());
                let refusal = Refusal::one(Code::TooLarge, "", detail);
                self.tally.refused(Some(event), &refusal);
                refusals.push((index, refusal));
            }
            outgoing.push(Outgoing { route, message });
        }
        if refusals.is_empty() { Ok(outgoing) } else { Err(AcceptError::Refused(refusals)) }
    }

    fn judge(&self, kinds: &[EventType], results: &[Result<(), PublishError>]) -> Result<(), AcceptError> {
        let mut failed = 0;
        let mut too_large = Vec::new();
        for (index, kind) in kinds.iter().enumerate() {
            // A fate that the publisher did not tell is not a confirm.
            match results.get(index).unwrap_or(&Err(PublishError::Unknown)) {
                Ok(()) => continue,
                Err(PublishError::TooLarge(_)) => {
                    let detail = format!("does not fit into a message; {} bytes do", limits::EVENT_BYTES);
                    let violations = vec![Violation::new("", detail)];
                    too_large.push((index, Refusal { code: Code::TooLarge, violations }));
                }
                Err(error) => self.complain(error),
            }
            failed += 1;
            self.tally.not_stored(*kind);
        }
        if !too_large.is_empty() {
            return Err(AcceptError::Refused(too_large));
        }
        if failed > 0 {
            return Err(AcceptError::NotStored { failed, all: kinds.len() });
        }
        kinds.iter().for_each(|kind| self.tally.accepted(*kind));
        Ok(())
    }

    /// Says that the queue takes nothing, but not once for each event of a burst.
    fn complain(&self, error: &PublishError) {
        let now = self.clock.now().timestamp();
        let last = self.complained_at.load(Ordering::Relaxed);
        let due = now >= last.saturating_add(COMPLAINT_SECONDS);
        if due && self.complained_at.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            tracing::warn!(%error, "events could not be stored; their senders were told to repeat them");
        }
    }
}
