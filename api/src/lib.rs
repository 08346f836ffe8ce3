//! HTTP for members, reads and administration.
//!
//! Members' commands go the way of every event: they are accepted by the intake's path and settled by a worker, so
//! that a store that is slow or down turns nobody away. Reads ask the store.

pub mod api;
mod audit_log;
mod callers;
mod carriers;
mod check_ins;
mod claims;
mod dead_letters;
mod erasure;
mod extract;
mod failure;
mod incidents;
mod members;
mod page;
mod parcels;
mod programmes;
mod queues;
mod returns;
mod rules;
mod wait;
mod workers;

pub use api::{Api, ApiOptions};
pub use carriers::CarrierSystem;
pub use queues::Queues;
