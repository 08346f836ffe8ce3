//! Finds the parcel for which a system refuses a whole batch: the batch is halved until the refused one is alone.

/// How often a refusal is followed up while no call at all succeeds. A system that refuses everything is asked a few
/// times more, not once for each parcel.
const REFUSALS_IN_VAIN: u32 = 7;

/// What is to be asked about still.
#[derive(Debug)]
pub(crate) struct Halving<T> {
    groups: Vec<Vec<T>>,
    answered: bool,
    refusals: u32,
}

/// What a refusal means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused<T> {
    /// Halves are asked about next.
    Halved,
    /// It is this one, refused on its own.
    Alone(T),
    /// It is not the parcels.
    All,
}

impl<T> Halving<T> {
    /// Begins with all of them.
    pub(crate) fn new(all: Vec<T>) -> Self {
        Self { groups: vec![all], answered: false, refusals: 0 }
    }

    /// The next ones to ask about.
    pub(crate) fn next(&mut self) -> Option<Vec<T>> {
        self.groups.pop()
    }

    /// A call brought an answer.
    pub(crate) fn answered(&mut self) {
        self.answered = true;
    }

    /// Whether any call brought an answer.
    pub(crate) fn is_answered(&self) -> bool {
        self.answered
    }

    /// The system refused the question about these.
    pub(crate) fn refused(&mut self, mut group: Vec<T>) -> Refused<T> {
        self.refusals += 1;
        if !self.answered && self.refusals >= REFUSALS_IN_VAIN {
            return Refused::All;
        }
        let second = group.split_off(group.len() / 2);
        match (group.is_empty(), second) {
            (true, mut one) => match one.pop() {
                // The only one of all: nothing tells whether it is the parcel or the question.
                Some(one) if self.refusals > 1 => Refused::Alone(one),
                _ => Refused::All,
            },
            (false, second) => {
                self.groups.push(second);
                self.groups.push(group);
                Refused::Halved
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks about all; a call is refused when it holds one of `poison`. The calls, who was alone, and who answered.
    fn run(all: u32, poison: &[u32]) -> (u32, Vec<u32>, Vec<u32>, bool) {
        let mut halving = Halving::new((0..all).collect());
        let (mut calls, mut alone, mut told) = (0, Vec::new(), Vec::new());
        while let Some(group) = halving.next() {
            calls += 1;
            if group.iter().any(|n| poison.contains(n)) {
                match halving.refused(group) {
                    Refused::Halved => {}
                    Refused::Alone(one) => alone.push(one),
                    Refused::All => return (calls, alone, told, false),
                }
            } else {
                halving.answered();
                told.extend(group);
            }
        }
        (calls, alone, told, true)
    }

    #[test]
    fn one_refused_parcel_of_thirty_costs_ten_calls_more_and_nobody_else() {
        for poison in 0..30 {
            let (calls, alone, told, found) = run(30, &[poison]);
            assert!(found && calls <= 11, "{poison}: {calls} calls");
            assert_eq!((alone, told.len()), (vec![poison], 29));
        }
    }

    #[test]
    fn several_are_found_too() {
        let (_, mut alone, told, found) = run(30, &[3, 4, 29]);
        alone.sort_unstable();
        assert!(found);
        assert_eq!((alone, told.len()), (vec![3, 4, 29], 27));
    }

    #[test]
    fn a_system_that_refuses_everything_is_not_asked_about_each() {
        let everything: Vec<u32> = (0..30).collect();
        let (calls, _, told, found) = run(30, &everything);
        assert_eq!((calls, told.len(), found), (REFUSALS_IN_VAIN, 0, false));
        assert_eq!(run(1, &[0]), (1, vec![], vec![], false));
        assert_eq!(run(0, &[]), (1, vec![], vec![], true));
    }
}
