//! Permits for calls to the outside, shared by every worker.

use std::time::Duration;

use async_trait::async_trait;
use forebay_domain::pacing::{Grant, Quota};

use crate::error::Error;

/// A gate that is closed: nobody calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// For how long still.
    pub left: Duration,
    /// Why, in words.
    pub reason: String,
}

/// The answer to a wish for permits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Permits {
    /// Calls may be made as the grant says; times run from the answer.
    Granted(Grant),
    /// The gate is closed.
    Closed(Closed),
}

/// Pacing over the fleet. All times are the store's own clock's, so that workers' clocks do not matter.
#[async_trait]
pub trait Pacing {
    /// Asks for up to `want` calls under `key` (e.g. `carrier/sweettracker`): one statement that applies
    /// `domain::pacing::Quota::grant` to the key's row, which is created when missing.
    async fn permits(&self, key: &str, quota: &Quota, want: u32) -> Result<Permits, Error>;

    /// Closes the gate of `key` for everybody, for at least this long from now; a longer closing stays.
    async fn close_gate(&self, key: &str, length: Duration, reason: &str) -> Result<(), Error>;

    /// The gate of `key`, if it is closed.
    async fn gate(&self, key: &str) -> Result<Option<Closed>, Error>;
}
