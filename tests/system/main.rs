//! End to end: the real binary as processes, spoken to over its ports.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod arrows;
mod bad_input;
mod cli;
mod compose;
mod demo;
mod dev;
mod fleet;
mod production;
mod readme;
mod storm;
mod support;
