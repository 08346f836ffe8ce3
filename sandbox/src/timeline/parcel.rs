//! A parcel as it stands: the same for the same seed and number, whichever carrier tells of it.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};

use crate::timeline::script::{Story, told};
use crate::timeline::step::{Event, PLACES, Step};

const FIRST_STEP_SPREAD_MINUTES: u64 = 600;
const STEP_MINUTES: i64 = 180;
/// How long after its first step a parcel should be delivered.
const ETA_DAYS: i64 = 2;
/// How long before it an earlier parcel had the same number.
const EARLIER_DAYS: i64 = 200;
const EARLIER: [Step; 3] = [Step::Label, Step::PickedUp, Step::Delivered];

/// What places and times follow from, besides the number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fate {
    pub(crate) seed: u64,
    /// The earliest first step of any story.
    pub(crate) begin: DateTime<Utc>,
}

/// How the events of a parcel are put in a wrong order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Disorder {
    #[default]
    None,
    /// From the wrong end.
    Reversed,
    /// Each pair the wrong way round.
    Swapped,
}

/// Which end a carrier begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    OldestFirst,
    NewestFirst,
}

/// A parcel that the carrier has found. It has at least one event.
#[derive(Debug, Clone)]
pub(crate) struct Parcel {
    pub(crate) number: String,
    /// Chooses whatever the story leaves open.
    pub(crate) hash: u64,
    /// Oldest first.
    pub(crate) events: Vec<Event>,
    /// What an earlier parcel of the same number went through, oldest first.
    pub(crate) earlier: Vec<Event>,
    pub(crate) duplicates: bool,
    pub(crate) disorder: Disorder,
    pub(crate) filler: bool,
    pub(crate) odd: bool,
    pub(crate) another_id: bool,
}

/// What a carrier has to say of a number.
#[derive(Debug, Clone)]
pub(crate) enum Telling {
    Found(Parcel),
    Truncated(Parcel),
    Unknown,
    Invalid,
    TooOften,
    LookupFailed,
    Fails,
    Html,
}

impl Parcel {
    /// The step where it stands.
    pub(crate) fn step(&self) -> Step {
        self.events.last().map_or(Step::Label, |event| event.step)
    }

    pub(crate) fn first_of(&self, steps: &[Step]) -> Option<&Event> {
        self.events.iter().find(|event| steps.contains(&event.step))
    }

    /// When it came back or was taken.
    pub(crate) fn ended(&self) -> Option<&Event> {
        self.first_of(&[Step::Delivered, Step::Returned])
    }

    /// When it should be delivered, while it is on its way there.
    pub(crate) fn eta(&self) -> Option<DateTime<Utc>> {
        const GONE: [Step; 6] = [
            Step::Delivered,
            Step::Returning,
            Step::Returned,
            Step::Lost,
            Step::Cancelled,
            Step::ReadyForPickup,
        ];
        let first = self.events.first()?;
        (!GONE.contains(&self.step())).then(|| first.at + Duration::days(ETA_DAYS))
    }

    /// Its events as the carrier lists them, with what is wrong with the list.
    pub(crate) fn listed(&self, order: Order) -> Vec<Event> {
        self.in_order(&self.events, order)
    }

    /// The same, behind those of the earlier parcel.
    pub(crate) fn listed_with_earlier(&self, order: Order) -> Vec<Event> {
        let all = [self.earlier.as_slice(), &self.events].concat();
        self.in_order(&all, order)
    }

    fn in_order(&self, events: &[Event], order: Order) -> Vec<Event> {
        let mut list = events.to_vec();
        if self.duplicates {
            list.extend(list.last().cloned());
        }
        if (order == Order::NewestFirst) != (self.disorder == Disorder::Reversed) {
            list.reverse();
        }
        if self.disorder == Disorder::Swapped {
            list.chunks_mut(2).for_each(<[Event]>::reverse);
        }
        list
    }

    /// The parcel that had this number before, as a parcel of its own.
    pub(crate) fn the_earlier(&self) -> Option<Self> {
        let events = self.earlier.clone();
        (!events.is_empty()).then(|| Self { events, earlier: Vec::new(), ..self.clone() })
    }
}

/// What is to be told of a number after so many earlier looks and so many pushes by the control.
pub(crate) fn telling(
    fate: Fate,
    number: &str,
    story: &Arc<Story>,
    looks: usize,
    advanced: usize,
) -> Telling {
    let parcel = |steps: &[Step]| parcel(fate, number, steps);
    let picked_up = || parcel(&[Step::Label, Step::PickedUp]);
    match story.as_ref() {
        Story::Journey { steps, shown, looks_a_step } => {
            let count = told(steps.len(), *shown, *looks_a_step, looks, advanced);
            match steps.get(..count).unwrap_or(steps) {
                [] => Telling::Unknown,
                some => Telling::Found(parcel(some)),
            }
        }
        Story::Untidy(steps) => Telling::Found(Parcel {
            duplicates: true,
            disorder: Disorder::Reversed,
            filler: true,
            ..parcel(steps)
        }),
        Story::Reused(steps) => Telling::Found(parcel(steps).reused(fate)),
        Story::Odd(steps) => Telling::Found(Parcel { odd: true, ..parcel(steps) }),
        Story::AnotherId => Telling::Found(Parcel { another_id: true, ..picked_up() }),
        Story::TooOften(times) if looks >= *times => Telling::TooOften,
        Story::FailsFirst(times) if looks < *times => Telling::Fails,
        Story::FailsFirst(_) | Story::TooOften(_) | Story::Slow(_) => Telling::Found(picked_up()),
        Story::Unknown => Telling::Unknown,
        Story::Invalid => Telling::Invalid,
        Story::LookupFailed => Telling::LookupFailed,
        Story::Html => Telling::Html,
        Story::Truncated => Telling::Truncated(picked_up()),
    }
}

impl Parcel {
    pub(crate) fn reused(self, fate: Fate) -> Self {
        let mut earlier = events(self.hash, fate.begin, &EARLIER);
        earlier.iter_mut().for_each(|event| event.at -= Duration::days(EARLIER_DAYS));
        Self { earlier, ..self }
    }
}

fn parcel(fate: Fate, number: &str, steps: &[Step]) -> Parcel {
    let hash = hash(fate.seed, number);
    Parcel {
        number: number.to_owned(),
        hash,
        events: events(hash, fate.begin, steps),
        earlier: Vec::new(),
        duplicates: false,
        disorder: Disorder::None,
        filler: false,
        odd: false,
        another_id: false,
    }
}

fn events(hash: u64, begin: DateTime<Utc>, steps: &[Step]) -> Vec<Event> {
    let first = i64::try_from(hash % FIRST_STEP_SPREAD_MINUTES).unwrap_or(0);
    let event = |(index, step): (u8, &Step)| Event {
        step: *step,
        index,
        at: begin + Duration::minutes(first + i64::from(index) * STEP_MINUTES),
        place: chosen(&PLACES, hash.wrapping_add(u64::from(index))),
    };
    (0..=u8::MAX).zip(steps).map(event).collect()
}

/// One of a list that is not empty.
pub(crate) fn chosen<T>(list: &[T], by: u64) -> &T {
    let index = usize::try_from(by % list.len() as u64).unwrap_or(0);
    &list[index]
}

/// FNV-1a over the seed and the number.
pub(crate) fn hash(seed: u64, number: &str) -> u64 {
    seed.to_le_bytes().into_iter().chain(number.bytes()).fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOURNEY: [Step; 4] = [Step::Label, Step::PickedUp, Step::InTransit, Step::Delivered];

    fn fate(seed: u64) -> Fate {
        Fate { seed, begin: DateTime::default() }
    }

    fn steps(events: &[Event]) -> Vec<Step> {
        events.iter().map(|event| event.step).collect()
    }

    #[test]
    fn a_parcel_is_the_same_for_the_same_seed_and_another_for_another() {
        let told = |seed| parcel(fate(seed), "600000000001", &JOURNEY).events;
        assert_eq!(told(1), told(1));
        assert!((2..12).any(|seed| told(seed) != told(1)));
    }

    #[test]
    fn a_list_begins_where_the_carrier_begins_unless_it_is_in_disorder() {
        let tidy = parcel(fate(1), "6", &JOURNEY);
        let mut backwards = JOURNEY;
        backwards.reverse();
        assert_eq!(steps(&tidy.listed(Order::OldestFirst)), JOURNEY);
        assert_eq!(steps(&tidy.listed(Order::NewestFirst)), backwards);
        let untidy = Parcel { duplicates: true, disorder: Disorder::Reversed, ..tidy.clone() };
        let [label, picked_up, in_transit, delivered] = JOURNEY;
        assert_eq!(
            steps(&untidy.listed(Order::OldestFirst)),
            [delivered, delivered, in_transit, picked_up, label]
        );
        let swapped = Parcel { disorder: Disorder::Swapped, ..tidy };
        assert_eq!(steps(&swapped.listed(Order::OldestFirst)), [picked_up, label, delivered, in_transit]);
    }

    #[test]
    fn an_earlier_parcel_of_the_same_number_ended_long_before() {
        let reused = parcel(fate(1), "6", &JOURNEY).reused(fate(1));
        let earlier = reused.the_earlier().unwrap();
        assert_eq!(earlier.step(), Step::Delivered);
        assert!(earlier.events[2].at + Duration::days(100) < reused.events[0].at);
        assert_eq!(reused.listed_with_earlier(Order::OldestFirst).len(), 7);
    }
}
