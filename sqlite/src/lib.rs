//! The one owner of the embedded SQLite file.
//!
//! The queue and the store of the embedded set share one file and one [`Db`]: one writer that commits the work of
//! many callers at once ([`Db::write`]), a few readers ([`Db::read`]), and wake-up channels between them
//! ([`Wakes`]). One process holds the file at a time.

mod db;
mod error;
mod job;
mod lock;
mod migrations;
mod wakes;
mod writer;

pub use db::{Db, Figures};
pub use error::Error;
pub use futures::future::BoxFuture;
pub use migrations::migrator;
pub use wakes::{Listener, Wakes};
