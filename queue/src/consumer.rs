//! Taking messages out, and saying what became of each.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_schemas::Tier;

use crate::message::Message;

/// How a queue is consumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsumeOptions {
    /// Most messages held unsettled by this consumer; at least 1. The memory bound is this × the largest body.
    pub prefetch: u16,
}

/// Names one delivery to one consumer. Worth nothing after a reconnect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Receipt {
    /// The connection, channel or lease under which it was delivered.
    pub epoch: u64,
    /// The delivery within it.
    pub tag: u64,
}

/// A message in our hands, to be settled exactly once.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The message.
    pub message: Message,
    /// How to settle it.
    pub receipt: Receipt,
    /// It was delivered before and not settled: whoever held it may have crashed on it.
    pub redelivered: bool,
    /// How often it was delivered before, as the back end counts.
    pub delivery_count: u32,
    /// When it came into this queue, if the back end knows.
    pub enqueued_at: Option<DateTime<Utc>>,
}

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// Done with: remove it.
    Ack,
    /// Remove it here and put this copy (same body, new headers) into the tier, from which it returns to this
    /// queue. The copy is stored before the original is removed.
    Delay(Tier, Message),
    /// Remove it here and put this copy into `forebay.dead`. The copy is stored before the original is removed.
    DeadLetter(Message),
    /// Give it back untouched, to be delivered again. Only for stopping and for culprit isolation.
    Return,
}

/// The delivery is no longer ours: the message will come again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the delivery was lost before it was settled: {0}")]
pub struct Lost(pub String);

/// Takes messages out of one queue. Reconnects by itself, for ever.
#[async_trait]
pub trait Consumer: Send + Sync + std::fmt::Debug {
    /// Waits for messages and returns 1 to `most` of them: as soon as `most` are there, or `linger` after the first
    /// one. Waits for ever when there are none; an empty answer means that the consumer was closed. Cancel-safe:
    /// nothing that was delivered is forgotten when the future is dropped. One caller at a time.
    async fn receive(&self, most: usize, linger: Duration) -> Vec<Delivery>;

    /// Settles deliveries, pipelined; result `i` is for item `i`. May be called from many tasks at once. A
    /// settlement that needs a copy stored first (delay, dead letter) waits while the back end can't take it, and
    /// the delivery stays unsettled meanwhile; it fails with [`Lost`] only when the delivery is gone, and then the
    /// message will be delivered again.
    async fn settle(&self, items: Vec<(Receipt, Settlement)>) -> Vec<Result<(), Lost>>;

    /// Why this consumer has got nothing for long though messages wait in its queue; `None` when all is well. It is
    /// set up anew meanwhile; the reason stays until something is delivered or nothing waits any more. Never blocks.
    fn stalled(&self) -> Option<String> {
        None
    }

    /// Stops taking messages; what is held stays held and can be settled. Waiting `receive` calls go on waiting.
    async fn pause(&self);

    /// Takes messages again.
    async fn resume(&self);

    /// What was delivered and never received, as if it were received now, paused or not: to be settled. More may be
    /// on its way just after a pause. Nothing once closed.
    fn unreceived(&self) -> Vec<Delivery>;

    /// Stops taking, gives back what was delivered and never received, and makes `receive` return empty. What was
    /// received can still be settled until the consumer is dropped.
    async fn close(&self);
}
