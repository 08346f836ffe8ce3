//! What the intake takes, which an api's process may serve as well.

use forebay_intake::{Accepted, Kind};
use forebay_schemas::{envelope, limits};
use serde_json::{Map, Value, json};

use super::operation::{Operation, Schemas};

const EVENTS: &str = "/v1/events";
const PUSHES: &str = "/hooks/carriers/{system}/{token}";

/// The intake's operations, by their paths.
pub(super) fn operations(schemas: &mut Schemas) -> [(&'static str, Value); 2] {
    [(EVENTS, events(schemas)), (PUSHES, pushes(schemas))]
}

fn events(schemas: &mut Schemas) -> Value {
    let mut operation = Operation::at(EVENTS, schemas);
    let schema = operation.answered::<Accepted>();
    operation.answer(202, "application/json", schema);
    operation.refuses(&[
        Kind::InvalidEnvelope,
        Kind::InvalidKey,
        Kind::InsufficientScope,
        Kind::RequestTimeout,
        Kind::TooLarge,
        Kind::UnsupportedMediaType,
        Kind::InvalidEvent,
        Kind::ReducedCapacity,
    ]);
    let mut shown = operation.shown();
    let batch = json!({ "type": "array", "items": event(), "maxItems": limits::BATCH_EVENTS });
    shown.insert("requestBody".to_owned(), json!({
        "description": format!(
            "An event of {} bytes at most, or up to {} of them; may be gzip (`Content-Encoding`). All or none are \
             accepted. The data of each type are in asyncapi.yaml.",
            limits::EVENT_BYTES, limits::BATCH_EVENTS,
        ),
        "required": true,
        "content": {
            envelope::CONTENT_TYPE: { "schema": event() },
            envelope::CONTENT_TYPE_BATCH: { "schema": batch },
        },
    }));
    told(shown, "events_post", "Sends events.", json!([{ "key": [] }]))
}

/// A CloudEvent, as far as every type has it.
fn event() -> Value {
    json!({
        "type": "object",
        "required": ["specversion", "id", "source", "type", "data"],
        "properties": {
            "specversion": { "const": "1.0" },
            "id": { "type": "string", "minLength": 1, "maxLength": limits::ID_CHARS },
            "source": { "type": "string", "minLength": 1, "maxLength": limits::SOURCE_CHARS },
            "type": { "type": "string", "minLength": 1 },
            "subject": { "type": "string", "minLength": 1, "maxLength": limits::SOURCE_CHARS },
            "time": { "type": "string", "format": "date-time" },
            "traceparent": { "type": "string", "minLength": 1 },
            "data": { "type": "object" },
        },
    })
}

fn pushes(schemas: &mut Schemas) -> Value {
    let mut operation = Operation::at(PUSHES, schemas);
    operation.path::<(String, String)>();
    operation.refuses(&[
        Kind::InvalidRequest,
        Kind::InvalidSignature,
        Kind::NotFound,
        Kind::RequestTimeout,
        Kind::TooLarge,
        Kind::UnsupportedMediaType,
        Kind::ReducedCapacity,
    ]);
    let mut shown = operation.shown();
    shown["responses"]["202"] = json!({ "description": "It is durably stored." });
    shown.insert("requestBody".to_owned(), json!({
        "description": format!("{} bytes at most, signed as the carrier's system signs.", limits::PUSH_BYTES),
        "required": true,
        "content": { "application/json": { "schema": {} } },
    }));
    told(shown, "hooks_push", "Takes what a carrier's system pushes.", json!([]))
}

fn told(mut shown: Map<String, Value>, id: &str, summary: &str, security: Value) -> Value {
    shown.insert("operationId".to_owned(), id.into());
    shown.insert("summary".to_owned(), summary.into());
    shown.insert("tags".to_owned(), json!(["events"]));
    shown.insert("security".to_owned(), security);
    Value::Object(shown)
}
