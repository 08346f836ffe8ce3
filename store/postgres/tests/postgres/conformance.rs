//! The store's conformance suite on PostgreSQL.

use crate::database::OnPostgres;

forebay_store::store_conformance_tests!(OnPostgres::new());
