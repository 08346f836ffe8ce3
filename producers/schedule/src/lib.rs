//! The schedule: clock in, outbox rows out. Each job fires once a slot over any number of processes, because the
//! slot is a key in the store.

mod bookkeeper;
mod budget;
pub mod cleaner;
mod daily;
mod dropped;
pub mod figures;
pub mod jobs;
pub mod planner;
mod repeats;
pub mod replayer;
mod shelves;
pub mod watch;

pub use bookkeeper::Bookkeeper;
pub use cleaner::{Cleaner, Keep};
pub use figures::Figures;
pub use jobs::{Jobs, JobsOptions};
pub use planner::{Planner, Tracked};
pub use replayer::Replayer;
pub use watch::{QueueLook, Watch};
