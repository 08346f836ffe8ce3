//! Migrations, state, stop.

use std::borrow::Cow;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_store::{Error, Lifecycle, StoreStatus};
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{Connection as _, SqlStr};

use crate::PostgresStore;
use crate::error::store_error;
use crate::store::SCHEMA;

/// What each is for, and its SQL; the first has version 1.
const MIGRATIONS: &[(&str, &str)] = &[
    ("tables", include_str!("../migrations/0001_tables.sql")),
    ("rules", include_str!("../migrations/0002_rules.sql")),
    ("fleet", include_str!("../migrations/0003_fleet.sql")),
    ("erasure", include_str!("../migrations/0004_erasure.sql")),
    ("pacing", include_str!("../migrations/0005_pacing.sql")),
    ("outside token", include_str!("../migrations/0006_outside_token.sql")),
    ("due", include_str!("../migrations/0007_due.sql")),
    ("lists", include_str!("../migrations/0008_lists.sql")),
    ("points", include_str!("../migrations/0009_points.sql")),
    ("programmes", include_str!("../migrations/0010_programmes.sql")),
    ("claims", include_str!("../migrations/0011_claims.sql")),
    ("blocks", include_str!("../migrations/0012_blocks.sql")),
    ("parcels", include_str!("../migrations/0013_parcels.sql")),
    ("incidents", include_str!("../migrations/0014_incidents.sql")),
    ("tellings", include_str!("../migrations/0015_tellings.sql")),
    ("watch", include_str!("../migrations/0016_watch.sql")),
    ("rest", include_str!("../migrations/0017_rest.sql")),
    ("places", include_str!("../migrations/0018_places.sql")),
    ("traces", include_str!("../migrations/0019_traces.sql")),
    ("attendance received", include_str!("../migrations/0020_attendance_received.sql")),
    ("shop order booked", include_str!("../migrations/0021_shop_order_booked.sql")),
    ("refund booked", include_str!("../migrations/0022_refund_booked.sql")),
    ("spend settled", include_str!("../migrations/0023_spend_settled.sql")),
    ("return order reported", include_str!("../migrations/0024_return_order_reported.sql")),
    ("outbox due since", include_str!("../migrations/0025_outbox_due_since.sql")),
];
/// How long the connections may take to be closed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long one process waits for another one that migrates.
const MIGRATION_WAIT: &str = "set lock_timeout = '5min'";

#[async_trait]
impl Lifecycle for PostgresStore {
    async fn migrate(&self) -> Result<(), Error> {
        // A connection of its own: its end also ends the lock by which only one process migrates at a time.
        let mut conn = self.connect_alone().await?;
        sqlx::query(MIGRATION_WAIT).execute(&mut conn).await.map_err(store_error)?;
        let mut migrator = migrator();
        migrator.create_schema(SCHEMA);
        migrator.run_direct(None, &mut conn, false).await.map_err(migrate_error)?;
        // What was to be done is done: a connection that does not end in form is no failure.
        drop(conn.close().await);
        Ok(())
    }

    async fn status(&self) -> Result<StoreStatus, Error> {
        let schema_wanted = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
        let asked: Result<(i64, DateTime<Utc>), sqlx::Error> = sqlx::query_as(
            "select coalesce(max(version) filter (where success), 0), clock_timestamp() from _sqlx_migrations",
        )
        .fetch_one(&self.pool)
        .await;
        match asked {
            Ok((schema_version, now)) => Ok(StoreStatus { schema_version, schema_wanted, now }),
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42P01") => {
                let now = sqlx::query_scalar("select clock_timestamp()").fetch_one(&self.pool).await;
                Ok(StoreStatus { schema_version: 0, schema_wanted, now: now.map_err(store_error)? })
            }
            Err(error) => Err(store_error(error)),
        }
    }

    async fn outbox_changed(&self, most: Duration) {
        self.wait_for_outbox(most).await;
    }

    async fn close(&self) {
        // A connection that fell silent is never given back to the pool.
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, self.pool.close()).await;
    }
}

/// Made here and not by sqlx's macro, which would compile all of sqlx a second time, for the compiler.
fn migrator() -> Migrator {
    let migration = |(version, (purpose, sql)): (i64, &(&'static str, &'static str))| {
        let (purpose, sql) = (Cow::Borrowed(*purpose), SqlStr::from_static(sql));
        Migration::new(version, purpose, MigrationType::Simple, sql, false)
    };
    Migrator::with_migrations((1..).zip(MIGRATIONS).map(migration).collect())
}

fn migrate_error(error: MigrateError) -> Error {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => match store_error(error) {
            Error::Refused(why) => Error::Schema(format!("a migration failed: {why}")),
            other => other,
        },
        MigrateError::VersionMissing(version) => Error::Schema(format!(
            "the database's schema has version {version}, which this release does not know: use a newer release"
        )),
        other => Error::Schema(other.to_string()),
    }
}
