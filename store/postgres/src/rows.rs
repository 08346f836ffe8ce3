//! Between the program's values and the columns'.

use std::borrow::Cow;
use std::fmt::Display;

use forebay_store::{Error, PAGE_MAX};

/// Text as PostgreSQL takes it: a NUL, which it refuses, becomes U+FFFD.
pub(crate) fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

/// Reads back what this release, or an earlier one, wrote into a column.
pub(crate) fn read<T, E: Display>(
    table: &'static str,
    column: &'static str,
    value: Result<T, E>,
) -> Result<T, Error> {
    value.map_err(|error| Error::Inconsistent { table, column, why: error.to_string() })
}

/// A number that a column holds wider than the program does.
pub(crate) fn narrow<T: TryFrom<i64>>(
    table: &'static str,
    column: &'static str,
    value: i64,
) -> Result<T, Error> {
    T::try_from(value).map_err(|_| Error::Inconsistent {
        table,
        column,
        why: format!("{value} is out of range"),
    })
}

/// The rows of a page, as the contract bounds them.
pub(crate) fn page(limit: u32) -> i64 {
    i64::from(limit.min(PAGE_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_with_a_nul_is_made_storable() {
        assert_eq!(storable("a\0b"), "a\u{fffd}b");
        assert!(matches!(storable("plain"), Cow::Borrowed(_)));
    }
}
