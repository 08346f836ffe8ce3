//! The relay: outbox rows in, confirmed publishes out. The only way from the store back to the queues.
//!
//! A row is removed only after its message is confirmed. A relay that dies in between leaves the row leased; when
//! the lease is over another relay publishes it again under the same identity, which the inbox absorbs.

mod broker_watch;
pub mod pump;

pub use pump::{Relay, RelayOptions};
