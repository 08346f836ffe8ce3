//! The archive: drains `forebay.dead` and `forebay.unrouted` into the store, byte for byte.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::dead_letter::terms;
use forebay_domain::{Clock, Outcome};
use forebay_schemas::trail::bounded;
use forebay_schemas::{Code, EventType, Queue, Trail, limits};
use forebay_store::{NewDeadLetter, Store};
use forebay_telemetry::Metrics;
use forebay_worker::{Failure, Message, RawHandler, Received, Shape};
use sha2::{Digest as _, Sha256};

use crate::answers;
use crate::revival::Identified;

/// Archives what died.
#[derive(Debug)]
pub struct Archive {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    queue: Queue,
}

impl Archive {
    /// Drains `queue` ([`Queue::Dead`] or [`Queue::Unrouted`]) into this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, metrics: Metrics, queue: Queue) -> Self {
        Self { store, clock, metrics, queue }
    }

    fn letter(&self, received: Received) -> NewDeadLetter {
        let Received { mut message, trail } = received;
        trail.write(&mut message.headers);
        let Identified { event, message_id, key } = Identified::of(&message);
        let code = trail.code.unwrap_or(match (&self.queue, &event) {
            (Queue::Unrouted, Some(event)) if event.event_type().is_none() => Code::UnknownType,
            (Queue::Unrouted, _) => Code::Unrouted,
            // The broker itself gave up on it: it was delivered again and again and never settled.
            _ => Code::CrashLoop,
        });
        let error = trail.error.clone().unwrap_or_else(|| self.reason(code, &message));
        let kind =
            if message.kind.is_empty() { event.as_ref().map_or("", |e| &e.kind) } else { &message.kind };
        let kind = bounded(kind, limits::ID_CHARS);
        let queue = bounded(trail.queue.as_deref().unwrap_or(&self.queue.to_string()), limits::ID_CHARS);
        NewDeadLetter {
            key,
            copy: self.copy(&message, &trail),
            terms: terms::of_letter(&message_id, event.as_ref(), &error),
            message_id,
            source: event.as_ref().map(|e| e.source.clone()),
            subject: event.and_then(|e| e.subject),
            kind,
            queue,
            code,
            error,
            attempts: trail.attempts,
            first_seen: trail.first_seen,
            sent_at: message.timestamp,
            replay: trail.replay,
            letter: trail.letter,
            headers: message.headers,
            body: message.body.to_vec(),
        }
    }

    /// Tells this delivery of the message, however often it is archived, from other copies of it. What no queue took
    /// was first held by the archive itself, at another time each time.
    fn copy(&self, message: &Message, trail: &Trail) -> [u8; 32] {
        let mut trail = trail.clone();
        if self.queue == Queue::Unrouted {
            trail.first_seen = None;
        }
        let mut headers = message.headers.clone();
        trail.write(&mut headers);
        let mut hash = Sha256::new();
        hash.update(&message.body);
        for (name, value) in &headers {
            hash.update(format!("\n{name}\n{value}"));
        }
        hash.finalize().into()
    }

    fn reason(&self, code: Code, message: &Message) -> String {
        match code {
            Code::Unrouted | Code::UnknownType => {
                let known: Option<EventType> = message.kind.parse().ok();
                let why = if known.is_some() { "this way" } else { "of this type" };
                format!("no queue takes messages {why}")
            }
            _ => "the broker gave up on it after too many deliveries".to_owned(),
        }
    }
}

#[async_trait]
impl RawHandler for Archive {
    fn shape(&self) -> Shape {
        let linger = Duration::from_millis(50);
        Shape { batch: 200, linger, concurrency: 1, deadline: Duration::from_secs(60) }
    }

    async fn handle(&self, batch: Vec<Arc<Received>>, _now: DateTime<Utc>) -> Result<Vec<Outcome>, Failure> {
        let count = batch.len();
        let letters = batch.into_iter().map(|received| self.letter(Arc::unwrap_or_clone(received))).collect();
        // A dead letter has nowhere else to go: whatever the store's trouble is, it is waited out.
        let archived = self
            .store
            .archive(letters, self.clock.now())
            .await
            .map_err(|error| Failure::Unavailable(answers::failure(error).to_string()))?;
        self.metrics.replays.with_label_values(&["failed"]).inc_by(u64::from(archived.replayed));
        Ok(vec![Outcome::Done; count])
    }
}
