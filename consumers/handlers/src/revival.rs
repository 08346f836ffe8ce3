//! Replayed messages: whoever sees that one had its effect tells its dead letter.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::{Clock, Outcome, dead_letter};
use forebay_schemas::Event;
use forebay_store::{Revived, Store};
use forebay_telemetry::Metrics;
use forebay_worker::{Failure, Message, RawHandler, Received, Shape};

/// Who a message is to the archive.
pub(crate) struct Identified {
    pub(crate) event: Option<Event>,
    pub(crate) message_id: String,
    pub(crate) key: [u8; 32],
}

impl Identified {
    pub(crate) fn of(message: &Message) -> Self {
        let event = Event::decode(&message.body).ok();
        let message_id = match &event {
            Some(event) if message.id.is_empty() => event.id.clone(),
            _ => message.id.clone(),
        };
        let source = event.as_ref().map(|event| event.source.as_str());
        let key = dead_letter::key(source, &message_id, &message.body);
        Self { event, message_id, key }
    }
}

/// A handler whose replayed messages are noted when they had their effect. A crash between the effect and the note is
/// made good by the next delivery, which finds the effect there.
#[derive(Debug)]
pub struct Reviving {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    handler: Arc<dyn RawHandler>,
}

impl Reviving {
    /// Notes in this store what this handler does.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
        handler: Arc<dyn RawHandler>,
    ) -> Self {
        Self { store, clock, metrics, handler }
    }

    async fn note(&self, revived: Vec<Revived>) -> Result<(), Failure> {
        if revived.is_empty() {
            return Ok(());
        }
        match self.store.revived(revived, self.clock.now()).await {
            Ok(resolved) => {
                self.metrics.replays.with_label_values(&["done"]).inc_by(u64::from(resolved));
                Ok(())
            }
            Err(error) if error.is_transient() => Err(Failure::Unavailable(error.to_string())),
            Err(error) => {
                // The effects are there; only the letters do not know, and are opened again in time.
                tracing::error!(%error, "replayed messages had their effect, which could not be noted");
                Ok(())
            }
        }
    }
}

#[async_trait]
impl RawHandler for Reviving {
    fn shape(&self) -> Shape {
        self.handler.shape()
    }

    async fn handle(&self, batch: Vec<Arc<Received>>, now: DateTime<Utc>) -> Result<Vec<Outcome>, Failure> {
        let replayed: Vec<(usize, Revived)> = batch
            .iter()
            .enumerate()
            .filter_map(|(index, received)| {
                let Received { message, trail } = received.as_ref();
                let id = trail.letter?;
                Some((index, Revived { id, replay: trail.replay, key: Identified::of(message).key }))
            })
            .collect();
        let outcomes = self.handler.handle(batch, now).await?;
        let done = |index: &usize| matches!(outcomes.get(*index), Some(Outcome::Done | Outcome::Duplicate));
        let revived = replayed.into_iter().filter(|(index, _)| done(index)).map(|(_, revived)| revived);
        self.note(revived.collect()).await?;
        Ok(outcomes)
    }
}
