//! Results of picked-up returns on their way to the shop: signed, under one idempotency key for ever.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use forebay_domain::{Clock, Outcome};
use forebay_schemas::events::SendResult;
use forebay_schemas::{Code, Payload};
use forebay_store::{Intent, Store, result_key};
use forebay_worker::{Failure, Handler, Inbound, Shape};

use crate::answers;
use crate::shop::{Delivered, ShopApi};

/// The consumer's name in the inbox.
pub const CONSUMER: &str = "results";
const KIND: &str = "return-result";

/// Sends results.
#[derive(Debug)]
pub struct Results {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    shop: Arc<ShopApi>,
    concurrency: usize,
}

impl Results {
    /// Sends to this shop, up to `concurrency` calls at once.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, shop: Arc<ShopApi>, concurrency: usize) -> Self {
        Self { store, clock, shop, concurrency: concurrency.max(1) }
    }

    async fn send(&self, inbound: &Inbound, command: &SendResult) -> Result<Outcome, Failure> {
        let found = self.store.result_of(&command.return_id).await.map_err(answers::failure)?;
        let Some((result, reported)) = found else {
            return Ok(Outcome::retry(Code::NotYetKnown, "the return is not here, or was not picked up yet"));
        };
        if reported && !command.again {
            return Ok(Outcome::Duplicate);
        }
        let key = result_key(&command.return_id);
        let now = self.clock.now();
        let intent = self.store.effect_intend(&key, KIND, now).await.map_err(answers::failure)?;
        if command.again || matches!(intent, Intent::Proceed { .. }) {
            // The shop's endpoint honours the key, so a call that may have arrived is safe to repeat.
            match self.shop.deliver(&key, &result, now).await {
                Delivered::Taken => {}
                Delivered::Failed { outcome, unknown } => {
                    let error = format!("{outcome:?}");
                    self.store
                        .effect_failed(&key, unknown, &error, self.clock.now())
                        .await
                        .map_err(answers::failure)?;
                    return Ok(outcome);
                }
            }
        }
        let identity = answers::identity(CONSUMER, inbound);
        let handled =
            self.store.result_delivered(&key, &command.return_id, &identity, self.clock.now()).await;
        Ok(answers::outcome(handled.map_err(answers::failure)?))
    }
}

#[async_trait]
impl Handler for Results {
    fn shape(&self) -> Shape {
        Shape {
            batch: 1,
            linger: Duration::ZERO,
            concurrency: self.concurrency,
            deadline: Duration::from_secs(60),
        }
    }

    async fn handle(&self, batch: Vec<Inbound>) -> Result<Vec<Outcome>, Failure> {
        let mut outcomes = Vec::with_capacity(batch.len());
        for inbound in &batch {
            outcomes.push(match &inbound.payload {
                Payload::SendResult(command) => self.send(inbound, command).await?,
                _ => Outcome::reject(Code::Rejected, "this type is not handled in the queue of results"),
            });
        }
        Ok(outcomes)
    }
}
