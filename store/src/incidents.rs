//! Incidents, kept so that any worker can go on telling them.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::incident::{Handling, Incident, Order, Raise, SlackRef};
use serde_json::json;
use uuid::Uuid;

use crate::audit_log::{AuditEntry, By};
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

/// Which incidents; an absent field is no condition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IncidentFilter {
    /// Open ones, or resolved ones.
    pub open: Option<bool>,
    /// Of this rule.
    pub rule: Option<String>,
}

/// What became of an order of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ordered {
    /// There is no such incident.
    NotThere,
    /// It is over.
    Over,
    /// It is as ordered; whether it was so before.
    Done {
        /// The incident now.
        incident: Box<Incident>,
        /// Nothing was changed.
        unchanged: bool,
    },
}

/// What the audit log says of an order.
#[must_use]
pub fn order_entry(
    order: Order,
    before: &Handling,
    after: &Incident,
    by: &By,
    now: DateTime<Utc>,
) -> AuditEntry {
    let action = match order {
        Order::Acknowledge => "incidents.ack",
        Order::Snooze { .. } => "incidents.snooze",
    };
    AuditEntry {
        subject: after.id.to_string(),
        count: 1,
        before: json!(before),
        after: json!(after.handling),
        ..AuditEntry::of(by, action, now)
    }
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

    /// Incidents, newest first, after the one named.
    async fn list_incidents(
        &self,
        filter: &IncidentFilter,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<Incident>, Error>;

    /// Does what a person ordered (`domain::incident::handled`), with its entry in the audit log and the telling that
    /// follows, in one transaction.
    async fn order_incident(
        &self,
        id: Uuid,
        order: Order,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<Ordered, Error>;
}
