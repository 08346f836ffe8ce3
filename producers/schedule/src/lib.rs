//! The schedule: clock in, outbox rows out. Each job fires once a slot over any number of processes, because the
//! slot is a key in the store.

mod budget;
pub mod cleaner;
pub mod jobs;
pub mod planner;
pub mod replayer;

pub use cleaner::{Cleaner, Keep};
pub use jobs::{Jobs, JobsOptions};
pub use planner::{Planner, Tracked};
pub use replayer::Replayer;
