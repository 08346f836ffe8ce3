//! The queue contract on one SQLite table with leases: the queue of the embedded set.
//!
//! A message is a row. Publishing inserts it, giving it out adds a lease, settling removes it; each of these is one
//! write of the shared writer ([`forebay_sqlite::Db::write`]), which commits many of them at once. One process has
//! the file, so a lease needs no end: what is leased when the file is opened belonged to a process that is gone.

mod broker;
mod consumer;
mod core;
mod declaration;
mod feeder;
mod placing;
mod publisher;
mod rows;
mod settler;
mod shelf;

pub use broker::{Clock, EmbeddedBroker, Options};
