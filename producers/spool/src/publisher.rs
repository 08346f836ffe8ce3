//! Publishing that the broker's absence does not stop.

use std::sync::Arc;

use async_trait::async_trait;
use forebay_queue::{Outgoing, PublishError, Publisher};

use crate::core::{Core, Fate};
use crate::silence::silence;

/// The publisher before the broker's own; all callers share it.
#[derive(Debug)]
pub(crate) struct SpoolingPublisher(pub(crate) Arc<Core>);

#[async_trait]
impl Publisher for SpoolingPublisher {
    async fn publish(&self, batch: Vec<Outgoing>) -> Vec<Fate> {
        if self.0.broker_is_up() && self.0.account.waiting() == 0 {
            return self.either(batch, true).await;
        }
        // What waits in the file came first. When the file takes nothing, being accepted matters more than order.
        self.either(batch, false).await
    }

    fn answers(&self) -> u64 {
        self.0.publisher.answers()
    }
}

impl SpoolingPublisher {
    /// One way, and the other for what did not get through.
    async fn either(&self, batch: Vec<Outgoing>, straight_first: bool) -> Vec<Fate> {
        let mut fates = self.one_way(batch.clone(), straight_first).await;
        let again = |fate: &Fate| fate.as_ref().is_err_and(PublishError::is_transient);
        let left: Vec<usize> = (0..fates.len()).filter(|n| again(&fates[*n])).collect();
        if left.is_empty() || (!straight_first && !self.0.broker_is_up()) {
            return fates;
        }
        let mut wanted = left.iter().peekable();
        let rest = batch.into_iter().enumerate().filter(|(n, _)| wanted.next_if_eq(&n).is_some());
        let rest = rest.map(|(_, outgoing)| outgoing).collect();
        for (n, fate) in left.iter().zip(self.one_way(rest, !straight_first).await) {
            fates[*n] = fate;
        }
        fates
    }

    async fn one_way(&self, batch: Vec<Outgoing>, straight: bool) -> Vec<Fate> {
        if !straight {
            return self.0.store(batch).await;
        }
        let count = batch.len();
        tokio::select! {
            fates = self.0.publisher.publish(batch) => fates,
            () = silence(self.0.publisher.as_ref()) => vec![Err(PublishError::Unknown); count],
        }
    }
}
