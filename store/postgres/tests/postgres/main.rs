//! The store on a real server: the conformance suite, the database's own rules, and faults.

#![expect(clippy::unwrap_used, reason = "these are tests: they are to end where something fails")]

mod burst;
mod conformance;
mod database;
mod errors;
mod faults;
mod fleet;
mod histories;
mod own_server;
mod plans;
mod plans_watch;
mod rules;
mod silence;
