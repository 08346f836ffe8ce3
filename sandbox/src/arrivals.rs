//! When calls arrived, and how many at most within any stretch of time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Most arrivals whose instants are remembered, 8 bytes each; the count of the fullest second is kept for ever.
const REMEMBERED: usize = 2_000_000;
const SECOND: u64 = 1_000_000_000;

#[derive(Debug)]
pub(crate) struct Arrivals {
    begun: Instant,
    /// Nanoseconds since `begun`, ascending.
    instants: VecDeque<u64>,
    total: usize,
    /// How many of all arrivals are a second or more older than the newest.
    older: usize,
    fullest_second: usize,
}

impl Default for Arrivals {
    fn default() -> Self {
        Self { begun: Instant::now(), instants: VecDeque::new(), total: 0, older: 0, fullest_second: 0 }
    }
}

impl Arrivals {
    /// Notes an arrival; returns how many there were in the second that ends with it, itself included.
    pub(crate) fn note(&mut self, at: Instant) -> usize {
        let since = at.saturating_duration_since(self.begun).as_nanos();
        // Two threads may read the clock in one order and come here in the other.
        let last = self.instants.back().copied().unwrap_or(0);
        let now = u64::try_from(since).unwrap_or(u64::MAX).max(last);
        if self.instants.len() == REMEMBERED {
            self.instants.pop_front();
        }
        self.instants.push_back(now);
        self.total += 1;
        let forgotten = self.total - self.instants.len();
        self.older = self.older.max(forgotten);
        while self.instants.get(self.older - forgotten).is_some_and(|first| now - first >= SECOND) {
            self.older += 1;
        }
        let in_second = self.total - self.older;
        self.fullest_second = self.fullest_second.max(in_second);
        in_second
    }

    pub(crate) fn total(&self) -> usize {
        self.total
    }

    pub(crate) fn fullest_second(&self) -> usize {
        self.fullest_second
    }

    /// The remembered instants in nanoseconds, for [`fullest`], which is slow and is asked without the lock.
    pub(crate) fn instants(&self) -> Vec<u64> {
        self.instants.iter().copied().collect()
    }
}

/// Most of these ascending instants that lie within any window of this length (its end excluded).
pub(crate) fn fullest(instants: &[u64], window: Duration) -> usize {
    let window = u64::try_from(window.as_nanos()).unwrap_or(u64::MAX);
    let (mut most, mut first) = (0, 0);
    for (last, at) in instants.iter().enumerate() {
        while first < last && at - instants[first] >= window {
            first += 1;
        }
        most = most.max(last + 1 - first);
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLIS: [u64; 8] = [0, 100, 900, 950, 999, 1_000, 1_850, 5_000];

    fn noted() -> (Arrivals, Vec<usize>) {
        let mut arrivals = Arrivals::default();
        let begun = arrivals.begun;
        let counts = MILLIS.iter().map(|ms| arrivals.note(begun + Duration::from_millis(*ms))).collect();
        (arrivals, counts)
    }

    #[test]
    fn the_fullest_second_is_found_while_arrivals_are_noted() {
        let (arrivals, counts) = noted();
        assert_eq!(counts, [1, 2, 3, 4, 5, 5, 5, 1]);
        assert_eq!((arrivals.total(), arrivals.fullest_second()), (8, 5));
    }

    #[test]
    fn the_fullest_window_of_any_length_is_found_wherever_it_lies() {
        let instants = noted().0.instants();
        let most = |ms| fullest(&instants, Duration::from_millis(ms));
        assert_eq!([most(1), most(50), most(51), most(100), most(1_000), most(60_000)], [1, 2, 3, 3, 5, 8]);
        assert_eq!(fullest(&[], Duration::from_secs(1)), 0);
    }

    #[test]
    fn an_arrival_noted_out_of_order_is_still_counted() {
        let mut arrivals = Arrivals::default();
        let begun = arrivals.begun;
        arrivals.note(begun + Duration::from_millis(10));
        assert_eq!(arrivals.note(begun + Duration::from_millis(9)), 2);
    }
}
