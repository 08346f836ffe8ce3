//! What processes say of themselves.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::envelope::EventData;
use crate::event_type::EventType;

/// What a process says of itself while something is not as it should be. It is said again and again while it lasts, so
/// that what is heard too late, or no more, means nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProcessSigns {
    /// The process: its role and machine.
    pub process: String,
    /// When it said so.
    pub said_at: DateTime<Utc>,
    /// What lasts.
    pub signs: Vec<ProcessSign>,
}

/// A condition that lasts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProcessSign {
    /// Its word, e.g. `spool_in_use`; who does not know it passes it over.
    pub condition: String,
    /// What exactly; may be empty.
    pub subject: String,
    /// Since when.
    pub since: DateTime<Utc>,
    /// More, in words and figures.
    pub detail: String,
}

impl EventData for ProcessSigns {
    const TYPE: EventType = EventType::ProcessSigns;
    fn subject(&self) -> String {
        format!("process/{}", self.process)
    }
}
