//! What following parcels will cost, on paper: their journeys played against the rules of `due` and a quota, without a
//! carrier. The journeys are assumptions, chosen to be seen through; the rules are those that run.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use forebay_schemas::events::ParcelStatus;
use serde::Serialize;

use crate::daily::{DayReset, planned_by};
use crate::due::{self, Course, Due};

const HOUR: u64 = 3600;
/// Parcels of one journey are apart by up to so many seconds.
const SHIFT: u64 = 6 * HOUR;
/// How long a step of the play is.
const STEP: TimeDelta = TimeDelta::minutes(1);
/// A fixed schedule gives a parcel up after this time, as a shop would.
const GIVEN_UP: TimeDelta = TimeDelta::days(90);

/// What becomes of a parcel, from its registration on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journey {
    /// Its name.
    pub name: &'static str,
    /// When it enters which state, in seconds.
    pub steps: Vec<(u64, ParcelStatus)>,
    /// When the carrier expects to hand it over, in seconds; known from the pick-up on.
    pub expected: Option<u64>,
}

impl Journey {
    /// The journeys that there are: a return that is collected after two days, a parcel within the country in a day,
    /// one from abroad in four, and a label that nobody uses.
    #[must_use]
    pub fn all() -> Vec<Self> {
        use ParcelStatus::{Delivered, InTransit, OutForDelivery, PickedUp, Registered};
        let journey = |name, steps: &[(u64, ParcelStatus)], expected: Option<u64>| Self {
            name,
            steps: steps.iter().map(|(hours, status)| (hours * HOUR, *status)).collect(),
            expected: expected.map(|hours| hours * HOUR),
        };
        vec![
            journey(
                "return",
                &[
                    (0, Registered),
                    (48, PickedUp),
                    (54, InTransit),
                    (62, InTransit),
                    (70, OutForDelivery),
                    (75, Delivered),
                ],
                None,
            ),
            journey(
                "domestic",
                &[
                    (0, Registered),
                    (4, PickedUp),
                    (8, InTransit),
                    (16, InTransit),
                    (21, OutForDelivery),
                    (25, Delivered),
                ],
                None,
            ),
            journey(
                "abroad",
                &[
                    (0, Registered),
                    (6, PickedUp),
                    (12, InTransit),
                    (30, InTransit),
                    (54, InTransit),
                    (80, InTransit),
                    (90, OutForDelivery),
                    (96, Delivered),
                ],
                Some(96),
            ),
            journey("unused", &[(0, Registered)], None),
        ]
    }

    /// How many of its steps are past after so many seconds, for a parcel that is `shift` seconds behind.
    fn told(&self, after: u64, shift: u64) -> usize {
        self.steps.partition_point(|(at, _)| behind(*at, shift) <= after)
    }
}

/// A step of a parcel that is so far behind; its registration is not.
fn behind(at: u64, shift: u64) -> u64 {
    if at == 0 { 0 } else { at + shift }
}

/// By which rule parcels are asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// As Forebay does it.
    Adaptive {
        /// New parcels are first asked about within this time.
        first_look_within: Duration,
    },
    /// Each parcel so often until it is delivered, or given up after 90 days.
    Every(Duration),
}

/// What is played.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Parcels in all.
    pub parcels: u32,
    /// They are registered over this time.
    pub over: Duration,
    /// The journeys and how many of a hundred parcels take each.
    pub mix: Vec<(Journey, u32)>,
    /// Calls a second that the carrier bears.
    pub rate: f64,
    /// Parcels in one call.
    pub batch: u32,
    /// Calls that may be planned in a day, where there is a budget, and when its day begins.
    pub daily: Option<(u32, DayReset)>,
    /// The rule.
    pub rule: Rule,
    /// When it begins.
    pub begins: DateTime<Utc>,
    /// After so many days the play ends, whatever is left.
    pub days: u32,
}

/// What one day cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Day {
    /// Calls made.
    pub calls: u64,
    /// Parcels asked about.
    pub looks: u64,
    /// Parcels that were due at its end and waited for a call.
    pub waiting: u64,
}

/// How late news were learned, in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Lag {
    /// Of how many parcels.
    pub count: usize,
    /// Half of them sooner.
    pub median_s: u64,
    /// Nineteen of twenty sooner.
    pub p95_s: u64,
}

impl Lag {
    fn of(mut seconds: Vec<u64>) -> Self {
        seconds.sort_unstable();
        let at = |part: f64| {
            let place = ((seconds.len() as f64 * part).ceil() as usize).max(1) - 1;
            seconds.get(place).copied().unwrap_or_default()
        };
        Self { count: seconds.len(), median_s: at(0.5), p95_s: at(0.95) }
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Forecast {
    /// Each day from the beginning on, up to the last with a call.
    pub days: Vec<Day>,
    /// Calls in all.
    pub calls: u64,
    /// How often a parcel is asked about, on average.
    pub looks_a_parcel: f64,
    /// The same, by journey.
    pub looks_by_journey: BTreeMap<&'static str, f64>,
    /// From the registration to the first look.
    pub first_look: Lag,
    /// From the pick-up to the look that tells of it.
    pub picked_up: Lag,
    /// From the delivery to the look that tells of it.
    pub delivered: Lag,
    /// Parcels whose end was not seen when the play ended.
    pub unfinished: u32,
}

struct Parcel<'s> {
    number: String,
    journey: &'s Journey,
    registered: DateTime<Utc>,
    /// How far it is behind its journey: no two parcels go by the full hour.
    shift: u64,
    /// Steps that were told.
    told: usize,
    news_at: DateTime<Utc>,
    looks: u64,
}

/// When a parcel is due, how long it can wait then, and which it is; the earliest is the greatest.
type Waiting = Reverse<(DateTime<Utc>, DateTime<Utc>, usize)>;

struct Play<'s> {
    scenario: &'s Scenario,
    parcels: Vec<Parcel<'s>>,
    /// Not due yet, by the moment at which they are.
    waiting: BinaryHeap<Waiting>,
    /// Due, by how long they can wait.
    ready: BinaryHeap<Reverse<(DateTime<Utc>, usize)>>,
    lags: [Vec<u64>; 3],
    ended: u32,
}

impl Scenario {
    /// Plays it.
    #[must_use]
    pub fn play(&self) -> Forecast {
        let mut play = Play::new(self);
        let mut days: Vec<Day> = Vec::new();
        let mut now = self.begins;
        let mut credit = 0.0;
        let mut today = (self.begins, 0);
        while play.unfinished() > 0 && (now - self.begins).num_days() < i64::from(self.days) {
            play.become_ready(now);
            credit =
                (credit + self.rate * STEP.as_seconds_f64()).min(self.rate * STEP.as_seconds_f64() + 1.0);
            let mut calls = credit as u32;
            if let Some((most, reset)) = self.daily {
                let (from, until) = reset.day_of(now);
                if from != today.0 {
                    today = (from, 0);
                }
                calls = calls.min(planned_by(most, from, until, now).saturating_sub(today.1));
            }
            let place = usize::try_from((now - self.begins).num_days()).unwrap_or(0);
            days.resize(days.len().max(place + 1), Day::default());
            let day = &mut days[place];
            for _ in 0..calls {
                let looks = play.call(now);
                if looks == 0 {
                    break;
                }
                credit -= 1.0;
                today.1 += 1;
                day.calls += 1;
                day.looks += looks;
            }
            day.waiting = play.ready.len() as u64;
            now += STEP;
            if play.ready.is_empty() {
                // Nothing happens until the next one is due.
                now = now.max(play.next_due().unwrap_or(now));
                credit = credit.min(self.rate * STEP.as_seconds_f64());
            }
        }
        play.concluded(days)
    }
}

impl<'s> Play<'s> {
    fn new(scenario: &'s Scenario) -> Self {
        let shares: u32 = scenario.mix.iter().map(|(_, share)| share).sum::<u32>().max(1);
        let mut parcels = Vec::with_capacity(scenario.parcels as usize);
        let mut waiting = BinaryHeap::with_capacity(scenario.parcels as usize);
        for n in 0..scenario.parcels {
            let mut place = n % shares;
            let fits = scenario.mix.iter().find(|(_, share)| {
                let here = place < *share;
                place = place.saturating_sub(if here { 0 } else { *share });
                here
            });
            let Some((journey, _)) = fits else { continue };
            let registered =
                scenario.begins + scenario.over.mul_f64(f64::from(n) / f64::from(scenario.parcels));
            let number = format!("6{n:011}");
            let due = match scenario.rule {
                Rule::Adaptive { first_look_within } => due::first(&number, first_look_within, registered),
                Rule::Every(_) => Due { at: registered, by: registered },
            };
            waiting.push(Reverse((due.at, due.by, parcels.len())));
            let shift = due::hash(&number, u64::MAX) % SHIFT;
            parcels.push(Parcel {
                number,
                journey,
                registered,
                shift,
                told: 0,
                news_at: registered,
                looks: 0,
            });
        }
        Self { scenario, parcels, waiting, ready: BinaryHeap::new(), lags: Default::default(), ended: 0 }
    }

    fn unfinished(&self) -> usize {
        self.waiting.len() + self.ready.len()
    }

    fn next_due(&self) -> Option<DateTime<Utc>> {
        self.waiting.peek().map(|Reverse((at, ..))| *at)
    }

    fn become_ready(&mut self, now: DateTime<Utc>) {
        while self.next_due().is_some_and(|at| at <= now) {
            if let Some(Reverse((_, by, parcel))) = self.waiting.pop() {
                self.ready.push(Reverse((by, parcel)));
            }
        }
    }

    /// One call; answers how many parcels it asked about.
    fn call(&mut self, now: DateTime<Utc>) -> u64 {
        let mut looks = 0;
        while looks < u64::from(self.scenario.batch.max(1)) {
            let Some(Reverse((_, parcel))) = self.ready.pop() else { break };
            self.look(parcel, now);
            looks += 1;
        }
        looks
    }

    fn look(&mut self, index: usize, now: DateTime<Utc>) {
        let parcel = &mut self.parcels[index];
        let age = seconds(now - parcel.registered);
        parcel.looks += 1;
        if parcel.looks == 1 {
            self.lags[0].push(age);
        }
        let told = parcel.journey.told(age, parcel.shift);
        for (at, status) in parcel.journey.steps.get(parcel.told..told).unwrap_or_default() {
            parcel.news_at = now;
            match status {
                ParcelStatus::PickedUp => self.lags[1].push(age - behind(*at, parcel.shift)),
                ParcelStatus::Delivered => self.lags[2].push(age - behind(*at, parcel.shift)),
                _ => {}
            }
        }
        parcel.told = told;
        let status = told.checked_sub(1).and_then(|last| parcel.journey.steps.get(last));
        let status = status.map_or(ParcelStatus::Unknown, |(_, status)| *status);
        let next = match self.scenario.rule {
            Rule::Every(_) if status.is_final() || now - parcel.registered >= GIVEN_UP => None,
            Rule::Every(every) => Some(Due { at: now + every, by: now + every }),
            Rule::Adaptive { .. } => {
                let eta = parcel.journey.expected.filter(|_| status.implies_picked_up());
                let course = Course {
                    number: &parcel.number,
                    checks: parcel.looks,
                    status,
                    since_news: (now - parcel.news_at).to_std().unwrap_or_default(),
                    eta: eta.map(|eta| parcel.registered + Duration::from_secs(eta + parcel.shift)),
                    pushed: false,
                };
                course.next(now).ok()
            }
        };
        match next {
            Some(due) => self.waiting.push(Reverse((due.at, due.by, index))),
            None => self.ended += 1,
        }
    }

    fn concluded(self, mut days: Vec<Day>) -> Forecast {
        while days.last().is_some_and(|day| day.calls == 0 && day.waiting == 0) {
            days.pop();
        }
        let looks: u64 = self.parcels.iter().map(|parcel| parcel.looks).sum();
        let mut by_journey: BTreeMap<&'static str, (u64, u64)> = BTreeMap::new();
        for parcel in &self.parcels {
            let (looks, parcels) = by_journey.entry(parcel.journey.name).or_default();
            *looks += parcel.looks;
            *parcels += 1;
        }
        let [first_look, picked_up, delivered] = self.lags.map(Lag::of);
        Forecast {
            calls: days.iter().map(|day| day.calls).sum(),
            days,
            looks_a_parcel: looks as f64 / self.parcels.len().max(1) as f64,
            looks_by_journey: by_journey
                .into_iter()
                .map(|(name, (looks, parcels))| (name, looks as f64 / parcels as f64))
                .collect(),
            first_look,
            picked_up,
            delivered,
            unfinished: u32::try_from(self.parcels.len()).unwrap_or(u32::MAX) - self.ended,
        }
    }
}

fn seconds(length: TimeDelta) -> u64 {
    length.to_std().map_or(0, |length| length.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(parcels: u32, rule: Rule) -> Scenario {
        let shares = [70, 20, 5, 5];
        Scenario {
            parcels,
            over: Duration::from_secs(300),
            mix: Journey::all().into_iter().zip(shares).collect(),
            rate: 100.0,
            batch: 1,
            daily: None,
            rule,
            begins: DateTime::from_timestamp(1_700_000_000, 0).unwrap(),
            days: 120,
        }
    }

    const ADAPTIVE: Rule = Rule::Adaptive { first_look_within: Duration::from_secs(7200) };
    const FIXED: Rule = Rule::Every(Duration::from_secs(7200));

    #[test]
    fn the_rules_cost_far_fewer_calls_than_a_fixed_schedule_and_lose_no_news() {
        let (adaptive, fixed) = (scenario(2_000, ADAPTIVE).play(), scenario(2_000, FIXED).play());
        assert!(adaptive.calls * 2 < fixed.calls, "{} of {}", adaptive.calls, fixed.calls);
        for forecast in [&adaptive, &fixed] {
            assert_eq!((forecast.picked_up.count, forecast.delivered.count), (1_900, 1_900));
            assert_eq!((forecast.first_look.count, forecast.unfinished), (2_000, 0));
        }
        assert!(adaptive.looks_by_journey["unused"] < 60.0, "{adaptive:?}");
        assert_eq!(adaptive, scenario(2_000, ADAPTIVE).play(), "the same again");
    }

    #[test]
    fn a_batch_costs_fewer_calls_for_the_same_looks() {
        let one = scenario(3_000, ADAPTIVE).play();
        let thirty = Scenario { batch: 30, ..scenario(3_000, ADAPTIVE) }.play();
        assert!(thirty.calls * 5 < one.calls, "{} and {}", thirty.calls, one.calls);
    }

    #[test]
    fn a_budget_of_a_day_is_never_passed_and_fresh_labels_are_served_first() {
        let daily = Some((250, DayReset::UTC_MIDNIGHT));
        let begins = DateTime::from_timestamp(1_700_006_400, 0).unwrap();
        let scarce = Scenario { daily, days: 20, begins, ..scenario(5_000, ADAPTIVE) }.play();
        assert!(scarce.days.iter().all(|day| day.calls <= 250), "{scarce:?}");
        let all: u64 = scarce.days.iter().map(|day| day.calls).sum();
        assert!(all == 250 * 20, "{all} calls in 20 days: it is used, and not overrun");
        assert!(scarce.days[0].waiting > 0 && scarce.unfinished > 0);
        let plenty = scenario(5_000, ADAPTIVE).play();
        assert!(scarce.picked_up.median_s > plenty.picked_up.median_s, "scarcity costs time");
    }
}
