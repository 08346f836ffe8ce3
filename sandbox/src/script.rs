//! Parcels' stories, chosen by how their numbers begin.

use std::sync::Arc;
use std::time::Duration;

/// What the carrier tells of a parcel. `level`s are the carrier's: 1 a label, 2 picked up, 3 in transit, 4 at the
/// branch, 5 out for delivery, 6 delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Story {
    /// Found, and on its way: each step is one event of this level.
    Journey {
        /// The steps, oldest first.
        steps: Vec<u8>,
        /// How many of them the first look shows.
        shown: usize,
        /// One more step is shown after so many looks; 0: only when the control says so.
        looks_a_step: usize,
    },
    /// Found with these steps, but told badly: an event twice, a filler at 23:59:59, newest first.
    Untidy(Vec<u8>),
    /// On its way back to its sender.
    Returning,
    /// Not known (code 104).
    Unknown,
    /// After so many looks the carrier has had enough of this number (code 105).
    TooOften(usize),
    /// The carrier's own look-up failed (code 106).
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
        Self::Journey { steps: vec![1, 2], shown: 2, looks_a_step: 0 }
    }
}

/// Which parcel has which story: the last rule whose prefix fits, otherwise picked up at once.
///
/// The default script:
///
/// | begins with | story |
/// |---|---|
/// | 610 | only a label for two looks, then picked up |
/// | 615 | only a label until it is advanced |
/// | 620 | picked up, on its way, delivered: one step a look |
/// | 630 | picked up, told 2 s late |
/// | 640 | not known |
/// | 645 | after three looks: asked too often |
/// | 646 | the carrier's look-up fails |
/// | 650 | delivered; with a duplicate, a filler time, newest first |
/// | 660 | an HTML page with status 200 |
/// | 670 | JSON cut off in the middle |
/// | 680 | 500 for two looks, then picked up |
/// | 690 | on its way back to its sender |
/// | anything else | picked up, at once |
#[derive(Debug, Clone)]
pub struct Script {
    rules: Vec<(String, Arc<Story>)>,
    otherwise: Arc<Story>,
}

impl Default for Script {
    fn default() -> Self {
        let label = |looks_a_step| Story::Journey { steps: vec![1, 2], shown: 1, looks_a_step };
        let journey = Story::Journey { steps: vec![1, 2, 3, 5, 6], shown: 2, looks_a_step: 1 };
        Self { rules: Vec::new(), otherwise: Arc::new(Story::picked_up()) }
            .with("610", label(2))
            .with("615", label(0))
            .with("620", journey)
            .with("630", Story::Slow(Duration::from_secs(2)))
            .with("640", Story::Unknown)
            .with("645", Story::TooOften(3))
            .with("646", Story::LookupFailed)
            .with("650", Story::Untidy(vec![1, 2, 3, 6]))
            .with("660", Story::Html)
            .with("670", Story::Truncated)
            .with("680", Story::FailsFirst(2))
            .with("690", Story::Returning)
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
        let rule = self.rules.iter().rev().find(|(prefix, _)| number.starts_with(prefix));
        Arc::clone(rule.map_or(&self.otherwise, |(_, story)| story))
    }
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
    fn a_journey_goes_on_by_looks_or_by_hand_and_ends() {
        assert_eq!([0, 1, 2, 3, 9].map(|looks| told(2, 1, 2, looks, 0)), [1, 1, 2, 2, 2]);
        assert_eq!([0, 1].map(|advanced| told(2, 1, 0, 99, advanced)), [1, 2]);
        assert_eq!(told(5, 2, 1, 2, 1), 5);
    }
}
