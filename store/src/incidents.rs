//! Incidents, kept so that any worker can go on telling them.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::incident::{Incident, Raise, SlackRef};
use uuid::Uuid;

use crate::error::Error;

/// What people were told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The incident.
    pub incident_id: Uuid,
    /// The revision that was told.
    pub revision: i64,
    /// The Slack message that can be updated in place, when there is one.
    pub slack: Option<SlackRef>,
}

/// Incidents. A store is built with the `domain::incident::Timing` by which it plans tellings.
#[async_trait]
pub trait Incidents {
    /// Raises in one transaction (`domain::incident::raised`); tellings are outbox rows (`incident.changed.v1`,
    /// route `work:forebay.notices`) that become due at their time. At most one open incident a fingerprint.
    async fn raise(&self, raises: Vec<Raise>, now: DateTime<Utc>) -> Result<(), Error>;

    /// Resolves the open incidents of these fingerprints; those that are not open are passed over.
    async fn resolve(&self, fingerprints: &[String], now: DateTime<Utc>) -> Result<(), Error>;

    /// One incident.
    async fn incident(&self, id: Uuid) -> Result<Option<Incident>, Error>;

    /// Notes a telling: `told_at`, `told_revision` (never lower than before), the Slack message, and that none is
    /// on its way, unless a newer one was planned meanwhile (its due time lies after `now`).
    async fn told(&self, told: Told, now: DateTime<Utc>) -> Result<(), Error>;

    /// Open incidents, newest first.
    async fn open_incidents(&self, limit: u32) -> Result<Vec<Incident>, Error>;
}
