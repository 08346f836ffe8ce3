//! The queue contract on one SQLite table with leases.
