//! A bare client of the broker: the baseline, and the hand that fills, counts and empties queues.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt as _;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueuePurgeOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};
use tokio::task::JoinSet;

/// Channels of the safe publisher, each with one publish in flight.
pub(crate) const CHANNELS: usize = 32;
/// Publishes in flight where it is only to be quick.
const IN_FLIGHT: usize = 1_000;
/// How long a queue may take until it counts what was confirmed or acked.
pub(crate) const COUNTED: Duration = Duration::from_secs(10);
const PERSISTENT: u8 = 2;

/// A message as the bare client sends it.
#[derive(Debug, Clone)]
pub(crate) struct Bare {
    pub(crate) id: String,
    pub(crate) body: Bytes,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Client(Connection);

impl Client {
    pub(crate) async fn connect(url: &str) -> Self {
        Self(Connection::connect(url, ConnectionProperties::default()).await.unwrap())
    }

    /// Publishes every message once, safely: mandatory, persistent, each confirmed before its channel takes the
    /// next. How long it took.
    pub(crate) async fn publish_safely(
        &self,
        exchange: &'static str,
        kind: &'static str,
        messages: &Arc<Vec<Bare>>,
    ) -> Duration {
        let mut channels = Vec::with_capacity(CHANNELS);
        for _ in 0..CHANNELS {
            channels.push(self.confirming().await);
        }
        let next = Arc::new(AtomicUsize::new(0));
        let begun = Instant::now();
        let mut tasks = JoinSet::new();
        for channel in channels {
            let (messages, next) = (Arc::clone(messages), Arc::clone(&next));
            tasks.spawn(async move {
                while let Some(message) = messages.get(next.fetch_add(1, Ordering::Relaxed)) {
                    publish(&channel, exchange, kind, message).await;
                }
                channel
            });
        }
        let channels = tasks.join_all().await;
        let elapsed = begun.elapsed();
        for channel in channels {
            channel.close(200, "done".into()).await.unwrap();
        }
        elapsed
    }

    /// Publishes so many messages quickly: many in flight on a channel, all confirmed in the end.
    pub(crate) async fn publish_fast(
        &self,
        exchange: &'static str,
        kind: &'static str,
        message: impl Fn(usize) -> Bare,
        count: usize,
    ) {
        let channel = self.confirming().await;
        let sends = (0..count).map(|n| {
            let (channel, message) = (&channel, message(n));
            async move { publish(channel, exchange, kind, &message).await }
        });
        futures::stream::iter(sends).buffer_unordered(IN_FLIGHT).collect::<()>().await;
        channel.close(200, "done".into()).await.unwrap();
    }

    async fn confirming(&self) -> Channel {
        let channel = self.0.create_channel().await.unwrap();
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        channel
    }

    /// Empties a queue, which must hold exactly so many messages: what was confirmed and is not there was lost.
    pub(crate) async fn empty(&self, queue: &'static str, expected: usize) {
        let channel = self.0.create_channel().await.unwrap();
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let deadline = Instant::now() + COUNTED;
        loop {
            let seen = channel.queue_declare(queue.into(), passive, FieldTable::default()).await.unwrap();
            let count = seen.message_count() as usize;
            if count == expected {
                break;
            }
            assert!(Instant::now() < deadline, "{queue} holds {count} messages, {expected} were confirmed");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        channel.queue_purge(queue.into(), QueuePurgeOptions::default()).await.unwrap();
        channel.close(200, "done".into()).await.unwrap();
    }
}

async fn publish(channel: &Channel, exchange: &'static str, kind: &'static str, message: &Bare) {
    let properties = BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_content_type("application/cloudevents+json".into())
        .with_message_id(message.id.as_str().into())
        .with_type(kind.into());
    let options = BasicPublishOptions { mandatory: true, immediate: false };
    let sent = channel.basic_publish(exchange.into(), kind.into(), options, &message.body, properties).await;
    let confirmed = sent.unwrap().await.unwrap();
    assert!(matches!(confirmed, Confirmation::Ack(None)), "{confirmed:?}");
}
