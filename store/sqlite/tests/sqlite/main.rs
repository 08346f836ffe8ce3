//! The store on the embedded file.

#![expect(clippy::unwrap_used, reason = "these are tests: they are to end where something fails")]

mod burst;
mod conformance;
mod rules;
mod support;
mod wakes;
