//! How long to wait before trying again: full jitter between a floor and a growing ceiling, without end.

use std::time::Duration;

/// Shortest wait, and the first ceiling's lower edge.
const FLOOR: Duration = Duration::from_millis(50);
/// The first ceiling.
const FIRST: Duration = Duration::from_millis(200);
/// The last ceiling.
const LAST: Duration = Duration::from_secs(10);

/// Waits that grow with each failure in a row.
#[derive(Debug)]
pub(crate) struct Backoff {
    ceiling: Duration,
    last: Duration,
}

impl Backoff {
    /// For connections and channels: 0.2 s growing to 10 s.
    pub(crate) fn new() -> Self {
        Self::up_to(LAST)
    }

    /// The same with a lower last ceiling.
    pub(crate) fn up_to(last: Duration) -> Self {
        Self { ceiling: FIRST.min(last), last }
    }

    /// The next wait. Random, so that many processes do not come back at one moment.
    pub(crate) fn next(&mut self) -> Duration {
        let wait = rand::random_range(FLOOR.min(self.ceiling)..=self.ceiling);
        self.ceiling = (self.ceiling * 2).min(self.last);
        wait
    }

    /// A wait as after many failures: for what trying again soon will not mend.
    pub(crate) fn longest(&mut self) -> Duration {
        self.ceiling = self.last;
        rand::random_range(self.last / 2..=self.last)
    }

    /// It worked: the next failure is the first again.
    pub(crate) fn reset(&mut self) {
        self.ceiling = FIRST.min(self.last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_their_last_ceiling_and_start_over() {
        let mut backoff = Backoff::new();
        for ceiling in [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000] {
            assert!(backoff.next() <= Duration::from_millis(ceiling));
        }
        assert!(backoff.longest() >= LAST / 2);
        backoff.reset();
        assert!(backoff.next() <= FIRST);
    }
}
