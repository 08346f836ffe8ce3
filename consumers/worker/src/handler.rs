//! What a handler is.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::Outcome;
use forebay_queue::Message;
use forebay_schemas::{Code, Digest, Event, Payload, Trail};

/// How messages are handed to a handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Most messages at once; at least 1.
    pub batch: usize,
    /// How long a batch waits to fill after its first message.
    pub linger: Duration,
    /// Batches in the handler's hands at once; at least 1.
    pub concurrency: usize,
    /// How long the handler may take for one batch.
    pub deadline: Duration,
}

/// A handler that can't answer message by message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// What every message needs is away (the store). The harness holds the batch and tries again, without cost, for
    /// as long as it takes.
    #[error("{0}")]
    Unavailable(String),
    /// The batch failed as a whole. The harness tries its messages one by one; one that fails alone is retried under
    /// this code.
    #[error("{code}: {error}")]
    Failed {
        /// Why.
        code: Code,
        /// In words, without secrets or personal data.
        error: String,
    },
}

/// An event in a handler's hands.
#[derive(Debug, Clone)]
pub struct Inbound {
    /// The envelope.
    pub event: Event,
    /// Its data.
    pub payload: Payload,
    /// Tells a repeat from a reused identity.
    pub digest: Digest,
    /// Its past.
    pub trail: Trail,
    /// When we took it: the intake's stamp, else the sender's AMQP time stamp, else the first time a worker held it.
    pub received_at: DateTime<Utc>,
}

/// Handles the events of one queue. What it writes, it writes with the inbox row of each event in one transaction.
#[async_trait]
pub trait Handler: Send + Sync + std::fmt::Debug + 'static {
    /// How events are handed to it.
    fn shape(&self) -> Shape;

    /// Handles a batch: answer `i` is for event `i`.
    async fn handle(&self, batch: Vec<Inbound>) -> Result<Vec<Outcome>, Failure>;
}

/// A message in a worker's hands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// As it came. What its headers tell of its past may be older than [`Self::trail`].
    pub message: Message,
    /// Its past, this delivery included.
    pub trail: Trail,
}

impl Received {
    /// A message whose past is what its headers tell.
    #[must_use]
    pub fn of(message: Message) -> Arc<Self> {
        let trail = message.trail();
        Arc::new(Self { message, trail })
    }
}

/// Handles messages as they came, decodable or not.
#[async_trait]
pub trait RawHandler: Send + Sync + std::fmt::Debug + 'static {
    /// How messages are handed to it.
    fn shape(&self) -> Shape;

    /// Handles a batch: answer `i` is for message `i`. `now` is when the harness took it.
    async fn handle(&self, batch: Vec<Arc<Received>>, now: DateTime<Utc>) -> Result<Vec<Outcome>, Failure>;
}
