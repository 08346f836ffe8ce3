//! Settling deliveries: perhaps a copy stored elsewhere first, then the acknowledgement.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use forebay_queue::{Lost, Message, Outgoing, PublishError, Publisher, Receipt, Settlement};
use forebay_schemas::{Queue, Route};
use futures::future::join_all;

use crate::backoff::Backoff;
use crate::publisher::AmqpPublisher;
use crate::shelf::{Hold, Shelf};

/// Longest wait before a copy that could not be stored is tried again.
const COPY_BACKOFF: Duration = Duration::from_secs(5);

/// Settles deliveries of one queue.
#[derive(Debug)]
pub(crate) struct Settler {
    pub(crate) queue: Queue,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) publisher: Arc<AmqpPublisher>,
}

/// A delivery that is being settled. Put back if the settling is given up half way.
struct Claim<'a> {
    shelf: &'a Shelf,
    receipt: Receipt,
    hold: Option<Hold>,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if let Some(hold) = self.hold.take() {
            self.shelf.restore(self.receipt, hold);
        }
    }
}

impl Settler {
    /// Settles deliveries; the answers are in their order.
    pub(crate) async fn settle(&self, items: Vec<(Receipt, Settlement)>) -> Vec<Result<(), Lost>> {
        let count = items.len();
        let (acks, others): (Vec<_>, Vec<_>) =
            items.into_iter().enumerate().partition(|(_, (_, settlement))| *settlement == Settlement::Ack);
        let acks = self.acknowledge(acks.into_iter().map(|(place, (receipt, _))| (place, receipt)).collect());
        let others = join_all(others.into_iter().map(|(place, (receipt, settlement))| async move {
            (place, self.settle_one(receipt, settlement).await)
        }));
        let (acks, others) = tokio::join!(acks, others);
        let mut answers: BTreeMap<usize, Result<(), Lost>> = acks.into_iter().chain(others).collect();
        (0..count)
            .map(|place| answers.remove(&place).unwrap_or_else(|| Err(lost("it has no answer"))))
            .collect()
    }

    /// Acknowledges deliveries, channel by channel.
    async fn acknowledge(&self, receipts: Vec<(usize, Receipt)>) -> Vec<(usize, Result<(), Lost>)> {
        let mut answers = Vec::with_capacity(receipts.len());
        let mut channels: BTreeMap<u64, Vec<(usize, Claim<'_>)>> = BTreeMap::new();
        for (place, receipt) in receipts {
            match self.claim(receipt) {
                Ok(claim) => channels.entry(receipt.epoch).or_default().push((place, claim)),
                Err(error) => answers.push((place, Err(error))),
            }
        }
        let acknowledged = join_all(channels.into_values().map(|claims| async move {
            let source = claims.first().and_then(|(_, claim)| claim.hold.as_ref()).map(Hold::source);
            let Some(source) = source else { return Vec::new() };
            let turn = source.turn().await;
            let held = claims.into_iter().filter_map(|(place, mut claim)| Some((place, claim.hold.take()?)));
            let (places, holds): (Vec<usize>, Vec<Hold>) = held.unzip();
            let acknowledged = source.acknowledge(turn, holds).await;
            places.into_iter().zip(acknowledged.into_iter().map(settled)).collect()
        }));
        answers.extend(acknowledged.await.into_iter().flatten());
        answers
    }

    fn claim(&self, receipt: Receipt) -> Result<Claim<'_>, Lost> {
        let hold = self.shelf.claim(receipt);
        let hold = hold.ok_or_else(|| lost("its channel is gone, or it was settled before"))?;
        Ok(Claim { shelf: &self.shelf, receipt, hold: Some(hold) })
    }

    async fn settle_one(&self, receipt: Receipt, settlement: Settlement) -> Result<(), Lost> {
        let claim = self.claim(receipt)?;
        match settlement {
            Settlement::Ack => acknowledge(claim).await,
            Settlement::Return => give_back(claim).await,
            Settlement::Delay(tier, copy) => {
                let route = Route::Delay(tier, self.queue.clone());
                self.move_away(claim, route, copy).await
            }
            Settlement::DeadLetter(copy) => self.move_away(claim, Route::Work(Queue::Dead), copy).await,
        }
    }

    /// Stores the copy, however long that takes, then acknowledges the original. A crash in between makes a
    /// duplicate, never a loss.
    async fn move_away(&self, claim: Claim<'_>, route: Route, message: Message) -> Result<(), Lost> {
        let mut backoff = Backoff::up_to(COPY_BACKOFF);
        let outgoing = Outgoing { route, message };
        loop {
            if !claim.hold.as_ref().is_some_and(|hold| hold.is_usable()) {
                return Err(lost("its channel went away before its copy was stored"));
            }
            let fate = self.publisher.publish(vec![outgoing.clone()]).await.pop();
            match fate.unwrap_or(Err(PublishError::Unknown)) {
                Ok(()) => return acknowledge(claim).await,
                Err(error) if error.is_transient() => {
                    tracing::debug!(queue = %self.queue, %error, "a copy could not be stored yet");
                    tokio::time::sleep(backoff.next()).await;
                }
                Err(error) => {
                    tracing::error!(queue = %self.queue, %error, "a copy can't be stored; the message is given back");
                    give_back(claim).await?;
                    return Err(lost(&error.to_string()));
                }
            }
        }
    }
}

async fn acknowledge(mut claim: Claim<'_>) -> Result<(), Lost> {
    let Some(hold) = claim.hold.take() else { return Err(lost("it was settled before")) };
    settled(hold.acknowledge().await)
}

async fn give_back(mut claim: Claim<'_>) -> Result<(), Lost> {
    let Some(hold) = claim.hold.take() else { return Err(lost("it was settled before")) };
    settled(hold.give_back().await)
}

fn settled(answer: lapin::Result<bool>) -> Result<(), Lost> {
    match answer {
        Ok(true) => Ok(()),
        // lapin's way to say that the channel was gone.
        Ok(false) => Err(lost("its channel is gone")),
        Err(error) => Err(lost(&crate::dial::reason(&error))),
    }
}

fn lost(why: &str) -> Lost {
    Lost(why.to_owned())
}
