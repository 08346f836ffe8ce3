//! Between the program's values and the columns'.

use std::fmt::Display;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate, Utc};
use forebay_store::{Error, PAGE_MAX};
use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Row as _, Sqlite, Type};
use uuid::Uuid;

use crate::error::Fault;

/// An instant as a column holds it: microseconds since 1970.
pub(crate) fn micros(instant: DateTime<Utc>) -> i64 {
    instant.timestamp_micros()
}

/// The rows of a page, as the contract bounds them.
pub(crate) fn page(limit: u32) -> i64 {
    i64::from(limit.min(PAGE_MAX))
}

/// A set as the one JSON text that a statement takes with `json_each`.
pub(crate) fn json(rows: &impl Serialize) -> Result<String, Fault> {
    serde_json::to_string(rows)
        .map_err(|error| Error::Refused(format!("a value has no JSON: {error}")).into())
}

/// A UUID within such a text, to be read with `unhex`.
pub(crate) fn hex(id: Uuid) -> String {
    id.simple().to_string()
}

/// Bytes within such a text, to be read with `unhex`.
pub(crate) fn hex_bytes(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A column that holds what can't be read.
pub(crate) fn unreadable(table: &'static str, column: &'static str, why: impl Display) -> Fault {
    Error::Inconsistent { table, column, why: why.to_string() }.into()
}

/// A row of a table, read column by column.
#[derive(Clone, Copy)]
pub(crate) struct Reading<'r> {
    pub(crate) row: &'r SqliteRow,
    pub(crate) table: &'static str,
}

impl<'r> Reading<'r> {
    pub(crate) fn of(table: &'static str, row: &'r SqliteRow) -> Self {
        Self { row, table }
    }

    /// A value as it is.
    pub(crate) fn get<T>(&self, column: &'static str) -> Result<T, Fault>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite>,
    {
        self.row.try_get(column).map_err(|error| unreadable(self.table, column, error))
    }

    /// An id or a word that is checked.
    pub(crate) fn parsed<T>(&self, column: &'static str) -> Result<T, Fault>
    where
        T: FromStr,
        T::Err: Display,
    {
        self.get::<&str>(column)?.parse().map_err(|error| unreadable(self.table, column, error))
    }

    /// An id or a word that may be missing.
    pub(crate) fn parsed_if_any<T>(&self, column: &'static str) -> Result<Option<T>, Fault>
    where
        T: FromStr,
        T::Err: Display,
    {
        let text = self.get::<Option<&str>>(column)?;
        text.map(str::parse).transpose().map_err(|error| unreadable(self.table, column, error))
    }

    /// A number that the column holds wider than the program does.
    pub(crate) fn narrow<T: TryFrom<i64>>(&self, column: &'static str) -> Result<T, Fault> {
        let value = self.get::<i64>(column)?;
        T::try_from(value).map_err(|_| unreadable(self.table, column, format!("{value} is out of range")))
    }

    /// An instant.
    pub(crate) fn instant(&self, column: &'static str) -> Result<DateTime<Utc>, Fault> {
        self.instant_of(column, self.get(column)?)
    }

    /// An instant that may be missing.
    pub(crate) fn instant_if_any(&self, column: &'static str) -> Result<Option<DateTime<Utc>>, Fault> {
        self.get::<Option<i64>>(column)?.map(|us| self.instant_of(column, us)).transpose()
    }

    /// An instant that came with others in one column.
    pub(crate) fn instant_of(&self, column: &'static str, us: i64) -> Result<DateTime<Utc>, Fault> {
        DateTime::from_timestamp_micros(us)
            .ok_or_else(|| unreadable(self.table, column, format!("{us} is out of range")))
    }

    /// A day.
    pub(crate) fn date(&self, column: &'static str) -> Result<NaiveDate, Fault> {
        self.parsed(column)
    }

    /// JSON.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self, column: &'static str) -> Result<T, Fault> {
        serde_json::from_str(self.get(column)?).map_err(|error| unreadable(self.table, column, error))
    }
}
