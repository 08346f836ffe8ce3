//! Finds a subscription that the broker has forgotten: it is there, and nothing comes.

use std::time::Duration;

use tokio::time::Instant;

/// Silence after which the queue is looked at.
const SILENCE: Duration = Duration::from_secs(60);
/// When it is looked at again once something looked wrong: a message may just have come in.
const AGAIN: Duration = Duration::from_secs(5);

/// Watches one subscription.
#[derive(Debug)]
pub(crate) struct Stall {
    next_look: Instant,
    suspicious: bool,
}

impl Stall {
    pub(crate) fn new(now: Instant) -> Self {
        Self { next_look: now + SILENCE, suspicious: false }
    }

    /// When to look at the queue, unless something is delivered before.
    pub(crate) fn next_look(&self) -> Instant {
        self.next_look
    }

    /// Something was delivered.
    pub(crate) fn alive(&mut self, now: Instant) {
        *self = Self::new(now);
    }

    /// The queue was looked at; `wrong` says that messages wait there though we have room for them. `true` when
    /// that was so twice in a row.
    pub(crate) fn looked(&mut self, now: Instant, wrong: bool) -> bool {
        let stalled = wrong && self.suspicious;
        self.suspicious = wrong;
        self.next_look = now + if wrong { AGAIN } else { SILENCE };
        stalled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_two_wrong_looks_in_a_row_without_a_delivery_are_a_stall() {
        let now = Instant::now();
        let mut stall = Stall::new(now);
        assert_eq!(stall.next_look(), now + SILENCE);
        assert!(!stall.looked(now, true));
        assert_eq!(stall.next_look(), now + AGAIN);
        assert!(!stall.looked(now, false), "it came right");
        assert!(!stall.looked(now, true));
        stall.alive(now);
        assert!(!stall.looked(now, true), "something was delivered in between");
        assert!(stall.looked(now, true));
    }
}
