//! What one carrier's system saw.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::arrivals::{Arrivals, OF_ONE, fullest};

/// Counts of one carrier's system, exact however long the world has run.
#[derive(Debug)]
pub(crate) struct Counts {
    arrivals: Mutex<Arrivals>,
    token_arrivals: Mutex<Arrivals>,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
    statuses: Mutex<BTreeMap<u16, u64>>,
    over_quota: AtomicU64,
    today: Mutex<Today>,
}

#[derive(Debug, Default)]
struct Today {
    day: i64,
    calls: u64,
}

/// What was counted when a call arrived.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrived {
    /// Calls in the window that ends with this one, itself included.
    pub(crate) in_window: usize,
    /// Calls since midnight, itself included.
    pub(crate) today: u64,
}

impl Counts {
    pub(crate) fn new(begun: Instant) -> Self {
        Self {
            arrivals: Mutex::new(Arrivals::new(begun, OF_ONE)),
            token_arrivals: Mutex::new(Arrivals::new(begun, OF_ONE / 100)),
            in_flight: AtomicUsize::new(0),
            most_in_flight: AtomicUsize::new(0),
            statuses: Mutex::default(),
            over_quota: AtomicU64::new(0),
            today: Mutex::default(),
        }
    }

    pub(crate) fn arrived(&self, at: Instant, window: Duration, day: i64) -> Arrived {
        let in_window = {
            let mut arrivals = self.arrivals.lock();
            arrivals.note(at);
            arrivals.in_last(window)
        };
        let mut today = self.today.lock();
        if today.day != day {
            *today = Today { day, calls: 0 };
        }
        today.calls += 1;
        Arrived { in_window, today: today.calls }
    }

    /// The day's calls are counted from 0 again.
    pub(crate) fn new_day(&self) {
        self.today.lock().calls = 0;
    }

    pub(crate) fn token_call(&self, at: Instant) {
        self.token_arrivals.lock().note(at);
    }

    pub(crate) fn over_quota(&self) {
        self.over_quota.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn answered(&self, status: u16) {
        *self.statuses.lock().entry(status).or_default() += 1;
    }

    /// A call under way, until what this returns is dropped.
    pub(crate) fn under_way(self: &Arc<Self>) -> UnderWay {
        let now = self.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_in_flight.fetch_max(now, Ordering::Relaxed);
        UnderWay(Arc::clone(self))
    }

    pub(crate) fn calls(&self) -> usize {
        self.arrivals.lock().total()
    }

    pub(crate) fn fullest(&self, window: Duration) -> usize {
        let instants = self.arrivals.lock().instants();
        fullest(&instants, window)
    }

    pub(crate) fn token_calls(&self) -> usize {
        self.token_arrivals.lock().total()
    }

    pub(crate) fn most_in_flight(&self) -> usize {
        self.most_in_flight.load(Ordering::Relaxed)
    }

    pub(crate) fn refused_over_quota(&self) -> u64 {
        self.over_quota.load(Ordering::Relaxed)
    }

    pub(crate) fn statuses(&self) -> BTreeMap<u16, u64> {
        self.statuses.lock().clone()
    }

    pub(crate) fn page(&self, after: usize, limit: usize) -> (usize, Vec<u64>) {
        self.arrivals.lock().page(after, limit)
    }

    pub(crate) fn summary(&self) -> Value {
        let (calls, fullest_second) = {
            let arrivals = self.arrivals.lock();
            (arrivals.total(), arrivals.fullest_second())
        };
        json!({
            "calls": calls,
            "calls_in_any_second": fullest_second,
            "calls_today": self.today.lock().calls,
            "token_calls": self.token_calls(),
            "in_flight": self.in_flight.load(Ordering::Relaxed),
            "most_in_flight": self.most_in_flight(),
            "over_quota": self.refused_over_quota(),
            "statuses": self.statuses(),
        })
    }
}

#[derive(Debug)]
pub(crate) struct UnderWay(Arc<Counts>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
