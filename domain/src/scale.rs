//! How many workers a queue has work for.
//!
//! More workers do not help a queue whose outside system takes only so many calls: they would wait for permits. So the
//! figure is the smaller one of what the backlog needs and of what the quota keeps busy.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What one worker told of its work on a queue, of the last minute. Whole numbers, so that two reports can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Work {
    /// Messages settled in 1000 seconds.
    pub pace_milli: u64,
    /// Microseconds of a whole worker for one message, the wait for permits not counted.
    pub cost_us: u64,
    /// Calls to the outside for 1000 messages.
    pub calls_milli: u64,
}

/// What a worker counted in a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Counted {
    /// The time.
    pub time: Duration,
    /// Messages settled in it.
    pub messages: f64,
    /// Seconds of work on them, over all that is done side by side.
    pub seconds: f64,
    /// How much is done side by side.
    pub lanes: u32,
    /// Calls to the outside.
    pub calls: f64,
}

impl Work {
    /// The work of a time; `before` tells what a message costs while none is settled.
    #[must_use]
    pub fn of(counted: &Counted, before: Self) -> Self {
        let Counted { time, messages, seconds, lanes, calls } = *counted;
        if messages < 1.0 || time.is_zero() {
            return Self { pace_milli: 0, ..before };
        }
        Self {
            pace_milli: whole(1_000.0 * messages / time.as_secs_f64()),
            cost_us: whole(1e6 * seconds / f64::from(lanes.max(1)) / messages).max(1),
            calls_milli: whole(1_000.0 * calls / messages),
        }
    }

    /// What a fleet told: its paces together, the costs as they were met.
    #[must_use]
    pub fn together(told: &[Self]) -> Self {
        let known: Vec<&Self> = told.iter().filter(|work| work.cost_us > 0).collect();
        // Who settled nothing lately knows the cost of before, which counts as little as can be.
        let weights: u64 = known.iter().map(|work| work.pace_milli.max(1)).sum();
        let mean = |of: fn(&Self) -> u64| {
            let sum: u128 =
                known.iter().map(|work| u128::from(of(work)) * u128::from(work.pace_milli.max(1))).sum();
            u64::try_from(sum / u128::from(weights.max(1))).unwrap_or(u64::MAX)
        };
        Self {
            pace_milli: told.iter().map(|work| work.pace_milli).sum(),
            cost_us: mean(|work| work.cost_us),
            calls_milli: mean(|work| work.calls_milli),
        }
    }
}

/// What a queue asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Demand {
    /// Messages that wait or are in somebody's hands.
    pub backlog: u64,
    /// By how many messages a second it grows.
    pub growth: f64,
    /// Within this time a backlog is to be gone.
    pub within: Duration,
    /// What the fleet told of its work.
    pub work: Work,
    /// Calls a second that its outside system takes, where there is a quota.
    pub calls_per_s: Option<f64>,
    /// Its outside system or the queue itself is left alone.
    pub left_alone: bool,
}

/// What the number of useful workers is bound by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// What comes in and what waits.
    Backlog,
    /// What the outside system takes.
    Quota,
    /// It is left alone at present.
    LeftAlone,
}

/// How many workers a queue has work for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Useful {
    /// So many.
    pub workers: u32,
    /// Why not more.
    pub bound: Bound,
}

impl Demand {
    /// How many workers it has work for. One while it is left alone, since somebody has to make the probe; one, too,
    /// for messages of whose cost nothing is known yet.
    #[must_use]
    pub fn useful(&self) -> Useful {
        if self.left_alone {
            return Useful { workers: 1, bound: Bound::LeftAlone };
        }
        let comes = (self.work.pace_milli as f64 / 1_000.0 + self.growth).max(0.0);
        let wanted = comes + self.backlog as f64 / self.within.as_secs_f64().max(1.0);
        let bears = self.calls_per_s.map(|calls| {
            let calls_each =
                if self.work.calls_milli == 0 { 1.0 } else { self.work.calls_milli as f64 / 1_000.0 };
            calls / calls_each
        });
        let (rate, bound) = match bears {
            Some(bears) if bears < wanted => (bears, Bound::Quota),
            _ => (wanted, Bound::Backlog),
        };
        let least = u32::from(wanted > 0.0);
        let workers = (rate * self.work.cost_us as f64 / 1e6).ceil() as u32;
        Useful { workers: workers.max(least), bound }
    }
}

fn whole(value: f64) -> u64 {
    value.round().max(0.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message costs a tenth of a second of a worker.
    const COST: Work = Work { pace_milli: 0, cost_us: 100_000, calls_milli: 1_000 };

    fn demand(backlog: u64) -> Demand {
        Demand {
            backlog,
            growth: 0.0,
            within: Duration::from_secs(300),
            work: COST,
            calls_per_s: None,
            left_alone: false,
        }
    }

    #[test]
    fn a_backlog_needs_as_many_as_empty_it_in_time() {
        let useful = |backlog| demand(backlog).useful();
        assert_eq!(useful(0), Useful { workers: 0, bound: Bound::Backlog });
        assert_eq!(useful(1).workers, 1);
        // 30,000 in 300 s are 100 a second: 10 workers.
        assert_eq!(useful(30_000).workers, 10);
    }

    #[test]
    fn what_comes_in_needs_workers_though_nothing_waits() {
        let work = Work { pace_milli: 50_000, ..COST };
        assert_eq!(Demand { work, ..demand(0) }.useful().workers, 5);
        let shrinks = Demand { work, growth: -50.0, ..demand(0) };
        assert_eq!(shrinks.useful().workers, 0, "all of the pace is a backlog that goes");
    }

    #[test]
    fn the_quota_bounds_it_whatever_waits() {
        let scarce = Demand { calls_per_s: Some(20.0), ..demand(3_000_000) };
        assert_eq!(scarce.useful(), Useful { workers: 2, bound: Bound::Quota });
        let batches = Demand { work: Work { calls_milli: 100, ..COST }, ..scarce };
        assert_eq!(batches.useful().workers, 20, "ten messages a call");
        let little = Demand { calls_per_s: Some(20.0), ..demand(300) };
        assert_eq!(little.useful(), Useful { workers: 1, bound: Bound::Backlog });
    }

    #[test]
    fn one_is_useful_while_it_is_left_alone_and_while_nothing_is_known_of_its_cost() {
        let alone = Demand { left_alone: true, ..demand(3_000_000) };
        assert_eq!(alone.useful(), Useful { workers: 1, bound: Bound::LeftAlone });
        assert_eq!(Demand { work: Work::default(), ..demand(3_000_000) }.useful().workers, 1);
    }

    #[test]
    fn the_work_of_a_time_is_told_by_the_message_and_kept_while_none_comes() {
        let counted =
            Counted { time: Duration::from_secs(60), messages: 600.0, seconds: 240.0, lanes: 4, calls: 60.0 };
        let work = Work::of(&counted, Work::default());
        assert_eq!(work, Work { pace_milli: 10_000, cost_us: 100_000, calls_milli: 100 });
        let idle = Counted { messages: 0.0, seconds: 0.0, calls: 0.0, ..counted };
        assert_eq!(Work::of(&idle, work), Work { pace_milli: 0, ..work });
    }

    #[test]
    fn a_fleet_is_its_paces_together_and_its_costs_as_they_were_met() {
        let busy = Work { pace_milli: 9_000, cost_us: 100, calls_milli: 0 };
        let slow = Work { pace_milli: 1_000, cost_us: 1_100, calls_milli: 0 };
        let new = Work::default();
        let together = Work::together(&[busy, slow, new]);
        assert_eq!(together, Work { pace_milli: 10_000, cost_us: 200, calls_milli: 0 });
        assert_eq!(Work::together(&[]), Work::default());
    }
}
