//! Sweet Tracker.

mod answers;
mod asking;
mod sandbox;
