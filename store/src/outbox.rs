//! The outbox: messages that were written with an effect and wait to be published.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::NewOutbox;
use forebay_schemas::trail::Headers;
use std::time::Duration;

use crate::error::Error;

/// A message to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// The row.
    pub id: i64,
    /// Where to, as [`forebay_schemas::Route::to_text`] wrote it.
    pub route: String,
    /// The event's id: the message's id.
    pub event_id: String,
    /// The event's type.
    pub kind: String,
    /// W3C trace context, if the event has one.
    pub traceparent: Option<String>,
    /// Further headers: those of a dead letter that is replayed.
    pub headers: Headers,
    /// The envelope's bytes.
    pub body: Vec<u8>,
    /// When it was written; for a dead letter that is replayed, when it was first sent.
    pub created_at: DateTime<Utc>,
}

/// How far the relay is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutboxLag {
    /// Rows that are due and not published, those that a relay has taken included.
    pub due: u64,
    /// When the oldest of them became due, however often it was tried since.
    pub oldest: Option<DateTime<Utc>>,
}

/// What the relay needs.
#[async_trait]
pub trait Outbox {
    /// Takes up to `limit` due rows for `lease`, oldest first; no other relay gets them meanwhile.
    async fn outbox_take(
        &self,
        limit: u32,
        lease: Duration,
        now: DateTime<Utc>,
    ) -> Result<Vec<OutboxRow>, Error>;

    /// Removes rows that were published.
    async fn outbox_published(&self, ids: &[i64]) -> Result<(), Error>;

    /// Gives rows back that could not be published, to be taken again not before `due_at`.
    async fn outbox_release(&self, ids: &[i64], due_at: DateTime<Utc>) -> Result<(), Error>;

    /// How far the relay is behind.
    async fn outbox_lag(&self, now: DateTime<Utc>) -> Result<OutboxLag, Error>;

    /// Writes rows without any other effect (for a replay, a manual run).
    async fn outbox_add(&self, rows: Vec<NewOutbox>) -> Result<(), Error>;
}
