//! End to end: the real binary as processes, spoken to over its ports.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod arrows;
mod bad_input;
mod carrier_scene;
mod carriers_fleet;
mod cli;
mod compose;
mod control;
mod dead_letters;
mod demo;
mod dev;
mod erasure;
mod fleet;
mod halving;
mod own_broker;
mod own_failures;
mod production;
mod proxy;
mod pushes;
mod readme;
mod restarts;
mod restore;
mod spool;
mod storm;
mod support;
mod topology;
mod tracking;
mod upgrades;
