//! Whatever properties and headers come over the wire, a delivery is made of them and never a panic; and what was
//! made of them can be stored again with a past of our own.

use forebay_queue::size::{NAME_BYTES, fits};
use forebay_queue::{Outgoing, Receipt};
use forebay_schemas::trail::bounded;
use forebay_schemas::{Code, Queue, Route, Trail, limits};
use lapin::BasicProperties;
use lapin::types::{AMQPValue, ByteArray, DecimalValue, FieldTable, LongString, ShortString};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use crate::delivery::Arrived;
use crate::outgoing::Parcel;

/// A text that fits a short string, as every one that came over the wire does.
fn short() -> impl Strategy<Value = ShortString> {
    any::<String>().prop_map(|text| {
        let end =
            text.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= NAME_BYTES).last();
        ShortString::from(&text[..end.unwrap_or(0)])
    })
}

fn long() -> impl Strategy<Value = LongString> {
    prop_oneof![
        any::<String>().prop_map(LongString::from),
        prop::collection::vec(any::<u8>(), 0..100).prop_map(LongString::from),
        (0usize..50_000).prop_map(|length| LongString::from("x".repeat(length))),
    ]
}

/// Names that mean something to somebody, and any other.
fn name() -> impl Strategy<Value = ShortString> {
    let known = [
        "x-death",
        "x-delivery-count",
        "x-acquired-count",
        "x-first-death-queue",
        "CC",
        "queue",
        "reason",
        "count",
        "forebay-attempt",
        "forebay-crashes",
        "forebay-first-seen",
        "forebay-parked-at",
        "forebay-deferred-ms",
        "forebay-error",
        "traceparent",
    ];
    prop_oneof![2 => prop::sample::select(known.to_vec()).prop_map(ShortString::from), 1 => short()]
}

fn value() -> impl Strategy<Value = AMQPValue> {
    let leaf = prop_oneof![
        Just(AMQPValue::Void),
        any::<bool>().prop_map(AMQPValue::Boolean),
        any::<i8>().prop_map(AMQPValue::ShortShortInt),
        any::<u8>().prop_map(AMQPValue::ShortShortUInt),
        any::<i16>().prop_map(AMQPValue::ShortInt),
        any::<u16>().prop_map(AMQPValue::ShortUInt),
        any::<i32>().prop_map(AMQPValue::LongInt),
        any::<u32>().prop_map(AMQPValue::LongUInt),
        any::<i64>().prop_map(AMQPValue::LongLongInt),
        any::<f32>().prop_map(AMQPValue::Float),
        any::<f64>().prop_map(AMQPValue::Double),
        (any::<u8>(), any::<u32>())
            .prop_map(|(scale, value)| AMQPValue::DecimalValue(DecimalValue { scale, value })),
        short().prop_map(AMQPValue::ShortString),
        long().prop_map(AMQPValue::LongString),
        any::<u64>().prop_map(AMQPValue::Timestamp),
        prop::collection::vec(any::<u8>(), 0..50)
            .prop_map(|bytes| AMQPValue::ByteArray(ByteArray::from(bytes))),
        prop::sample::select(vec!["delivery_limit", "expired", "forebay.rewards", "4294967295", "-1"])
            .prop_map(|word| AMQPValue::LongString(word.into())),
    ];
    leaf.prop_recursive(3, 30, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(|list| AMQPValue::FieldArray(list.into())),
            prop::collection::btree_map(name(), inner, 0..5)
                .prop_map(|fields| AMQPValue::FieldTable(FieldTable::from(fields))),
        ]
    })
}

fn properties() -> impl Strategy<Value = BasicProperties> {
    let headers = prop::option::of(prop::collection::btree_map(name(), value(), 0..12));
    let texts = (prop::option::of(short()), prop::option::of(short()));
    (headers, texts, prop::option::of(any::<u64>())).prop_map(|(headers, (id, kind), timestamp)| {
        let mut properties = BasicProperties::default();
        if let Some(headers) = headers {
            properties = properties.with_headers(FieldTable::from(headers));
        }
        if let Some(id) = id {
            properties = properties.with_message_id(id);
        }
        if let Some(kind) = kind {
            properties = properties.with_type(kind);
        }
        match timestamp {
            Some(timestamp) => properties.with_timestamp(timestamp),
            None => properties,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_comes_becomes_a_delivery_that_can_be_stored_again(
        properties in properties(),
        body in prop::collection::vec(any::<u8>(), 0..200),
        redelivered in any::<bool>(),
        queue in prop::sample::select(vec![Queue::Rewards, Queue::Dead, Queue::Unrouted]),
    ) {
        let receipt = Receipt { epoch: 1, tag: 1 };
        let arrived = Arrived { properties, body: body.clone(), redelivered };
        let delivery = arrived.into_delivery(&queue, receipt);
        prop_assert_eq!(delivery.message.body.as_ref(), body.as_slice());
        prop_assert!(delivery.redelivered || (!redelivered && delivery.delivery_count == 0));
        prop_assert!(delivery.message.headers.keys().all(|name| !name.starts_with("x-")));

        // The largest past of our own that there can be.
        let trail = Trail {
            code: Some(Code::AttemptsExhausted),
            error: Some("e".repeat(100_000)),
            queue: Some(queue.to_string()),
            ..delivery.message.trail()
        };
        let copy = delivery.message.with_trail(&trail);
        prop_assert_eq!(copy.trail().error, Some(bounded(&"e".repeat(100_000), limits::ERROR_BYTES)));
        prop_assert_eq!(fits(&copy), Ok(()));
        let parcel = Parcel::of(Outgoing { route: Route::Work(Queue::Dead), message: copy });
        prop_assert!(parcel.is_ok(), "{:?}", parcel);
    }
}
