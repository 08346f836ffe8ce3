//! Finds a subscription that the broker, or the library, has forgotten: it is there, and nothing comes.

use tokio::time::Instant;

use crate::options::StallOptions;

/// Watches one subscription.
#[derive(Debug)]
pub(crate) struct Stall {
    options: StallOptions,
    /// The last delivery, or the last look at which there was nothing to deliver.
    silent_since: Instant,
    next_look: Instant,
    /// Something was delivered since the look began.
    outdated: bool,
}

impl Stall {
    pub(crate) fn new(options: StallOptions, now: Instant) -> Self {
        Self { options, silent_since: now, next_look: now + options.look, outdated: false }
    }

    /// When to look at the queue, unless something is delivered before.
    pub(crate) fn next_look(&self) -> Instant {
        self.next_look
    }

    /// Something was delivered.
    pub(crate) fn alive(&mut self, now: Instant) {
        *self = Self { outdated: true, ..Self::new(self.options, now) };
    }

    /// A look at the queue begins.
    pub(crate) fn looking(&mut self) {
        self.outdated = false;
    }

    /// The look has ended; `wrong` says that messages wait there though we have room for them. `true` when it has
    /// been so at every look for the whole time that is allowed.
    pub(crate) fn looked(&mut self, now: Instant, wrong: bool) -> bool {
        if self.outdated {
            return false;
        }
        if !wrong {
            self.silent_since = now;
        }
        self.next_look = now + self.options.look;
        wrong && now - self.silent_since >= self.options.silence
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// The answers to looks at the times at which they are due.
    fn look(stall: &mut Stall, wrong: bool) -> (bool, Instant) {
        let now = stall.next_look();
        stall.looking();
        (stall.looked(now, wrong), now)
    }

    #[test]
    fn only_a_queue_that_is_not_empty_at_every_look_without_a_delivery_is_a_stall() {
        let now = Instant::now();
        let mut stall = Stall::new(StallOptions::default(), now);
        assert!(!look(&mut stall, true).0);
        assert!(!look(&mut stall, false).0, "it came right");
        assert!(!look(&mut stall, true).0);
        let (stalled, now) = look(&mut stall, true);
        assert!(!stalled);
        stall.alive(now);
        assert!(!look(&mut stall, true).0, "something was delivered in between");
        assert!(!look(&mut stall, true).0);
        let (stalled, end) = look(&mut stall, true);
        assert!(stalled);
        assert_eq!(end - now, Duration::from_secs(30));
    }

    #[test]
    fn a_delivery_during_a_look_makes_it_worth_nothing() {
        let now = Instant::now();
        let mut stall = Stall::new(StallOptions::default(), now);
        for _ in 0..2 {
            assert!(!look(&mut stall, true).0);
        }
        stall.looking();
        let end = stall.next_look();
        stall.alive(end);
        assert!(!stall.looked(end, true));
        assert_eq!(stall.next_look(), end + Duration::from_secs(10));
    }
}
