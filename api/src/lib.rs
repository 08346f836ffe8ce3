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
mod csv;
mod dead_letters;
mod erasure;
mod extract;
mod failure;
mod incidents;
pub mod lookout;
pub mod member_tokens;
mod members;
mod page;
mod parcels;
mod programmes;
mod queues;
mod returns;
pub mod routes;
mod rules;
mod version;
mod wait;
mod workers;

pub use api::{Api, ApiOptions};
pub use callers::Members;
pub use carriers::CarrierSystem;
pub use lookout::Lookout;
pub use member_tokens::{Issuer, KeySets, MemberTokens};
pub use queues::Queues;
pub use routes::Route;
