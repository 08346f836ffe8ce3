//! How a queue empties: its trend, and when it will be empty at its present pace.

use std::collections::VecDeque;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// The pace is that of this time.
const WINDOW: TimeDelta = TimeDelta::seconds(60);
/// Over a shorter time there is no pace to speak of.
const LEAST: TimeDelta = TimeDelta::seconds(4);

/// When a queue will be empty.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Drain {
    /// It was not looked at for long enough.
    Unknown,
    /// It is.
    Empty,
    /// So long from now, at its present pace.
    In(Duration),
    /// Never, at its present pace: it grows, or stays as it is.
    Never,
}

impl Drain {
    /// In seconds, as a metric says it: nothing while it is not known, infinite for never.
    #[must_use]
    pub fn seconds(self) -> Option<f64> {
        match self {
            Self::Unknown => None,
            Self::Empty => Some(0.0),
            Self::In(time) => Some(time.as_secs_f64()),
            Self::Never => Some(f64::INFINITY),
        }
    }
}

/// What was seen of a queue lately. An instant belongs to the process that looks.
#[derive(Debug, Clone, Default)]
pub struct Trend {
    /// When, and how many messages were ready; the oldest first.
    seen: VecDeque<(DateTime<Utc>, u64)>,
    nonempty_since: Option<DateTime<Utc>>,
    /// It was seen empty at least once.
    was_empty: bool,
}

impl Trend {
    /// Notes a look.
    pub fn see(&mut self, ready: u64, now: DateTime<Utc>) {
        self.was_empty |= ready == 0;
        self.nonempty_since = (ready > 0).then(|| self.nonempty_since.unwrap_or(now));
        if self.seen.back().is_some_and(|(at, _)| *at >= now) {
            // Two looks at once, or a clock that was set back: the later one counts from here.
            self.seen.retain(|(at, _)| *at < now);
        }
        self.seen.push_back((now, ready));
        // One look from before the window stays, so that the pace is one of the whole window.
        while self.seen.get(1).is_some_and(|(at, _)| *at <= now - WINDOW) {
            self.seen.pop_front();
        }
    }

    /// For how long it has not been seen empty.
    #[must_use]
    pub fn nonempty(&self, now: DateTime<Utc>) -> Duration {
        self.nonempty_since.and_then(|since| (now - since).to_std().ok()).unwrap_or_default()
    }

    /// Whether it was ever seen empty: else it may be so for longer than anybody has looked.
    #[must_use]
    pub fn was_empty(&self) -> bool {
        self.was_empty
    }

    /// By how many messages a second it grows; below 0 it shrinks. `None` when it was not looked at for long enough.
    #[must_use]
    pub fn growth(&self) -> Option<f64> {
        let ((begun, before), (ended, after)) = (*self.seen.front()?, *self.seen.back()?);
        let time = ended - begun;
        (time >= LEAST).then(|| (after as f64 - before as f64) / time.as_seconds_f64())
    }

    /// When it will be empty.
    #[must_use]
    pub fn drain(&self) -> Drain {
        match (self.seen.back(), self.growth()) {
            (Some((_, 0)), _) => Drain::Empty,
            (None, _) | (_, None) => Drain::Unknown,
            (Some((_, ready)), Some(growth)) if growth < 0.0 => {
                Duration::try_from_secs_f64(*ready as f64 / -growth).map_or(Drain::Never, Drain::In)
            }
            _ => Drain::Never,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_143_600 + s, 0).unwrap()
    }

    fn seen(looks: &[(i64, u64)]) -> Trend {
        let mut trend = Trend::default();
        looks.iter().for_each(|(s, ready)| trend.see(*ready, at(*s)));
        trend
    }

    #[test]
    fn a_queue_that_shrinks_is_empty_when_its_pace_says_so() {
        assert_eq!(seen(&[(0, 900), (10, 800)]).drain(), Drain::In(Duration::from_secs(80)));
        assert_eq!(seen(&[(0, 900), (10, 0)]).drain(), Drain::Empty);
    }

    #[test]
    fn a_queue_that_grows_or_stands_still_is_never_empty() {
        for looks in [[(0, 900), (10, 901)], [(0, 900), (10, 900)]] {
            assert_eq!(seen(&looks).drain(), Drain::Never);
            assert_eq!(seen(&looks).drain().seconds(), Some(f64::INFINITY));
        }
    }

    #[test]
    fn nothing_is_said_of_one_look_or_of_two_at_once() {
        assert_eq!(Trend::default().drain(), Drain::Unknown);
        assert_eq!(seen(&[(0, 5)]).drain(), Drain::Unknown);
        assert_eq!(seen(&[(0, 5), (1, 4)]).drain(), Drain::Unknown);
        assert_eq!(seen(&[(0, 0)]).drain(), Drain::Empty, "that it is empty is known at once");
    }

    #[test]
    fn the_pace_is_that_of_the_last_minute() {
        let burst = [(0, 0), (10, 9_000), (20, 8_000), (80, 2_000), (140, 1_000)];
        let growth = seen(&burst).growth().unwrap();
        assert!((growth + 1_000.0 / 60.0).abs() < 1e-9, "{growth}");
    }

    #[test]
    fn the_time_since_it_was_empty_ends_when_it_is_empty() {
        let mut trend = seen(&[(0, 0), (5, 3), (10, 9)]);
        assert_eq!(trend.nonempty(at(65)), Duration::from_secs(60));
        trend.see(0, at(70));
        assert_eq!(trend.nonempty(at(75)), Duration::ZERO);
    }

    #[test]
    fn a_clock_that_is_set_back_begins_anew() {
        let trend = seen(&[(100, 50), (40, 60), (50, 30)]);
        assert_eq!(trend.growth(), Some(-3.0));
    }
}
