//! From a message of the contract to what goes over the wire.

use bytes::Bytes;
use forebay_queue::size::{NAME_BYTES, fits};
use forebay_queue::{Message, Outgoing, PublishError};
use forebay_schemas::envelope::CONTENT_TYPE;
use forebay_schemas::{Route, topology};
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};

use crate::topology::delay_exchange;

/// Stored on disk.
const PERSISTENT: u8 = 2;

/// One message, ready to be sent.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) route: Route,
    pub(crate) exchange: ShortString,
    pub(crate) routing_key: ShortString,
    /// Come back when no queue takes it.
    pub(crate) mandatory: bool,
    pub(crate) properties: BasicProperties,
    pub(crate) body: Bytes,
}

impl Parcel {
    pub(crate) fn of(outgoing: Outgoing) -> Result<Self, PublishError> {
        let (exchange, routing_key, mandatory) = address(&outgoing.route);
        let message = outgoing.message;
        fits(&message)?;
        Ok(Self {
            route: outgoing.route,
            exchange: short(exchange, "the exchange's name")?,
            routing_key: short(routing_key, "the routing key")?,
            mandatory,
            properties: properties(&message)?,
            body: message.body,
        })
    }
}

/// Exchange, routing key, and whether the message must reach a queue.
fn address(route: &Route) -> (String, String, bool) {
    match route {
        Route::Event(kind) => (topology::EVENTS.to_owned(), kind.clone(), true),
        Route::Work(queue) => (topology::WORK.to_owned(), queue.to_string(), true),
        // The key travels through the delay queue and brings the message back to its work queue.
        Route::Delay(tier, queue) => (delay_exchange(*tier), queue.to_string(), true),
        Route::Fact(kind) => (topology::FACTS.to_owned(), kind.clone(), false),
    }
}

fn properties(message: &Message) -> Result<BasicProperties, PublishError> {
    let mut properties = BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_content_type(short(CONTENT_TYPE, "the content type")?);
    if !message.id.is_empty() {
        properties = properties.with_message_id(short(message.id.as_str(), "its id")?);
    }
    if !message.kind.is_empty() {
        properties = properties.with_type(short(message.kind.as_str(), "its type")?);
    }
    if let Some(seconds) = message.timestamp.and_then(|at| u64::try_from(at.timestamp()).ok()) {
        properties = properties.with_timestamp(seconds);
    }
    let mut headers = FieldTable::default();
    for (name, value) in message.headers.iter().filter(|(name, _)| !is_brokers(name)) {
        headers
            .insert(short(name.as_str(), "a header's name")?, AMQPValue::LongString(value.as_str().into()));
    }
    Ok(properties.with_headers(headers))
}

/// Headers that mean something to the broker and must never be sent back to it: its own, and those that would
/// copy the message elsewhere.
pub(crate) fn is_brokers(name: &str) -> bool {
    name.starts_with("x-") || name.eq_ignore_ascii_case("cc") || name.eq_ignore_ascii_case("bcc")
}

fn short(text: impl Into<String>, what: &str) -> Result<ShortString, PublishError> {
    ShortString::try_new(text)
        .map_err(|_| PublishError::TooLarge(format!("{what} is longer than {NAME_BYTES} bytes")))
}

#[cfg(test)]
mod tests {
    use forebay_schemas::trail::Headers;
    use forebay_schemas::{Queue, Tier};

    use super::*;

    fn message() -> Message {
        Message {
            id: "e1".to_owned(),
            kind: "a.v1".to_owned(),
            timestamp: chrono::DateTime::from_timestamp(1_700_000_000, 0),
            headers: Headers::new(),
            body: Bytes::from_static(b"{}"),
        }
    }

    fn parcel(route: Route, message: Message) -> Result<Parcel, PublishError> {
        Parcel::of(Outgoing { route, message })
    }

    #[test]
    fn only_a_fact_may_reach_nobody() {
        let routes = [
            (Route::Event("a.v1".into()), "forebay.events", "a.v1", true),
            (Route::Work(Queue::Rewards), "forebay.work", "forebay.rewards", true),
            (Route::Work(Queue::Dead), "forebay.work", "forebay.dead", true),
            (Route::Delay(Tier::M2, Queue::Rewards), "forebay.delay.2m", "forebay.rewards", true),
            (Route::Fact("a.v1".into()), "forebay.facts", "a.v1", false),
        ];
        for (route, exchange, key, mandatory) in routes {
            let parcel = parcel(route, message()).unwrap();
            let sent = (parcel.exchange.as_str(), parcel.routing_key.as_str(), parcel.mandatory);
            assert_eq!(sent, (exchange, key, mandatory));
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_and_never_panics() {
        let long = "x".repeat(256);
        let cases: [fn(&mut Message, String); 5] = [
            |m, long| m.id = long,
            |m, long| m.kind = long,
            |m, long| drop(m.headers.insert(long, "v".into())),
            |m, long| drop(m.headers.insert("big".into(), long.repeat(1024))),
            |m, _| m.body = vec![0; forebay_queue::size::BODY_BYTES + 1].into(),
        ];
        for spoil in cases {
            let mut message = message();
            spoil(&mut message, long.clone());
            let refused = parcel(Route::Work(Queue::Rewards), message);
            assert!(matches!(refused, Err(PublishError::TooLarge(_))), "{refused:?}");
        }
        let refused = parcel(Route::Event(long), message());
        assert!(matches!(refused, Err(PublishError::TooLarge(_))), "{refused:?}");
    }

    #[test]
    fn headers_of_the_broker_are_not_sent_back_to_it() {
        let mut message = message();
        for name in ["x-death", "x-delivery-count", "CC", "bcc", "shop-tag"] {
            message.headers.insert(name.to_owned(), "1".to_owned());
        }
        let parcel = parcel(Route::Work(Queue::Rewards), message).unwrap();
        let headers = parcel.properties.headers().clone().unwrap();
        let names: Vec<_> = headers.inner().keys().map(ToString::to_string).collect();
        assert_eq!(names, ["shop-tag"]);
    }
}
