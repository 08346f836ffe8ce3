//! `POST /v1/events`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use forebay_schemas::{Direction, Event};
use tokio::time::Instant;

use crate::accept::{Accepted, Arrival, Intake};
use crate::body::{Incoming, check_encoding};
use crate::envelope_http::Mode;
use crate::keys::{Principal, Scope};
use crate::problem::{Kind, Problem};

/// The scopes of which one is needed to send anything.
const SENDERS: &[Scope] = &[Scope::EventsWrite, Scope::MembersAct];

pub(crate) async fn post_events(State(intake): State<Arc<Intake>>, request: Request) -> Response {
    let deadline = Instant::now() + intake.options.body_deadline;
    let (head, body) = request.into_parts();
    let arrival = Arrival::now(intake.clock.as_ref(), &head.headers);
    let mut incoming = Incoming::new(&head.headers, body);
    match take(&intake, &head.headers, &arrival, &mut incoming, deadline).await {
        Ok(accepted) => (StatusCode::ACCEPTED, Json(accepted)).into_response(),
        Err(problem) => {
            incoming.drain().await;
            problem.into_response()
        }
    }
}

async fn take(
    intake: &Intake,
    headers: &HeaderMap,
    arrival: &Arrival,
    incoming: &mut Incoming,
    deadline: Instant,
) -> Result<Accepted, Problem> {
    let principal = intake.keys.authenticate(headers)?;
    principal.require(SENDERS)?;
    let mode = Mode::of(headers)?;
    check_encoding(headers)?;
    let batch = mode == Mode::Batch;
    let mut permit = intake.admit().map_err(|busy| busy.problem(batch))?;
    if !permit.reserve(incoming.most_memory(mode.limits())).await {
        let detail = "Too many large bodies are in flight; try again.";
        return Err(Problem::new(Kind::ReducedCapacity, detail));
    }
    let body = incoming.read(mode.limits(), deadline).await?;
    let events = mode.decode(headers, &body).inspect_err(|problem| {
        let code = if problem.kind() == Kind::TooLarge { "too_large" } else { "undecodable" };
        intake.tally.undecodable(code);
    })?;
    drop(body);
    permitted(&principal, &events)?;
    intake.accept(permit, arrival, events).await.map_err(|error| error.problem(batch))
}

/// The key must have the scope of each event: a storefront's own events, or members' commands.
fn permitted(principal: &Principal, events: &[Event]) -> Result<(), Problem> {
    for kind in events.iter().filter_map(Event::event_type) {
        match kind.direction() {
            Direction::Inbound => principal.require(&[Scope::EventsWrite])?,
            Direction::Member => principal.require(&[Scope::MembersAct])?,
            // Nobody's; the accept path says so.
            Direction::Command | Direction::Fact => {}
        }
    }
    Ok(())
}
