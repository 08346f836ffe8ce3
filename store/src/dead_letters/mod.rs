//! Dead letters, where people can work with them: kept, found, replayed, discarded.

mod archiving;
mod filter;
mod letter;
mod replay;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use uuid::Uuid;

pub use archiving::{Archiving, GroupChange, GroupSaid, Kept, Known};
pub use filter::{DeadLetterFilter, Needles};
pub use letter::{
    Cursor, DeadLetter, DeadLetterCount, DeadLetterGroup, Death, NewDeadLetter, Status, UnknownCursor,
    UnknownStatus, incident_of,
};
pub use replay::{NewReplay, Replay, ReplayStep, Replays, Returning};

use crate::audit_log::By;
use crate::error::Error;

/// Up to so many letters a count is exact.
pub const COUNT_MAX: u32 = 100_000;

/// What an archiving did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Archived {
    /// Letters that were not there before.
    pub new: u32,
    /// Letters that were there and died again.
    pub again: u32,
    /// Of both, those that died of a replay.
    pub replayed: u32,
}

/// A message that was replayed and had its effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revived {
    /// The letter.
    pub id: Uuid,
    /// Which of its replays.
    pub replay: u32,
    /// [`forebay_domain::dead_letter::key`] of the message, so that a forged header resolves nothing.
    pub key: [u8; 32],
}

/// Dead letters. A letter is told by its message (key) and the queue that it died in.
#[async_trait]
pub trait DeadLetters {
    /// Archives a set in one transaction and raises an incident for each group that it touches (fingerprint
    /// `dead_letters/<group>`, rule `dead_letters`, severity warning, count = deaths). A message that died in this
    /// queue before is the same letter, open again, with its earlier deaths in its history. The same copy of a
    /// message, told by its trail, changes nothing; nor does a copy from before the replay that is under way.
    async fn archive(&self, letters: Vec<NewDeadLetter>, now: DateTime<Utc>) -> Result<Archived, Error>;

    /// Notes that replayed messages had their effect: their letters are resolved, and the incidents of groups of which
    /// no letter is open any more. Returns how many letters it resolved; a repeat resolves none.
    async fn revived(&self, revived: Vec<Revived>, now: DateTime<Utc>) -> Result<u32, Error>;

    /// Groups, the last death first; those without an open or replaying letter only if `all`.
    async fn dead_letter_groups(&self, all: bool, limit: u32) -> Result<Vec<DeadLetterGroup>, Error>;

    /// Dead letters without headers, history and body, the last death first, after `after`.
    async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, Error>;

    /// As [`DeadLetters::dead_letters`], whole.
    async fn dead_letters_whole(
        &self,
        filter: &DeadLetterFilter,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, Error>;

    /// One dead letter, whole.
    async fn dead_letter(&self, id: Uuid) -> Result<Option<DeadLetter>, Error>;

    /// How many a filter finds, by code. Exact when only status, code, queue, type and group are asked for, or when
    /// there are no more than [`COUNT_MAX`]; `capped` otherwise.
    async fn count_dead_letters(&self, filter: &DeadLetterFilter) -> Result<DeadLetterCount, Error>;

    /// Discards up to `limit` open letters, the oldest death first, with an entry in the audit log. Several calls
    /// with one [`By`] are one entry. Returns how many; fewer than `limit` means that no more were left.
    async fn discard(
        &self,
        filter: &DeadLetterFilter,
        limit: u32,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<u32, Error>;

    /// Opens letters again that were replayed before `before` and of which nothing was heard since, at most `limit`;
    /// for their replay they count as failed. Returns how many.
    async fn give_back(&self, before: DateTime<Utc>, limit: u32, now: DateTime<Utc>) -> Result<u32, Error>;
}
