//! Jobs of the clock: each fires once a slot, over any number of processes.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::NewOutbox;
use forebay_domain::incident::Raise;

use crate::error::Error;

/// A firing of a job.
#[derive(Debug, Clone)]
pub struct Firing {
    /// The job, e.g. `stock-check`.
    pub job: &'static str,
    /// The slot, e.g. `2026-11-21`: the key that makes it fire once.
    pub slot: String,
    /// What it sends.
    pub outbox: Vec<NewOutbox>,
    /// What it raises.
    pub raises: Vec<Raise>,
}

/// The schedule.
#[async_trait]
pub trait Schedule {
    /// Fires a job for a slot: the slot's row, the outbox rows and the incidents in one transaction. `false` when
    /// the slot was fired before; then nothing is written.
    async fn fire_once(&self, firing: Firing, now: DateTime<Utc>) -> Result<bool, Error>;

    /// Whether a job was fired for a slot.
    async fn fired(&self, job: &str, slot: &str) -> Result<bool, Error>;
}
