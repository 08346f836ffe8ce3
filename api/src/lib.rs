//! HTTP for members, reads and administration.
//!
//! Members' commands go the way of every event: they are accepted by the intake's path and settled by a worker, so
//! that a store that is slow or down turns nobody away. Reads ask the store.

mod alert_tests;
pub mod api;
mod attendance;
mod audit_log;
mod blocks;
mod callers;
mod carriers;
mod check_ins;
mod claims;
mod csv;
mod dates;
mod dead_letters;
mod erasure;
mod etag;
mod extract;
mod failure;
mod fulfilment;
mod gate;
mod idempotency;
mod incidents;
pub mod ledger;
mod lookout;
pub mod member_tokens;
mod members;
pub mod openapi;
mod page;
mod parcels;
mod points;
mod profile;
mod programmes;
mod queues;
mod reports;
mod returns;
mod route;
pub mod routes;
mod rules;
mod stock;
mod version;
mod wait;
mod why;
mod workers;

pub use api::{Api, ApiOptions, NumberRule};
pub use callers::Members;
pub use carriers::CarrierSystem;
pub use lookout::Lookout;
pub use member_tokens::{Issuer, KeySets, MemberTokens};
pub use queues::Queues;
pub use routes::Route;
