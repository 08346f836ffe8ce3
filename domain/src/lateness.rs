//! News that come late: carriers' pushes overtake each other, and the answers to our own questions.

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};

use crate::parcel::{EventTime, Lookup, Progress, Snapshot};

/// How far what is known of a parcel reaches, in each kind of time that a carrier may give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Newest {
    exact: Option<DateTime<Utc>>,
    local: Option<NaiveDateTime>,
    day: Option<NaiveDate>,
}

impl Newest {
    /// The newest of these times.
    pub fn of(times: impl IntoIterator<Item = EventTime>) -> Self {
        let mut newest = Self::default();
        times.into_iter().for_each(|at| newest.add(at));
        newest
    }

    /// Takes one more time.
    pub fn add(&mut self, at: EventTime) {
        match at {
            EventTime::Exact(at) => self.exact = self.exact.max(Some(at)),
            EventTime::Local(at) => self.local = self.local.max(Some(at)),
            EventTime::Date(day) => self.day = self.day.max(Some(day)),
            EventTime::Missing => {}
        }
    }

    /// What of it lies not in the future, as far as zones can tell.
    fn by(&self, now: DateTime<Utc>) -> Self {
        let tomorrow = now + TimeDelta::days(1);
        Self {
            exact: self.exact.filter(|at| *at <= tomorrow),
            local: self.local.filter(|at| *at <= tomorrow.naive_utc()),
            day: self.day.filter(|day| *day <= tomorrow.date_naive()),
        }
    }

    /// It ends before `known` does. Times of different kinds can't be compared; they say nothing.
    fn is_behind(&self, known: &Self) -> bool {
        if *self == Self::default() {
            return *known != Self::default();
        }
        let exact = self.exact.zip(known.exact).map(|(told, known)| told < known);
        let local = || self.local.zip(known.local).map(|(told, known)| told < known);
        let day = || self.day.zip(known.day).map(|(told, known)| told < known);
        exact.or_else(local).or_else(day).unwrap_or(false)
    }
}

/// What a push says, when it is older than what is known of the parcel: what happened is added, but where the parcel is
/// was told by newer news. `None` when it is not.
#[must_use]
pub fn told_late(progress: &Progress, known: &Newest, lookup: &Lookup) -> Option<Lookup> {
    let Lookup::Found(snapshot) = lookup else { return None };
    let told = Newest::of(snapshot.checkpoints.iter().map(|checkpoint| checkpoint.at));
    told.is_behind(known).then(|| {
        let checkpoints = snapshot.checkpoints.clone();
        Lookup::Found(Snapshot { status: Some(progress.status), checkpoints, eta: None })
    })
}

/// What an answer says, when it is older than what the carrier pushed meanwhile. As [`told_late`], but an answer is
/// believed over what is known where nothing shows that it is older: without any times only when it says that the parcel
/// is where it was before it was picked up, and over times that are yet to come.
#[must_use]
pub fn answered_late(
    progress: &Progress,
    known: &Newest,
    lookup: &Lookup,
    now: DateTime<Utc>,
) -> Option<Lookup> {
    let Lookup::Found(snapshot) = lookup else { return None };
    let timeless = snapshot.checkpoints.iter().all(|checkpoint| checkpoint.at == EventTime::Missing);
    let further = snapshot.status.is_none_or(|status| status.implies_picked_up());
    if timeless && (further || !progress.status.implies_picked_up()) {
        return None;
    }
    told_late(progress, &known.by(now), lookup)
}

#[cfg(test)]
mod tests {
    use forebay_schemas::events::ParcelStatus;

    use super::*;
    use crate::parcel::Checkpoint;

    fn at(minutes: i64) -> EventTime {
        EventTime::Exact(DateTime::from_timestamp(1_700_000_000 + 60 * minutes, 0).unwrap())
    }

    fn local(text: &str) -> EventTime {
        EventTime::Local(text.parse().unwrap())
    }

    fn late(known: &[EventTime], told: &[EventTime]) -> bool {
        let of = |at: &EventTime| Checkpoint {
            at: *at,
            status: ParcelStatus::PickedUp,
            raw_code: None,
            text: None,
            place: None,
        };
        let checkpoints = told.iter().map(of).collect();
        let lookup = Lookup::Found(Snapshot { status: Some(ParcelStatus::PickedUp), checkpoints, eta: None });
        let progress = Progress {
            status: ParcelStatus::OutForDelivery,
            ..Progress::registered(DateTime::from_timestamp(0, 0).unwrap())
        };
        let told = told_late(&progress, &Newest::of(known.iter().copied()), &lookup);
        if let Some(Lookup::Found(snapshot)) = &told {
            assert_eq!(snapshot.status, Some(ParcelStatus::OutForDelivery), "it does not move the parcel");
        }
        told.is_some()
    }

    #[test]
    fn what_ends_before_what_is_known_is_late() {
        assert!(late(&[at(0), at(9)], &[at(0), at(5)]));
        assert!(late(&[at(9)], &[]), "it says less than what is known");
        assert!(late(&[local("2026-11-20T10:00:00")], &[local("2026-11-20T09:00:00")]));
        for told in [vec![at(0), at(9)], vec![at(10)], vec![EventTime::Missing, at(10), at(1)]] {
            assert!(!late(&[at(0), at(9)], &told), "{told:?}");
        }
        assert!(!late(&[], &[]) && !late(&[], &[at(0)]));
    }

    #[test]
    fn times_that_can_not_be_compared_say_nothing() {
        assert!(!late(&[at(9)], &[local("2001-01-01T00:00:00")]));
        let known = [EventTime::Date("2026-11-20".parse().unwrap())];
        assert!(!late(&known, &[at(0)]));
        assert!(late(&known, &[EventTime::Date("2026-11-19".parse().unwrap())]));
    }
}
