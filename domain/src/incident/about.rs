//! What an incident is about.

/// How the queues of carriers' systems are named, before the system's id.
const TRACKING: &str = "forebay.tracking.";

/// What an incident is about, so that the incident that is its cause may silence it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// An outside system, by its id, e.g. `sweettracker`.
    System(String),
    /// A queue, by its name, e.g. `forebay.tracking.sweettracker`.
    Queue(String),
}

impl About {
    /// The system of a gate's key, e.g. of `carrier/sweettracker`.
    #[must_use]
    pub fn system_of(key: &str) -> Self {
        Self::System(key.rsplit('/').next().unwrap_or(key).to_owned())
    }

    /// The outside system that it depends on: itself, or the one whose queue it is.
    #[must_use]
    pub fn system(&self) -> Option<&str> {
        match self {
            Self::System(id) => Some(id),
            Self::Queue(name) => name.strip_prefix(TRACKING),
        }
    }

    /// As it stands in the store, e.g. `queue/forebay.rewards`.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::System(id) => format!("system/{id}"),
            Self::Queue(name) => format!("queue/{name}"),
        }
    }

    /// Reads what [`About::to_text`] wrote; `None` for what a later release may have written.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        match text.split_once('/')? {
            ("system", id) => Some(Self::System(id.to_owned())),
            ("queue", name) => Some(Self::Queue(name.to_owned())),
            _ => None,
        }
    }
}

impl std::fmt::Display for About {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::System(id) => f.write_str(id),
            Self::Queue(name) => f.write_str(name),
        }
    }
}
