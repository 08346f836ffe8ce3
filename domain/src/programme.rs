//! Programmes: days, runs, who may claim what.

use std::collections::BTreeSet;

use chrono::{DateTime, Duration, NaiveDate, Utc};
use chrono_tz::Tz;
use forebay_schemas::{ProgrammeId, RewardId, RuleId};
use serde::{Deserialize, Serialize};

/// How check-ins are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CountMode {
    /// Every day counts.
    Total,
    /// The longest run of days counts.
    Consecutive,
}

/// Whether a programme takes check-ins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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

/// What a reward is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RewardKind {
    /// Points in the member's account.
    Points {
        /// How many; above 0.
        points: i64,
    },
    /// A thing to be shipped.
    Product {
        /// The shop's stock-keeping unit.
        sku: String,
    },
}

/// The first stock of a reward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockPlan {
    /// How many there are.
    pub total: i64,
    /// At or below how many left people are told.
    #[serde(default)]
    pub low_at: i64,
}

/// A reward.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reward {
    /// Its id.
    pub id: RewardId,
    /// Its name, for people.
    pub name: String,
    /// What it is.
    #[serde(flatten)]
    pub kind: RewardKind,
    /// Its first stock; without one it never runs out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stock: Option<StockPlan>,
}

/// So many check-ins earn that reward.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Its id.
    pub id: RuleId,
    /// What is earned.
    pub reward: Reward,
    /// How many days it takes, 1 to 366.
    pub days_required: u32,
    /// How often one member may claim it; at least 1.
    #[serde(default = "once")]
    pub max_per_member: u32,
}

fn once() -> u32 {
    1
}

/// A programme.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Programme {
    /// Its id.
    pub id: ProgrammeId,
    /// Its name, for people.
    pub name: String,
    /// Its time zone (IANA); fixed once there is attendance.
    pub tz: Tz,
    /// Minutes after midnight at which its day begins, 0 to 719.
    #[serde(default)]
    pub day_start_min: u32,
    /// How days are counted.
    pub count_mode: CountMode,
    /// How many missed days do not break a run.
    #[serde(default)]
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
    pub points_per_1000_minor: i64,
    /// What can be earned.
    pub rules: Vec<Rule>,
}

impl Programme {
    /// The day to which an instant belongs: its date in the programme's zone, after the day's start is taken off
    /// the wall clock.
    #[must_use]
    pub fn day_of(&self, instant: DateTime<Utc>) -> NaiveDate {
        let local = instant.with_timezone(&self.tz).naive_local();
        (local - Duration::minutes(i64::from(self.day_start_min))).date()
    }

    /// The programme takes a check-in for this day.
    #[must_use]
    pub fn takes(&self, day: NaiveDate) -> bool {
        self.state == ProgrammeState::Active && (self.starts_on..=self.ends_on).contains(&day)
    }

    /// How many days count, of the days up to and with `until`.
    #[must_use]
    pub fn counted(&self, days: &BTreeSet<NaiveDate>, until: NaiveDate) -> u32 {
        let days = days.range(..=until);
        match self.count_mode {
            CountMode::Total => u32::try_from(days.count()).unwrap_or(u32::MAX),
            CountMode::Consecutive => longest_run(days, self.grace_days),
        }
    }

    /// The rule of this id.
    #[must_use]
    pub fn rule(&self, id: &RuleId) -> Option<&Rule> {
        self.rules.iter().find(|r| r.id == *id)
    }

    /// What is wrong with the programme's definition, one sentence each; empty when all is well.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.ends_on < self.starts_on {
            faults.push("ends_on lies before starts_on".to_owned());
        }
        if self.day_start_min > 719 {
            faults.push("day_start_min is above 719".to_owned());
        }
        if self.points_per_1000_minor < 0 {
            faults.push("points_per_1000_minor is negative".to_owned());
        }
        for (place, rule) in self.rules.iter().enumerate() {
            if self.rules.iter().take(place).any(|earlier| earlier.id == rule.id) {
                faults.push(format!("rule {}: there are two of this id", rule.id));
            }
            if !(1..=366).contains(&rule.days_required) {
                faults.push(format!("rule {}: days_required is not 1 to 366", rule.id));
            }
            if rule.max_per_member == 0 {
                faults.push(format!("rule {}: max_per_member is 0", rule.id));
            }
            if matches!(rule.reward.kind, RewardKind::Points { points } if points <= 0) {
                faults.push(format!("reward {}: points is not above 0", rule.reward.id));
            }
            if rule.reward.stock.is_some_and(|s| s.total < 0 || s.low_at < 0) {
                faults.push(format!("reward {}: its stock is negative", rule.reward.id));
            }
        }
        faults
    }
}

fn longest_run<'d>(days: impl Iterator<Item = &'d NaiveDate>, grace_days: u32) -> u32 {
    let (mut longest, mut run, mut last) = (0u32, 0u32, None::<NaiveDate>);
    for day in days {
        let unbroken = last.is_some_and(|l| (*day - l).num_days() <= i64::from(grace_days) + 1);
        run = if unbroken { run + 1 } else { 1 };
        longest = longest.max(run);
        last = Some(*day);
    }
    longest
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
            rules: vec![
                Rule {
                    id: RuleId::new("five-days").unwrap(),
                    reward: Reward {
                        id: RewardId::new("points-5000").unwrap(),
                        name: "5,000 points".into(),
                        kind: RewardKind::Points { points: 5000 },
                        stock: None,
                    },
                    days_required: 5,
                    max_per_member: 1,
                },
                Rule {
                    id: RuleId::new("one-day").unwrap(),
                    reward: Reward {
                        id: RewardId::new("mug").unwrap(),
                        name: "A mug".into(),
                        kind: RewardKind::Product { sku: "MUG-1".into() },
                        stock: Some(StockPlan { total: 10, low_at: 2 }),
                    },
                    days_required: 1,
                    max_per_member: 1,
                },
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
        assert_eq!(strict.counted(&days, day("2026-11-30")), 2);
        let kind = Programme { grace_days: 1, ..strict };
        assert_eq!(kind.counted(&days, day("2026-11-30")), 4);
        assert_eq!(kind.counted(&days, day("2026-11-02")), 2);
    }
}
