//! What a test asks of the carriers' systems.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::arrivals::fullest;
use crate::carriers::CarrierName;
use crate::record::Record;

impl Record {
    /// When the world began; the control tells arrivals in milliseconds since then.
    #[must_use]
    pub fn begun(&self) -> Instant {
        self.begun_at()
    }

    /// Calls that all carriers counted.
    #[must_use]
    pub fn carrier_calls(&self) -> usize {
        self.arrivals().lock().total()
    }

    /// Most calls of all carriers together that arrived in any window of this length (its end excluded), among the
    /// last 2,000,000.
    #[must_use]
    pub fn max_carrier_calls_in(&self, window: Duration) -> usize {
        let instants = self.arrivals().lock().instants();
        fullest(&instants, window)
    }

    /// Calls that this carrier counted, token calls apart.
    #[must_use]
    pub fn calls_of(&self, name: CarrierName) -> usize {
        self.counts(name).calls()
    }

    /// Most calls of this carrier that arrived in any window of this length (its end excluded), among the last
    /// 500,000.
    #[must_use]
    pub fn max_calls_of(&self, name: CarrierName, window: Duration) -> usize {
        self.counts(name).fullest(window)
    }

    /// Calls of this carrier's token endpoint.
    #[must_use]
    pub fn token_calls_of(&self, name: CarrierName) -> usize {
        self.counts(name).token_calls()
    }

    /// Most calls that this carrier had under way at once.
    #[must_use]
    pub fn most_in_flight_of(&self, name: CarrierName) -> usize {
        self.counts(name).most_in_flight()
    }

    /// Calls that this carrier refused because they were above its quota.
    #[must_use]
    pub fn over_quota_of(&self, name: CarrierName) -> u64 {
        self.counts(name).refused_over_quota()
    }

    /// How often this carrier answered with each HTTP status.
    #[must_use]
    pub fn statuses_of(&self, name: CarrierName) -> BTreeMap<u16, u64> {
        self.counts(name).statuses()
    }

    /// How often any carrier was asked about a number.
    #[must_use]
    pub fn calls_about(&self, number: &str) -> usize {
        self.asked(number).calls
    }

    /// How often this carrier was asked about a number.
    #[must_use]
    pub fn calls_about_of(&self, name: CarrierName, number: &str) -> usize {
        self.asked(number).of(name)
    }
}
