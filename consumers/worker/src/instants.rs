//! The instants that an event tells of itself, read without the rest of it.

use chrono::{DateTime, Utc};
use serde::Deserialize;

/// When it happened and when we took it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub(crate) struct Instants {
    /// When it happened, as its author says.
    pub(crate) time: Option<DateTime<Utc>>,
    /// When we took it.
    pub(crate) recordedtime: Option<DateTime<Utc>>,
}

impl Instants {
    /// Reads them; of a body that is no event there are none.
    pub(crate) fn read(body: &[u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_from_an_event_and_from_nothing_else() {
        let event = br#"{"id":"e-1","time":"2026-11-20T03:00:00+09:00","data":{"time":7}}"#;
        let told = Instants::read(event);
        assert_eq!(told.time, Some("2026-11-19T18:00:00Z".parse().unwrap()));
        assert_eq!(told.recordedtime, None);
        for body in [&b"not json"[..], br#"{"time":"soon"}"#, b"[]", b"7"] {
            assert_eq!(Instants::read(body), Instants::default());
        }
    }
}
