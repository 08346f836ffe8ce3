//! What a message carries about its own past: attempts, age, why it was delayed. Our headers, typed.
//!
//! Prefixed `forebay-`, never `x-`: RabbitMQ from 4.0 on ignores `x-` headers that a client sends. Attempts are
//! counted here, whatever the broker counts.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::code::Code;
use crate::envelope::rfc3339;
use crate::limits;

/// Headers of a message, as they cross the wire.
pub type Headers = BTreeMap<String, String>;

const ATTEMPT: &str = "forebay-attempt";
const CRASHES: &str = "forebay-crashes";
const FIRST_SEEN: &str = "forebay-first-seen";
const DEFERRED_MS: &str = "forebay-deferred-ms";
const NOT_BEFORE: &str = "forebay-not-before";
const PARKED_AT: &str = "forebay-parked-at";
const QUEUE: &str = "forebay-queue";
const CODE: &str = "forebay-code";
const ERROR: &str = "forebay-error";
const REPLAY: &str = "forebay-replay";
const LETTER: &str = "forebay-letter";
/// The W3C trace context, under its own name.
pub const TRACEPARENT: &str = "traceparent";
/// The trace contexts of several causes, with commas between them: it belongs to each of them and goes on with none.
pub const TRACE_LINKS: &str = "tracelinks";

/// A message's past.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trail {
    /// Attempts that were made and failed.
    pub attempts: u32,
    /// How often it was in a worker's hands when that went away, before it was last set aside.
    pub crashes: u32,
    /// When a worker first held it.
    pub first_seen: Option<DateTime<Utc>>,
    /// Milliseconds spent deferred, which do not count to its age.
    pub deferred_ms: u64,
    /// Not to be tried before.
    pub not_before: Option<DateTime<Utc>>,
    /// Since when, or from when on, it waits without having failed: deferred, or back in its queue after a delay.
    pub parked_at: Option<DateTime<Utc>>,
    /// The work queue that it came from.
    pub queue: Option<String>,
    /// The code of its last failure.
    pub code: Option<Code>,
    /// The text of its last failure, at most [`limits::ERROR_BYTES`].
    pub error: Option<String>,
    /// How often it was replayed from the dead letters.
    pub replay: u32,
    /// The dead letter that it was replayed from.
    pub letter: Option<Uuid>,
}

impl Trail {
    /// Reads the past from headers; what can't be read counts as not there.
    #[must_use]
    pub fn read(headers: &Headers) -> Self {
        fn parsed<T: std::str::FromStr>(headers: &Headers, name: &str) -> Option<T> {
            headers.get(name)?.parse().ok()
        }
        let instant = |name| {
            let text = headers.get(name)?;
            Some(DateTime::parse_from_rfc3339(text).ok()?.with_timezone(&Utc))
        };
        Self {
            attempts: parsed(headers, ATTEMPT).unwrap_or(0),
            crashes: parsed(headers, CRASHES).unwrap_or(0),
            first_seen: instant(FIRST_SEEN),
            deferred_ms: parsed(headers, DEFERRED_MS).unwrap_or(0),
            not_before: instant(NOT_BEFORE),
            parked_at: instant(PARKED_AT),
            queue: headers.get(QUEUE).cloned(),
            code: parsed(headers, CODE),
            error: headers.get(ERROR).cloned(),
            replay: parsed(headers, REPLAY).unwrap_or(0),
            letter: parsed(headers, LETTER),
        }
    }

    /// Writes the past over whatever the headers said before. Foreign headers stay, except `x-` ones, which are
    /// the broker's and must never be sent back to it.
    pub fn write(&self, headers: &mut Headers) {
        headers.retain(|name, _| !name.starts_with("x-") && !name.starts_with("forebay-"));
        let mut put = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                headers.insert(name.to_owned(), value);
            }
        };
        put(ATTEMPT, (self.attempts > 0).then(|| self.attempts.to_string()));
        put(CRASHES, (self.crashes > 0).then(|| self.crashes.to_string()));
        put(FIRST_SEEN, self.first_seen.map(rfc3339));
        put(DEFERRED_MS, (self.deferred_ms > 0).then(|| self.deferred_ms.to_string()));
        put(NOT_BEFORE, self.not_before.map(rfc3339));
        put(PARKED_AT, self.parked_at.map(rfc3339));
        put(QUEUE, self.queue.clone());
        put(CODE, self.code.map(|c| c.as_str().to_owned()));
        put(ERROR, self.error.as_deref().map(|e| bounded(e, limits::ERROR_BYTES)));
        put(REPLAY, (self.replay > 0).then(|| self.replay.to_string()));
        put(LETTER, self.letter.map(|id| id.to_string()));
    }
}

/// The text cut to at most `most` bytes at a character's edge, control characters replaced by spaces.
#[must_use]
pub fn bounded(text: &str, most: usize) -> String {
    let mut out = String::with_capacity(text.len().min(most));
    for c in text.chars() {
        let c = if c.is_control() { ' ' } else { c };
        if out.len() + c.len_utf8() > most {
            break;
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trail_survives_its_headers() {
        let trail = Trail {
            attempts: 3,
            crashes: 2,
            first_seen: DateTime::from_timestamp(1_700_000_000, 0),
            deferred_ms: 1500,
            not_before: DateTime::from_timestamp(1_700_000_100, 0),
            parked_at: DateTime::from_timestamp(1_700_000_050, 0),
            queue: Some("forebay.returns".into()),
            code: Some(Code::Timeout),
            error: Some("no answer".into()),
            replay: 1,
            letter: Some(Uuid::from_u128(7)),
        };
        let mut headers = Headers::new();
        trail.write(&mut headers);
        assert_eq!(Trail::read(&headers), trail);
    }

    #[test]
    fn headers_of_the_broker_are_never_sent_back() {
        let mut headers = Headers::from([("x-death".into(), "1".into()), ("shop-tag".into(), "a".into())]);
        Trail::default().write(&mut headers);
        assert_eq!(headers.into_keys().collect::<Vec<_>>(), ["shop-tag"]);
    }

    #[test]
    fn an_error_text_is_cut_at_a_character_and_holds_no_line_breaks() {
        assert_eq!(bounded("aé\nb", 3), "aé");
        assert_eq!(bounded("a\r\nb", 10), "a  b");
    }
}
