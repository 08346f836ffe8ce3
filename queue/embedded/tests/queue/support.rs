//! A file of its own for each test.

use std::path::Path;
use std::sync::Arc;

use chrono::Utc;
use forebay_queue::conformance::scene::topology;
use forebay_queue_embedded::{Clock, EmbeddedBroker, Options};
use forebay_sqlite::{Db, Error};
use tempfile::TempDir;
use tokio::time::{Duration, Instant, sleep};

/// Longest that any test waits for something that must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The file's name in its folder.
pub(crate) const FILE: &str = "forebay.db";

#[expect(clippy::disallowed_methods, reason = "tests of a queue that waits run in real time")]
pub(crate) fn clock() -> Clock {
    Arc::new(Utc::now)
}

/// Opens the file as soon as whoever had it has let it go.
pub(crate) async fn db(folder: &Path) -> Db {
    let until = Instant::now() + PATIENCE;
    loop {
        match Db::open(folder.join(FILE)).await {
            Ok(db) => return db,
            Err(Error::InUse(_)) if Instant::now() < until => sleep(Duration::from_millis(5)).await,
            Err(error) => panic!("{error}"),
        }
    }
}

/// A broker on the file in this folder.
pub(crate) async fn broker(folder: &TempDir) -> Arc<EmbeddedBroker> {
    let broker = EmbeddedBroker::open(db(folder.path()).await, topology(), clock(), Options::default());
    broker.await.expect("the file can be opened")
}
