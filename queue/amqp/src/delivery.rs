//! From what came over the wire to a message of the contract.

use bytes::Bytes;
use chrono::DateTime;
use forebay_queue::{Delivery, Message, Receipt};
use forebay_schemas::trail::Headers;
use forebay_schemas::{Code, Queue};
use lapin::types::{AMQPValue, FieldTable};

use crate::outgoing::is_brokers;

/// Most bytes of headers that are kept, so that a copy with our own added always fits.
const KEPT_BYTES: usize = 64 * 1024;

/// What lapin delivered, without its handle for settling.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) properties: lapin::BasicProperties,
    pub(crate) body: Vec<u8>,
    pub(crate) redelivered: bool,
}

impl Arrived {
    /// As the contract tells it. Whatever can't be told in the contract's types is left out; the body never is.
    pub(crate) fn into_delivery(self, queue: &Queue, receipt: Receipt) -> Delivery {
        let nothing = FieldTable::default();
        let table = self.properties.headers().as_ref().unwrap_or(&nothing);
        let text = |value: &Option<lapin::types::ShortString>| {
            value.as_ref().map(ToString::to_string).unwrap_or_default()
        };
        let seconds = self.properties.timestamp().and_then(|s| i64::try_from(s).ok());
        let delivery_count = count(table);
        let message = Message {
            id: text(self.properties.message_id()),
            kind: text(self.properties.kind()),
            timestamp: seconds.and_then(|s| DateTime::from_timestamp(s, 0)),
            headers: headers(table),
            body: Bytes::from(self.body),
        };
        let message = match death(table).filter(|_| *queue == Queue::Dead) {
            Some(death) => buried_by_broker(message, death),
            None => message,
        };
        let redelivered = self.redelivered || delivery_count > 0;
        Delivery { message, receipt, redelivered, delivery_count, enqueued_at: None }
    }
}

/// RabbitMQ counts deliveries of quorum queues here; absent on the first one from 3.12 on.
fn count(table: &FieldTable) -> u32 {
    let count = table.inner().get("x-delivery-count").and_then(integer).unwrap_or(0);
    u32::try_from(count.max(0)).unwrap_or(u32::MAX)
}

/// Headers whose value is text, a number or a truth, but the broker's own.
fn headers(table: &FieldTable) -> Headers {
    let mut kept = Headers::new();
    let mut size = 0;
    for (name, value) in table.inner() {
        let name = name.as_str();
        let Some(value) = (!is_brokers(name)).then(|| text(value)).flatten() else { continue };
        size += name.len() + value.len();
        if size > KEPT_BYTES {
            break;
        }
        kept.insert(name.to_owned(), value);
    }
    kept
}

fn text(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes()).ok().map(str::to_owned),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        AMQPValue::Boolean(truth) => Some(truth.to_string()),
        other => integer(other).map(|number| number.to_string()),
    }
}

fn integer(value: &AMQPValue) -> Option<i64> {
    Some(match value {
        AMQPValue::ShortShortInt(n) => i64::from(*n),
        AMQPValue::ShortShortUInt(n) => i64::from(*n),
        AMQPValue::ShortInt(n) => i64::from(*n),
        AMQPValue::ShortUInt(n) => i64::from(*n),
        AMQPValue::LongInt(n) => i64::from(*n),
        AMQPValue::LongUInt(n) => i64::from(*n),
        AMQPValue::LongLongInt(n) => *n,
        AMQPValue::Timestamp(seconds) => i64::try_from(*seconds).ok()?,
        _ => return None,
    })
}

/// The newest entry of `x-death`: the broker's word on why it dead-lettered the message.
struct Death {
    queue: String,
    reason: String,
}

fn death(table: &FieldTable) -> Option<Death> {
    let AMQPValue::FieldArray(entries) = table.inner().get("x-death")? else { return None };
    let AMQPValue::FieldTable(newest) = entries.as_slice().first()? else { return None };
    let field = |name| newest.inner().get(name).and_then(text);
    Some(Death { queue: field("queue")?, reason: field("reason")? })
}

/// A message that the broker itself moved to `forebay.dead` carries no word of ours about it.
fn buried_by_broker(message: Message, death: Death) -> Message {
    let mut trail = message.trail();
    trail.queue = Some(death.queue);
    if death.reason == "delivery_limit" {
        trail.code = Some(Code::CrashLoop);
        trail.error = Some("delivered again and again and never settled".to_owned());
    }
    message.with_trail(&trail)
}

#[cfg(test)]
mod tests {
    use lapin::types::FieldArray;

    use super::*;

    const RECEIPT: Receipt = Receipt { epoch: 1, tag: 1 };

    fn arrived(headers: Vec<(&str, AMQPValue)>) -> Arrived {
        let mut table = FieldTable::default();
        for (name, value) in headers {
            table.insert(name.into(), value);
        }
        let properties = lapin::BasicProperties::default().with_headers(table).with_message_id("m".into());
        Arrived { properties, body: vec![0xff, 0], redelivered: false }
    }

    #[test]
    fn headers_become_text_or_nothing_and_the_brokers_own_are_gone() {
        let delivery = arrived(vec![
            ("word", AMQPValue::LongString("a".into())),
            ("number", AMQPValue::LongInt(-3)),
            ("truth", AMQPValue::Boolean(true)),
            ("bytes", AMQPValue::LongString(vec![0xff].into())),
            ("list", AMQPValue::FieldArray(FieldArray::default())),
            ("x-first-death-queue", AMQPValue::LongString("q".into())),
        ])
        .into_delivery(&Queue::Returns, RECEIPT);
        let expected = [("number", "-3"), ("truth", "true"), ("word", "a")];
        let expected = expected.map(|(n, v)| (n.to_owned(), v.to_owned()));
        assert_eq!(delivery.message.headers, Headers::from(expected));
        assert_eq!(delivery.message.body.as_ref(), [0xff, 0]);
    }

    #[test]
    fn a_message_that_was_delivered_before_is_marked_as_such() {
        let delivery = arrived(vec![("x-delivery-count", AMQPValue::LongLongInt(2))])
            .into_delivery(&Queue::Returns, RECEIPT);
        assert_eq!((delivery.delivery_count, delivery.redelivered), (2, true));
        let delivery = arrived(vec![]).into_delivery(&Queue::Returns, RECEIPT);
        assert_eq!((delivery.delivery_count, delivery.redelivered), (0, false));
    }

    #[test]
    fn a_message_that_the_broker_buried_tells_where_it_came_from_and_why() {
        let mut entry = FieldTable::default();
        entry.insert("queue".into(), AMQPValue::LongString("forebay.rewards".into()));
        entry.insert("reason".into(), AMQPValue::LongString("delivery_limit".into()));
        let deaths = AMQPValue::FieldArray(vec![AMQPValue::FieldTable(entry)].into());
        let buried = arrived(vec![("x-death", deaths.clone())]).into_delivery(&Queue::Dead, RECEIPT);
        assert_eq!(buried.message.trail().queue.as_deref(), Some("forebay.rewards"));
        assert_eq!(buried.message.trail().code, Some(Code::CrashLoop));
        let returned = arrived(vec![("x-death", deaths)]).into_delivery(&Queue::Rewards, RECEIPT);
        assert_eq!(returned.message.trail().queue, None, "a return from a delay is no burial");
    }

    #[test]
    fn headers_beyond_their_bound_are_left_out() {
        let big = AMQPValue::LongString("x".repeat(40_000).into());
        let delivery = arrived(vec![("a", big.clone()), ("b", big)]).into_delivery(&Queue::Returns, RECEIPT);
        assert_eq!(delivery.message.headers.len(), 1);
    }
}
