//! Publishing: one write for a batch.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use forebay_queue::{Outgoing, PublishError, Publisher};
use forebay_sqlite::Error;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::core::Core;
use crate::placing::{Row, place};

/// Longest wait for a commit; the contract's number.
const DEADLINE: Duration = Duration::from_secs(5);
/// Most messages in one write, and most bytes of their bodies: other callers wait meanwhile.
const WRITE_ROWS: usize = 1_000;
const WRITE_BYTES: usize = 4 * 1024 * 1024;

type Fate = Result<(), PublishError>;

/// The publisher; all callers share it.
pub(crate) struct EmbeddedPublisher {
    pub(crate) core: Arc<Core>,
}

impl std::fmt::Debug for EmbeddedPublisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedPublisher").field("file", &self.core.db.path()).finish_non_exhaustive()
    }
}

/// Messages that are written together, and their places in the caller's batch.
#[derive(Debug, Default)]
struct Portion {
    places: Vec<usize>,
    rows: Vec<Row>,
    bytes: usize,
}

impl Portion {
    /// Whether a body of so many bytes has no place in it any more.
    fn is_full(&self, bytes: usize) -> bool {
        self.rows.len() >= WRITE_ROWS || self.bytes + bytes > WRITE_BYTES
    }
}

#[async_trait]
impl Publisher for EmbeddedPublisher {
    async fn publish(&self, batch: Vec<Outgoing>) -> Vec<Fate> {
        if self.core.closed.is_cancelled() {
            return batch
                .iter()
                .map(|_| Err(PublishError::Unavailable("the queue is closed".to_owned())))
                .collect();
        }
        let (mut fates, portions) = self.portion(batch);
        if portions.is_empty() {
            return fates;
        }
        let deadline = Instant::now() + DEADLINE;
        let (told, mut known) = mpsc::channel(portions.len());
        let core = Arc::clone(&self.core);
        // A task of its own: consumers are woken also when the caller has gone.
        drop(self.core.spawn(async move {
            for portion in portions {
                let count = portion.rows.len() as u64;
                let fate = core.store(portion.rows).await.map_err(|error| fate_of(&error));
                if fate.is_err() {
                    core.vacate(count);
                }
                let _ = told.send((portion.places, fate)).await;
            }
        }));
        while let Ok(Some((places, fate))) = timeout_at(deadline, known.recv()).await {
            for place in places {
                fates[place].clone_from(&fate);
            }
        }
        fates
    }
}

impl EmbeddedPublisher {
    /// What is known of each message before anything is written ("unknown" for those that will be), and the rest in
    /// portions.
    fn portion(&self, batch: Vec<Outgoing>) -> (Vec<Fate>, Vec<Portion>) {
        let now = self.core.now();
        let mut portions: Vec<Portion> = Vec::new();
        let mut fates = Vec::with_capacity(batch.len());
        for (index, outgoing) in batch.into_iter().enumerate() {
            let bytes = outgoing.message.body.len();
            let fate = match place(outgoing, &self.core.topology, now) {
                Ok(rows) if rows.is_empty() => Ok(()),
                Ok(rows) if !self.reserve(rows.len() as u64) => Err(PublishError::Refused),
                Ok(rows) => {
                    if portions.last().is_none_or(|last| last.is_full(bytes)) {
                        portions.push(Portion::default());
                    }
                    if let Some(portion) = portions.last_mut() {
                        portion.places.push(index);
                        portion.rows.extend(rows);
                        portion.bytes += bytes;
                    }
                    Err(PublishError::Unknown)
                }
                Err(error) => Err(error),
            };
            fates.push(fate);
        }
        (fates, portions)
    }

    /// Reserves all of these places or none.
    fn reserve(&self, count: u64) -> bool {
        let granted = self.core.reserve(count);
        if granted < count {
            self.core.vacate(granted);
        }
        granted == count
    }
}

fn fate_of(error: &Error) -> PublishError {
    match error {
        error if error.is_full() => PublishError::Refused,
        error if error.is_io() => PublishError::Unknown,
        error => PublishError::Unavailable(error.to_string()),
    }
}
