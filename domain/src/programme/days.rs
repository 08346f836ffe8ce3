//! Days in a programme's zone, and runs of them.

use chrono::{DateTime, Days, Duration, NaiveDate, NaiveDateTime, TimeZone as _, Utc};
use chrono_tz::Tz;

/// How far a clock may be set forward at once: a zone that changes sides of the date line leaves out a whole day.
const GAP_MAX_MINUTES: i64 = 26 * 60;

/// The day to which an instant belongs, where days begin so many minutes after midnight of the wall clock.
///
/// Days follow each other: a clock that is set back over the start of a day does not go back to the day before. So a
/// day is what lies from [its first instant](begin) to that of the next one.
pub(super) fn day_of(instant: DateTime<Utc>, tz: Tz, day_start_min: u32) -> NaiveDate {
    let local = instant.with_timezone(&tz).naive_local();
    let day = (local - Duration::minutes(i64::from(day_start_min))).date();
    match day.succ_opt() {
        Some(next) if begin(next, tz, day_start_min) <= instant => next,
        _ => day,
    }
}

/// The first instant of a day: when its wall clock shows the start of the day for the first time. Where that is left
/// out because the clock is set forward, it is the first instant after the gap.
pub(super) fn begin(day: NaiveDate, tz: Tz, day_start_min: u32) -> DateTime<Utc> {
    let start = day.and_time(chrono::NaiveTime::MIN) + Duration::minutes(i64::from(day_start_min));
    if let Some(first) = first_showing(start, tz) {
        return first;
    }
    // Gaps begin and end on the minute in all zones that are in use; the last minute of a gap is searched for by halves.
    let (mut inside, mut after) = (0, GAP_MAX_MINUTES);
    while after - inside > 1 {
        let middle = i64::midpoint(inside, after);
        if first_showing(start + Duration::minutes(middle), tz).is_some() {
            after = middle;
        } else {
            inside = middle;
        }
    }
    first_showing(start + Duration::minutes(after), tz).unwrap_or_else(|| start.and_utc())
}

/// When a clock of the zone shows this for the first time; none when it never does.
fn first_showing(local: NaiveDateTime, tz: Tz) -> Option<DateTime<Utc>> {
    tz.from_local_datetime(&local).earliest().map(|first| first.with_timezone(&Utc))
}

/// A check-in on `day` goes on with the run that ended on `last`: no more days were missed than `grace_days`. A day that
/// the zone left out can't be missed.
pub(super) fn goes_on(last: NaiveDate, day: NaiveDate, grace_days: u32, tz: Tz, day_start_min: u32) -> bool {
    if day <= last || last.succ_opt() == Some(day) {
        return true;
    }
    let existed = |day: &NaiveDate| begin(*day, tz, day_start_min) <= end(*day, tz, day_start_min);
    let between = last.iter_days().skip(1).take_while(|between| *between < day);
    between.filter(existed).nth(grace_days as usize).is_none()
}

/// The last instant of a day, to the microsecond that stores keep.
pub(super) fn end(day: NaiveDate, tz: Tz, day_start_min: u32) -> DateTime<Utc> {
    let next = day.checked_add_days(Days::new(1)).unwrap_or(day);
    begin(next, tz, day_start_min) - Duration::microseconds(1)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, day};
    use super::*;

    fn of(instant: &str, tz: Tz) -> NaiveDate {
        day_of(at(instant), tz, 0)
    }

    #[test]
    fn a_day_ends_a_millisecond_after_its_last_one() {
        for (last, first, tz) in [
            ("2026-11-20T14:59:59.999Z", "2026-11-20T15:00:00Z", chrono_tz::Asia::Seoul),
            ("2026-11-20T23:59:59.999Z", "2026-11-21T00:00:00Z", chrono_tz::UTC),
            ("2026-11-21T04:59:59.999Z", "2026-11-21T05:00:00Z", chrono_tz::America::New_York),
            ("2026-11-20T18:14:59.999Z", "2026-11-20T18:15:00Z", chrono_tz::Asia::Kathmandu),
        ] {
            assert_eq!(of(last, tz), day("2026-11-20"), "{tz}");
            assert_eq!(of(first, tz), day("2026-11-21"), "{tz}");
            assert_eq!(begin(day("2026-11-21"), tz, 0), at(first), "{tz}");
            assert_eq!(end(day("2026-11-20"), tz, 0), at(first) - Duration::microseconds(1), "{tz}");
        }
    }

    #[test]
    fn new_yorks_short_and_long_day_are_one_day_each() {
        let tz = chrono_tz::America::New_York;
        // 2026-03-08 has 23 hours, 2026-11-01 has 25.
        for (date, begins, hours) in
            [("2026-03-08", "2026-03-08T05:00:00Z", 23), ("2026-11-01", "2026-11-01T04:00:00Z", 25)]
        {
            let first = begin(day(date), tz, 0);
            assert_eq!(first, at(begins));
            assert_eq!(begin(day(date).succ_opt().unwrap(), tz, 0) - first, Duration::hours(hours));
            for minute in 0..hours * 60 {
                assert_eq!(day_of(first + Duration::minutes(minute), tz, 0), day(date), "minute {minute}");
            }
        }
    }

    #[test]
    fn a_day_that_starts_in_the_lost_hour_starts_after_it() {
        let tz = chrono_tz::America::New_York;
        // 02:30 does not exist on 2026-03-08: the day begins at 03:00 EDT.
        assert_eq!(begin(day("2026-03-08"), tz, 150), at("2026-03-08T07:00:00Z"));
        assert_eq!(day_of(at("2026-03-08T06:59:59.999Z"), tz, 150), day("2026-03-07"));
        assert_eq!(day_of(at("2026-03-08T07:00:00Z"), tz, 150), day("2026-03-08"));
    }

    #[test]
    fn a_day_that_starts_in_the_repeated_hour_starts_once() {
        let tz = chrono_tz::America::New_York;
        // 01:30 is shown twice on 2026-11-01: at 05:30 and at 06:30 UTC.
        assert_eq!(begin(day("2026-11-01"), tz, 90), at("2026-11-01T05:30:00Z"));
        for (instant, date) in [
            ("2026-11-01T05:29:59.999Z", "2026-10-31"),
            ("2026-11-01T05:30:00Z", "2026-11-01"),
            ("2026-11-01T06:00:00Z", "2026-11-01"),
            ("2026-11-01T06:29:59Z", "2026-11-01"),
            ("2026-11-02T06:29:59Z", "2026-11-01"),
            ("2026-11-02T06:30:00Z", "2026-11-02"),
        ] {
            assert_eq!(day_of(at(instant), tz, 90), day(date), "{instant}");
        }
    }

    #[test]
    fn sao_paulos_day_without_a_midnight_begins_at_one() {
        let tz = chrono_tz::America::Sao_Paulo;
        assert_eq!(of("2018-11-04T02:59:59.999Z", tz), day("2018-11-03"));
        assert_eq!(of("2018-11-04T03:00:00Z", tz), day("2018-11-04"));
        assert_eq!(
            begin(day("2018-11-04"), tz, 0),
            at("2018-11-04T03:00:00Z"),
            "01:00, the first time there is"
        );
    }

    #[test]
    fn the_day_that_apia_left_out_has_no_length() {
        let tz = chrono_tz::Pacific::Apia;
        assert_eq!(of("2011-12-30T09:59:59.999Z", tz), day("2011-12-29"));
        assert_eq!(of("2011-12-30T10:00:00Z", tz), day("2011-12-31"));
        assert_eq!(begin(day("2011-12-30"), tz, 0), begin(day("2011-12-31"), tz, 0));
        let goes_on = |last, next| goes_on(day(last), day(next), 0, tz, 0);
        assert!(goes_on("2011-12-29", "2011-12-31"), "nobody can miss a day that never was");
        assert!(!goes_on("2011-12-29", "2012-01-01"));
    }

    #[test]
    fn days_follow_each_other_whatever_the_clocks_do() {
        for tz in [
            chrono_tz::America::New_York,
            chrono_tz::America::Sao_Paulo,
            chrono_tz::America::Havana,
            chrono_tz::America::St_Johns,
            chrono_tz::Australia::Lord_Howe,
            chrono_tz::Europe::Lisbon,
        ] {
            for day_start_min in [0, 1, 90, 240, 719] {
                let mut instant = at("2010-10-01T00:00:00Z");
                let mut last = day_of(instant, tz, day_start_min);
                while instant < at("2011-12-01T00:00:00Z") {
                    instant += Duration::minutes(30);
                    let now = day_of(instant, tz, day_start_min);
                    assert!(now >= last, "{tz} {day_start_min} {instant}");
                    assert!(begin(now, tz, day_start_min) <= instant, "{tz} {day_start_min} {instant}");
                    assert!(end(now, tz, day_start_min) >= instant, "{tz} {day_start_min} {instant}");
                    last = now;
                }
            }
        }
    }
}
