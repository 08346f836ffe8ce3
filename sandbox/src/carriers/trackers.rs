//! What an aggregator was told to follow.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use parking_lot::Mutex;

use crate::timeline::parcel::hash;

/// Most parcels that an aggregator follows; the oldest go first.
const TRACKERS_MAX: usize = 200_000;

/// A parcel that an aggregator follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tracker {
    /// In the order in which they were made.
    pub(crate) serial: u64,
    /// 32 hexadecimal digits.
    pub(crate) id: String,
    pub(crate) number: String,
    /// The carrier, as the caller or the aggregator named it.
    pub(crate) carrier: String,
    pub(crate) created_at: DateTime<Utc>,
}

#[derive(Debug, Default)]
pub(crate) struct Trackers(Mutex<Books>);

#[derive(Debug, Default)]
struct Books {
    last: u64,
    by_serial: BTreeMap<u64, Tracker>,
    by_id: HashMap<String, u64>,
    by_number: HashMap<String, Vec<u64>>,
}

impl Trackers {
    /// Begins to follow a parcel; `false` beside the tracker when it was followed already.
    pub(crate) fn create(&self, number: &str, carrier: &str, now: DateTime<Utc>) -> (Tracker, bool) {
        let mut books = self.0.lock();
        if let Some(known) = books.of_number(number).into_iter().find(|known| known.carrier == carrier) {
            return (known, false);
        }
        books.last += 1;
        let serial = books.last;
        let id = format!("{:016x}{:016x}", hash(serial, number), hash(serial, carrier));
        let (number, carrier) = (number.to_owned(), carrier.to_owned());
        let tracker = Tracker { serial, id, number, carrier, created_at: now };
        books.by_id.insert(tracker.id.clone(), serial);
        books.by_number.entry(tracker.number.clone()).or_default().push(serial);
        books.by_serial.insert(serial, tracker.clone());
        books.forget_the_oldest();
        (tracker, true)
    }

    pub(crate) fn of_id(&self, id: &str) -> Option<Tracker> {
        let books = self.0.lock();
        books.by_id.get(id).and_then(|serial| books.by_serial.get(serial)).cloned()
    }

    pub(crate) fn of_number(&self, number: &str) -> Vec<Tracker> {
        self.0.lock().of_number(number)
    }

    /// Up to `limit` of them, the newest first, older than this one.
    pub(crate) fn before(&self, serial: u64, limit: usize) -> Vec<Tracker> {
        let books = self.0.lock();
        books.by_serial.range(..serial).rev().take(limit).map(|(_, tracker)| tracker.clone()).collect()
    }
}

impl Books {
    fn of_number(&self, number: &str) -> Vec<Tracker> {
        let serials = self.by_number.get(number).into_iter().flatten();
        serials.filter_map(|serial| self.by_serial.get(serial)).cloned().collect()
    }

    fn forget_the_oldest(&mut self) {
        while self.by_serial.len() > TRACKERS_MAX {
            let Some((serial, gone)) = self.by_serial.pop_first() else { return };
            self.by_id.remove(&gone.id);
            if let Some(serials) = self.by_number.get_mut(&gone.number) {
                serials.retain(|one| *one != serial);
                if serials.is_empty() {
                    self.by_number.remove(&gone.number);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parcel_is_followed_once_a_carrier_and_found_by_id_and_number() {
        let (trackers, now) = (Trackers::default(), DateTime::default());
        let (first, is_new) = trackers.create("1", "UPS", now);
        assert!(is_new);
        assert_eq!(trackers.create("1", "UPS", now), (first.clone(), false));
        let (other, _) = trackers.create("1", "USPS", now);
        assert_ne!(first.id, other.id);
        assert_eq!(trackers.of_id(&other.id), Some(other.clone()));
        assert_eq!(trackers.of_number("1"), [first.clone(), other.clone()]);
        assert_eq!(trackers.before(u64::MAX, 1), std::slice::from_ref(&other));
        assert_eq!(trackers.before(other.serial, 9), [first]);
    }
}
