//! The documents that are generated from the catalogue: one JSON Schema a type, and `asyncapi.yaml`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::catalogue::data_schema;
use crate::envelope::CONTENT_TYPE;
use crate::event_type::{Direction, EventType};
use crate::limits;
use crate::topology::{EVENTS, FACTS, WORK};

/// The generated files: path below `schemas/generated/` and content. `asyncapi` is [`asyncapi`] as YAML, which the
/// caller writes, since this crate carries no YAML writer.
#[must_use]
pub fn schema_files() -> BTreeMap<String, String> {
    EventType::ALL
        .iter()
        .map(|kind| {
            let mut text = serde_json::to_string_pretty(&data_schema(*kind)).unwrap_or_default();
            text.push('\n');
            (format!("{}.schema.json", kind.name()), text)
        })
        .collect()
}

/// The AsyncAPI 3.0 document: what may be sent to Forebay, and what it tells.
#[must_use]
pub fn asyncapi() -> Value {
    let mut messages = Map::new();
    let mut schemas = Map::new();
    let mut channels = Map::new();
    let mut operations = Map::new();
    for kind in EventType::ALL {
        let (exchange, action) = match kind.direction() {
            Direction::Inbound => (EVENTS, "receive"),
            Direction::Member | Direction::Command => (WORK, "receive"),
            Direction::Fact => (FACTS, "send"),
        };
        let name = key(*kind);
        schemas.insert(name.clone(), data_schema(*kind));
        messages.insert(name.clone(), message(*kind, &name));
        let address = kind
            .queue()
            .filter(|_| exchange == WORK)
            .map_or_else(|| kind.name().to_owned(), |queue| queue.to_string());
        channels.insert(
            name.clone(),
            json!({
                "address": address,
                "messages": { name.clone(): { "$ref": format!("#/components/messages/{name}") } },
                "bindings": { "amqp": { "is": "routingKey", "exchange": {
                    "name": exchange,
                    "type": if exchange == WORK { "direct" } else { "topic" },
                    "durable": true,
                    "autoDelete": false,
                }, "bindingVersion": "0.3.0" } },
            }),
        );
        operations.insert(
            name.clone(),
            json!({ "action": action, "channel": { "$ref": format!("#/channels/{name}") } }),
        );
    }
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Forebay",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Events are CloudEvents 1.0 JSON in structured mode. A storefront sends inbound types over \
                HTTP (POST /v1/events) or straight to the exchange forebay.events; members' commands come over HTTP \
                only. What happened is told on the exchange forebay.facts.",
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": channels,
        "operations": operations,
        "components": { "messages": messages, "schemas": schemas },
    })
}

fn message(kind: EventType, name: &str) -> Value {
    json!({
        "name": kind.name(),
        "contentType": CONTENT_TYPE,
        "x-direction": format!("{:?}", kind.direction()).to_lowercase(),
        "payload": {
            "type": "object",
            "required": ["specversion", "id", "source", "type", "data"],
            "properties": {
                "specversion": { "const": "1.0" },
                "id": { "type": "string", "minLength": 1, "maxLength": limits::ID_CHARS },
                "source": { "type": "string", "minLength": 1, "maxLength": limits::SOURCE_CHARS },
                "type": { "const": kind.name() },
                "subject": { "type": "string", "maxLength": limits::SOURCE_CHARS },
                "time": { "type": "string", "format": "date-time" },
                "traceparent": { "type": "string" },
                "data": { "$ref": format!("#/components/schemas/{name}") },
            },
        },
        "bindings": { "amqp": { "messageType": kind.name(), "bindingVersion": "0.3.0" } },
    })
}

/// Component keys may hold letters, digits, dots, hyphens and underscores: the type's name fits as it is.
fn key(kind: EventType) -> String {
    kind.name().to_owned()
}
