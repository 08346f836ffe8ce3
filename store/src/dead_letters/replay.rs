//! Replays: which letters, how fast, how far. Any process can go on with one.

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use forebay_domain::dead_letter::replay::{Progress, State};
use forebay_schemas::trail::Headers;
use forebay_schemas::{Route, Trail};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::filter::DeadLetterFilter;
use super::letter::{DeadLetterCount, Status};
use crate::audit_log::{AuditEntry, By};
use crate::error::Error;

/// A replay to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewReplay {
    /// Which letters: those of them that are open and died before it began.
    pub filter: DeadLetterFilter,
    /// Letters a second.
    pub rate: u32,
    /// One first, then ten, then the rest.
    pub canary: bool,
}

/// A replay, for reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    /// Its id.
    pub id: Uuid,
    /// Which letters.
    pub filter: DeadLetterFilter,
    /// Letters a second.
    pub rate: u32,
    /// How far it has come.
    #[serde(flatten)]
    pub progress: Progress,
    /// How many letters there were at its beginning.
    pub total: i64,
    /// `total` is the least.
    pub capped: bool,
    /// Who began it.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it last went on, or something became of a letter of it.
    pub updated_at: DateTime<Utc>,
    /// When it goes on.
    pub due_at: DateTime<Utc>,
}

impl NewReplay {
    /// The letters that a replay takes which begins now. Those that die from now on are not part of it, or it would go
    /// round in circles.
    #[must_use]
    pub fn letters(&self, now: DateTime<Utc>) -> DeadLetterFilter {
        let end = now + Duration::microseconds(1);
        let until = Some(self.filter.until.map_or(end, |asked| asked.min(end)));
        DeadLetterFilter { statuses: vec![Status::Open], until, ..self.filter.clone() }
    }
}

impl Replay {
    /// A replay that begins now, of letters that were counted.
    #[must_use]
    pub fn begun(new: &NewReplay, counted: &DeadLetterCount, by: &By, now: DateTime<Utc>) -> Self {
        Self {
            id: by.id,
            filter: new.letters(now),
            rate: new.rate,
            progress: Progress::new(new.canary),
            total: counted.total,
            capped: counted.capped,
            actor: by.actor.clone(),
            reason: by.reason.clone(),
            created_at: now,
            updated_at: now,
            due_at: now,
        }
    }

    /// What the audit log says of its beginning.
    #[must_use]
    pub fn entry(&self, by: &By) -> AuditEntry {
        let Progress { state, stage, .. } = self.progress;
        AuditEntry {
            subject: self.id.to_string(),
            count: self.total,
            before: json!({ "filter": self.filter }),
            after: json!({ "state": state, "rate": self.rate, "stage": stage }),
            ..AuditEntry::of(by, "dead_letters.replay", self.created_at)
        }
    }

    /// Ends it for a person; what the audit log says of it. `None` when it had ended.
    pub fn abort(&mut self, by: &By, now: DateTime<Utc>) -> Option<AuditEntry> {
        if self.progress.state != State::Running {
            return None;
        }
        self.progress.state = State::Aborted;
        self.updated_at = now;
        Some(AuditEntry {
            subject: self.id.to_string(),
            count: i64::try_from(self.progress.published).unwrap_or(i64::MAX),
            before: json!({ "state": State::Running }),
            after: json!({ "state": State::Aborted }),
            ..AuditEntry::of(by, "dead_letters.replay.abort", now)
        })
    }
}

/// What one step did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayStep {
    /// The replay, as the step left it.
    pub replay: Replay,
    /// Letters that the step sent.
    pub published: u32,
    /// Letters that it found without a way back.
    pub skipped: u32,
}

/// A dead letter on its way back, for the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returning {
    /// Where to.
    pub route: Route,
    /// The headers that it died with, its past but for which replay this is taken out.
    pub headers: Headers,
}

impl Returning {
    /// The way back of a letter that is replayed for the `replay`th time; `None` when there is none.
    #[must_use]
    pub fn of(id: Uuid, queue: &str, kind: &str, mut headers: Headers, replay: u32) -> Option<Self> {
        let route = forebay_domain::dead_letter::way_back(queue, kind)?;
        Trail { replay, letter: Some(id), ..Trail::default() }.write(&mut headers);
        Some(Self { route, headers })
    }
}

/// Replays.
#[async_trait]
pub trait Replays {
    /// Begins a replay, with an entry in the audit log; the replay has the id of its [`By`]. Nothing is sent yet.
    async fn start_replay(&self, new: NewReplay, by: &By, now: DateTime<Utc>) -> Result<Replay, Error>;

    /// One replay.
    async fn replay(&self, id: Uuid) -> Result<Option<Replay>, Error>;

    /// Replays, the newest first, after the one named.
    async fn replays(&self, after: Option<Uuid>, limit: u32) -> Result<Vec<Replay>, Error>;

    /// Ends a running replay, with an entry in the audit log: what was sent is on its way, what was not is left
    /// alone. `None` when there is no such replay; one that had ended is answered as it is, without an entry.
    async fn abort_replay(&self, id: Uuid, by: &By, now: DateTime<Utc>) -> Result<Option<Replay>, Error>;

    /// Does the next step of a running replay that is due: marks letters as replaying and writes them to the outbox
    /// under their ids, byte for byte, in one transaction. `None` when none has anything to do at present. Any number
    /// of processes may call it at once: a step is one process's, and what a crash interrupts has not happened.
    async fn step_replay(&self, now: DateTime<Utc>) -> Result<Option<ReplayStep>, Error>;
}
