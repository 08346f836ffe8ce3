//! Results of picked-up returns on their way to the shop: signed, under one idempotency key for ever.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::{Clock, Outcome};
use forebay_schemas::events::{ReturnPickedUp, SendResult};
use forebay_schemas::{Code, Payload, ReturnId};
use forebay_store::{Intent, ResultDelivered, Store, result_key};
use forebay_worker::{Failure, Handler, Inbound, Shape};
use futures::future::join_all;

use crate::answers;
use crate::shop::{Delivered, ShopApi};

/// The consumer's name in the inbox.
pub const CONSUMER: &str = "results";
const KIND: &str = "return-result";
/// Sets of results on their way side by side: one that waits for a slow call does not hold up the next.
const SETS: usize = 2;

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

    /// Sends the results of different returns side by side; the outcomes are in their order.
    async fn send(&self, asked: &[(&Inbound, &SendResult)]) -> Result<Vec<Outcome>, Failure> {
        let returns: Vec<ReturnId> = asked.iter().map(|(_, command)| command.return_id.clone()).collect();
        let mut found = self.store.results_of(&returns).await.map_err(answers::failure)?;
        let mut outcomes = vec![answers::unanswered(); asked.len()];
        let mut sendings = Vec::with_capacity(asked.len());
        for (place, (inbound, command)) in asked.iter().enumerate() {
            match found.remove(&command.return_id) {
                None => {
                    let why = "the return is not here, or was not picked up yet";
                    outcomes[place] = Outcome::retry(Code::NotYetKnown, why);
                }
                Some((_, true)) if !command.again => outcomes[place] = Outcome::Duplicate,
                Some((result, _)) => {
                    let key = result_key(&command.return_id);
                    sendings.push(Sending { place, inbound, again: command.again, key, result });
                }
            }
        }
        let keys: Vec<String> = sendings.iter().map(|sending| sending.key.clone()).collect();
        let now = self.clock.now();
        let intents = self.store.effects_intend(&keys, KIND, now).await.map_err(answers::failure)?;
        let calls = sendings.iter().zip(intents).map(|(sending, intent)| self.call(sending, intent, now));
        let mut taken = Vec::with_capacity(sendings.len());
        for (sending, delivered) in sendings.iter().zip(join_all(calls).await) {
            match delivered {
                Delivered::Taken => taken.push(sending),
                Delivered::Failed { outcome, unknown } => {
                    let (error, now) = (format!("{outcome:?}"), self.clock.now());
                    let noted = self.store.effect_failed(&sending.key, unknown, &error, now).await;
                    noted.map_err(answers::failure)?;
                    outcomes[sending.place] = outcome;
                }
            }
        }
        if !taken.is_empty() {
            let delivered = taken.iter().map(|sending| sending.delivered()).collect();
            let handled = self.store.results_delivered(delivered, self.clock.now()).await;
            for (sending, handled) in taken.iter().zip(handled.map_err(answers::failure)?) {
                outcomes[sending.place] = answers::outcome(handled);
            }
        }
        Ok(outcomes)
    }

    async fn call(&self, sending: &Sending<'_>, intent: Intent, now: DateTime<Utc>) -> Delivered {
        match intent {
            Intent::Confirmed if !sending.again => Delivered::Taken,
            // The shop's endpoint honours the key, so a call that may have arrived is safe to repeat.
            _ => self.shop.deliver(&sending.key, &sending.result, now).await,
        }
    }
}

/// A result on its way.
struct Sending<'b> {
    /// Of its message among those that came with it.
    place: usize,
    inbound: &'b Inbound,
    /// Though the shop had taken it before.
    again: bool,
    key: String,
    result: ReturnPickedUp,
}

impl Sending<'_> {
    fn delivered(&self) -> ResultDelivered {
        ResultDelivered {
            key: self.key.clone(),
            return_id: self.result.return_id.clone(),
            identity: answers::identity(CONSUMER, self.inbound),
        }
    }
}

#[async_trait]
impl Handler for Results {
    fn shape(&self) -> Shape {
        // Each set makes all its calls at once, and there are no more of them than are allowed.
        let sets = self.concurrency.min(SETS);
        Shape {
            batch: self.concurrency / sets,
            linger: Duration::ZERO,
            concurrency: sets,
            deadline: Duration::from_secs(60),
        }
    }

    async fn handle(&self, batch: Vec<Inbound>) -> Result<Vec<Outcome>, Failure> {
        let not_ours = Outcome::reject(Code::Rejected, "this type is not handled in the queue of results");
        let mut outcomes = vec![not_ours; batch.len()];
        let commands = batch.iter().enumerate().filter_map(|(place, inbound)| match &inbound.payload {
            Payload::SendResult(command) => Some((place, inbound, command)),
            _ => None,
        });
        let mut left: Vec<_> = commands.collect();
        while !left.is_empty() {
            // One that asks for the same return again waits for what becomes of the first.
            let mut returns = BTreeSet::new();
            let (now, later): (Vec<_>, Vec<_>) =
                left.into_iter().partition(|(_, _, command)| returns.insert(&command.return_id));
            let asked: Vec<_> = now.iter().map(|(_, inbound, command)| (*inbound, *command)).collect();
            for ((place, ..), outcome) in now.iter().zip(self.send(&asked).await?) {
                outcomes[*place] = outcome;
            }
            left = later;
        }
        Ok(outcomes)
    }
}
