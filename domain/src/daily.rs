//! A budget of calls a day: how many, when the day begins, and what of it is kept for people.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Days, FixedOffset, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

/// So much of a day may be planned ahead of an even pace.
const IN_HAND_SECONDS: f64 = 3600.0;

/// Most calls a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Daily {
    /// Calls from one reset to the next.
    pub most: u32,
    /// When the other side begins a new day.
    pub reset: DayReset,
    /// How much of it, in hundredths, only a person's request may use.
    pub reserve_percent: u8,
}

/// For whom a call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Purpose {
    /// Somebody asked and waits for it.
    Person,
    /// By the plan.
    Routine,
}

impl Daily {
    /// Most calls of a day that this purpose may bring the count to.
    #[must_use]
    pub fn most_for(&self, purpose: Purpose) -> u32 {
        match purpose {
            Purpose::Person => self.most,
            Purpose::Routine => {
                let kept = u64::from(self.most) * u64::from(self.reserve_percent.min(100));
                self.most - u32::try_from(kept.div_ceil(100)).unwrap_or(self.most)
            }
        }
    }
}

/// How many of a day's calls the plan may have made by now: they are spread evenly over the day, with an hour in hand,
/// so that what becomes urgent late in the day finds some left.
#[must_use]
pub fn planned_by(most: u32, from: DateTime<Utc>, until: DateTime<Utc>, now: DateTime<Utc>) -> u32 {
    let (length, passed) = ((until - from).as_seconds_f64().max(1.0), (now - from).as_seconds_f64());
    let share = ((passed + IN_HAND_SECONDS) / length).clamp(0.0, 1.0);
    (f64::from(most) * share).ceil() as u32
}

/// When a day begins: a time of the clock in a zone. Read from and shown as `00:00 Asia/Seoul` or `00:00 +09:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DayReset {
    at: NaiveTime,
    zone: Zone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Zone {
    Named(Tz),
    Offset(FixedOffset),
}

/// Text that says no time of a day in a zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" is no beginning of a day; write it like \"00:00 Asia/Seoul\", \"00:00 UTC\" or \"00:00 +09:00\""
)]
pub struct NoDayReset(String);

impl DayReset {
    /// Midnight, UTC.
    pub const UTC_MIDNIGHT: Self = Self { at: NaiveTime::MIN, zone: Zone::Named(Tz::UTC) };

    /// The day that holds `now`: its first instant, and the first one of the next day.
    #[must_use]
    pub fn day_of(&self, now: DateTime<Utc>) -> (DateTime<Utc>, DateTime<Utc>) {
        let today = match self.zone {
            Zone::Named(tz) => now.with_timezone(&tz).date_naive(),
            Zone::Offset(offset) => now.with_timezone(&offset).date_naive(),
        };
        let (before, after) = (today - Days::new(1), today + Days::new(1));
        let this = self.begin_of(today);
        if now < this { (self.begin_of(before), this) } else { (this, self.begin_of(after)) }
    }

    /// The instant at which that day begins; where the clock leaps over it, an hour later.
    fn begin_of(&self, day: NaiveDate) -> DateTime<Utc> {
        let local = day.and_time(self.at);
        match self.zone {
            Zone::Named(tz) => {
                let begins = tz.from_local_datetime(&local).earliest();
                let begins =
                    begins.or_else(|| tz.from_local_datetime(&(local + TimeDelta::hours(1))).earliest());
                begins.map_or_else(|| local.and_utc(), |at| at.to_utc())
            }
            Zone::Offset(offset) => (local - offset).and_utc(),
        }
    }
}

impl FromStr for DayReset {
    type Err = NoDayReset;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (at, zone) = text.trim().split_once(' ')?;
            let at = NaiveTime::parse_from_str(at, "%H:%M").ok()?;
            let zone = zone.trim();
            let named = zone.parse().map(Zone::Named).ok();
            Some(Self { at, zone: named.or_else(|| zone.parse().map(Zone::Offset).ok())? })
        };
        read().ok_or_else(|| NoDayReset(text.to_owned()))
    }
}

impl TryFrom<String> for DayReset {
    type Error = NoDayReset;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl fmt::Display for DayReset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at.format("%H:%M");
        match self.zone {
            Zone::Named(tz) => write!(f, "{at} {tz}"),
            Zone::Offset(offset) => write!(f, "{at} {offset}"),
        }
    }
}

impl From<DayReset> for String {
    fn from(reset: DayReset) -> Self {
        reset.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_begins_by_the_clock_of_its_zone() {
        let now = at("2026-11-20T20:00:00Z");
        let day = |text: &str| text.parse::<DayReset>().unwrap().day_of(now);
        assert_eq!(day("00:00 UTC"), (at("2026-11-20T00:00:00Z"), at("2026-11-21T00:00:00Z")));
        let seoul = (at("2026-11-20T15:00:00Z"), at("2026-11-21T15:00:00Z"));
        assert_eq!(day("00:00 Asia/Seoul"), seoul);
        assert_eq!(day("00:00 +09:00"), seoul);
        assert_eq!(day("21:30 UTC"), (at("2026-11-19T21:30:00Z"), at("2026-11-20T21:30:00Z")));
        let midnight = at("2026-11-21T00:00:00Z");
        assert_eq!(DayReset::UTC_MIDNIGHT.day_of(midnight).0, midnight, "the first instant is the new day's");
    }

    #[test]
    fn what_is_no_beginning_of_a_day_is_told_with_an_example() {
        for text in ["", "00:00", "24:00 UTC", "00:00 Mars/Base", "midnight UTC"] {
            let error = text.parse::<DayReset>().unwrap_err();
            assert!(error.to_string().contains("00:00 Asia/Seoul"), "{error}");
        }
        for text in ["00:00 Asia/Seoul", "06:30 +09:00", "00:00 UTC"] {
            assert_eq!(text.parse::<DayReset>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_share_of_the_day_is_kept_for_people() {
        let of = |most, reserve_percent| Daily { most, reset: DayReset::UTC_MIDNIGHT, reserve_percent };
        assert_eq!(of(250, 10).most_for(Purpose::Routine), 225);
        assert_eq!(of(250, 10).most_for(Purpose::Person), 250);
        assert_eq!((of(3, 10).most_for(Purpose::Routine), of(3, 0).most_for(Purpose::Routine)), (2, 3));
        assert_eq!(of(3, 200).most_for(Purpose::Routine), 0);
    }

    proptest! {
        #[test]
        fn days_follow_each_other_without_a_gap(
            seconds in 0i64..4_000_000_000,
            zone in prop::sample::select(vec!["UTC", "Asia/Seoul", "America/New_York", "+05:45", "Australia/Lord_Howe"]),
            hour in 0u32..24,
        ) {
            let now = DateTime::from_timestamp(seconds, 0).unwrap();
            let reset: DayReset = format!("{hour:02}:00 {zone}").parse().unwrap();
            let (from, until) = reset.day_of(now);
            prop_assert!(from <= now && now < until, "{from} {now} {until}");
            prop_assert!((22..=26).contains(&(until - from).num_hours()), "{from} {until}");
            prop_assert_eq!(reset.day_of(until).0, until);
        }
    }
}
