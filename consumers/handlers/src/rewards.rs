//! Check-ins, claims and orders: settled in sets.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use forebay_domain::settlement::Ask;
use forebay_domain::{Clock, Outcome};
use forebay_schemas::{Code, Payload};
use forebay_store::{RewardMessage, Store};
use forebay_worker::{Failure, Handler, Inbound, Shape};

use crate::answers;

/// The consumer's name in the inbox.
pub const CONSUMER: &str = "rewards";

/// Settles reward messages.
#[derive(Debug)]
pub struct Rewards {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    shape: Shape,
}

impl Rewards {
    /// Settles into this store, up to 500 messages or what comes within 20 ms at once. `concurrency` sets settle side
    /// by side; they wait for each other where they touch the same member or reward.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, concurrency: usize) -> Self {
        let linger = Duration::from_millis(20);
        let shape = Shape { batch: 500, linger, concurrency, deadline: Duration::from_secs(30) };
        Self { store, clock, shape }
    }
}

#[async_trait]
impl Handler for Rewards {
    fn shape(&self) -> Shape {
        self.shape
    }

    async fn handle(&self, batch: Vec<Inbound>) -> Result<Vec<Outcome>, Failure> {
        let mut messages = Vec::with_capacity(batch.len());
        let mut asked = Vec::with_capacity(batch.len());
        for inbound in batch {
            let identity = answers::identity(CONSUMER, &inbound);
            let ask = ask(inbound);
            asked.push(ask.is_some());
            messages.extend(ask.map(|ask| RewardMessage { identity, ask }));
        }
        let settled =
            self.store.settle_rewards(messages, self.clock.now()).await.map_err(answers::failure)?;
        let mut handled = settled.handled.into_iter().map(answers::outcome);
        let outcomes = asked.into_iter().map(|asked| match asked {
            true => handled.next().unwrap_or(answers::unanswered()),
            false => Outcome::reject(Code::Rejected, "this type is not handled in the queue of rewards"),
        });
        Ok(outcomes.collect())
    }
}

fn ask(inbound: Inbound) -> Option<Ask> {
    Some(match inbound.payload {
        Payload::CheckInRequested(check_in) => Ask::CheckIn(check_in, inbound.received_at),
        Payload::ClaimRequested(claim) => Ask::Claim(claim, inbound.received_at),
        Payload::SpendRequested(spend) => Ask::Spend(spend, inbound.received_at),
        Payload::OrderPaid(paid) => Ask::Paid(paid),
        Payload::OrderRefunded(refund) => Ask::Refunded(refund),
        _ => return None,
    })
}
