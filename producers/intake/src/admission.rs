//! Admission: how many requests are in flight, and how much memory their bodies may take.
//!
//! Who is not admitted is told so at once and comes back later. Nobody waits in line: a line would only grow.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long a request may wait for others to give back the memory of their bodies.
const MEMORY_WAIT: Duration = Duration::from_secs(1);
/// Memory is counted in pieces of this many bytes.
const PIECE: usize = 1024;

/// The bounds. Cheap to clone; all clones count together.
#[derive(Debug, Clone)]
pub struct Admission {
    slots: Arc<Semaphore>,
    memory: Arc<Semaphore>,
}

impl Admission {
    /// At most `in_flight` requests whose bodies take at most `body_bytes` together.
    #[must_use]
    pub fn new(in_flight: usize, body_bytes: usize) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(in_flight.min(Semaphore::MAX_PERMITS))),
            memory: Arc::new(Semaphore::new(body_bytes.div_ceil(PIECE).min(u32::MAX as usize))),
        }
    }

    /// A permit, unless as many requests as may be are in flight.
    #[must_use]
    pub fn enter(&self) -> Option<Permit> {
        let slot = Arc::clone(&self.slots).try_acquire_owned().ok()?;
        Some(Permit { _slot: slot, memory: Arc::clone(&self.memory), held: None })
    }

    /// Requests in flight that could be admitted now.
    #[must_use]
    pub fn free(&self) -> usize {
        self.slots.available_permits()
    }
}

/// A request in flight; it leaves when this is dropped.
#[derive(Debug)]
pub struct Permit {
    _slot: OwnedSemaphorePermit,
    memory: Arc<Semaphore>,
    held: Option<OwnedSemaphorePermit>,
}

impl Permit {
    /// Reserves the memory of a body until the permit is dropped; `false` when it is not to be had within a second.
    pub async fn reserve(&mut self, bytes: usize) -> bool {
        let pieces = u32::try_from(bytes.div_ceil(PIECE)).unwrap_or(u32::MAX);
        let wait = Arc::clone(&self.memory).acquire_many_owned(pieces);
        match tokio::time::timeout(MEMORY_WAIT, wait).await {
            Ok(Ok(held)) => {
                self.held = Some(held);
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_place_is_free_again_when_its_permit_is_dropped() {
        let admission = Admission::new(1, 1024);
        let permit = admission.enter().unwrap();
        assert!(admission.enter().is_none());
        drop(permit);
        assert!(admission.enter().is_some());
    }

    #[tokio::test]
    async fn bodies_that_do_not_fit_into_memory_together_are_turned_away() {
        let admission = Admission::new(2, 4096);
        let (mut one, mut two) = (admission.enter().unwrap(), admission.enter().unwrap());
        assert!(one.reserve(4000).await);
        assert!(!two.reserve(200).await);
        drop(one);
        assert!(two.reserve(200).await);
    }
}
