//! `POST /hooks/carriers/{system}/{token}`.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use forebay_schemas::events::ParcelPushed;
use forebay_schemas::{Event, EventType, Queue, limits};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::accept::{AcceptError, Arrival, Intake};
use crate::body::{BodyLimits, Incoming};
use crate::hooks::{Hook, HookFault, Pushed};
use crate::problem::{Kind, Problem};

/// A system that is not known is counted under this name: a label never repeats what was sent.
const UNKNOWN: &str = "unknown";
const LIMITS: BodyLimits = BodyLimits { sent: limits::PUSH_BYTES, inflated: limits::PUSH_BYTES };

pub(crate) async fn post_push(
    State(intake): State<Arc<Intake>>,
    Path((system, token)): Path<(String, String)>,
    request: Request,
) -> Response {
    let deadline = Instant::now() + intake.options.body_deadline;
    let (head, body) = request.into_parts();
    let arrival = Arrival::now(intake.clock.as_ref(), &head.headers);
    let mut incoming = Incoming::new(&head.headers, body);
    let Some(hook) = intake.hooks.at(&system, &token) else {
        intake.tally.push(UNKNOWN, "no_such_hook");
        incoming.drain().await;
        return Problem::nothing_here().into_response();
    };
    match take(&intake, hook.as_ref(), &head.headers, &arrival, &mut incoming, deadline).await {
        Ok(()) => {
            intake.tally.push(hook.system().as_str(), "taken");
            StatusCode::ACCEPTED.into_response()
        }
        Err((problem, why)) => {
            if let Some(why) = why {
                intake.tally.push(hook.system().as_str(), why);
            }
            incoming.drain().await;
            problem.into_response()
        }
    }
}

/// A problem to answer, and its word in the metrics if it has one.
type Refused = (Problem, Option<&'static str>);

async fn take(
    intake: &Intake,
    hook: &dyn Hook,
    headers: &HeaderMap,
    arrival: &Arrival,
    incoming: &mut Incoming,
    deadline: Instant,
) -> Result<(), Refused> {
    if headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        // What is signed are the bytes as they came.
        return Err((Problem::new(Kind::UnsupportedMediaType, "The body may not be encoded."), None));
    }
    let mut permit = intake.admit().map_err(|busy| (busy.problem(false), Some("not_stored")))?;
    if !permit.reserve(incoming.most_memory(LIMITS)).await {
        let detail = "Too many large bodies are in flight; try again.";
        return Err((Problem::new(Kind::ReducedCapacity, detail), Some("not_stored")));
    }
    let body = incoming.read(LIMITS, deadline).await.map_err(|problem| {
        let why = (problem.kind() == Kind::TooLarge).then_some("too_large");
        (problem, why)
    })?;
    let pushed = hook.take(headers, &body, arrival.at).map_err(|fault| {
        // Neither the body nor the address: one may be personal, the other one is a secret.
        tracing::warn!(system = %hook.system(), %fault, "a push is refused");
        (told(fault), Some(fault.as_str()))
    })?;
    let event = command(hook, pushed, &body, arrival);
    drop(body);
    let (kind, queue) = (EventType::ParcelPushed, Queue::Pushes);
    intake.accept_command(permit, arrival, event, kind, queue).await.map_err(|error| {
        let why = match error {
            AcceptError::Refused(_) => "too_large",
            AcceptError::Busy | AcceptError::NotStored { .. } => "not_stored",
        };
        (error.problem(false), Some(why))
    })
}

fn command(hook: &dyn Hook, pushed: Pushed, body: &[u8], arrival: &Arrival) -> Event {
    let system = hook.system();
    let data = ParcelPushed::new(system.clone(), pushed.headers, body);
    Event::of(id(&pushed.key), &format!("/forebay/pushes/{system}"), arrival.at, &data)
}

/// The event's id: the sender's own where it can be one.
fn id(key: &str) -> String {
    let fits = (1..=limits::ID_CHARS).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
    if fits {
        key.to_owned()
    } else {
        Sha256::digest(key.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
    }
}

fn told(fault: HookFault) -> Problem {
    let kind = match fault {
        HookFault::Unsigned | HookFault::WrongSignature => Kind::InvalidSignature,
        HookFault::Unreadable(_) => Kind::InvalidRequest,
    };
    Problem::new(kind, fault.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_does_not_fit_an_event_is_told_by_its_hash() {
        assert_eq!(id("evt_1"), "evt_1");
        for key in ["", "has a space", "\u{e9}", &"x".repeat(129)] {
            assert_eq!(id(key).len(), 64, "{key:?}");
        }
        assert_ne!(id("a b"), id("a c"));
    }
}
