//! The queue contract on RabbitMQ (lapin), 3.10 and 4.x.
//!
//! Two connections, each owned by a supervisor of its own (module `link`): one publishes, one consumes and
//! declares, so that a broker that takes no publishes (memory or disk alarm) still takes our acknowledgements.
//! lapin's own recovery is off: it leaves consumers behind that never get a message again.
//!
//! Publishing uses a pool of channels in confirm mode with **one publish in flight on each** (module `pool`):
//! lapin pairs confirms and returned messages with publishes by order, and mispairs them when a channel is shared
//! or pipelined; a message would be reported stored that was not. Consuming uses a channel a consumer (module
//! `subscription`), thrown away whenever anything about it goes wrong.

mod address;
mod backoff;
mod broker;
mod consumer;
mod declaration;
mod delivery;
mod dial;
#[cfg(test)]
mod hostile;
mod intake;
mod link;
mod options;
mod outgoing;
mod pool;
mod publisher;
mod settlement;
mod shelf;
mod stall;
mod stats;
mod subscription;
mod topology;
mod unsettled;
mod users;
mod waiting;

pub use address::{Address, InvalidAddress};
pub use broker::AmqpBroker;
pub use options::{Options, StallOptions, TopologyOptions};
pub use stats::{Figures, Stats};
pub use users::{USERS, User};
