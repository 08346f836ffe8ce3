//! The worker harness: takes messages, hands them to a handler in batches, and carries out what it decides.
//!
//! The harness alone acks, delays, dead-letters, counts and logs. A handler only answers with an
//! [`Outcome`](forebay_domain::Outcome) a message.

pub mod batch;
pub mod decoding;
pub mod handler;
mod instants;
mod measure;
pub mod orders;
pub mod run;
pub mod steward;
pub mod systems;
mod valve;

pub use decoding::Decoding;
pub use forebay_queue::Message;
pub use handler::{Failure, Handler, Inbound, RawHandler, Received, Shape};
pub use orders::StandingOrders;
pub use run::{Assignment, Worker, WorkerOptions};
pub use steward::{Identity, Steward};
pub use systems::Watched;
