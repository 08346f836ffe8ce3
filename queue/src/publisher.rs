//! Publishing that tells the truth.

use async_trait::async_trait;
use forebay_schemas::Route;

use crate::message::Message;

/// A message and where it is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Where to.
    pub route: Route,
    /// What.
    pub message: Message,
}

/// Why a message is not known to be stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The back end is not reachable or takes nothing at present; nothing was stored by this call.
    #[error("the queue is not available: {0}")]
    Unavailable(String),
    /// No answer came in time: it may or may not be stored. Publish it again under the same identity.
    #[error("no confirm came in time; the message may or may not be stored")]
    Unknown,
    /// The back end refused it, e.g. because the queue is full. Try later.
    #[error("the queue refused the message")]
    Refused,
    /// No queue takes this route: the topology is not what it should be.
    #[error("no queue takes {0}; run `forebay topology apply` of this release")]
    Unroutable(String),
    /// The message is too large or its names are too long for the back end. It will never fit.
    #[error("the message does not fit: {0}")]
    TooLarge(String),
}

impl PublishError {
    /// Publishing again later may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        !matches!(self, Self::TooLarge(_))
    }
}

/// Puts messages into queues.
#[async_trait]
pub trait Publisher: Send + Sync + std::fmt::Debug {
    /// Publishes all messages, pipelined, and returns when the fate of each is known or the deadline (5 s) is over.
    /// Result `i` is the fate of message `i`: `Ok` only when it is durably stored (confirmed). One failing message
    /// does not fail its neighbours. An event that no queue is bound for is stored in `forebay.unrouted` and is
    /// `Ok`; a fact that nobody listens to is `Ok` and gone. Order is not kept, not even within one call: no back
    /// end promises it.
    ///
    /// Dropping the future leaves the fate of each message unknown, and harms nothing else.
    async fn publish(&self, batch: Vec<Outgoing>) -> Vec<Result<(), PublishError>>;

    /// How many publishes the back end has answered so far, of all callers and whatever the answer. When it stands
    /// still while a publish waits, the back end is silent; `0` for ever where nobody counts.
    fn answers(&self) -> u64 {
        0
    }
}
