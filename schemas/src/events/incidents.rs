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
}

impl EventData for TellIncident {
    const TYPE: EventType = EventType::TellIncident;
    fn subject(&self) -> String {
        format!("incident/{}", self.incident_id)
    }
}
