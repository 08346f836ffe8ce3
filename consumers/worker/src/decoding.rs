//! From messages to events: what can't be decoded is dead at once, byte for byte, and never reaches a handler.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::Outcome;
use forebay_schemas::Catalogue;

use crate::handler::{Failure, Handler, Inbound, RawHandler, Received, Shape};

/// A handler of events as a handler of messages.
#[derive(Debug)]
pub struct Decoding {
    catalogue: Arc<Catalogue>,
    handler: Arc<dyn Handler>,
}

impl Decoding {
    /// Decodes by this catalogue for this handler.
    #[must_use]
    pub fn new(catalogue: Arc<Catalogue>, handler: Arc<dyn Handler>) -> Self {
        Self { catalogue, handler }
    }

    fn decode(&self, received: &Received, now: DateTime<Utc>) -> Result<Inbound, Outcome> {
        let Received { message, trail } = received;
        let decoded = self
            .catalogue
            .decode(&message.body)
            .map_err(|refusal| Outcome::reject(refusal.code, refusal.to_string()))?;
        let received_at =
            decoded.event.recorded_time.or(message.timestamp).or(trail.first_seen).unwrap_or(now);
        Ok(Inbound {
            event: decoded.event,
            payload: decoded.payload,
            digest: decoded.digest,
            trail: trail.clone(),
            received_at,
        })
    }
}

#[async_trait]
impl RawHandler for Decoding {
    fn shape(&self) -> Shape {
        self.handler.shape()
    }

    async fn handle(&self, batch: Vec<Arc<Received>>, now: DateTime<Utc>) -> Result<Vec<Outcome>, Failure> {
        let mut events = Vec::with_capacity(batch.len());
        let mut outcomes: Vec<Option<Outcome>> = Vec::with_capacity(batch.len());
        for received in &batch {
            match self.decode(received, now) {
                Ok(event) => {
                    events.push(event);
                    outcomes.push(None);
                }
                Err(refused) => outcomes.push(Some(refused)),
            }
        }
        let wanted = events.len();
        let answers = if events.is_empty() { Vec::new() } else { self.handler.handle(events).await? };
        if answers.len() != wanted {
            let error = format!("the handler answered {} of {wanted} messages", answers.len());
            return Err(Failure::Failed { code: forebay_schemas::Code::Panic, error });
        }
        let mut answers = answers.into_iter();
        Ok(outcomes.into_iter().filter_map(|refused| refused.or_else(|| answers.next())).collect())
    }
}
