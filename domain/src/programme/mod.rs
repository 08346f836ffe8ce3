//! Programmes: days, runs, who may claim what; and how a programme is written, read and changed.

mod change;
mod days;
mod faults;
mod reading;

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use forebay_schemas::{ProgrammeId, RewardId, RuleId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::points::GOOD_FOR_DAYS_MAX;
pub use change::{Change, InUse, changes, refusals};
use faults::{AMOUNT_MAX, DAYS_MAX, GRACE_MAX, NAME_MAX, PER_MEMBER_MAX};
pub use faults::{Fault, RULES_MAX};
pub use reading::{Draft, read};

/// How check-ins are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CountMode {
    /// Every day counts.
    Total,
    /// The longest run of days counts.
    Consecutive,
}

/// Whether a programme takes check-ins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProgrammeState {
    /// Not yet open to members.
    Draft,
    /// Running.
    Active,
    /// Stopped for a while.
    Paused,
    /// Over.
    Ended,
}

impl CountMode {
    /// Every mode.
    pub const ALL: [Self; 2] = [Self::Total, Self::Consecutive];

    /// The mode as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Consecutive => "consecutive",
        }
    }
}

impl ProgrammeState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Draft, Self::Active, Self::Paused, Self::Ended];

    /// The state as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Ended => "ended",
        }
    }
}

/// A word that is none of those that can stand there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be one of {0}")]
pub struct UnknownWord(&'static str);

impl std::str::FromStr for CountMode {
    type Err = UnknownWord;
    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == word).ok_or(UnknownWord("total, consecutive"))
    }
}

impl std::str::FromStr for ProgrammeState {
    type Err = UnknownWord;
    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        let known = Self::ALL.into_iter().find(|state| state.as_str() == word);
        known.ok_or(UnknownWord("draft, active, paused, ended"))
    }
}

/// What a reward is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RewardKind {
    /// Points in the member's account.
    Points {
        /// How many; above 0.
        #[schemars(range(min = 1, max = AMOUNT_MAX))]
        points: i64,
    },
    /// A thing to be shipped.
    Product {
        /// The shop's stock-keeping unit.
        sku: String,
    },
}

/// The first stock of a reward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StockPlan {
    /// How many there are.
    #[schemars(range(min = 0, max = AMOUNT_MAX))]
    pub total: i64,
    /// At or below how many left people are told.
    #[serde(default)]
    #[schemars(range(min = 0, max = AMOUNT_MAX))]
    pub low_at: i64,
}

/// A reward.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reward {
    /// Its id.
    pub id: RewardId,
    /// Its name, for people.
    #[schemars(length(min = 1, max = NAME_MAX))]
    pub name: String,
    /// What it is.
    #[serde(flatten)]
    pub kind: RewardKind,
    /// Its first stock; without one it never runs out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stock: Option<StockPlan>,
}

/// So many check-ins earn that reward. What a rule leaves open is as the programme has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rule {
    /// Its id.
    pub id: RuleId,
    /// What is earned.
    pub reward: Reward,
    /// How many days it takes, 1 to 366.
    #[schemars(range(min = 1, max = DAYS_MAX))]
    pub days_required: u32,
    /// How often one member may claim it; at least 1.
    #[serde(default = "once")]
    #[schemars(range(min = 1, max = PER_MEMBER_MAX))]
    pub max_per_member: u32,
    /// How days are counted for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count_mode: Option<CountMode>,
    /// How many missed days do not break a run for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = GRACE_MAX))]
    pub grace_days: Option<u32>,
    /// The last instant at which it can be claimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_until: Option<DateTime<Utc>>,
}

impl Rule {
    /// A rule that can be claimed once and leaves the rest as the programme has it.
    #[must_use]
    pub fn new(id: RuleId, reward: Reward, days_required: u32) -> Self {
        Self {
            id,
            reward,
            days_required,
            max_per_member: once(),
            count_mode: None,
            grace_days: None,
            claim_until: None,
        }
    }
}

fn once() -> u32 {
    1
}

/// A programme.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Programme {
    /// Its id.
    pub id: ProgrammeId,
    /// Its name, for people.
    #[schemars(length(min = 1, max = NAME_MAX))]
    pub name: String,
    /// Its time zone (IANA); fixed once there is attendance.
    #[schemars(with = "String")]
    pub tz: Tz,
    /// Minutes after midnight at which its day begins, 0 to 719.
    #[serde(default)]
    #[schemars(range(max = 719))]
    pub day_start_min: u32,
    /// How days are counted.
    pub count_mode: CountMode,
    /// How many missed days do not break a run.
    #[serde(default)]
    #[schemars(range(max = GRACE_MAX))]
    pub grace_days: u32,
    /// The first day.
    pub starts_on: NaiveDate,
    /// The last day.
    pub ends_on: NaiveDate,
    /// The last instant at which a reward can be claimed.
    pub claim_until: DateTime<Utc>,
    /// Whether it takes check-ins.
    pub state: ProgrammeState,
    /// Points that a paid order earns for each 1,000 minor units; 0 for none.
    #[serde(default)]
    #[schemars(range(min = 0, max = AMOUNT_MAX))]
    pub points_per_1000_minor: i64,
    /// How many days points are good for after the day on which they were granted; for ever when nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = GOOD_FOR_DAYS_MAX))]
    pub points_valid_days: Option<u32>,
    /// When it stopped to be active, where it was: what had been accepted by then counts, whenever it is settled. The
    /// store's to know, no part of the definition.
    #[serde(skip)]
    pub active_until: Option<DateTime<Utc>>,
    /// What can be earned.
    #[schemars(length(max = RULES_MAX))]
    pub rules: Vec<Rule>,
}

/// How far a member has come by one way of counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Days that count: all of them, or those of the longest run.
    pub counted: u32,
    /// Days of what goes on with the next check-in: all of them, or the run that is not broken yet.
    pub running: u32,
}

impl Programme {
    /// The day to which an instant belongs: its date in the programme's zone, after the day's start is taken off
    /// the wall clock. Days follow each other, also where a clock is set back.
    #[must_use]
    pub fn day_of(&self, instant: DateTime<Utc>) -> NaiveDate {
        days::day_of(instant, self.tz, self.day_start_min)
    }

    /// The last instant of a day, to the microsecond.
    #[must_use]
    pub fn end_of(&self, day: NaiveDate) -> DateTime<Utc> {
        days::end(day, self.tz, self.day_start_min)
    }

    /// The programme takes what was accepted at this instant for this day.
    #[must_use]
    pub fn takes(&self, day: NaiveDate, accepted_at: DateTime<Utc>) -> bool {
        self.was_active(accepted_at) && (self.starts_on..=self.ends_on).contains(&day)
    }

    /// It was active at this instant, as far as it is known: a queue may hold what was accepted for a while.
    #[must_use]
    pub fn was_active(&self, at: DateTime<Utc>) -> bool {
        self.state == ProgrammeState::Active || self.active_until.is_some_and(|until| at < until)
    }

    /// How many days count for a rule, of the days up to and with `until`: a run that reached the goal counts on after
    /// it broke.
    #[must_use]
    pub fn counted(&self, rule: &Rule, days: &BTreeSet<NaiveDate>, until: NaiveDate) -> u32 {
        self.progress(rule, days, until).counted
    }

    /// How far somebody with these days has come for a rule by the end of `until`.
    #[must_use]
    pub fn progress(&self, rule: &Rule, days: &BTreeSet<NaiveDate>, until: NaiveDate) -> Progress {
        match rule.count_mode.unwrap_or(self.count_mode) {
            CountMode::Total => {
                let counted = u32::try_from(days.range(..=until).count()).unwrap_or(u32::MAX);
                Progress { counted, running: counted }
            }
            CountMode::Consecutive => {
                let grace_days = rule.grace_days.unwrap_or(self.grace_days);
                let runs = self.runs(days, until, grace_days);
                let newest = days.range(..=until).next_back();
                let unbroken = newest.is_some_and(|newest| self.goes_on(*newest, until, grace_days));
                Progress { counted: runs.0, running: if unbroken { runs.1 } else { 0 } }
            }
        }
    }

    /// How many days lie in the run that ends with the newest day, by the programme's own grace.
    #[must_use]
    pub fn run(&self, days: &BTreeSet<NaiveDate>, until: NaiveDate) -> u32 {
        self.runs(days, until, self.grace_days).1
    }

    /// How many days lie in the longest run, and in the one that ends with the newest day.
    fn runs(&self, days: &BTreeSet<NaiveDate>, until: NaiveDate, grace_days: u32) -> (u32, u32) {
        let (mut longest, mut run, mut last) = (0u32, 0u32, None::<NaiveDate>);
        for day in days.range(..=until) {
            let unbroken = last.is_some_and(|last| self.goes_on(last, *day, grace_days));
            run = if unbroken { run + 1 } else { 1 };
            longest = longest.max(run);
            last = Some(*day);
        }
        (longest, run)
    }

    fn goes_on(&self, last: NaiveDate, day: NaiveDate, grace_days: u32) -> bool {
        days::goes_on(last, day, grace_days, self.tz, self.day_start_min)
    }

    /// The last instant at which a rule's reward can be claimed.
    #[must_use]
    pub fn claim_until_of(&self, rule: &Rule) -> DateTime<Utc> {
        rule.claim_until.unwrap_or(self.claim_until)
    }

    /// The rule of this id.
    #[must_use]
    pub fn rule(&self, id: &RuleId) -> Option<&Rule> {
        self.rules.iter().find(|r| r.id == *id)
    }

    /// What is wrong with the programme's definition; empty when all is well.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        faults::of(self)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    pub(crate) fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    pub(crate) fn programme() -> Programme {
        Programme {
            id: ProgrammeId::new("autumn").unwrap(),
            name: "Autumn".into(),
            tz: chrono_tz::Asia::Seoul,
            day_start_min: 0,
            count_mode: CountMode::Total,
            grace_days: 0,
            starts_on: day("2026-11-01"),
            ends_on: day("2026-11-30"),
            claim_until: at("2026-12-15T00:00:00Z"),
            state: ProgrammeState::Active,
            points_per_1000_minor: 10,
            points_valid_days: None,
            active_until: None,
            rules: vec![
                Rule::new(
                    RuleId::new("five-days").unwrap(),
                    Reward {
                        id: RewardId::new("points-5000").unwrap(),
                        name: "5,000 points".into(),
                        kind: RewardKind::Points { points: 5000 },
                        stock: None,
                    },
                    5,
                ),
                Rule::new(
                    RuleId::new("one-day").unwrap(),
                    Reward {
                        id: RewardId::new("mug").unwrap(),
                        name: "A mug".into(),
                        kind: RewardKind::Product { sku: "MUG-1".into() },
                        stock: Some(StockPlan { total: 10, low_at: 2 }),
                    },
                    1,
                ),
            ],
        }
    }

    #[test]
    fn a_day_is_the_date_in_the_programmes_zone() {
        let programme = programme();
        assert_eq!(programme.day_of(at("2026-11-20T14:59:59.999Z")), day("2026-11-20"));
        assert_eq!(programme.day_of(at("2026-11-20T15:00:00Z")), day("2026-11-21"));
    }

    #[test]
    fn a_day_that_starts_at_four_takes_the_small_hours_of_the_next_date() {
        let programme = Programme { day_start_min: 240, ..programme() };
        assert_eq!(programme.day_of(at("2026-11-20T18:59:59Z")), day("2026-11-20"));
        assert_eq!(programme.day_of(at("2026-11-20T19:00:00Z")), day("2026-11-21"));
    }

    #[test]
    fn a_run_is_broken_by_a_missed_day_unless_there_is_grace() {
        let days = BTreeSet::from(["2026-11-01", "2026-11-02", "2026-11-04", "2026-11-05"].map(day));
        let strict = Programme { count_mode: CountMode::Consecutive, ..programme() };
        let rule = &strict.rules[0];
        assert_eq!(strict.counted(rule, &days, day("2026-11-30")), 2);
        let kind = Programme { grace_days: 1, ..strict.clone() };
        assert_eq!(kind.counted(rule, &days, day("2026-11-30")), 4);
        assert_eq!(kind.counted(rule, &days, day("2026-11-02")), 2);
        assert_eq!((strict.run(&days, day("2026-11-05")), kind.run(&days, day("2026-11-05"))), (2, 4));
    }

    #[test]
    fn a_run_that_reached_the_goal_counts_on_after_it_broke() {
        let programme = Programme { count_mode: CountMode::Consecutive, ..programme() };
        let days = ["2026-11-01", "2026-11-02", "2026-11-03", "2026-11-06"];
        let progress = |until| programme.progress(&programme.rules[0], &days.map(day).into(), day(until));
        assert_eq!(progress("2026-11-03"), Progress { counted: 3, running: 3 });
        assert_eq!(progress("2026-11-04"), Progress { counted: 3, running: 3 }, "the 4th is not over yet");
        assert_eq!(progress("2026-11-05"), Progress { counted: 3, running: 0 });
        assert_eq!(progress("2026-11-06"), Progress { counted: 3, running: 1 });
    }

    #[test]
    fn a_rule_may_count_otherwise_than_its_programme() {
        let days = ["2026-11-01", "2026-11-02", "2026-11-04"].map(day).into();
        let mut programme = programme();
        programme.rules[1].count_mode = Some(CountMode::Consecutive);
        let counted = |programme: &Programme, rule: usize| {
            programme.counted(&programme.rules[rule], &days, day("2026-11-30"))
        };
        assert_eq!((counted(&programme, 0), counted(&programme, 1)), (3, 2));
        programme.rules[1].grace_days = Some(1);
        assert_eq!(counted(&programme, 1), 3);
    }
}
