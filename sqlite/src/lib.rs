//! The one owner of the embedded SQLite file.
