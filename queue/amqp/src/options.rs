//! Where the broker is and how it is used.

use std::time::Duration;

use crate::address::Address;

/// How the broker is used; everything but the addresses has a default that is meant for production.
#[derive(Debug, Clone)]
pub struct Options {
    /// The nodes of the broker; tried in random order. At least one.
    pub addresses: Vec<Address>,
    /// What the connections are called in the broker's own listings, e.g. `forebay/work`.
    pub connection_name: String,
    /// Channels that publish, each with one message in flight; at least 1.
    pub publish_channels: u16,
    /// How long a batch waits for its confirms.
    pub publish_deadline: Duration,
    /// Heartbeat, in whole seconds; a connection that is silent for twice this long is dead. An address that
    /// names a heartbeat of its own wins.
    pub heartbeat: Duration,
    /// How long one attempt to connect may take, handshake included.
    pub connect_timeout: Duration,
    /// Bytes of bodies that a consumer may hold before it stops fetching, until half of them are settled. What was
    /// on its way by then still comes, so the bound is prefetch × the largest body that the broker takes.
    pub held_bytes: usize,
    /// When a consumer that gets nothing is set up anew.
    pub stall: StallOptions,
    /// How the queues are declared.
    pub topology: TopologyOptions,
}

/// When a consumer that gets nothing is set up anew: its queue was seen not empty at every look, for this long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StallOptions {
    /// How often a silent consumer looks at its queue.
    pub look: Duration,
    /// Silence over a queue that is not empty after which the subscription is given up.
    pub silence: Duration,
}

impl Default for StallOptions {
    fn default() -> Self {
        Self { look: Duration::from_secs(10), silence: Duration::from_secs(30) }
    }
}

impl Options {
    /// The defaults, for these nodes.
    #[must_use]
    pub fn new(addresses: Vec<Address>, connection_name: impl Into<String>) -> Self {
        Self {
            addresses,
            connection_name: connection_name.into(),
            publish_channels: 32,
            publish_deadline: Duration::from_secs(5),
            heartbeat: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            held_bytes: 32 * 1024 * 1024,
            stall: StallOptions::default(),
            topology: TopologyOptions::default(),
        }
    }
}

/// How the queues are declared. All roles of an installation must agree: it is part of the topology's hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopologyOptions {
    /// How often the broker delivers a message of a work queue again before it moves it to `forebay.dead`.
    pub delivery_limit: u32,
}

impl Default for TopologyOptions {
    fn default() -> Self {
        Self { delivery_limit: 20 }
    }
}
