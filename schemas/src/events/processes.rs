//! What processes say of themselves.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::envelope::EventData;
use crate::event_type::EventType;

/// So much of a process's name is in the subject.
const NAME_CHARS: usize = 100;

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
        // A machine's name may hold anything, a subject may not.
        let visible = |c: char| if c.is_ascii_graphic() { c } else { '_' };
        format!("process/{}", self.process.chars().take(NAME_CHARS).map(visible).collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_one_whatever_a_machine_is_called() {
        let said = ProcessSigns {
            process: "intake@Küche 1".to_owned(),
            said_at: DateTime::UNIX_EPOCH,
            signs: Vec::new(),
        };
        assert_eq!(said.subject(), "process/intake@K_che_1");
    }
}
