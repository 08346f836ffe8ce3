//! Pure rules without I/O: what a shop would recognise as its own business, and what a queue needs to be fair.
//!
//! Everything here is a function of its arguments. Time comes through [`Clock`], ids through [`Ids`],
//! randomness as a number, so that a test can choose them and both stores decide alike.

pub mod breaker;
pub mod clock;
pub mod crash;
pub mod daily;
pub mod dead_letter;
pub mod drain;
pub mod due;
pub mod erasure;
pub mod forecast;
pub mod ids;
pub mod incident;
pub mod lateness;
pub mod limits;
pub mod outbox;
pub mod outcome;
pub mod pacing;
pub mod parcel;
pub mod places;
pub mod points;
pub mod programme;
pub mod report;
pub mod retry;
pub mod scale;
pub mod settlement;
pub mod stock;
pub mod watch;

pub use clock::{Clock, ManualClock, SystemClock};
pub use ids::{Ids, RandomIds, SeededIds};
pub use outbox::NewOutbox;
pub use outcome::Outcome;
