//! Messages as they lie in RabbitMQ: taken out of its queues, and put back as they were.

use std::collections::BTreeMap;

use forebay_schemas::Queue;
use lapin::options::{BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use serde::{Deserialize, Serialize};

/// A message with all that was sent with it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Wired {
    exchange: String,
    routing_key: String,
    pub(super) message_id: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    content_type: String,
    delivery_mode: u8,
    timestamp: u64,
    pub(super) headers: BTreeMap<String, String>,
    /// The body, if it is text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) body: String,
    /// The body, if it is not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    bytes: Vec<u8>,
}

async fn channel(url: &str) -> (Connection, Channel) {
    let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}

/// Takes every message out of these queues.
pub(super) async fn take(url: &str, queues: &[Queue]) -> Vec<Wired> {
    let (_connection, channel) = channel(url).await;
    let mut all = Vec::new();
    for queue in queues {
        let options = BasicGetOptions { no_ack: true };
        while let Some(got) = channel.basic_get(queue.to_string().into(), options).await.unwrap() {
            let (properties, body) = (&got.delivery.properties, got.delivery.data.clone());
            let text = |value: &Option<lapin::types::ShortString>| {
                value.as_ref().map(ToString::to_string).unwrap_or_default()
            };
            let nothing = FieldTable::default();
            // Those of the broker itself begin with `x-`.
            let headers = properties.headers().as_ref().unwrap_or(&nothing).inner().iter();
            let headers = headers.filter(|(name, _)| !name.as_str().starts_with("x-"));
            let headers = headers.map(|(name, value)| match value {
                AMQPValue::LongString(text) => (name.to_string(), text.to_string()),
                other => panic!("{name}: {other:?}"),
            });
            let (body, bytes) = match String::from_utf8(body) {
                Ok(text) => (text, Vec::new()),
                Err(bytes) => (String::new(), bytes.into_bytes()),
            };
            all.push(Wired {
                exchange: got.delivery.exchange.to_string(),
                routing_key: got.delivery.routing_key.to_string(),
                message_id: text(properties.message_id()),
                kind: text(properties.kind()),
                content_type: text(properties.content_type()),
                delivery_mode: properties.delivery_mode().unwrap_or(0),
                timestamp: properties.timestamp().unwrap_or(0),
                headers: headers.collect(),
                body,
                bytes,
            });
        }
    }
    all.sort();
    all
}

/// Publishes messages as they were published before.
pub(super) async fn put(url: &str, messages: &[Wired]) {
    let (_connection, channel) = channel(url).await;
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    for message in messages {
        let mut headers = FieldTable::default();
        for (name, value) in &message.headers {
            headers.insert(name.as_str().into(), AMQPValue::LongString(value.as_str().into()));
        }
        let properties = BasicProperties::default()
            .with_message_id(message.message_id.as_str().into())
            .with_type(message.kind.as_str().into())
            .with_content_type(message.content_type.as_str().into())
            .with_delivery_mode(message.delivery_mode)
            .with_timestamp(message.timestamp)
            .with_headers(headers);
        let body = if message.bytes.is_empty() { message.body.as_bytes() } else { &message.bytes };
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let (exchange, key) = (message.exchange.as_str().into(), message.routing_key.as_str().into());
        let confirm = channel.basic_publish(exchange, key, options, body, properties).await.unwrap();
        let confirmed = confirm.await.unwrap();
        assert!(confirmed.is_ack() && confirmed.take_message().is_none(), "no queue took {message:?}");
    }
}
