//! The spool: a file on the disk of a process that accepts events. It takes in what the broker does not take at
//! present, and publishes it when the broker does.
//!
//! [`Spool::publisher`] stands before the broker's own publisher. While the broker answers and nothing waits in the
//! file, messages go straight to it. What it does not confirm, or not in time, is committed to the file and counts as
//! stored. From then on everything goes through the file, so that it leaves in the order in which it came, until the
//! file is empty. A message that was sent and not confirmed may be in both: both copies have one identity, and the
//! inbox lets it have its effect once.
//!
//! In order means: a batch is published when all before it is confirmed, as far as its route takes messages at all.
//! Within a batch a broker's publisher keeps no order (see [`forebay_queue::Publisher`]): messages that are in flight
//! side by side may overtake each other.

mod account;
mod core;
mod publisher;
mod pump;
mod rows;
mod silence;
mod spool;

pub use spool::{Options, Spool};
