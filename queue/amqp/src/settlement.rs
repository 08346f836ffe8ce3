//! Settling one delivery: perhaps a copy stored elsewhere first, then the acknowledgement.

use std::sync::Arc;
use std::time::Duration;

use forebay_queue::{Lost, Message, Outgoing, PublishError, Publisher, Receipt, Settlement};
use forebay_schemas::{Queue, Route};

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
    pub(crate) async fn settle(&self, receipt: Receipt, settlement: Settlement) -> Result<(), Lost> {
        let hold = self.shelf.claim(receipt);
        let hold = hold.ok_or_else(|| lost("its channel is gone, or it was settled before"))?;
        let claim = Claim { shelf: &self.shelf, receipt, hold: Some(hold) };
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
    // `false` is lapin's way to say that the channel was gone.
    match hold.acknowledge().await {
        Ok(true) => Ok(()),
        Ok(false) => Err(lost("its channel is gone")),
        Err(error) => Err(lost(&crate::dial::reason(&error))),
    }
}

async fn give_back(mut claim: Claim<'_>) -> Result<(), Lost> {
    let Some(hold) = claim.hold.take() else { return Err(lost("it was settled before")) };
    match hold.give_back().await {
        Ok(true) => Ok(()),
        Ok(false) => Err(lost("its channel is gone")),
        Err(error) => Err(lost(&crate::dial::reason(&error))),
    }
}

fn lost(why: &str) -> Lost {
    Lost(why.to_owned())
}
