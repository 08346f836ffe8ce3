//! Settling: what many callers settle at once is one write.

use std::collections::BTreeSet;
use std::sync::Arc;

use forebay_sqlite::{BoxFuture, Error};
use sqlx::SqliteConnection;
use tokio::sync::{mpsc, oneshot};

use crate::core::Core;
use crate::placing::Row;
use crate::rows;
use crate::shelf::Shelf;

/// Most calls that wait for the settler; further callers wait for a place.
pub(crate) const WAITING_CALLS: usize = 1024;
/// Most calls in one write.
const GROUP_CALLS: usize = 256;

/// What is to be written for one call of `settle`.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) changes: Changes,
    /// The shelf that the deliveries were claimed from, and how many.
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) claimed: usize,
    /// Whether it was written.
    pub(crate) done: oneshot::Sender<bool>,
}

/// Changes of the table.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Copies, stored before their originals go; here it is at the same moment.
    pub(crate) copies: Vec<Row>,
    pub(crate) remove: Vec<i64>,
    pub(crate) give_back: Vec<i64>,
    /// The queue that messages are given back to.
    pub(crate) given_to: BTreeSet<String>,
}

impl Changes {
    fn add(&mut self, other: Self) {
        self.copies.extend(other.copies);
        self.remove.extend(other.remove);
        self.give_back.extend(other.give_back);
        self.given_to.extend(other.given_to);
    }

    fn write<'c>(&'c self, conn: &'c mut SqliteConnection) -> BoxFuture<'c, Result<(), Error>> {
        Box::pin(async move {
            rows::insert(conn, &self.copies).await?;
            if !self.remove.is_empty() {
                rows::remove(conn, &self.remove).await?;
            }
            if !self.give_back.is_empty() {
                rows::give_back(conn, &self.give_back, true).await?;
            }
            Ok(())
        })
    }
}

/// Writes what callers settle, until the broker is closed.
pub(crate) async fn run(core: Arc<Core>, mut calls: mpsc::Receiver<Work>) {
    let mut group = Vec::with_capacity(GROUP_CALLS);
    loop {
        let received = tokio::select! {
            biased;
            received = calls.recv_many(&mut group, GROUP_CALLS) => received,
            () = core.closed.cancelled(), if !calls.is_closed() => {
                calls.close();
                continue;
            }
        };
        if received == 0 {
            return;
        }
        settle(&core, &mut group).await;
    }
}

async fn settle(core: &Core, group: &mut Vec<Work>) {
    let mut changes = Changes::default();
    let mut answers = Vec::with_capacity(group.len());
    for Work { changes: own, shelf, claimed, done } in group.drain(..) {
        changes.add(own);
        answers.push((shelf, claimed, done));
    }
    let vacated = changes.remove.len().saturating_sub(changes.copies.len());
    let changes = Arc::new(changes);
    let writing = || {
        let changes = Arc::clone(&changes);
        core.db.write(move |conn| Box::pin(async move { changes.write(conn).await }))
    };
    let written = core.insist("settling deliveries", writing).await.is_ok();
    if written {
        core.vacate(vacated as u64);
        let copied = changes.copies.iter().map(|row| &row.queue);
        let woken: BTreeSet<&String> = copied.chain(&changes.given_to).collect();
        woken.into_iter().for_each(|queue| core.wake(queue));
    }
    for (shelf, claimed, done) in answers {
        shelf.settled(claimed);
        let _ = done.send(written);
    }
}
