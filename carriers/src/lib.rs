//! One adapter a carrier: asks an outside system about parcels and says what came back in our own terms.
//!
//! An adapter makes one call for one batch and does nothing else: it neither waits for permits nor tries again, so
//! that each call is paced, counted and repeated in one place only. What it makes of an answer is a pure, total
//! function ([`Carrier::parse`]): any bytes under any status give one answer for each number, or one error for the
//! whole call.

pub mod aftership;
mod body;
pub mod carrier;
pub mod dhl;
pub mod easypost;
pub mod error;
pub mod fedex;
pub mod numbers;
mod personal;
pub mod push;
pub mod registry;
pub mod settings;
pub mod sweettracker;
mod timeline;
mod times;
pub mod tracker_delivery;
pub mod ups;
mod wire;
mod words;

pub use aftership::{AfterShip, AfterShipPush};
pub use carrier::{Answered, Asked, Carrier, Limits, Received};
pub use dhl::Dhl;
pub use easypost::{EasyPost, EasyPostPush};
pub use error::CarrierError;
pub use fedex::Fedex;
pub use numbers::NumberFault;
pub use push::{Push, PushAnswer, PushFault, PushSecrets};
pub use registry::{KNOWN, Known, Registry};
pub use settings::{SetUpError, Settings, Tools};
pub use sweettracker::SweetTracker;
pub use tracker_delivery::TrackerDelivery;
pub use ups::Ups;
