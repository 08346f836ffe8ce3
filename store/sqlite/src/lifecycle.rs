//! Migrations, state, stop.

use std::time::Duration;

use async_trait::async_trait;
use forebay_sqlite::migrator;
use forebay_store::{Error, Lifecycle, StoreStatus};

use crate::SqliteStore;
use crate::error::Fault;

/// Where the migrations that were applied are remembered; the queue in the same file has a table of its own.
const MIGRATIONS_TABLE: &str = "store_migrations";
/// What SQLite says while that table is not there.
const NEVER_MIGRATED: &str = "no such table: store_migrations";

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

#[async_trait]
impl Lifecycle for SqliteStore {
    async fn migrate(&self) -> Result<(), Error> {
        self.db.migrate(MIGRATIONS_TABLE, migrator(MIGRATIONS)).await.map_err(Fault::from)?;
        Ok(())
    }

    async fn status(&self) -> Result<StoreStatus, Error> {
        let schema_wanted = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
        let asked =
            sqlx::query_scalar("select coalesce(max(version), 0) from store_migrations where success")
                .fetch_one(self.db.read())
                .await;
        let schema_version = match asked {
            Ok(version) => version,
            Err(sqlx::Error::Database(error)) if error.message() == NEVER_MIGRATED => 0,
            Err(error) => return Err(Fault::from(error).into()),
        };
        Ok(StoreStatus { schema_version, schema_wanted, now: self.clock.now() })
    }

    async fn outbox_changed(&self, most: Duration) {
        self.wait_for_outbox(most).await;
    }

    async fn close(&self) {
        self.db.close().await;
    }
}
