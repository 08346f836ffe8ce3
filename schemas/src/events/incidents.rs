//! Incidents on their way to people.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::envelope::EventData;
use crate::event_type::EventType;

/// Tell people what an incident has become. The notice always tells the present state, so it carries none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TellIncident {
    /// The incident.
    pub incident_id: Uuid,
    /// The incident's revision that asked for this telling.
    pub revision: i64,
    /// Mail one recipient, and tell nobody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail: Option<MailOne>,
    /// It is a test of this rule's message; `incident_id` is the test's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<String>,
}

/// A mail of an incident to one recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MailOne {
    /// The recipient's place in the configuration, from 0.
    pub to: u32,
    /// Why the incident is told, e.g. `opened`.
    pub why: String,
    /// Nobody but this mail tells it: Slack did not take it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub instead: bool,
}

impl TellIncident {
    /// Tell an incident as it is, to all.
    #[must_use]
    pub fn of(incident_id: Uuid, revision: i64) -> Self {
        Self { incident_id, revision, mail: None, test: None }
    }
}

impl EventData for TellIncident {
    const TYPE: EventType = EventType::TellIncident;
    fn subject(&self) -> String {
        format!("incident/{}", self.incident_id)
    }
}
