//! The store as a whole.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::error::Error;

/// How a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreStatus {
    /// The newest migration applied; 0 when there is none.
    pub schema_version: i64,
    /// The newest migration that this release knows.
    pub schema_wanted: i64,
    /// The store's clock.
    pub now: DateTime<Utc>,
}

/// Start, check and stop.
#[async_trait]
pub trait Lifecycle {
    /// Applies the migrations that are missing. Safe to repeat and to run from several processes at once.
    async fn migrate(&self) -> Result<(), Error>;

    /// Asks the store how it is: one short round trip.
    async fn status(&self) -> Result<StoreStatus, Error>;

    /// Waits until rows may have been added to the outbox since the last call, or for `most`: a wake-up where the
    /// store has one, else just the wait.
    async fn outbox_changed(&self, most: std::time::Duration);

    /// Ends connections after what is under way.
    async fn close(&self);
}
