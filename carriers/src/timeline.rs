//! What happened to a parcel, put in order, each event once.

use std::collections::BTreeSet;

use chrono::{NaiveDateTime, NaiveTime};
use forebay_domain::parcel::{Checkpoint, EventTime};

/// Most checkpoints of one parcel that are kept, the newest ones.
const CHECKPOINTS_MAX: usize = 500;
/// Most characters of the carrier's words, of a place and of a code.
pub(crate) const TEXT_CHARS: usize = 200;
pub(crate) const PLACE_CHARS: usize = 100;
pub(crate) const CODE_CHARS: usize = 40;

/// How a system's lists are said to be ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listed {
    /// The oldest event first.
    OldestFirst,
    /// The newest event first.
    NewestFirst,
}

/// Oldest first, each once. Times of one kind are believed over the order of the list; where instants and local times
/// are mixed they can't be compared, and the order of the list is all there is.
pub(crate) fn in_order(mut list: Vec<Checkpoint>, listed: Listed) -> Vec<Checkpoint> {
    let sortable = comparable(&list);
    let times: Vec<NaiveDateTime> = list.iter().filter_map(|c| key(c.at)).collect();
    let reversed = match (times.first(), times.last()) {
        (Some(first), Some(last)) if sortable && first != last => first > last,
        _ => listed == Listed::NewestFirst,
    };
    // Reversed before it is sorted, so that events of one minute keep their order.
    if reversed {
        list.reverse();
    }
    if sortable {
        list = sorted(list);
    }
    let mut seen = BTreeSet::new();
    list.retain(|checkpoint| seen.insert(checkpoint.key()));
    list.split_off(list.len().saturating_sub(CHECKPOINTS_MAX))
}

/// No instant stands beside a local time.
fn comparable(list: &[Checkpoint]) -> bool {
    let any = |is: fn(EventTime) -> bool| list.iter().any(|c| is(c.at));
    let exact = any(|at| matches!(at, EventTime::Exact(_)));
    let local = any(|at| matches!(at, EventTime::Local(_) | EventTime::Date(_)));
    !(exact && local)
}

/// By time; an event without one stays behind the one before it.
fn sorted(list: Vec<Checkpoint>) -> Vec<Checkpoint> {
    let mut last = None;
    let mut keyed: Vec<(Option<NaiveDateTime>, Checkpoint)> = list
        .into_iter()
        .map(|checkpoint| {
            last = key(checkpoint.at).or(last);
            (last, checkpoint)
        })
        .collect();
    keyed.sort_by_key(|(when, _)| *when);
    keyed.into_iter().map(|(_, checkpoint)| checkpoint).collect()
}

fn key(at: EventTime) -> Option<NaiveDateTime> {
    match at {
        EventTime::Exact(at) => Some(at.naive_utc()),
        EventTime::Local(at) => Some(at),
        EventTime::Date(day) => Some(day.and_time(NaiveTime::MIN)),
        EventTime::Missing => None,
    }
}

#[cfg(test)]
mod tests {
    use forebay_schemas::events::ParcelStatus;

    use super::*;
    use crate::times;

    fn list(times: &[&str]) -> Vec<Checkpoint> {
        let one = |(i, time): (usize, &&str)| Checkpoint {
            at: times::read(time),
            status: ParcelStatus::InTransit,
            raw_code: Some(i.to_string()),
            text: None,
            place: None,
        };
        times.iter().enumerate().map(one).collect()
    }

    fn order(times: &[&str], listed: Listed) -> String {
        in_order(list(times), listed).into_iter().filter_map(|c| c.raw_code).collect()
    }

    #[test]
    fn times_are_believed_over_the_order_of_the_list() {
        let newest_first = ["2026-11-20T09:00:00Z", "2026-11-20T08:00:00Z", "2026-11-20T08:00:00Z"];
        assert_eq!(order(&newest_first, Listed::OldestFirst), "210");
        let mixed_up = ["2026-11-20T08:00:00Z", "2026-11-20T10:00:00Z", "2026-11-20T09:00:00Z"];
        assert_eq!(order(&mixed_up, Listed::NewestFirst), "021");
        assert_eq!(order(&["2026-11-20", "", "2026-11-21"], Listed::OldestFirst), "012");
    }

    #[test]
    fn times_that_can_not_be_compared_leave_the_list_as_it_is() {
        let mixed = ["2026-11-20T09:00:00", "2026-11-20T10:00:00Z", "2026-11-20T08:00:00"];
        assert_eq!(order(&mixed, Listed::NewestFirst), "210");
        assert_eq!(order(&mixed, Listed::OldestFirst), "012");
    }

    #[test]
    fn an_event_is_kept_once_and_the_newest_500_of_many() {
        let mut twice = list(&["2026-11-20T09:00:00Z"]);
        twice.extend(twice.clone());
        assert_eq!(in_order(twice, Listed::OldestFirst).len(), 1);
        let many = list(&["2026-11-20"; 600]);
        let kept = in_order(many, Listed::OldestFirst);
        assert_eq!((kept.len(), kept[499].raw_code.as_deref()), (500, Some("599")));
    }
}
