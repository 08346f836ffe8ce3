//! What the rules that watch the system look at.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::watch::{Renewal, Sign, Task};

use crate::error::Error;

/// What the store knows of processes, tasks and tokens.
#[async_trait]
pub trait Watch {
    /// Keeps what a process says of itself at that time, which is all that lasts there: what it said before and does not
    /// say any more is forgotten, and so is what no process has said for a day.
    async fn note_signs(&self, process: &str, said_at: DateTime<Utc>, signs: &[Sign]) -> Result<(), Error>;

    /// What processes have told since then.
    async fn signs(&self, since: DateTime<Utc>) -> Result<Vec<Sign>, Error>;

    /// Notes when tasks were done; what was done later stays.
    async fn note_tasks(&self, tasks: &[Task]) -> Result<(), Error>;

    /// Every task that was ever done, by name.
    async fn tasks(&self) -> Result<Vec<Task>, Error>;

    /// The fingerprints of the open incidents of these rules.
    async fn open_of(&self, rules: &[&str]) -> Result<Vec<String>, Error>;

    /// Tokens that somebody set out to renew and did not bring: those whose time for that ended after `since` and
    /// before `now`.
    async fn not_renewed(&self, since: DateTime<Utc>, now: DateTime<Utc>) -> Result<Vec<Renewal>, Error>;
}

/// The system of a token by the key of its row, whose last part tells credentials apart.
#[must_use]
pub fn system_of(key: &str) -> String {
    key.rsplit_once('/').map_or(key, |(system, _)| system).to_owned()
}
