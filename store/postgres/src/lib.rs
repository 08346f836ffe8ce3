//! The store contract on PostgreSQL 15 and later.
//!
//! Each use case is one transaction at READ COMMITTED. What a decision needs is read after the lock that protects
//! it; locks are taken in one order everywhere (orders, members, parcels, returns, stock, incidents; each sorted by
//! id), and what a lock can't protect, because the row is not there yet, a unique key decides. The loser of such a
//! race begins again (`attempt.rs`). Sets travel as arrays: a handful of statements for a set of 500.

mod attempt;
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
mod rewards_read;
mod rewards_write;
mod rows;
mod schedule;
mod stock;
mod store;
mod tellings;
mod tokens;
mod watch;
mod wishes;

pub use store::{Options, PostgresStore};
