//! Incidents, kept so that any worker can go on telling them.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::incident::{Handling, Incident, Order, Raise, Said, SlackRef};
use forebay_schemas::events::MailOne;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
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
    /// When this telling was due, as who told it read it.
    pub due_at: Option<DateTime<Utc>>,
    /// The Slack message that can be updated in place, when there is one.
    pub slack: Option<SlackRef>,
    /// What it said.
    pub said: Said,
    /// People heard of it: it was not only a message that was changed in place.
    pub heard: bool,
    /// Mails that follow, one a recipient.
    pub mails: Vec<MailOne>,
}

impl Told {
    /// This incident was told as it is.
    #[must_use]
    pub fn of(incident: &Incident) -> Self {
        Self {
            incident_id: incident.id,
            revision: incident.revision,
            due_at: incident.tell_due_at,
            slack: None,
            said: Said::of(incident),
            heard: true,
            mails: Vec::new(),
        }
    }
}

/// Which incidents; an absent field is no condition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IncidentFilter {
    /// Open ones, or resolved ones.
    pub open: Option<bool>,
    /// Of this rule.
    pub rule: Option<String>,
}

/// What one sink answered to a test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SinkAnswer {
    /// `slack`, or `mail` and the recipient's place in the configuration, e.g. `mail 1`.
    pub sink: String,
    /// It took the message.
    pub taken: bool,
    /// What it said, and what to do about it.
    pub said: String,
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

/// What the audit log says of a test.
#[must_use]
pub fn test_entry(id: Uuid, rule: &str, by: &By, now: DateTime<Utc>) -> AuditEntry {
    AuditEntry {
        subject: id.to_string(),
        count: 1,
        after: json!({ "rule": rule }),
        ..AuditEntry::of(by, "alerts.test", now)
    }
}

/// Incidents. A store is built with the `domain::incident::Timing` by which it plans tellings.
#[async_trait]
pub trait Incidents {
    /// Raises in one transaction (`domain::incident::raised`); tellings are outbox rows (`incident.changed.v1`,
    /// route `work:forebay.notices`) that become due at their time. At most one open incident a fingerprint. What an
    /// open incident silences (`domain::incident::hush`) is kept, and not told.
    async fn raise(&self, raises: Vec<Raise>, now: DateTime<Utc>) -> Result<(), Error>;

    /// Resolves the open incidents of these fingerprints; those that are not open are passed over. What they silenced
    /// and is still open is told after the group wait (`domain::incident::outlived`).
    async fn resolve(&self, fingerprints: &[String], now: DateTime<Utc>) -> Result<(), Error>;

    /// One incident.
    async fn incident(&self, id: Uuid) -> Result<Option<Incident>, Error>;

    /// Notes a telling of an incident that was read no earlier than `now`: `told_at`, `told_revision` (never lower than
    /// before), what it said, whether people heard it, the Slack message, and that none is on its way, unless a newer one
    /// was planned meanwhile (its due time lies after `now`, or the incident has changed and it is not `due_at`). What
    /// came meanwhile and is planned by nobody is planned now (`domain::incident::overtaken`). Mails that follow are
    /// outbox rows of the same transaction.
    async fn told(&self, told: Told, now: DateTime<Utc>) -> Result<(), Error>;

    /// Open incidents of the rules that silence others (`domain::incident::INHIBITIONS`).
    async fn silencing_incidents(&self) -> Result<Vec<Incident>, Error>;

    /// Notes that the telling that was due is not sent, since the incident is silenced: none is on its way, unless a
    /// newer one was planned meanwhile.
    async fn hush_incident(&self, id: Uuid, now: DateTime<Utc>) -> Result<(), Error>;

    /// Asks for a test of the way on which people are told, with its entry in the audit log: a telling that is due now.
    async fn ask_alert_test(&self, id: Uuid, rule: &str, by: &By, now: DateTime<Utc>) -> Result<(), Error>;

    /// Notes what the sinks answered to a test.
    async fn answer_alert_test(&self, id: Uuid, answers: &[SinkAnswer]) -> Result<(), Error>;

    /// What the sinks answered to a test; `None` while they have not, or there is no such test.
    async fn alert_test(&self, id: Uuid) -> Result<Option<Vec<SinkAnswer>>, Error>;

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
