//! The carriers' systems, each in its own wire format on its own paths, all telling from one timeline.

mod aftership;
pub(crate) mod aftership_tracking;
pub(crate) mod counts;
mod dhl;
mod dhl_shipment;
mod easypost;
pub(crate) mod easypost_tracker;
mod faults;
mod fedex;
mod fedex_results;
pub(crate) mod gate;
mod graphql;
mod limits;
mod look;
mod name;
mod sweettracker;
mod sweettracker_parcel;
pub(crate) mod tokens;
mod tracker_delivery;
mod tracker_delivery_track;
pub(crate) mod trackers;
mod ups;
mod ups_package;

use std::sync::Arc;

use axum::Router;

pub use faults::{CarrierFaults, RetryAfter};
pub use limits::Limit;
pub use name::CarrierName;

use crate::world::World;

pub(crate) fn routes(world: &Arc<World>) -> Router<Arc<World>> {
    Router::new()
        .merge(sweettracker::routes(world))
        .merge(tracker_delivery::routes(world))
        .merge(fedex::routes(world))
        .merge(dhl::routes(world))
        .merge(easypost::routes(world))
        .merge(ups::routes(world))
        .merge(aftership::routes(world))
}
