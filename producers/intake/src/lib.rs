//! HTTP in, confirmed publish out.
//!
//! A storefront's events come in at `POST /v1/events`. Each is checked against the catalogue, stamped with our
//! clock, published and confirmed before the answer goes out; the store is never asked. The api takes members'
//! commands through the same path ([`Intake::accept`]). What carriers' systems push comes in at
//! `POST /hooks/carriers/{system}/{token}`, and is verified before it is stored the same way.
//!
//! What both HTTP roles share lives here as well: keys, problems, request ids, bodies and the server loop.

pub mod accept;
pub mod admission;
pub mod body;
pub mod envelope_http;
mod events;
pub mod frame;
pub mod hooks;
pub mod keys;
pub mod problem;
mod pushes;
pub mod router;
pub mod server;
mod tally;
pub mod trace_context;

pub use accept::{AcceptError, Accepted, Arrival, Identity, Intake, IntakeOptions};
pub use admission::{Admission, Permit};
pub use body::{BodyLimits, Incoming};
pub use hooks::{Hook, HookFault, HookToken, Hooks, Pushed};
pub use keys::{ApiKey, KeyFault, KeyRing, Principal, Scope};
pub use problem::{Kind, Problem};
pub use server::serve;
