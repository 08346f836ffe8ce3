//! Days and instants that callers name, within the years that every calendar, and both stores, can hold.

use std::borrow::Cow;

use chrono::{DateTime, Datelike as _, NaiveDate, Utc};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;

/// As a date of four digits a year shows them (RFC 3339).
const YEARS: std::ops::RangeInclusive<i32> = 1..=9999;

/// A day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "NaiveDate")]
pub(crate) struct Day(pub(crate) NaiveDate);

/// An instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "DateTime<Utc>")]
pub(crate) struct Instant(pub(crate) DateTime<Utc>);

impl TryFrom<NaiveDate> for Day {
    type Error = &'static str;
    fn try_from(day: NaiveDate) -> Result<Self, &'static str> {
        YEARS.contains(&day.year()).then_some(Self(day)).ok_or("a day must be one of the years 1 to 9999")
    }
}

impl TryFrom<DateTime<Utc>> for Instant {
    type Error = &'static str;
    fn try_from(at: DateTime<Utc>) -> Result<Self, &'static str> {
        YEARS.contains(&at.year()).then_some(Self(at)).ok_or("an instant must be one of the years 1 to 9999")
    }
}

macro_rules! described_as {
    ($name:ident, $plain:ty) => {
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                <$plain>::schema_name()
            }
            fn inline_schema() -> bool {
                <$plain>::inline_schema()
            }
            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                <$plain>::json_schema(generator)
            }
        }
    };
}

described_as!(Day, NaiveDate);
described_as!(Instant, DateTime<Utc>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_year_that_no_calendar_shows_is_refused_in_words() {
        let day = |text: &str| serde_json::from_value::<Day>(text.into()).map_err(|error| error.to_string());
        let at =
            |text: &str| serde_json::from_value::<Instant>(text.into()).map_err(|error| error.to_string());
        assert!(day("0001-01-01").is_ok() && day("9999-12-31").is_ok());
        for text in ["-262143-01-01", "0000-12-31", "+10000-01-01", "+262142-12-31"] {
            assert_eq!(day(text).unwrap_err(), "a day must be one of the years 1 to 9999", "{text}");
            let told = at(&format!("{text}T12:00:00Z")).unwrap_err();
            assert_eq!(told, "an instant must be one of the years 1 to 9999", "{text}");
        }
    }
}
