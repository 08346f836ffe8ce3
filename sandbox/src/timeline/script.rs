//! Parcels' stories, chosen by their numbers.

use std::sync::Arc;
use std::time::Duration;

use crate::timeline::step::Step;

/// What every carrier tells of a parcel, each in its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Story {
    /// Each step is one event; no step to show yet means that the parcel is not yet known.
    Journey {
        /// The steps, oldest first.
        steps: Vec<Step>,
        /// How many of them the first look shows.
        shown: usize,
        /// One more step is shown after so many looks; 0: only when the control says so.
        looks_a_step: usize,
    },
    /// Found with these steps, but told badly: an event twice, a filler time where the carrier knows such, and in
    /// the order that is not the carrier's.
    Untidy(Vec<Step>),
    /// A number that an earlier parcel had: its delivery is told together with these steps.
    Reused(Vec<Step>),
    /// Found with these steps, in the oddest shape that this carrier is known for.
    Odd(Vec<Step>),
    /// Found, but the carrier tells first of another parcel (DHL; the others tell of this one alone).
    AnotherId,
    /// Not known.
    Unknown,
    /// The carrier calls the number malformed; where it answers in batches, it refuses the whole batch.
    Invalid,
    /// After so many looks the carrier has had enough of this number.
    TooOften(usize),
    /// The carrier's own look-up failed.
    LookupFailed,
    /// An HTML page with status 200.
    Html,
    /// JSON that ends in the middle.
    Truncated,
    /// 500 for so many looks, then picked up.
    FailsFirst(usize),
    /// Picked up, but told this late.
    Slow(Duration),
}

impl Story {
    /// Picked up at the first look.
    #[must_use]
    pub fn picked_up() -> Self {
        Self::told(&[Step::Label, Step::PickedUp])
    }

    /// Found with these steps, at every look the same.
    #[must_use]
    pub fn told(steps: &[Step]) -> Self {
        Self::Journey { steps: steps.to_vec(), shown: steps.len(), looks_a_step: 0 }
    }
}

/// Which parcel has which story: the last rule that fits, otherwise picked up at once. A rule fits when the number,
/// or the part of it that `story_digits` finds, begins with the rule's prefix. The default script is the table in
/// this crate's `README.md`.
#[derive(Debug, Clone)]
pub struct Script {
    rules: Vec<(String, Arc<Story>)>,
    otherwise: Arc<Story>,
}

impl Default for Script {
    fn default() -> Self {
        use Step::{
            AttemptFailed, Cancelled, Delivered, Exception, InTransit, Label, Lost, OutForDelivery, PickedUp,
            ReadyForPickup, Returned, Returning,
        };
        let journey = |steps: &[Step], shown, looks_a_step| Story::Journey {
            steps: steps.to_vec(),
            shown,
            looks_a_step,
        };
        let on_the_way = [Label, PickedUp, InTransit];
        let then = |more: &[Step]| [&on_the_way, more].concat();
        let delivered = [Label, PickedUp, InTransit, Delivered];
        Self { rules: Vec::new(), otherwise: Arc::new(Story::picked_up()) }
            .with("610", journey(&[Label, PickedUp], 1, 2))
            .with("615", journey(&[Label, PickedUp], 1, 0))
            .with("616", journey(&[Label, PickedUp], 0, 2))
            .with("617", Story::told(&[Label, Cancelled]))
            .with("620", journey(&then(&[OutForDelivery, Delivered]), 2, 1))
            .with("621", journey(&then(&[OutForDelivery, AttemptFailed, OutForDelivery, Delivered]), 5, 1))
            .with("622", Story::told(&then(&[ReadyForPickup])))
            .with("623", Story::told(&then(&[Exception])))
            .with("624", Story::told(&then(&[Lost])))
            .with("630", Story::Slow(Duration::from_secs(2)))
            .with("640", Story::Unknown)
            .with("645", Story::TooOften(3))
            .with("646", Story::LookupFailed)
            .with("647", Story::Invalid)
            .with("650", Story::Untidy(delivered.to_vec()))
            .with("651", Story::Reused(then(&[])))
            .with("652", Story::Odd(delivered.to_vec()))
            .with("653", Story::AnotherId)
            .with("660", Story::Html)
            .with("670", Story::Truncated)
            .with("680", Story::FailsFirst(2))
            .with("690", Story::told(&then(&[Returning])))
            .with("691", Story::told(&then(&[Returning, Returned])))
            // EasyPost's own test numbers.
            .with("EZ1000000001", Story::told(&[Label]))
            .with("EZ2000000002", Story::told(&then(&[])))
            .with("EZ3000000003", Story::told(&then(&[OutForDelivery])))
            .with("EZ4000000004", Story::told(&delivered))
            .with("EZ5000000005", Story::told(&then(&[Returning])))
            .with("EZ6000000006", Story::told(&then(&[Exception])))
            .with("EZ7000000007", Story::Unknown)
    }
}

impl Script {
    /// Adds a rule, which goes before all that are there.
    #[must_use]
    pub fn with(mut self, prefix: impl Into<String>, story: Story) -> Self {
        self.rules.push((prefix.into(), Arc::new(story)));
        self
    }

    pub(crate) fn story(&self, number: &str) -> Arc<Story> {
        let digits = story_digits(number);
        let fits = |prefix: &String| number.starts_with(prefix) || digits.starts_with(prefix);
        let rule = self.rules.iter().rev().find(|(prefix, _)| fits(prefix));
        Arc::clone(rule.map_or(&self.otherwise, |(_, story)| story))
    }
}

/// The part of a number that its maker may choose, which is where the story's digits stand: behind the shipper and
/// the service of a UPS number (`1Z`, 6 characters, 2 digits), behind the routing and the maker of a number of 22
/// digits that begins with 9 (8 digits), behind leading letters, and otherwise at the beginning.
pub(crate) fn story_digits(number: &str) -> &str {
    const UPS_CHARS: usize = 18;
    const UPS_HEAD: usize = 10;
    const IMPB_CHARS: usize = 22;
    const IMPB_HEAD: usize = 8;
    let head = if number.starts_with("1Z") && number.len() == UPS_CHARS {
        UPS_HEAD
    } else if number.starts_with('9') && number.len() == IMPB_CHARS {
        IMPB_HEAD
    } else {
        number.bytes().take_while(u8::is_ascii_alphabetic).count()
    };
    number.get(head..).unwrap_or(number)
}

/// How many of a journey's steps are told after so many earlier looks and so many pushes by the control.
pub(crate) fn told(steps: usize, shown: usize, looks_a_step: usize, looks: usize, advanced: usize) -> usize {
    let by_looks = looks.checked_div(looks_a_step).unwrap_or(0);
    shown.saturating_add(by_looks).saturating_add(advanced).min(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_rule_that_fits_wins() {
        let script = Script::default().with("6201", Story::Html).with("7", Story::Unknown);
        assert_eq!(*script.story("620155"), Story::Html);
        assert!(matches!(*script.story("620255"), Story::Journey { .. }));
        assert_eq!(*script.story("7"), Story::Unknown);
        assert_eq!(*script.story(""), Story::picked_up());
    }

    #[test]
    fn the_digits_of_the_story_stand_where_the_maker_of_a_number_may_choose_them() {
        let cases = [
            ("640000000001", "640000000001"),
            ("1Z999AA10164000018", "64000018"),
            ("JJD640000000001", "640000000001"),
            ("9400100064000000000012", "64000000000012"),
            ("JD-", "-"),
        ];
        for (number, digits) in cases {
            assert_eq!(story_digits(number), digits, "{number}");
        }
        let script = Script::default();
        for number in ["640000000001", "1Z999AA10164000018", "JJD640000000001", "9400100064000000000012"] {
            assert_eq!(*script.story(number), Story::Unknown, "{number}");
        }
        assert_eq!(*script.story("EZ7000000007"), Story::Unknown);
    }

    #[test]
    fn a_journey_goes_on_by_looks_or_by_hand_and_ends() {
        assert_eq!([0, 1, 2, 3, 9].map(|looks| told(2, 1, 2, looks, 0)), [1, 1, 2, 2, 2]);
        assert_eq!([0, 1].map(|advanced| told(2, 1, 0, 99, advanced)), [1, 2]);
        assert_eq!(told(5, 2, 1, 2, 1), 5);
    }
}
