//! The store contract on the embedded SQLite file.
