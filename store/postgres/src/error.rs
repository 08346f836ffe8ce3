//! From the driver's errors to the contract's.

use forebay_store::Error;

/// How to mend a missing schema.
const MIGRATE: &str = "run `forebay migrate`";

/// Why an attempt at a use case ended without an answer.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Another worker was faster, or in the way: begin again. The error is what it means if it goes on so.
    Conflict(Error),
    /// It failed.
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// For reads, which are not tried again.
impl From<Stop> for Error {
    fn from(stop: Stop) -> Self {
        let (Stop::Conflict(error) | Stop::Failed(error)) = stop;
        error
    }
}

impl From<sqlx::Error> for Stop {
    fn from(error: sqlx::Error) -> Self {
        // Serialization failure, deadlock, unique key.
        let code = error.as_database_error().and_then(|database| database.code());
        match code.as_deref() {
            Some("40001" | "40P01" | "23505") => Self::Conflict(store_error(error)),
            _ => Self::Failed(store_error(error)),
        }
    }
}

/// What a failed statement means.
pub(crate) fn store_error(error: sqlx::Error) -> Error {
    match error {
        sqlx::Error::Database(database) => {
            let code = database.code().unwrap_or_default();
            let text = database.to_string();
            match code.as_ref() {
                "53100" => Error::Full(text),
                "42P01" | "42703" | "42883" | "3F000" => Error::Schema(format!(
                    "the database's schema is not the one of this release; {MIGRATE}: {text}"
                )),
                // Constraints: name the one that was broken.
                c if c.starts_with("23") => match database.constraint() {
                    Some(constraint) => Error::Refused(format!("{constraint}: {text}")),
                    None => Error::Refused(text),
                },
                // Lost or refused connections, resources, shutdown, time-outs, conflicts, and faults of the server.
                c if ["08", "53", "57", "58", "XX", "40", "55", "25"]
                    .iter()
                    .any(|class| c.starts_with(class)) =>
                {
                    Error::Unavailable(text)
                }
                // Wrong credentials or rights, a missing database: mended outside, and then it goes on.
                c if ["28", "3D", "42501"].iter().any(|class| c.starts_with(class)) => {
                    Error::Unavailable(text)
                }
                _ => Error::Refused(text),
            }
        }
        sqlx::Error::ColumnDecode { index, source } => unreadable(format!("column {index}: {source}")),
        sqlx::Error::Decode(source) => unreadable(source.to_string()),
        sqlx::Error::ColumnNotFound(column) => unreadable(format!("no column {column}")),
        sqlx::Error::Migrate(error) => Error::Schema(error.to_string()),
        sqlx::Error::Encode(source) => Error::Refused(source.to_string()),
        other => Error::Unavailable(other.to_string()),
    }
}

/// What a failed commit means. The server answers a commit that it rolled back with an error; without an answer,
/// or with one that ends the session, nobody knows.
pub(crate) fn commit_error(error: sqlx::Error) -> Stop {
    match &error {
        sqlx::Error::Database(database) => match database.code().unwrap_or_default().as_ref() {
            c if c.starts_with("57") || c.starts_with("08") => {
                Stop::Failed(Error::Unknown(error.to_string()))
            }
            _ => Stop::from(error),
        },
        _ => Stop::Failed(Error::Unknown(error.to_string())),
    }
}

fn unreadable(why: String) -> Error {
    Error::Inconsistent { table: "(answer)", column: "(named below)", why }
}
