//! A message as every back end carries it.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use forebay_schemas::trail::{Headers, TRACEPARENT};
use forebay_schemas::{Event, Trail};

/// A message: bytes with a few words about them. The body is what came, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// AMQP `message_id`: the event's id, or whatever the sender wrote; at most 255 bytes, perhaps empty.
    pub id: String,
    /// AMQP `type`: the event's type, perhaps empty.
    pub kind: String,
    /// AMQP `timestamp`, in whole seconds.
    pub timestamp: Option<DateTime<Utc>>,
    /// Our headers and the sender's, those whose value is text.
    pub headers: Headers,
    /// The body; a CloudEvents envelope in JSON if all is well.
    pub body: Bytes,
}

impl Message {
    /// The message that carries this event.
    #[must_use]
    pub fn of(event: &Event) -> Self {
        let mut headers = Headers::new();
        if let Some(traceparent) = &event.traceparent {
            headers.insert(TRACEPARENT.to_owned(), traceparent.clone());
        }
        Self {
            id: event.id.clone(),
            kind: event.kind.clone(),
            timestamp: event.recorded_time,
            headers,
            body: event.encode().into(),
        }
    }

    /// The message's past, read from its headers.
    #[must_use]
    pub fn trail(&self) -> Trail {
        Trail::read(&self.headers)
    }

    /// The same message with another past.
    #[must_use]
    pub fn with_trail(mut self, trail: &Trail) -> Self {
        trail.write(&mut self.headers);
        self
    }
}
