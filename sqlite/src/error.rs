//! What can go wrong with the file.

use std::path::PathBuf;
use std::sync::Arc;

/// SQLite's primary result codes that callers treat apart, see <https://www.sqlite.org/rescode.html>.
const IOERR: u32 = 10;
const FULL: u32 = 13;

/// Why the file could not be opened, read or written. Cheap to clone: one failed commit fails many callers.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Another process, or another [`Db`](crate::Db) of this one, has the file.
    #[error(
        "{} is in use by another process; stop that one first, or use PostgreSQL and RabbitMQ to run several",
        .0.display()
    )]
    InUse(PathBuf),
    /// The file or its lock can't be opened.
    #[error("{} can't be opened: {}", .path.display(), .reason)]
    Open {
        /// The file.
        path: PathBuf,
        /// The reason, in the words of the operating system or of SQLite.
        reason: Arc<str>,
    },
    /// The tables in the file are not what this release can work with.
    #[error("the tables in the file can't be brought up to date: {0}")]
    Migration(Arc<str>),
    /// A statement or a commit failed.
    #[error("the embedded file: {0}")]
    Sqlite(Arc<sqlx::Error>),
    /// The job panicked; what it had written is rolled back.
    #[error("writing to the embedded file failed inside the program")]
    Panicked,
    /// The file was closed.
    #[error("the embedded file is closed")]
    Closed,
}

impl Error {
    /// The disk, or the quota, is used up.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.code() == Some(FULL)
    }

    /// The disk failed. After a failed commit it is not known whether the work is stored.
    #[must_use]
    pub fn is_io(&self) -> bool {
        self.code() == Some(IOERR)
    }

    /// SQLite's primary result code.
    fn code(&self) -> Option<u32> {
        let Self::Sqlite(error) = self else { return None };
        let code: u32 = error.as_database_error()?.code()?.parse().ok()?;
        // The upper bytes hold the extended code.
        Some(code & 0xff)
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => Self::Closed,
            other => Self::Sqlite(Arc::new(other)),
        }
    }
}
