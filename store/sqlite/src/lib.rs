//! The store contract on the embedded SQLite file.
//!
//! Each use case is one job of the file's single writer, so that nothing comes between what a decision reads and what
//! it writes. Sets travel as one JSON text a statement: a handful of statements for a set of 500. The tables have the
//! names of the PostgreSQL store's, and the files of this crate those of that one's.

mod attendance;
mod audit;
mod audit_log;
mod breakers;
mod census;
mod checks;
mod claims;
mod codes;
mod dead_letters;
mod effects;
mod erasure;
mod error;
mod fleet;
mod in_use;
mod inbox;
mod incidents;
mod lifecycle;
mod lists;
mod members;
mod outbox;
mod pacing;
mod parcels;
mod places;
mod points;
mod points_check;
mod points_load;
mod points_mend;
mod points_write;
mod programmes;
mod pushes;
mod report;
mod retention;
mod returns;
mod reversals;
mod rewards;
mod rewards_load;
mod rewards_write;
mod rows;
mod schedule;
mod stock;
mod store;
mod tellings;
mod tokens;
mod watch;
mod wishes;

pub use store::SqliteStore;
