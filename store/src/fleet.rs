//! The fleet as people steer it: which workers there are, which queues are left alone, which workers take no more.
//!
//! Orders are rows. A worker reads them once a second and tells of itself beside it, so that an order holds for
//! workers that start later, and none is lost with a connection.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use forebay_domain::scale::Work;
use forebay_schemas::Queue;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::audit_log::{AuditEntry, By};
use crate::error::Error;

/// A worker that was not heard of for so long counts as lost.
pub const LOST_AFTER: TimeDelta = TimeDelta::seconds(30);

/// What a worker does at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerState {
    /// It takes messages, of queues that are not paused.
    Running,
    /// It takes no more, and still holds some.
    Draining,
    /// It takes no more and holds none.
    Drained,
}

impl WorkerState {
    /// Every state.
    pub const ALL: &'static [WorkerState] = &[Self::Running, Self::Draining, Self::Drained];

    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Draining => "draining",
            Self::Drained => "drained",
        }
    }
}

/// A queue that a worker works on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WorkerQueue {
    /// The queue.
    pub queue: String,
    /// Messages of it in the worker's hands.
    pub in_flight: u32,
    /// What its messages cost the worker; an earlier release does not tell.
    #[serde(default)]
    pub work: Work,
}

/// What a worker tells of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerBeat {
    /// Its id: a new one each time that a process starts.
    pub id: Uuid,
    /// The machine that it runs on.
    pub host: String,
    /// The release that it runs.
    pub version: String,
    /// What kind of process it is, e.g. `work` or `dev`.
    pub role: String,
    /// Since when.
    pub started_at: DateTime<Utc>,
    /// What it does.
    pub state: WorkerState,
    /// What it works on.
    pub queues: Vec<WorkerQueue>,
}

/// A queue that is left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// The queue.
    pub queue: String,
    /// Since when.
    pub since: DateTime<Utc>,
    /// When it ends by itself; without it somebody must end it.
    pub until: Option<DateTime<Utc>>,
    /// Who: the id of the API key.
    pub actor: String,
    /// Why.
    pub reason: String,
}

impl Pause {
    /// It holds at that time.
    #[must_use]
    pub fn holds(&self, now: DateTime<Utc>) -> bool {
        self.until.is_none_or(|until| until > now)
    }

    /// A pause of this queue from now on.
    #[must_use]
    pub fn begun(queue: &Queue, until: Option<DateTime<Utc>>, by: &By, now: DateTime<Utc>) -> Self {
        let (actor, reason) = (by.actor.clone(), by.reason.clone());
        Self { queue: queue.to_string(), since: now, until, actor, reason }
    }

    /// What the audit log says when it begins; `before` is the one that it takes the place of.
    #[must_use]
    pub fn paused(&self, before: Option<&Self>, by: &By) -> AuditEntry {
        AuditEntry {
            subject: self.queue.clone(),
            count: 1,
            before: told(before),
            after: told(Some(self)),
            ..AuditEntry::of(by, "queues.pause", self.since)
        }
    }

    /// What the audit log says when somebody ends it.
    #[must_use]
    pub fn resumed(&self, by: &By, now: DateTime<Utc>) -> AuditEntry {
        AuditEntry {
            subject: self.queue.clone(),
            count: 1,
            before: told(Some(self)),
            ..AuditEntry::of(by, "queues.resume", now)
        }
    }
}

fn told(pause: Option<&Pause>) -> serde_json::Value {
    pause.map_or(
        serde_json::Value::Null,
        |pause| serde_json::json!({ "since": pause.since, "until": pause.until, "reason": pause.reason }),
    )
}

/// That a worker is to take no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DrainOrder {
    /// Since when.
    pub at: DateTime<Utc>,
    /// Who: the id of the API key.
    pub actor: String,
    /// Why.
    pub reason: String,
}

impl DrainOrder {
    /// What the audit log says of it.
    #[must_use]
    pub fn given(&self, worker: Uuid, by: &By) -> AuditEntry {
        let subject = worker.to_string();
        AuditEntry { subject, count: 1, ..AuditEntry::of(by, "workers.drain", self.at) }
    }
}

/// A worker, as it told of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerView {
    /// What it said.
    pub beat: WorkerBeat,
    /// When it said so.
    pub seen_at: DateTime<Utc>,
    /// That it is to take no more, if somebody asked for that.
    pub drain: Option<DrainOrder>,
}

impl WorkerView {
    /// Nothing was heard of it for too long: it was killed, or can't reach the store.
    #[must_use]
    pub fn is_lost(&self, now: DateTime<Utc>) -> bool {
        now - self.seen_at > LOST_AFTER
    }
}

/// What a worker is to do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Orders {
    /// The queues that are left alone.
    pub pauses: Vec<Pause>,
    /// It is to take no more.
    pub drain: bool,
}

/// Steering.
#[async_trait]
pub trait Fleet {
    /// Keeps what a worker says of itself.
    async fn beat(&self, beat: &WorkerBeat, now: DateTime<Utc>) -> Result<(), Error>;

    /// Forgets a worker that has ended in order.
    async fn sign_off(&self, worker: Uuid) -> Result<(), Error>;

    /// What a worker is to do: a short read.
    async fn orders(&self, worker: Uuid, now: DateTime<Utc>) -> Result<Orders, Error>;

    /// Every worker that is known, lost ones too, those that started last first.
    async fn workers(&self, limit: u32) -> Result<Vec<WorkerView>, Error>;

    /// Asks a worker to take no more, for as long as it lives. One that was asked before stays as it is. `None` when
    /// there is no such worker.
    async fn drain_worker(
        &self,
        worker: Uuid,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<Option<WorkerView>, Error>;

    /// Lets every worker leave a queue alone, until then or until somebody resumes it. A pause of the same queue is
    /// replaced; it keeps its beginning.
    async fn pause_queue(
        &self,
        queue: &Queue,
        until: Option<DateTime<Utc>>,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<Pause, Error>;

    /// Ends a pause, and answers what it was; `None` when the queue is not paused.
    async fn resume_queue(&self, queue: &Queue, by: &By, now: DateTime<Utc>) -> Result<Option<Pause>, Error>;

    /// The pauses that hold, by queue.
    async fn pauses(&self, now: DateTime<Utc>) -> Result<Vec<Pause>, Error>;
}
