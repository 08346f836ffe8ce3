//! What the rules that watch the system look at.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::incident::Raise;
use forebay_domain::watch::{Heard, OpenOne, Renewal, Sign, Task};

use crate::error::Error;

/// What the store knows of processes, tasks and tokens.
#[async_trait]
pub trait Watch {
    /// Keeps what a process says of itself at that time, which is all that lasts there: what it said before and does not
    /// say any more is forgotten, and so is what no process has said for a day.
    async fn note_signs(&self, process: &str, said_at: DateTime<Utc>, signs: &[Sign]) -> Result<(), Error>;

    /// What came from processes since then, by the store's clock.
    async fn signs(&self, since: DateTime<Utc>) -> Result<Vec<Heard>, Error>;

    /// Notes when tasks were done; what was done later stays.
    async fn note_tasks(&self, tasks: &[Task]) -> Result<(), Error>;

    /// Every task that was ever done, by name.
    async fn tasks(&self) -> Result<Vec<Task>, Error>;

    /// The open incidents of these rules, by fingerprint.
    async fn open_of(&self, rules: &[&str]) -> Result<Vec<OpenOne>, Error>;

    /// Puts the words of these into the incidents that are open. It is no change that is told: who tells one tells what
    /// is so then.
    async fn refresh(&self, raises: &[Raise], now: DateTime<Utc>) -> Result<(), Error>;

    /// Tokens that somebody set out to renew and has not brought: those whose time for that ended after `since`, or has
    /// not ended.
    async fn not_renewed(&self, since: DateTime<Utc>) -> Result<Vec<Renewal>, Error>;
}

/// The system of a token by the key of its row, whose last part tells credentials apart.
#[must_use]
pub fn system_of(key: &str) -> String {
    key.rsplit_once('/').map_or(key, |(system, _)| system).to_owned()
}
