//! Times as sure as the carrier says them.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use forebay_domain::parcel::EventTime;

/// Instants outside of these years are fillers.
const YEARS: std::ops::Range<i32> = 2000..2100;

/// The zone in which days begin first is so far ahead of UTC.
const EASTERNMOST: TimeDelta = TimeDelta::hours(14);

/// Reads RFC 3339 and its looser kin: with a zone an instant, without one a local time, without a time a day. Any
/// number of digits of a second is taken.
pub(crate) fn read(text: &str) -> EventTime {
    let text = text.trim();
    // chrono takes nine digits of a second; carriers have been seen to send other numbers of them.
    let zoned = ["%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M%#z"];
    let instant = DateTime::parse_from_rfc3339(text).ok();
    let instant = instant.or_else(|| zoned.iter().find_map(|f| DateTime::parse_from_str(text, f).ok()));
    if let Some(at) = instant {
        return exact(at.with_timezone(&Utc));
    }
    let locals = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
    if let Some(local) = locals.iter().find_map(|f| NaiveDateTime::parse_from_str(text, f).ok()) {
        return local_time(local);
    }
    NaiveDate::parse_from_str(text, "%Y-%m-%d").map_or(EventTime::Missing, day)
}

/// The earliest instant that is meant, whatever zone was not said: when to expect something and not be late.
pub(crate) fn earliest(at: EventTime) -> Option<DateTime<Utc>> {
    let in_the_east = |local: NaiveDateTime| local.and_utc() - EASTERNMOST;
    match at {
        EventTime::Exact(at) => Some(at),
        EventTime::Local(local) => Some(in_the_east(local)),
        EventTime::Date(day) => Some(in_the_east(day.and_time(NaiveTime::MIN))),
        EventTime::Missing => None,
    }
}

/// An instant, unless it is a filler.
pub(crate) fn exact(at: DateTime<Utc>) -> EventTime {
    if YEARS.contains(&chrono::Datelike::year(&at)) { EventTime::Exact(at) } else { EventTime::Missing }
}

/// A local time, unless it is a filler.
pub(crate) fn local_time(at: NaiveDateTime) -> EventTime {
    if YEARS.contains(&chrono::Datelike::year(&at)) { EventTime::Local(at) } else { EventTime::Missing }
}

/// A day, unless it is a filler.
pub(crate) fn day(at: NaiveDate) -> EventTime {
    if YEARS.contains(&chrono::Datelike::year(&at)) { EventTime::Date(at) } else { EventTime::Missing }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_as_sure_as_it_is_said() {
        let exact = |text: &str| EventTime::Exact(text.parse().unwrap());
        let half_past = exact("2026-11-20T07:30:00Z");
        for text in [
            "2026-11-20T07:30:00Z",
            "2026-11-20T08:30:00+01:00",
            "2026-11-20T08:30:00+0100",
            "2026-11-20T08:30:00+01",
            "2026-11-20 08:30:00+01:00",
            "2026-11-20T02:30-0500",
            "2026-11-20T07:30:00.0Z",
            "2026-11-20T07:30:00.000Z",
        ] {
            assert_eq!(read(text), half_past, "{text}");
        }
        assert_eq!(read("2026-11-20T07:30:00.6571145Z"), exact("2026-11-20T07:30:00.6571145Z"));
        assert!(matches!(read("2026-11-20T07:30:00.65711451234567-05:00"), EventTime::Exact(_)));
        let local = EventTime::Local("2026-11-20T07:30:00".parse().unwrap());
        for text in ["2026-11-20T07:30:00", "2026-11-20 07:30:00.0", "2026-11-20 07:30", "2026-11-20T07:30"] {
            assert_eq!(read(text), local, "{text}");
        }
        assert_eq!(read("2026-11-20"), EventTime::Date("2026-11-20".parse().unwrap()));
        let expected = |text: &str| earliest(read(text)).map(|at| at.to_rfc3339());
        assert_eq!(expected("2026-11-20T07:30:00+01:00").as_deref(), Some("2026-11-20T06:30:00+00:00"));
        assert_eq!(expected("2026-11-20T14:30:00").as_deref(), Some("2026-11-20T00:30:00+00:00"));
        assert_eq!(expected("2026-11-20").as_deref(), Some("2026-11-19T10:00:00+00:00"));
        assert_eq!(expected(""), None);
        for text in ["", "soon", "0001-01-01T00:00:00Z", "1970-01-01", "------", "07:30:00"] {
            assert_eq!(read(text), EventTime::Missing, "{text}");
        }
    }
}
