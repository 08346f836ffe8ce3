//! Migrations, as a crate that has tables names them.

use std::borrow::Cow;

use sqlx::SqlStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// The migrations of a crate from their texts, in order: what each is for, and its SQL. The first has version 1.
///
/// Made here and not by sqlx's macro, which would compile all of sqlx and SQLite a second time, for the compiler.
#[must_use]
pub fn migrator(texts: &[(&'static str, &'static str)]) -> Migrator {
    let migration = |(version, (purpose, sql)): (i64, &(&'static str, &'static str))| {
        let (purpose, sql) = (Cow::Borrowed(*purpose), SqlStr::from_static(sql));
        Migration::new(version, purpose, MigrationType::Simple, sql, false)
    };
    Migrator::with_migrations((1..).zip(texts).map(migration).collect())
}
