//! The single writer: takes whatever jobs wait, and commits them together.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::{Connection as _, SqliteConnection};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::error::Error;
use crate::job::Job;
use crate::lock::FileLock;

/// Most jobs in one commit.
const GROUP_JOBS: usize = 256;
/// No job is added to a group that has worked this long: its first caller waits.
const GROUP_TIME: Duration = Duration::from_millis(5);

/// What can be asked of the writer.
pub(crate) enum Order {
    Run(Box<dyn Job>),
    /// Finish what waits, move everything from the journal into the file, end, and say so.
    Close(oneshot::Sender<()>),
}

/// What the writer has done.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) jobs: AtomicU64,
    pub(crate) commits: AtomicU64,
}

/// The single writer.
pub(crate) struct Writer {
    pub(crate) path: PathBuf,
    pub(crate) connection: SqliteConnection,
    pub(crate) orders: mpsc::Receiver<Order>,
    pub(crate) counters: Arc<Counters>,
    /// Held for as long as anything may be written.
    pub(crate) lock: FileLock,
}

/// Jobs that share a transaction, in the order in which they ran.
#[derive(Default)]
struct Group {
    kept: Vec<Box<dyn Job>>,
    failed: Vec<Box<dyn Job>>,
}

impl Group {
    fn answer(self, stored: &Result<(), Error>) {
        for job in self.kept.into_iter().chain(self.failed) {
            job.answer(stored.clone());
        }
    }
}

impl Writer {
    /// Works until it is told to close or nobody is left to tell.
    pub(crate) async fn run(mut self) {
        let mut told = Vec::new();
        while let Some(order) = self.orders.recv().await {
            match order {
                Order::Run(job) => told.extend(self.group(job).await),
                Order::Close(done) => told.push(done),
            }
            if !told.is_empty() {
                // Nothing new is taken; what waits is still done.
                self.orders.close();
            }
        }
        if let Err(error) = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut self.connection).await
        {
            tracing::warn!(file = %self.path.display(), %error, "the journal could not be emptied; it is read at the next start");
        }
        if let Err(error) = self.connection.close().await {
            tracing::warn!(file = %self.path.display(), %error, "the embedded file was not closed cleanly");
        }
        drop(self.lock);
        for done in told {
            let _ = done.send(());
        }
    }

    /// Runs this job and those that wait behind it, commits once, and answers all. Returns who asked to close, if
    /// somebody did meanwhile.
    async fn group(&mut self, first: Box<dyn Job>) -> Option<oneshot::Sender<()>> {
        let began = Instant::now();
        let mut group = Group::default();
        let mut next = Some(first);
        let mut told = None;
        let mut count = 0;
        let mut state = self.execute("BEGIN IMMEDIATE; SAVEPOINT job").await;
        while let Some(mut job) = next.take() {
            count += 1;
            if state.is_ok() {
                if job.run(&mut self.connection).await {
                    group.kept.push(job);
                } else {
                    group.failed.push(job);
                    state = self.execute("ROLLBACK TO job").await;
                }
            } else {
                group.kept.push(job);
            }
            if state.is_err() || count >= GROUP_JOBS || began.elapsed() >= GROUP_TIME {
                break;
            }
            match self.orders.try_recv() {
                Ok(Order::Run(job)) => {
                    state = self.execute("RELEASE job; SAVEPOINT job").await;
                    next = Some(job);
                }
                Ok(Order::Close(done)) => told = Some(done),
                Err(_) => {}
            }
        }
        let stored = self.end(state).await;
        self.counters.jobs.fetch_add(count as u64, Ordering::Relaxed);
        group.answer(&stored);
        told
    }

    /// Commits, or undoes everything when something was wrong with the transaction itself.
    async fn end(&mut self, state: Result<(), Error>) -> Result<(), Error> {
        let stored = match state {
            Ok(()) => self.execute("COMMIT").await,
            Err(error) => Err(error),
        };
        if let Err(error) = &stored {
            tracing::warn!(file = %self.path.display(), %error, "a group of writes is undone");
            // Some errors have ended the transaction already; then there is nothing to roll back, which is fine.
            let _ = self.execute("ROLLBACK").await;
        } else {
            self.counters.commits.fetch_add(1, Ordering::Relaxed);
        }
        stored
    }

    async fn execute(&mut self, sql: &'static str) -> Result<(), Error> {
        sqlx::raw_sql(sql).execute(&mut self.connection).await?;
        Ok(())
    }
}
