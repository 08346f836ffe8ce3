//! One adapter a carrier: asks an outside system about parcels and says what came back in our own terms.
//!
//! An adapter makes one call for one batch and does nothing else: it neither waits for permits nor tries again, so
//! that each call is paced, counted and repeated in one place only. What it makes of an answer is a pure, total
//! function ([`Carrier::parse`]): any bytes under any status give one answer for each number, or one error for the
//! whole call.

pub mod carrier;
pub mod error;
pub mod numbers;
mod personal;
pub mod registry;
pub mod sweettracker;

pub use carrier::{Answered, Asked, Carrier, Limits, Received};
pub use error::CarrierError;
pub use numbers::NumberFault;
pub use registry::Registry;
pub use sweettracker::{SweetTracker, SweetTrackerOptions};
