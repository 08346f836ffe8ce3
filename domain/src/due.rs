//! When a parcel is next asked about.
//!
//! A quota is small, so that each call has to earn its news: how often depends on where the parcel is, how long it has
//! been silent and when it is expected. Parcels that were registered together are spread, so that they do not come
//! due together for ever.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use forebay_schemas::events::ParcelStatus;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// How far, in hundredths of the wait, two parcels of one state are spread to each side.
const SPREAD_PERCENT: u64 = 15;
/// Waits of a parcel that is expected much later are at most this long.
const LONGEST_FOR_ETA: u64 = 12 * HOUR;
/// While the carrier tells us by itself, it is asked this often, in case a push was lost.
const BESIDE_PUSHES: u64 = DAY;

/// When nothing was pushed of a parcel for so long, it is asked about as if nobody pushed.
pub const PUSHES_STOPPED: TimeDelta = TimeDelta::days(2);

/// What decides when a parcel is asked about again.
#[derive(Debug, Clone, Copy)]
pub struct Course<'c> {
    /// Its number, by which parcels are spread.
    pub number: &'c str,
    /// How often it was asked about, so that it is not always the same parcels that come first.
    pub checks: u64,
    /// Where it is.
    pub status: ParcelStatus,
    /// For how long its carrier has said nothing new (since registration, when it never has).
    pub since_news: Duration,
    /// When its carrier expects to hand it over.
    pub eta: Option<DateTime<Utc>>,
    /// The carrier tells us of it by itself.
    pub pushed: bool,
}

/// When a parcel is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// Not before this.
    pub at: DateTime<Utc>,
    /// It can wait until this. Where calls are scarce, who can wait the shortest goes first, and nobody waits for ever.
    pub by: DateTime<Utc>,
}

/// Why a parcel is not asked about any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stopped {
    /// Nothing more is to be expected.
    Finished,
    /// Nobody handed it to the carrier in ten days.
    NeverUsed,
    /// The carrier has said nothing for sixty days.
    Silent,
    /// The number is not one of the carrier's.
    Refused,
}

impl Stopped {
    /// Every reason.
    pub const ALL: &'static [Self] = &[Self::Finished, Self::NeverUsed, Self::Silent, Self::Refused];

    /// As it stands in the store and in answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::NeverUsed => "never_used",
            Self::Silent => "silent",
            Self::Refused => "refused",
        }
    }
}

impl std::str::FromStr for Stopped {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().copied().find(|stopped| stopped.as_str() == text);
        found.ok_or_else(|| format!("\"{text}\" is no reason to stop"))
    }
}

impl Course<'_> {
    /// When it is due again.
    ///
    /// # Errors
    /// [`Stopped`], when it never is.
    pub fn next(&self, now: DateTime<Utc>) -> Result<Due, Stopped> {
        let (wait, slack) = self.wait(now)?;
        let wait = if self.pushed { wait.max(BESIDE_PUSHES) } else { wait };
        let at = now + self.spread(wait);
        Ok(Due { at, by: at + Duration::from_secs(slack) })
    }

    /// How long to wait, and how much longer it can wait where calls are scarce; in seconds.
    fn wait(&self, now: DateTime<Utc>) -> Result<(u64, u64), Stopped> {
        let quiet = self.since_news.as_secs();
        let by_state = match self.status {
            s if s.is_final() => return Err(Stopped::Finished),
            // The pick-up is what the shop waits for: it goes first while it is fresh.
            ParcelStatus::Unknown | ParcelStatus::Registered => match quiet {
                q if q < 12 * HOUR => (2 * HOUR, 0),
                q if q < 3 * DAY => (4 * HOUR, 0),
                q if q < 10 * DAY => (12 * HOUR, 6 * HOUR),
                _ => return Err(Stopped::NeverUsed),
            },
            _ if quiet >= 60 * DAY => return Err(Stopped::Silent),
            ParcelStatus::OutForDelivery if quiet < 2 * DAY => (HOUR, 30 * MINUTE),
            ParcelStatus::AttemptFailed | ParcelStatus::AvailableForPickup if quiet < 10 * DAY => {
                (6 * HOUR, 3 * HOUR)
            }
            ParcelStatus::Exception if quiet < 10 * DAY => {
                if quiet < DAY {
                    (4 * HOUR, 2 * HOUR)
                } else {
                    (8 * HOUR, 6 * HOUR)
                }
            }
            _ => match quiet {
                q if q < 2 * DAY => (3 * HOUR, 2 * HOUR),
                q if q < 10 * DAY => (8 * HOUR, 6 * HOUR),
                _ => (DAY, 12 * HOUR),
            },
        };
        Ok(self.until_expected(by_state, now))
    }

    /// A parcel on its way that is expected more than a day from now is asked about less often until then.
    fn until_expected(&self, (wait, slack): (u64, u64), now: DateTime<Utc>) -> (u64, u64) {
        let on_its_way = matches!(self.status, ParcelStatus::PickedUp | ParcelStatus::InTransit);
        let left = self.eta.and_then(|eta| (eta - now).to_std().ok()).map_or(0, |left| left.as_secs());
        if on_its_way && left > DAY {
            (wait.max((left / 4).min(LONGEST_FOR_ETA)), slack)
        } else {
            (wait, slack)
        }
    }

    fn spread(&self, wait: u64) -> Duration {
        let range = wait * SPREAD_PERCENT / 100;
        let drawn = if range == 0 { 0 } else { hash(self.number, self.checks) % (2 * range + 1) };
        Duration::from_secs(wait - range + drawn)
    }
}

/// When a parcel that was just registered is first asked about: within `over`, spread by its number.
#[must_use]
pub fn first(number: &str, over: Duration, now: DateTime<Utc>) -> Due {
    let millis = u64::try_from(over.as_millis()).unwrap_or(u64::MAX);
    let wait = hash(number, 0).checked_rem(millis).map_or(Duration::ZERO, Duration::from_millis);
    Due { at: now + wait, by: now + wait }
}

pub(crate) fn hash(number: &str, checks: u64) -> u64 {
    let digest = Sha256::new().chain_update(number).chain_update(checks.to_be_bytes()).finalize();
    digest.iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000, 0).unwrap()
    }

    fn course(status: ParcelStatus, quiet: u64) -> Course<'static> {
        let since_news = Duration::from_secs(quiet);
        Course { number: "600000000001", checks: 0, status, since_news, eta: None, pushed: false }
    }

    fn wait(course: Course<'_>) -> u64 {
        (course.next(now()).unwrap().at - now()).to_std().unwrap().as_secs()
    }

    #[test]
    fn a_finished_parcel_is_never_due_and_every_other_one_ends_some_day_and_says_why() {
        for status in ParcelStatus::ALL.iter().copied() {
            let fresh = course(status, 0).next(now());
            assert_eq!(fresh == Err(Stopped::Finished), status.is_final(), "{status:?}");
            let ended = course(status, 61 * DAY).next(now()).unwrap_err();
            let never_used = matches!(status, ParcelStatus::Unknown | ParcelStatus::Registered);
            let why = match status {
                s if s.is_final() => Stopped::Finished,
                _ if never_used => Stopped::NeverUsed,
                _ => Stopped::Silent,
            };
            assert_eq!(ended, why, "{status:?}");
        }
    }

    #[test]
    fn a_parcel_without_news_is_asked_about_less_and_less() {
        for status in ParcelStatus::ALL.iter().copied().filter(|s| !s.is_final()) {
            let days: u64 = if status.implies_picked_up() { 60 } else { 10 };
            let waits: Vec<u64> = (0..days * 4)
                .map(|quarter| course(status, quarter * 6 * HOUR).wait(now()).unwrap().0)
                .collect();
            assert!(waits.is_sorted(), "{status:?}: {waits:?}");
        }
    }

    #[test]
    fn parcels_of_one_moment_are_spread_to_both_sides_and_within_bounds() {
        let numbers: Vec<String> = (0..500).map(|n| format!("60{n}")).collect();
        let waits: Vec<u64> = numbers
            .iter()
            .map(|n| wait(Course { number: n, ..course(ParcelStatus::InTransit, 0) }))
            .collect();
        let (least, most) = (*waits.iter().min().unwrap(), *waits.iter().max().unwrap());
        assert!(least >= 3 * HOUR * 85 / 100 && most <= 3 * HOUR * 115 / 100, "{least} to {most}");
        assert!(least < 3 * HOUR * 87 / 100 && most > 3 * HOUR * 113 / 100, "{least} to {most}");
        let first_looks: Vec<DateTime<Utc>> =
            numbers.iter().map(|n| first(n, Duration::from_secs(7200), now()).at).collect();
        let early = first_looks.iter().filter(|at| **at < now() + Duration::from_secs(3600)).count();
        assert!((200..300).contains(&early), "{early} of 500 in the first half");
        assert_eq!(first("60", Duration::ZERO, now()), Due { at: now(), by: now() });
    }

    #[test]
    fn a_parcel_that_is_expected_in_days_is_asked_about_less_often_until_the_day_before() {
        let expected = |days: u64| Course {
            eta: Some(now() + Duration::from_secs(days * DAY)),
            ..course(ParcelStatus::InTransit, 0)
        };
        let plain = wait(course(ParcelStatus::InTransit, 0));
        assert_eq!(wait(expected(1)), plain);
        assert!(wait(expected(2)) > 2 * plain, "a quarter of two days");
        assert!(wait(expected(30)) <= LONGEST_FOR_ETA * 115 / 100);
        let past =
            Course { eta: Some(now() - Duration::from_secs(DAY)), ..course(ParcelStatus::InTransit, 0) };
        assert_eq!(wait(past), plain);
    }

    #[test]
    fn a_parcel_whose_carrier_tells_us_is_asked_about_once_a_day() {
        for status in ParcelStatus::ALL.iter().copied().filter(|s| !s.is_final()) {
            assert!(wait(Course { pushed: true, ..course(status, 0) }) >= DAY * 85 / 100, "{status:?}");
        }
    }

    #[test]
    fn where_calls_are_scarce_a_fresh_label_can_wait_the_shortest() {
        let slack = |status, quiet| {
            let due = course(status, quiet).next(now()).unwrap();
            due.by - due.at
        };
        let label = slack(ParcelStatus::Registered, 0);
        assert!(label < slack(ParcelStatus::OutForDelivery, 0));
        assert!(slack(ParcelStatus::OutForDelivery, 0) < slack(ParcelStatus::InTransit, 0));
        assert!(slack(ParcelStatus::InTransit, 0) < slack(ParcelStatus::InTransit, 20 * DAY));
    }
}
