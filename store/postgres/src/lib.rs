//! The store contract on PostgreSQL.
