//! From the file's errors to the contract's.

use forebay_store::Error;

/// SQLite's primary result codes, see <https://www.sqlite.org/rescode.html>.
mod code {
    pub(super) const ERROR: u32 = 1;
    pub(super) const TOO_BIG: u32 = 18;
    pub(super) const CONSTRAINT: u32 = 19;
    pub(super) const MISMATCH: u32 = 20;
}

/// Why a job of the writer ended: the contract's error, which other crates' errors become on their way.
#[derive(Debug)]
pub(crate) struct Fault(pub(crate) Error);

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        fault.0
    }
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        forebay_sqlite::Error::from(error).into()
    }
}

impl From<forebay_sqlite::Error> for Fault {
    fn from(error: forebay_sqlite::Error) -> Self {
        let text = error.to_string();
        Self(match &error {
            forebay_sqlite::Error::Migration(_) => Error::Schema(text),
            forebay_sqlite::Error::Sqlite(_) if error.is_full() => Error::Full(text),
            forebay_sqlite::Error::Sqlite(_) if error.is_io() => Error::Unknown(text),
            forebay_sqlite::Error::Sqlite(inner) => from_sqlite(inner, text),
            _ => Error::Unavailable(text),
        })
    }
}

fn from_sqlite(error: &sqlx::Error, text: String) -> Error {
    match error {
        sqlx::Error::Database(database) => {
            let code: u32 = database.code().and_then(|code| code.parse().ok()).unwrap_or(0);
            // The upper bytes hold the extended code.
            match code & 0xff {
                code::CONSTRAINT | code::TOO_BIG | code::MISMATCH => Error::Refused(text),
                code::ERROR if ["no such table", "no such column"].iter().any(|what| text.contains(what)) => {
                    Error::Schema(format!(
                        "the file's tables are not those of this release; run `forebay migrate`: {text}"
                    ))
                }
                _ => Error::Unavailable(text),
            }
        }
        sqlx::Error::Encode(_) => Error::Refused(text),
        _ => Error::Unavailable(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_file_is_worth_another_try_and_an_old_one_is_not() {
        assert!(Error::from(Fault::from(forebay_sqlite::Error::Closed)).is_transient());
        let old = Error::from(Fault::from(forebay_sqlite::Error::Migration("newer".into())));
        assert!(matches!(old, Error::Schema(_)), "{old:?}");
    }
}
