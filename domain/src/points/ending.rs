//! When points end: with a day, in the zone of their programme.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;

use crate::programme::Programme;

/// Most days that points may be good for.
pub const GOOD_FOR_DAYS_MAX: u32 = 36_600;

impl Programme {
    /// When points that it grants now end; none for never.
    #[must_use]
    pub fn points_end(&self, granted_at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        end_of_day_after(self.tz, granted_at, self.points_valid_days?)
    }
}

/// The end of the day that lies so many days after the one of `granted_at`: the start of the day after it. None where
/// the calendar ends.
#[must_use]
pub fn end_of_day_after(tz: Tz, granted_at: DateTime<Utc>, days: u32) -> Option<DateTime<Utc>> {
    let granted_on = granted_at.with_timezone(&tz).date_naive();
    start_of_day(tz, granted_on.checked_add_days(Days::new(u64::from(days) + 1))?)
}

/// The first instant of a local day: the earlier one where midnight comes twice, the first after the gap where clocks
/// pass over it.
#[must_use]
pub fn start_of_day(tz: Tz, day: NaiveDate) -> Option<DateTime<Utc>> {
    let midnight = day.and_time(NaiveTime::MIN);
    if let Some(start) = tz.from_local_datetime(&midnight).earliest() {
        return Some(start.with_timezone(&Utc));
    }
    // No zone is further than a day from UTC, so the day begins between these two; the instants between them that
    // belong to it, or to a later one, are the last ones.
    let from = midnight.and_utc().checked_sub_signed(TimeDelta::days(2))?.timestamp();
    let to = midnight.and_utc().checked_add_signed(TimeDelta::days(2))?.timestamp();
    let (mut before, mut after) = (from, to);
    while after - before > 1 {
        let middle = before + (after - before) / 2;
        let begun = DateTime::from_timestamp(middle, 0)?.with_timezone(&tz).date_naive() >= day;
        if begun { after = middle } else { before = middle }
    }
    DateTime::from_timestamp(after, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::programme::tests::{at, day};

    #[test]
    fn points_are_good_until_the_end_of_the_last_day_in_their_zone() {
        let seoul = chrono_tz::Asia::Seoul;
        let end = |granted: &str, days| end_of_day_after(seoul, at(granted), days).unwrap();
        assert_eq!(end("2026-11-20T14:59:59Z", 0), at("2026-11-20T15:00:00Z"));
        assert_eq!(end("2026-11-20T15:00:00Z", 0), at("2026-11-21T15:00:00Z"));
        assert_eq!(end("2026-11-20T03:00:00Z", 30), at("2026-12-20T15:00:00Z"));
    }

    #[test]
    fn a_day_without_a_midnight_begins_after_the_gap_and_one_with_two_at_the_first() {
        let start = |tz, text| start_of_day(tz, day(text)).unwrap();
        // At midnight clocks went to one o'clock.
        assert_eq!(start(chrono_tz::America::Sao_Paulo, "2018-11-04"), at("2018-11-04T03:00:00Z"));
        // At one o'clock clocks went back to midnight.
        assert_eq!(start(chrono_tz::America::Havana, "2026-11-01"), at("2026-11-01T04:00:00Z"));
        // A day that never was begins with the next one.
        assert_eq!(start(chrono_tz::Pacific::Apia, "2011-12-30"), at("2011-12-30T10:00:00Z"));
        assert_eq!(start(chrono_tz::America::New_York, "2026-03-08"), at("2026-03-08T05:00:00Z"));
    }
}
