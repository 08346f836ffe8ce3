//! When calls arrived, and how many at most within any stretch of time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Most arrivals whose instants are remembered of all carriers together, 8 bytes each; the count of the fullest
/// second is kept for ever.
pub(crate) const OF_ALL: usize = 2_000_000;
/// Of one carrier.
pub(crate) const OF_ONE: usize = 500_000;
const SECOND: u64 = 1_000_000_000;

#[derive(Debug)]
pub(crate) struct Arrivals {
    begun: Instant,
    remembered: usize,
    /// Nanoseconds since `begun`, ascending.
    instants: VecDeque<u64>,
    total: usize,
    /// How many of all arrivals are a second or more older than the newest.
    older: usize,
    fullest_second: usize,
}

impl Arrivals {
    /// None so far; at most so many of them will be remembered one by one.
    pub(crate) fn new(begun: Instant, remembered: usize) -> Self {
        Self { begun, remembered, instants: VecDeque::new(), total: 0, older: 0, fullest_second: 0 }
    }

    /// Notes an arrival; returns how many there were in the second that ends with it, itself included.
    pub(crate) fn note(&mut self, at: Instant) -> usize {
        let since = at.saturating_duration_since(self.begun).as_nanos();
        // Two threads may read the clock in one order and come here in the other.
        let last = self.instants.back().copied().unwrap_or(0);
        let now = u64::try_from(since).unwrap_or(u64::MAX).max(last);
        if self.instants.len() == self.remembered {
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

    /// How many there were in the window of this length that ends with the newest.
    pub(crate) fn in_last(&self, window: Duration) -> usize {
        let window = nanos(window);
        let newest = self.instants.back().copied().unwrap_or(0);
        self.instants.len() - self.instants.partition_point(|at| newest - at >= window)
    }

    /// Up to `limit` instants after the first `after` arrivals, in nanoseconds since the beginning, with the number
    /// of the first of them.
    pub(crate) fn page(&self, after: usize, limit: usize) -> (usize, Vec<u64>) {
        let forgotten = self.total - self.instants.len();
        let from = after.max(forgotten);
        let list = self.instants.iter().skip(from - forgotten).take(limit).copied().collect();
        (from + 1, list)
    }

    /// The remembered instants in nanoseconds, for [`fullest`], which is slow and is asked without the lock.
    pub(crate) fn instants(&self) -> Vec<u64> {
        self.instants.iter().copied().collect()
    }
}

/// Most of these ascending instants that lie within any window of this length (its end excluded).
pub(crate) fn fullest(instants: &[u64], window: Duration) -> usize {
    let window = nanos(window);
    let (mut most, mut first) = (0, 0);
    for (last, at) in instants.iter().enumerate() {
        while first < last && at - instants[first] >= window {
            first += 1;
        }
        most = most.max(last + 1 - first);
    }
    most
}

fn nanos(length: Duration) -> u64 {
    u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLIS: [u64; 8] = [0, 100, 900, 950, 999, 1_000, 1_850, 5_000];

    fn noted() -> (Arrivals, Vec<usize>) {
        let begun = Instant::now();
        let mut arrivals = Arrivals::new(begun, OF_ONE);
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
        let begun = Instant::now();
        let mut arrivals = Arrivals::new(begun, OF_ONE);
        arrivals.note(begun + Duration::from_millis(10));
        assert_eq!(arrivals.note(begun + Duration::from_millis(9)), 2);
    }

    #[test]
    fn a_page_goes_on_behind_what_is_forgotten() {
        let begun = Instant::now();
        let mut arrivals = Arrivals::new(begun, 3);
        for ms in [0, 1, 2, 3, 1_500] {
            arrivals.note(begun + Duration::from_millis(ms));
        }
        let ms = |of: u64| of * 1_000_000;
        assert_eq!(arrivals.page(0, 2), (3, vec![ms(2), ms(3)]));
        assert_eq!(arrivals.page(4, 2), (5, vec![ms(1_500)]));
        assert_eq!(arrivals.page(9, 2), (10, vec![]));
        let last = |ms| arrivals.in_last(Duration::from_millis(ms));
        assert_eq!([last(1), last(1_498), last(1_499), last(9_000)], [1, 2, 3, 3]);
    }
}
