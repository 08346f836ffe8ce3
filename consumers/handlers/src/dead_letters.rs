//! The archive: drains `forebay.dead` and `forebay.unrouted` into the store, byte for byte.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::{Clock, Outcome, dead_letter};
use forebay_schemas::trail::bounded;
use forebay_schemas::{Code, Event, EventType, Queue, limits};
use forebay_store::{NewDeadLetter, Store};
use forebay_worker::Message;
use forebay_worker::{Failure, RawHandler, Shape};
use sha2::{Digest as _, Sha256};

use crate::answers;

/// Archives what died.
#[derive(Debug)]
pub struct Archive {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    queue: Queue,
}

impl Archive {
    /// Drains `queue` ([`Queue::Dead`] or [`Queue::Unrouted`]) into this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, queue: Queue) -> Self {
        Self { store, clock, queue }
    }

    fn letter(&self, message: Message) -> NewDeadLetter {
        let trail = message.trail();
        let event = Event::decode(&message.body).ok();
        let code = trail.code.unwrap_or(match (&self.queue, &event) {
            (Queue::Unrouted, Some(event)) if event.event_type().is_none() => Code::UnknownType,
            (Queue::Unrouted, _) => Code::Unrouted,
            // The broker itself gave up on it: it was delivered again and again and never settled.
            _ => Code::CrashLoop,
        });
        let error = trail.error.unwrap_or_else(|| self.reason(code, &message));
        let kind =
            if message.kind.is_empty() { event.as_ref().map_or("", |e| &e.kind) } else { &message.kind };
        let kind = bounded(kind, limits::ID_CHARS);
        let queue = bounded(trail.queue.as_deref().unwrap_or(&self.queue.to_string()), limits::ID_CHARS);
        let mut key = Sha256::new();
        key.update((message.body.len() as u64).to_be_bytes());
        key.update(&message.body);
        for (name, value) in &message.headers {
            key.update(format!("{name}\n{value}\n"));
        }
        key.update(&message.id);
        NewDeadLetter {
            key: key.finalize().into(),
            fingerprint: dead_letter::fingerprint(code, &kind, &queue, &error),
            message_id: if message.id.is_empty() {
                event.as_ref().map(|e| e.id.clone()).unwrap_or_default()
            } else {
                message.id
            },
            source: event.as_ref().map(|e| e.source.clone()),
            subject: event.and_then(|e| e.subject),
            kind,
            queue,
            code,
            error,
            attempts: trail.attempts,
            first_seen: trail.first_seen,
            headers: message.headers,
            body: message.body.to_vec(),
        }
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

    async fn handle(&self, batch: Vec<Message>, _now: DateTime<Utc>) -> Result<Vec<Outcome>, Failure> {
        let count = batch.len();
        let letters = batch.into_iter().map(|message| self.letter(message)).collect();
        // A dead letter has nowhere else to go: whatever the store's trouble is, it is waited out.
        self.store
            .archive(letters, self.clock.now())
            .await
            .map_err(|error| Failure::Unavailable(answers::failure(error).to_string()))?;
        Ok(vec![Outcome::Done; count])
    }
}
