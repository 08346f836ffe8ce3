//! A store on a file of its own, gone when dropped.

use std::sync::Arc;

use forebay_domain::incident::Timing;
use forebay_domain::{RandomIds, SystemClock};
use forebay_sqlite::Db;
use forebay_store::Lifecycle as _;
use forebay_store_sqlite::SqliteStore;
use tempfile::TempDir;

/// A file in a folder of its own.
pub(crate) struct File {
    folder: TempDir,
}

impl File {
    pub(crate) fn new() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    /// Opens the file, and makes it if it is not there.
    pub(crate) async fn open(&self) -> Db {
        Db::open(self.folder.path().join("forebay.db")).await.unwrap()
    }
}

/// The store on that file, migrated.
pub(crate) async fn store(db: &Db) -> Arc<SqliteStore> {
    let store = unmigrated(db);
    store.migrate().await.unwrap();
    store
}

/// The store on that file as it is.
pub(crate) fn unmigrated(db: &Db) -> Arc<SqliteStore> {
    let store = SqliteStore::new(db.clone(), Arc::new(RandomIds), Arc::new(SystemClock), Timing::default());
    Arc::new(store)
}
