//! The carriers' systems, each in its own wire format on its own paths, all telling from one timeline.

pub(crate) mod counts;
mod faults;
pub(crate) mod gate;
mod limits;
mod look;
mod name;
mod sweettracker;
mod sweettracker_parcel;

use std::sync::Arc;

use axum::Router;

pub use faults::{CarrierFaults, RetryAfter};
pub use limits::Limit;
pub use name::CarrierName;

use crate::world::World;

pub(crate) fn routes(world: &Arc<World>) -> Router<Arc<World>> {
    Router::new().merge(sweettracker::routes(world))
}
