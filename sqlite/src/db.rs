//! The file, open.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::BoxFuture;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection, SqlitePool};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::error::Error;
use crate::job::Task;
use crate::lock::{FileLock, settled_path};
use crate::wakes::Wakes;
use crate::writer::{Counters, Order, Writer};

/// Most jobs that wait for the writer; further callers wait for a place.
const WAITING_JOBS: usize = 1024;
/// Connections that read.
const READERS: u32 = 4;
/// How long the file is waited for: the kernel takes the lock of a process that was killed from it a moment after its end.
const LET_GO: Duration = Duration::from_secs(1);
/// How often it is looked at meanwhile.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// How long a statement waits for a lock. Only migrations and checkpoints ever make it wait.
const BUSY: Duration = Duration::from_secs(5);
/// Page cache of the writer, in KiB.
const WRITER_CACHE: u32 = 8 * 1024;
/// Page cache of each reader, in KiB.
const READER_CACHE: u32 = 2 * 1024;
/// Pages in the journal after which they are moved into the file (16 MiB).
const CHECKPOINT_PAGES: u32 = 4 * 1024;
/// Largest size, in bytes, that the journal keeps while it is not needed.
const JOURNAL_BYTES: u32 = 32 * 1024 * 1024;
/// Rows that a connection reads ahead of whoever takes them.
const ROWS_AHEAD: usize = 256;

/// The embedded file. Cloning gives another handle on the same one.
#[derive(Debug, Clone)]
pub struct Db {
    path: Arc<PathBuf>,
    options: Arc<SqliteConnectOptions>,
    orders: mpsc::Sender<Order>,
    readers: SqlitePool,
    wakes: Wakes,
    counters: Arc<Counters>,
}

/// What the writer has done since the file was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// Jobs that were run.
    pub jobs: u64,
    /// Commits; far fewer than jobs when there is much to do.
    pub commits: u64,
}

impl Db {
    /// Opens the file, and makes it if it is not there. What was answered as written before a crash is in it.
    ///
    /// # Errors
    /// [`Error::InUse`] while another process has the file, [`Error::Open`] when it can't be opened or is not an
    /// SQLite file.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = settled_path(path.as_ref())?;
        let begun = Instant::now();
        let lock = loop {
            match FileLock::take(&path) {
                Err(Error::InUse(_)) if begun.elapsed() < LET_GO => tokio::time::sleep(LOOK_AGAIN).await,
                taken => break taken?,
            }
        };
        let opening =
            |error: sqlx::Error| Error::Open { path: path.clone(), reason: error.to_string().into() };
        let options = options(&path);
        let connection = options.connect().await.map_err(opening)?;
        let reading = options
            .clone()
            .read_only(true)
            .create_if_missing(false)
            .pragma("cache_size", format!("-{READER_CACHE}"));
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(reading);
        let (orders, received) = mpsc::channel(WAITING_JOBS);
        let counters = Arc::new(Counters::default());
        let writer = Writer {
            path: path.clone(),
            connection,
            orders: received,
            counters: Arc::clone(&counters),
            lock,
        };
        tokio::spawn(writer.run());
        let (path, options) = (Arc::new(path), Arc::new(options));
        Ok(Self { path, options, orders, readers, wakes: Wakes::default(), counters })
    }

    /// Brings tables up to date. Each crate has its own migrations and remembers them in its own table.
    ///
    /// # Errors
    /// [`Error::Migration`] when a migration fails, or when the file was made by a newer release.
    pub async fn migrate(&self, table: &'static str, mut migrator: Migrator) -> Result<(), Error> {
        migrator.dangerous_set_table_name(table);
        let mut connection = self.options.connect().await?;
        let outcome = migrator.run_direct(None, &mut connection, false).await.map_err(|error| match error {
            MigrateError::VersionMissing(version) => Error::Migration(
                format!("{} was made by a newer release (it has migration {version})", self.path.display())
                    .into(),
            ),
            other => Error::Migration(other.to_string().into()),
        });
        connection.close().await?;
        outcome
    }

    /// Runs `job` on the writer, within a transaction that it shares with jobs of other callers, and answers when
    /// that is committed and on disk. When the job fails, what it wrote is rolled back, and only that.
    ///
    /// Once accepted, the job runs to its end even when this future is dropped. A job must be short, must not begin
    /// or end transactions (savepoints are fine) and must not wait for another `write`.
    ///
    /// ```no_run
    /// # async fn example(db: forebay_sqlite::Db) -> Result<(), forebay_sqlite::Error> {
    /// let deleted = db
    ///     .write::<_, forebay_sqlite::Error, _>(|conn| {
    ///         Box::pin(async move { Ok(sqlx::query("DELETE FROM a").execute(conn).await?.rows_affected()) })
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The job's own error, or an [`Error`] when its work could not be committed or the file is closed.
    pub async fn write<T, E, F>(&self, job: F) -> Result<T, E>
    where
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (task, answer) = Task::new(job);
        self.orders.send(Order::Run(Box::new(task))).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }

    /// Connections that can only read. They see what was committed before each statement, or before the first one
    /// of a transaction.
    #[must_use]
    pub fn read(&self) -> &SqlitePool {
        &self.readers
    }

    /// The wake-up channels of this file.
    #[must_use]
    pub fn wakes(&self) -> &Wakes {
        &self.wakes
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the writer has done.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        Figures { jobs: read(&self.counters.jobs), commits: read(&self.counters.commits) }
    }

    /// Finishes the jobs that wait, closes the file and lets others have it. Later jobs fail with
    /// [`Error::Closed`]. Closing twice is no harm.
    pub async fn close(&self) {
        self.readers.close().await;
        let (done, told) = oneshot::channel();
        if self.orders.send(Order::Close(done)).await.is_ok() {
            let _ = told.await;
        }
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY)
        .pragma("cache_size", format!("-{WRITER_CACHE}"))
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES.to_string())
        .pragma("journal_size_limit", JOURNAL_BYTES.to_string())
        // No memory mapping: a disk error in a mapped page ends the process.
        .pragma("mmap_size", "0")
        .row_buffer_size(ROWS_AHEAD)
        .disable_statement_logging()
}
