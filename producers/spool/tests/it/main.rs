//! The spool on a real file, before a broker that fails as it is told: what no real one does on demand.
#![expect(clippy::unwrap_used, reason = "a test that can't go on is a test that failed")]

mod disk;
mod refusals;
mod support;
