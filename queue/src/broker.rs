//! A back end as a whole.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_schemas::{Queue, Topology};

use crate::consumer::{ConsumeOptions, Consumer};
use crate::publisher::Publisher;

/// How the link to the back end is at present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// Usable.
    Up,
    /// Connected, but the back end takes no publishes (memory or disk alarm).
    Blocked(String),
    /// Not connected; it is tried again and again.
    Down(String),
}

/// How full a queue is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Depth {
    /// Messages that could be delivered now.
    pub ready: u64,
    /// Messages delivered and not settled; `None` when the back end does not tell.
    pub unsettled: Option<u64>,
    /// When the oldest waiting message came in; `None` when empty or when the back end does not tell.
    pub oldest: Option<DateTime<Utc>>,
    /// Consumers on the queue; `None` when the back end does not tell.
    pub consumers: Option<u32>,
}

/// Why the back end could not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrokerError {
    /// Not reachable at present.
    #[error("the queue back end is not available: {0}")]
    Unavailable(String),
    /// The queues are not declared as this release needs them; the text says how to mend it.
    #[error("{0}")]
    Topology(String),
    /// The address, the credentials or the rights are wrong; trying again will not help.
    #[error("{0}")]
    Refused(String),
}

/// A queue back end.
#[async_trait]
pub trait Broker: Send + Sync + std::fmt::Debug {
    /// The publisher; all callers share it.
    fn publisher(&self) -> Arc<dyn Publisher>;

    /// A new consumer of a queue. Returns at once; it connects by itself.
    fn consume(&self, queue: Queue, options: ConsumeOptions) -> Arc<dyn Consumer>;

    /// How full a queue is.
    async fn depth(&self, queue: &Queue) -> Result<Depth, BrokerError>;

    /// Declares everything of the topology that is missing, and the marker that names it. Safe to repeat.
    async fn declare(&self, topology: &Topology) -> Result<(), BrokerError>;

    /// Checks that the marker of this topology is there.
    async fn check(&self, topology: &Topology) -> Result<(), BrokerError>;

    /// What declaring would do, one line an object, for people: `queue forebay.returns (quorum, …)`.
    fn plan(&self, topology: &Topology) -> Vec<String>;

    /// How the link is at present; never blocks.
    fn link(&self) -> Link;

    /// Closes consumers and connections after what is under way.
    async fn close(&self);
}
