//! What carriers send by themselves.

use chrono::{DateTime, Utc};
use forebay_schemas::events::ParcelStatus;
use forebay_schemas::{CarrierCode, TrackingNumber};
use sqlx::SqliteConnection;

use crate::error::Fault;
use crate::rows::{Reading, micros};

/// Makes a parcel due, unless it is finished; answers whether there is such a parcel.
pub(crate) async fn check_now(
    conn: &mut SqliteConnection,
    carrier: &CarrierCode,
    number: &TrackingNumber,
    now: DateTime<Utc>,
) -> Result<bool, Fault> {
    let row = sqlx::query("select status from parcel where carrier = ? and tracking_number = ?")
        .bind(carrier.as_str())
        .bind(number.as_str())
        .fetch_optional(&mut *conn)
        .await?;
    let Some(row) = &row else { return Ok(false) };
    let status: ParcelStatus = Reading::of("parcel", row).parsed("status")?;
    if !status.is_final() {
        // What has been due for longer stays where it is in the line.
        sqlx::query(
            "update parcel set next_check_at = min(coalesce(next_check_at, ?3), ?3),
                 check_by = min(coalesce(check_by, ?3), ?3), stopped = null
             where carrier = ?1 and tracking_number = ?2",
        )
        .bind(carrier.as_str())
        .bind(number.as_str())
        .bind(micros(now))
        .execute(conn)
        .await?;
    }
    Ok(true)
}
