//! The envelope: CloudEvents 1.0 JSON in structured mode, on HTTP and AMQP alike.
//!
//! Source: CloudEvents specification 1.0, JSON event format. `data` is kept as the bytes that came, so that
//! numbers and spelling survive every hop; the digest is taken over canonical JSON instead.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::code::Code;
use crate::event_type::EventType;
use crate::limits;
use crate::violation::{Refusal, Violation};

/// The content type of one event.
pub const CONTENT_TYPE: &str = "application/cloudevents+json";
/// The content type of a batch of events.
pub const CONTENT_TYPE_BATCH: &str = "application/cloudevents-batch+json";

/// SHA-256 over canonical JSON of (type, subject, data): two messages of one identity are the same when it agrees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

/// Data of one event type.
pub trait EventData: Serialize {
    /// The type under which this data travels.
    const TYPE: EventType;
    /// The CloudEvents `subject`, e.g. `member/m-1`.
    fn subject(&self) -> String;
}

/// One event, decoded as far as its envelope.
#[derive(Debug, Clone)]
pub struct Event {
    /// With `source`, the event's identity. 1 to 128 visible ASCII characters.
    pub id: String,
    /// Who says so, a URI reference, e.g. `/shops/main`.
    pub source: String,
    /// The type as written, e.g. `return.requested.v1`; it need not be known.
    pub kind: String,
    /// What it is about.
    pub subject: Option<String>,
    /// When it happened, as its author says.
    pub time: Option<DateTime<Utc>>,
    /// When we took it (extension `recordedtime`); stamped by the intake.
    pub recorded_time: Option<DateTime<Utc>>,
    /// W3C trace context of the hop that began it.
    pub traceparent: Option<String>,
    /// Every other attribute, kept as it came.
    pub extensions: BTreeMap<String, Value>,
    /// The data as it came.
    pub data: Box<RawValue>,
}

impl Event {
    /// A new event of ours around `data`.
    ///
    /// # Panics
    /// Never: event data of this crate is plain JSON.
    pub fn of<D: EventData>(id: impl Into<String>, source: &str, now: DateTime<Utc>, data: &D) -> Self {
        Self {
            id: id.into(),
            source: source.to_owned(),
            kind: D::TYPE.name().to_owned(),
            subject: Some(data.subject()),
            time: Some(now),
            recorded_time: Some(now),
            traceparent: None,
            extensions: BTreeMap::new(),
            data: serde_json::value::to_raw_value(data).expect("event data is plain JSON"),
        }
    }

    /// Reads one event from the bytes of its JSON.
    ///
    /// # Errors
    /// A [`Refusal`] with `too_large` or `undecodable` and everything that is wrong with the envelope.
    pub fn decode(bytes: &[u8]) -> Result<Self, Refusal> {
        if bytes.len() > limits::EVENT_BYTES {
            let detail = format!("the event has {} bytes, the limit is {}", bytes.len(), limits::EVENT_BYTES);
            return Err(Refusal::one(Code::TooLarge, "", detail));
        }
        let Attributes { values, repeated } = serde_json::from_slice(bytes)
            .map_err(|e| Refusal::one(Code::Undecodable, "", format!("not a JSON object: {}", plain(&e))))?;
        if repeated {
            // Readers differ on which one counts, so that two of them could see two different events.
            return Err(Refusal::one(Code::Undecodable, "", "an attribute stands there more than once"));
        }
        Self::from_attributes(values)
    }

    fn from_attributes(mut attributes: Values<'_>) -> Result<Self, Refusal> {
        let mut wrong = Vec::new();
        let specversion = text(&mut attributes, "specversion", 8, true, &mut wrong);
        if specversion.as_deref().is_some_and(|v| v != "1.0") {
            wrong.push(Violation::new("/specversion", "must be \"1.0\""));
        }
        let id = text(&mut attributes, "id", limits::ID_CHARS, true, &mut wrong);
        let source = text(&mut attributes, "source", limits::SOURCE_CHARS, true, &mut wrong);
        let kind = text(&mut attributes, "type", limits::ID_CHARS, true, &mut wrong);
        let subject = text(&mut attributes, "subject", limits::SOURCE_CHARS, false, &mut wrong);
        let traceparent = text(&mut attributes, "traceparent", 64, false, &mut wrong);
        let time = instant(&mut attributes, "time", &mut wrong);
        let recorded_time = instant(&mut attributes, "recordedtime", &mut wrong);
        if let Some(content) = text(&mut attributes, "datacontenttype", 64, false, &mut wrong)
            && content.split(';').next().is_some_and(|c| c.trim() != "application/json")
        {
            wrong.push(Violation::new("/datacontenttype", "must be application/json"));
        }
        if attributes.remove("data_base64").is_some() {
            wrong.push(Violation::new("/data_base64", "binary data is not taken; use data"));
        }
        let data = attributes.remove("data");
        if data.is_none() {
            wrong.push(Violation::new("/data", "is missing"));
        }
        let extensions = extensions(attributes, &mut wrong);
        match (id, source, kind, data) {
            (Some(id), Some(source), Some(kind), Some(data)) if wrong.is_empty() => {
                let data = data.to_owned();
                Ok(Self { id, source, kind, subject, time, recorded_time, traceparent, extensions, data })
            }
            _ => Err(Refusal { code: Code::Undecodable, violations: wrong }),
        }
    }

    /// The event as the bytes of its JSON.
    ///
    /// # Panics
    /// Never: every part was read from JSON or made by us.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.encode_within(self.traceparent.as_deref())
    }

    /// The same within this trace, whatever its own.
    ///
    /// # Panics
    /// Never, as [`Event::encode`].
    #[must_use]
    pub fn encode_within(&self, traceparent: Option<&str>) -> Vec<u8> {
        serde_json::to_vec(&Written { event: self, traceparent }).expect("an envelope is plain JSON")
    }

    /// The digest that tells a repeat from a reused identity.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest_with(&serde_json::from_str(self.data.get()).unwrap_or(Value::Null))
    }

    /// The same where the data are parsed already.
    pub(crate) fn digest_with(&self, data: &Value) -> Digest {
        // A parsed `Value` keeps its keys sorted: printing it again is the canonical form.
        let canonical = serde_json::to_vec(&(&self.kind, &self.subject, data)).unwrap_or_default();
        Digest(Sha256::digest(&canonical).into())
    }

    /// The type, when the catalogue knows it.
    #[must_use]
    pub fn event_type(&self) -> Option<EventType> {
        self.kind.parse().ok()
    }
}

/// The members of an envelope, unread.
struct Attributes<'b> {
    values: Values<'b>,
    repeated: bool,
}

type Values<'b> = BTreeMap<Cow<'b, str>, &'b RawValue>;

/// A name, borrowed unless it is escaped.
#[derive(Deserialize)]
struct Name<'b>(#[serde(borrow)] Cow<'b, str>);

impl<'de> Deserialize<'de> for Attributes<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> serde::de::Visitor<'de> for Members {
            type Value = Attributes<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Attributes<'de>, A::Error> {
                let mut attributes = Attributes { values: BTreeMap::new(), repeated: false };
                while let Some((Name(name), value)) = map.next_entry()? {
                    attributes.repeated |= attributes.values.insert(name, value).is_some();
                }
                Ok(attributes)
            }
        }
        deserializer.deserialize_map(Members)
    }
}

impl Serialize for Event {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Written { event: self, traceparent: self.traceparent.as_deref() }.serialize(serializer)
    }
}

/// An event on its way, within a trace.
struct Written<'e> {
    event: &'e Event,
    traceparent: Option<&'e str>,
}

impl Serialize for Written<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let Self { event, traceparent } = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("specversion", "1.0")?;
        map.serialize_entry("id", &event.id)?;
        map.serialize_entry("source", &event.source)?;
        map.serialize_entry("type", &event.kind)?;
        if let Some(subject) = &event.subject {
            map.serialize_entry("subject", subject)?;
        }
        if let Some(time) = event.time {
            map.serialize_entry("time", &rfc3339(time))?;
        }
        if let Some(time) = event.recorded_time {
            map.serialize_entry("recordedtime", &rfc3339(time))?;
        }
        if let Some(traceparent) = traceparent {
            map.serialize_entry("traceparent", traceparent)?;
        }
        for (name, value) in &event.extensions {
            map.serialize_entry(name, value)?;
        }
        map.serialize_entry("datacontenttype", "application/json")?;
        map.serialize_entry("data", &event.data)?;
        map.end()
    }
}

/// An instant as it stands on every wire: RFC 3339, UTC, microseconds.
#[must_use]
pub fn rfc3339(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Micros, true)
}

fn plain(error: &serde_json::Error) -> String {
    // serde_json quotes no input in syntax errors; data errors may, so only their place is told.
    if error.is_data() {
        format!("at line {} column {}", error.line(), error.column())
    } else {
        error.to_string()
    }
}

fn text(
    attributes: &mut Values<'_>,
    name: &str,
    most: usize,
    required: bool,
    wrong: &mut Vec<Violation>,
) -> Option<String> {
    let raw = attributes.remove(name);
    let Some(raw) = raw.filter(|r| r.get() != "null") else {
        if required {
            wrong.push(Violation::new(format!("/{name}"), "is missing"));
        }
        return None;
    };
    match serde_json::from_str::<String>(raw.get()) {
        Ok(value) if value.is_empty() => wrong.push(Violation::new(format!("/{name}"), "is empty")),
        Ok(value) if value.len() > most => {
            wrong.push(Violation::new(format!("/{name}"), format!("is longer than {most} bytes")));
        }
        Ok(value) if value.bytes().any(|b| !(0x21..=0x7e).contains(&b)) => {
            wrong.push(Violation::new(format!("/{name}"), "holds other than visible ASCII characters"));
        }
        Ok(value) => return Some(value),
        Err(_) => wrong.push(Violation::new(format!("/{name}"), "is not a string")),
    }
    None
}

fn instant(attributes: &mut Values<'_>, name: &str, wrong: &mut Vec<Violation>) -> Option<DateTime<Utc>> {
    let value = text(attributes, name, 64, false, wrong)?;
    match DateTime::parse_from_rfc3339(&value) {
        Ok(at) => Some(at.with_timezone(&Utc)),
        Err(_) => {
            wrong.push(Violation::new(format!("/{name}"), "is not an RFC 3339 instant"));
            None
        }
    }
}

fn extensions(attributes: Values<'_>, wrong: &mut Vec<Violation>) -> BTreeMap<String, Value> {
    let mut kept = BTreeMap::new();
    for (name, raw) in attributes {
        let named = (1..=20).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if !named {
            let shown: String = name.chars().filter(|c| !c.is_control()).take(32).collect();
            wrong.push(Violation::new("", format!("attribute name {shown:?} is not 1 to 20 of a-z and 0-9")));
            continue;
        }
        match serde_json::from_str::<Value>(raw.get()) {
            Ok(value @ (Value::String(_) | Value::Bool(_) | Value::Number(_))) => {
                kept.insert(name.into_owned(), value);
            }
            _ => wrong.push(Violation::new(format!("/{name}"), "is not a string, number or boolean")),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str =
        r#"{"specversion":"1.0","id":"e1","source":"/s","type":"t.v1","data":{"n":1.50,"a":{"z":1,"b":2}}}"#;

    #[test]
    fn data_keeps_its_bytes_through_decode_and_encode() {
        let event = Event::decode(PLAIN.as_bytes()).unwrap();
        let again = Event::decode(&event.encode()).unwrap();
        assert_eq!(again.data.get(), r#"{"n":1.50,"a":{"z":1,"b":2}}"#);
    }

    #[test]
    fn the_digest_minds_contents_and_not_spelling_or_stamps() {
        let event = Event::decode(PLAIN.as_bytes()).unwrap();
        let respelt = PLAIN.replace(r#"{"z":1,"b":2}"#, r#"{ "b": 2, "z": 1 }"#);
        let mut stamped = Event::decode(respelt.as_bytes()).unwrap();
        stamped.recorded_time = DateTime::from_timestamp(1, 0);
        assert_eq!(event.digest(), stamped.digest());
        let other = Event::decode(PLAIN.replace("1.50", "1.51").as_bytes()).unwrap();
        assert_ne!(event.digest(), other.digest());
    }

    #[test]
    fn every_fault_of_an_envelope_is_named_at_once() {
        let refusal = Event::decode(br#"{"specversion":"0.3","id":7,"type":"","UPPER":1}"#).unwrap_err();
        assert_eq!(refusal.code, Code::Undecodable);
        let pointers: Vec<&str> = refusal.violations.iter().map(|v| v.pointer.as_str()).collect();
        for pointer in ["/specversion", "/id", "/source", "/type", "/data", ""] {
            assert!(pointers.contains(&pointer), "{pointer} is not among {pointers:?}");
        }
    }

    #[test]
    fn garbage_is_refused_without_a_panic() {
        let deep = "[".repeat(100_000);
        let twice = PLAIN.replace(r#""id":"e1""#, r#""id":"e1","id":"e2""#);
        let poison: [&[u8]; 8] = [
            b"",
            b"\xff\xfe",
            b"null",
            b"[]",
            b"{\"id\":\"\\u0000\"}",
            deep.as_bytes(),
            b"{\"a\":1e999}",
            twice.as_bytes(),
        ];
        for bytes in poison {
            assert!(Event::decode(bytes).is_err());
        }
    }
}
