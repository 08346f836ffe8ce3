//! Keeps the shelf of one consumer filled.

use std::sync::Arc;
use std::time::Duration;

use forebay_sqlite::{Error, Listener};
use tokio_util::sync::CancellationToken;

use crate::core::Core;
use crate::rows::{self, Prospect};
use crate::shelf::Shelf;

/// A waiting consumer looks at least this often, though it is woken by whatever concerns it: one small read …
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// … and this often while something is to become due, since clocks are set.
const LOOK_AT_DUE: Duration = Duration::from_secs(1);
/// Wait after the file could not be read or written.
const AFTER_FAILURE: Duration = Duration::from_millis(500);

/// Fills the shelf of one consumer.
pub(crate) struct Feeder {
    pub(crate) core: Arc<Core>,
    pub(crate) queue: String,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) stop: CancellationToken,
}

impl Feeder {
    /// Works until told to stop, and gives back what nobody received.
    pub(crate) async fn run(self) {
        let mut listener = self.core.listen(&self.queue);
        while !self.stop.is_cancelled() {
            let room = self.shelf.room();
            if room == 0 {
                tokio::select! {
                    () = self.shelf.roomier() => {}
                    () = self.stop.cancelled() => {}
                }
                continue;
            }
            listener.reset();
            // Not cancelled half way: what was leased must reach the shelf.
            if let Err(error) = self.look(room, &mut listener).await {
                if matches!(error, Error::Closed) {
                    break;
                }
                tracing::warn!(queue = %self.queue, %error, "no messages can be fetched at present");
                self.wait(AFTER_FAILURE).await;
            }
        }
        // Also when the file was closed under us: nobody must wait for what can't come.
        self.shelf.close();
        self.core.give_back(&self.queue, self.shelf.clear(), false).await;
    }

    /// Fetches what is there, or waits for something.
    async fn look(&self, room: usize, listener: &mut Listener) -> Result<(), Error> {
        let now = self.core.now();
        let wait = match rows::prospect(self.core.db.read(), &self.queue, now).await? {
            Prospect::Ready => return self.fetch(room).await,
            Prospect::Due(due) => (due - now).to_std().unwrap_or_default().min(LOOK_AT_DUE),
            Prospect::Empty => LOOK_AGAIN,
        };
        tokio::select! {
            () = listener.woken() => {}
            () = self.wait(wait) => {}
        }
        Ok(())
    }

    async fn fetch(&self, room: usize) -> Result<(), Error> {
        let (queue, now) = (self.queue.clone(), self.core.now());
        let lease = self
            .core
            .db
            .write(move |conn| Box::pin(async move { rows::lease(conn, &queue, room, now).await }));
        let ids = lease.await?;
        if ids.is_empty() {
            return Ok(());
        }
        match rows::read(self.core.db.read(), &ids).await {
            Ok(stored) => {
                self.shelf.put(stored);
                Ok(())
            }
            Err(error) => {
                self.core.give_back(&self.queue, ids, false).await;
                Err(error)
            }
        }
    }

    async fn wait(&self, time: Duration) {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = self.stop.cancelled() => {}
        }
    }
}
