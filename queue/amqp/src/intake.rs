//! One channel that consumes: its subscriptions, and what they deliver.

use std::sync::Arc;
use std::time::Duration;

use forebay_queue::Receipt;
use forebay_schemas::Queue;
use futures::stream::{BoxStream, SelectAll, StreamExt as _};
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::{FieldTable, ShortString};

use crate::delivery::Arrived;
use crate::dial;
use crate::shelf::{Hold, Shelf, Source};

/// Longest wait for the broker's answer to one request.
const ANSWER_BOUND: Duration = Duration::from_secs(5);
/// Longest wait for the next delivery of those that were on their way when consuming stopped.
const DRAIN_BOUND: Duration = Duration::from_secs(3);

/// A delivery, or `None` at the end of one subscription, which the merged stream would swallow.
type Item = Option<lapin::Result<lapin::message::Delivery>>;

/// The subscriptions of one channel.
pub(crate) struct Intake {
    queue: Queue,
    shelf: Arc<Shelf>,
    source: Arc<Source>,
    deliveries: SelectAll<BoxStream<'static, Item>>,
    granted: u16,
}

impl Intake {
    pub(crate) fn new(queue: Queue, shelf: Arc<Shelf>, source: Arc<Source>) -> Self {
        Self { queue, shelf, source, deliveries: SelectAll::new(), granted: 0 }
    }

    /// The prefetch of all its subscriptions together.
    pub(crate) fn granted(&self) -> u16 {
        self.granted
    }

    /// Whether the broker may deliver more than what is unsettled.
    pub(crate) fn has_room(&self) -> bool {
        self.source.outstanding() < usize::from(self.granted)
    }

    /// Adds a subscription with a prefetch of its own to the channel.
    pub(crate) async fn subscribe(&mut self, prefetch: u16) -> Result<(), String> {
        let channel = &self.source.channel;
        answer(channel.basic_qos(prefetch, BasicQosOptions::default())).await?;
        let queue = dial::short(self.queue.to_string()).map_err(|error| dial::reason(&error))?;
        let tag = self.tag(self.deliveries.len())?;
        let consume =
            channel.basic_consume(queue, tag, BasicConsumeOptions::default(), FieldTable::default());
        let consumer = answer(consume).await?;
        self.deliveries.push(consumer.map(Some).chain(futures::stream::iter([None])).boxed());
        self.granted += prefetch;
        Ok(())
    }

    /// Puts the next delivery onto the shelf; an error says why there will be no more.
    pub(crate) async fn next(&mut self) -> Result<(), String> {
        match self.deliveries.next().await.flatten() {
            Some(Ok(delivery)) => self.arrive(delivery),
            Some(Err(error)) => return Err(dial::reason(&error)),
            None => return Err("the broker ended the subscription".to_owned()),
        }
        Ok(())
    }

    /// Stops consuming and takes in what was on its way. What is held can still be settled.
    pub(crate) async fn stop(&mut self) -> Result<(), String> {
        for number in 0..self.deliveries.len() {
            let tag = self.tag(number)?;
            answer(self.source.channel.basic_cancel(tag, BasicCancelOptions::default())).await?;
        }
        while let Some(next) = tokio::time::timeout(DRAIN_BOUND, self.deliveries.next())
            .await
            .map_err(|_| "what was on its way did not come in time".to_owned())?
        {
            match next {
                Some(Ok(delivery)) => self.arrive(delivery),
                Some(Err(error)) => return Err(dial::reason(&error)),
                None => {}
            }
        }
        Ok(())
    }

    /// Closes the channel; otherwise the broker would go on waiting for what it delivered here.
    pub(crate) async fn abandon(&mut self) {
        if let Ok(text) = dial::short("abandoned") {
            // It may be closed already, which is as good.
            let _ = tokio::time::timeout(ANSWER_BOUND, self.source.channel.close(200, text)).await;
        }
    }

    fn tag(&self, number: usize) -> Result<ShortString, String> {
        dial::short(format!("{}-{number}", self.source.epoch)).map_err(|error| dial::reason(&error))
    }

    fn arrive(&self, delivery: lapin::message::Delivery) {
        let receipt = Receipt { epoch: self.source.epoch, tag: delivery.delivery_tag };
        let hold = Hold::new(delivery.delivery_tag, delivery.acker, &self.source, delivery.data.len());
        let (properties, body) = (delivery.properties, delivery.data);
        let arrived = Arrived { properties, body, redelivered: delivery.redelivered };
        self.shelf.put(arrived.into_delivery(&self.queue, receipt), hold);
    }
}

/// Waits for the broker's answer, with a bound.
pub(crate) async fn answer<T>(request: impl Future<Output = lapin::Result<T>>) -> Result<T, String> {
    match tokio::time::timeout(ANSWER_BOUND, request).await {
        Ok(answer) => answer.map_err(|error| dial::reason(&error)),
        Err(_) => Err(format!("no answer within {} s", ANSWER_BOUND.as_secs())),
    }
}
