//! CloudEvents over HTTP: one event, a batch of them, or binary mode with the attributes in `ce-` headers.
//!
//! Source: CloudEvents 1.0, HTTP protocol binding.

use std::fmt;

use axum::http::{HeaderMap, HeaderValue, header};
use forebay_schemas::{Code, Event, Refusal, Violation, envelope, limits};
use serde::de::{Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::body::BodyLimits;
use crate::problem::{ERRORS_MAX, Kind, Problem};

const ACCEPT_POST: &str =
    "application/cloudevents+json, application/cloudevents-batch+json, application/json; charset=utf-8";

/// How a request carries its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The body is one event.
    Single,
    /// The body is an array of events.
    Batch,
    /// The attributes are headers, the body is the data.
    Binary,
}

impl Mode {
    /// Reads the mode from the content type and the `ce-` headers.
    ///
    /// # Errors
    /// A problem 415 for any other content type, 400 for two modes at once.
    pub fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let binary = headers.keys().any(|name| name.as_str().starts_with("ce-"));
        match media_type(headers).as_deref() {
            Some(envelope::CONTENT_TYPE | envelope::CONTENT_TYPE_BATCH) if binary => {
                let detail = "The event stands in the body and in ce- headers; send it one way.";
                Err(Problem::new(Kind::InvalidEnvelope, detail).code(Code::Undecodable))
            }
            Some(envelope::CONTENT_TYPE) => Ok(Self::Single),
            Some(envelope::CONTENT_TYPE_BATCH) => Ok(Self::Batch),
            Some("application/json") if binary => Ok(Self::Binary),
            _ => {
                let detail = format!(
                    "Send {} or {} in UTF-8, or application/json with the attributes in ce- headers.",
                    envelope::CONTENT_TYPE,
                    envelope::CONTENT_TYPE_BATCH
                );
                Err(Problem::new(Kind::UnsupportedMediaType, detail)
                    .header(accept_post(), HeaderValue::from_static(ACCEPT_POST)))
            }
        }
    }

    /// How large the body may be.
    #[must_use]
    pub fn limits(self) -> BodyLimits {
        match self {
            Self::Single | Self::Binary => {
                BodyLimits { sent: limits::EVENT_BYTES, inflated: limits::EVENT_BYTES }
            }
            Self::Batch => BodyLimits { sent: limits::BODY_BYTES, inflated: limits::BODY_BYTES_INFLATED },
        }
    }

    /// Reads the events.
    ///
    /// # Errors
    /// A problem 400 or 413 with every fault of every envelope ([`ERRORS_MAX`] at most).
    pub fn decode(self, headers: &HeaderMap, body: &[u8]) -> Result<Vec<Event>, Problem> {
        match self {
            Self::Single => one(Event::decode(body)),
            Self::Binary => one(binary(headers, body)),
            Self::Batch => batch(body),
        }
    }
}

/// The name of the header that lists what may be posted.
fn accept_post() -> header::HeaderName {
    header::HeaderName::from_static("accept-post")
}

/// The media type in lower case; `None` when there is none, several, or one in another charset.
fn media_type(headers: &HeaderMap) -> Option<String> {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (types.next(), types.next()) else { return None };
    let mut parts = value.to_str().ok()?.split(';');
    let essence = parts.next()?.trim().to_ascii_lowercase();
    let utf8 = parts.filter_map(|part| part.split_once('=')).all(|(name, value)| {
        !name.trim().eq_ignore_ascii_case("charset")
            || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
    });
    utf8.then_some(essence)
}

fn one(event: Result<Event, Refusal>) -> Result<Vec<Event>, Problem> {
    event.map(|event| vec![event]).map_err(|refusal| refused(vec![(None, refusal)]))
}

fn binary(headers: &HeaderMap, body: &[u8]) -> Result<Event, Refusal> {
    let undecodable = |pointer: &str, detail: &str| Refusal::one(Code::Undecodable, pointer, detail);
    let data: &RawValue =
        serde_json::from_slice(body).map_err(|_| undecodable("/data", "the body is not JSON"))?;
    let mut attributes = Map::new();
    for (name, value) in headers {
        let Some(name) = name.as_str().strip_prefix("ce-") else { continue };
        if matches!(name, "data" | "data_base64" | "datacontenttype") {
            return Err(undecodable("", "ce-data, ce-data_base64 and ce-datacontenttype are not taken"));
        }
        let text = percent_encoding::percent_decode(value.as_bytes()).decode_utf8();
        let text = text.map_err(|_| undecodable(&format!("/{name}"), "is not UTF-8"))?;
        if attributes.insert(name.to_owned(), Value::String(text.into_owned())).is_some() {
            return Err(undecodable(&format!("/{name}"), "stands there more than once"));
        }
    }
    // The same reader for all modes: the envelope is written out as if it had come in the body.
    let mut structured = serde_json::to_vec(&attributes).unwrap_or_default();
    structured.pop();
    structured.extend_from_slice(if attributes.is_empty() { b"\"data\":" } else { b",\"data\":" });
    structured.extend_from_slice(data.get().as_bytes());
    structured.push(b'}');
    Event::decode(&structured)
}

fn batch(body: &[u8]) -> Result<Vec<Event>, Problem> {
    let items: Items<'_> = serde_json::from_slice(body).map_err(|error| {
        let detail = format!("is not a JSON array: line {} column {}", error.line(), error.column());
        refused(vec![(None, Refusal::one(Code::Undecodable, "", detail))])
    })?;
    if items.count > limits::BATCH_EVENTS {
        let detail = format!("The batch has {} events; {} is the limit.", items.count, limits::BATCH_EVENTS);
        return Err(Problem::new(Kind::TooLarge, detail).code(Code::TooLarge).max_bytes(limits::BODY_BYTES));
    }
    let mut events = Vec::with_capacity(items.kept.len());
    let mut refusals = Vec::new();
    for (index, item) in items.kept.iter().enumerate() {
        match Event::decode(item.get().as_bytes()) {
            Ok(event) => events.push(event),
            Err(refusal) => refusals.push((Some(index), refusal)),
        }
    }
    if refusals.is_empty() { Ok(events) } else { Err(refused(refusals)) }
}

/// The items of a batch, unread; those past the limit are counted and not kept.
struct Items<'b> {
    kept: Vec<&'b RawValue>,
    count: usize,
}

impl<'de> Deserialize<'de> for Items<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements;
        impl<'de> Visitor<'de> for Elements {
            type Value = Items<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Items<'de>, A::Error> {
                let mut items = Items { kept: Vec::new(), count: 0 };
                while items.count < limits::BATCH_EVENTS {
                    match seq.next_element()? {
                        Some(item) => items.kept.push(item),
                        None => return Ok(items),
                    }
                    items.count += 1;
                }
                while seq.next_element::<IgnoredAny>()?.is_some() {
                    items.count += 1;
                }
                Ok(items)
            }
        }
        deserializer.deserialize_seq(Elements)
    }
}

/// The problem for events that are refused: pointers lead into the request's body, so that in a batch they begin
/// with the event's index. The first code that decides the status (envelope, then size, then contents) is told.
#[must_use]
pub fn refused(refusals: Vec<(Option<usize>, Refusal)>) -> Problem {
    let rank = |code: Code| match code {
        Code::Undecodable => 0,
        Code::TooLarge => 1,
        _ => 2,
    };
    let code = refusals.iter().map(|(_, refusal)| refusal.code).min_by_key(|code| rank(*code));
    let code = code.unwrap_or(Code::SchemaInvalid);
    let (kind, detail) = match code {
        Code::Undecodable => (Kind::InvalidEnvelope, "Not a CloudEvent 1.0 in JSON; nothing was accepted."),
        Code::TooLarge => (Kind::TooLarge, "An event is too large; nothing was accepted."),
        _ => (Kind::InvalidEvent, "An event breaks the rules of its type; nothing was accepted."),
    };
    let pointed = |(index, refusal): (Option<usize>, Refusal)| {
        let prefix = index.map(|index| format!("/{index}")).unwrap_or_default();
        let place =
            move |fault: Violation| Violation::new(format!("{prefix}{}", fault.pointer), fault.detail);
        refusal.violations.into_iter().map(place)
    };
    let errors = refusals.into_iter().flat_map(pointed).take(ERRORS_MAX).collect();
    let problem = Problem::new(kind, detail).code(code).errors(errors);
    if kind == Kind::TooLarge { problem.max_bytes(limits::EVENT_BYTES) } else { problem }
}
