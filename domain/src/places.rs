//! Calls under way at once at an outside system, shared by all processes that call it.
//!
//! A process holds a place for each call that it has under way, and one for each that it was granted and has not made
//! yet. The places of a process that is gone come free when the lease ends that each grant renews.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// How long a process that found no place counts as waiting, unless it asks again.
pub const WAITING: Duration = Duration::from_secs(2);

/// What a process holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// So many places.
    pub held: u32,
    /// Since when it waits for one.
    pub waits_since: Option<DateTime<Utc>>,
}

/// How many more of `most` places a process may have beside these others. A process that is busy all the time would
/// take each place again that it gives back: so while somebody waits who has less than an equal share, nobody gets more
/// than that share, and a place stays free for each of those who have waited for longer.
#[must_use]
pub fn room(most: u32, own: Holder, others: &[Holder]) -> u32 {
    let held = others.iter().fold(own.held, |sum, other| sum.saturating_add(other.held));
    let free = most.saturating_sub(held);
    let active = others.iter().filter(|other| other.held > 0 || other.waits_since.is_some()).count() + 1;
    let share = (most / u32::try_from(active).unwrap_or(u32::MAX)).max(1);
    let poor = || others.iter().filter(|other| other.held < share).filter_map(|other| other.waits_since);
    if poor().next().is_none() {
        return free;
    }
    let longer = |since: &DateTime<Utc>| own.waits_since.is_none_or(|own| *since < own);
    let ahead = u32::try_from(poor().filter(longer).count()).unwrap_or(u32::MAX);
    free.saturating_sub(ahead).min(share.saturating_sub(own.held))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp(second, 0)
    }

    const fn holds(held: u32) -> Holder {
        Holder { held, waits_since: None }
    }

    fn wants(held: u32, since: i64) -> Holder {
        Holder { held, waits_since: at(since) }
    }

    #[test]
    fn places_are_given_while_there_are_any() {
        assert_eq!(room(8, holds(0), &[]), 8);
        assert_eq!(room(8, holds(3), &[holds(4)]), 1);
        assert_eq!(room(8, holds(3), &[holds(4), holds(1)]), 0);
        assert_eq!(room(8, holds(3), &[holds(40)]), 0, "it was more before");
    }

    #[test]
    fn who_has_more_than_an_equal_share_leaves_the_rest_to_who_waits() {
        assert_eq!(room(8, holds(7), &[wants(0, 1)]), 0);
        assert_eq!(room(8, wants(7, 0), &[wants(0, 1)]), 0, "who has its share waits behind who has not");
        assert_eq!(room(8, holds(2), &[wants(0, 1)]), 2);
        assert_eq!(room(8, holds(2), &[wants(4, 1)]), 2, "who waits has its share");
        assert_eq!(room(8, wants(0, 1), &[holds(7), wants(0, 2)]), 1);
    }

    #[test]
    fn of_more_processes_than_places_who_waits_the_longest_is_next() {
        assert_eq!(room(2, holds(0), &[holds(1), wants(0, 1)]), 0);
        assert_eq!(room(2, wants(0, 2), &[holds(1), wants(0, 1)]), 0);
        assert_eq!(room(2, wants(0, 1), &[holds(1), wants(0, 2)]), 1);
    }

    proptest! {
        #[test]
        fn never_more_than_there_are_and_nobody_waits_for_ever(
            most in 1_u32..20,
            lengths in prop::collection::vec(1_u32..6, 2..6),
        ) {
            // Each process always wants more; a call of process n takes `lengths[n]` rounds.
            let mut calls: Vec<Vec<u32>> = vec![Vec::new(); lengths.len()];
            let mut served = vec![0; lengths.len()];
            let mut since: Vec<Option<DateTime<Utc>>> = vec![None; lengths.len()];
            for round in 0..200 {
                for n in 0..calls.len() {
                    calls[n].iter_mut().for_each(|left| *left -= 1);
                    calls[n].retain(|left| *left > 0);
                    let holder = |n: usize| Holder { held: calls[n].len() as u32, waits_since: since[n] };
                    let others: Vec<Holder> = (0..calls.len()).filter(|other| *other != n).map(holder).collect();
                    let more = room(most, holder(n), &others);
                    calls[n].extend((0..more).map(|_| lengths[n]));
                    served[n] += more;
                    since[n] = since[n].filter(|_| more == 0).or_else(|| at(round * 10 + n as i64));
                    prop_assert!(calls.iter().map(Vec::len).sum::<usize>() <= most as usize);
                }
            }
            prop_assert!(served.iter().all(|served| *served > 0), "{:?}", served);
        }
    }
}
