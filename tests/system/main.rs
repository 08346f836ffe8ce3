//! End to end: the real binary as processes, spoken to over its ports.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod alerts;
mod alerts_apart;
mod alerts_killed;
mod arrows;
mod bad_input;
mod carrier_calls;
mod carrier_scene;
mod carriers_fleet;
mod cli;
mod clock;
mod collecting;
mod compose;
mod control;
mod dead_letters;
mod demo;
mod dev;
mod erasure;
mod events;
mod fleet;
mod full_store;
mod halving;
mod hot_reward;
mod least_privilege;
mod member_tokens;
mod observing;
mod on_call;
mod openapi;
mod own_broker;
mod own_failures;
mod points;
mod production;
mod programmes;
mod proxy;
mod pushes;
mod readme;
mod restarts;
mod restore;
mod secrets;
mod spool;
mod storm;
mod support;
mod topology;
#[cfg(feature = "otlp")]
mod traces;
mod tracking;
mod trouble;
mod upgrades;
mod watching;
mod watching_broker;
mod watching_keys;
mod watching_rules;
mod watching_shelves;
mod watching_systems;
