//! What carriers send by themselves.

use chrono::{DateTime, Utc};
use forebay_schemas::events::ParcelStatus;
use forebay_schemas::{CarrierCode, TrackingNumber};
use sqlx::{PgConnection, Row as _};

use crate::error::Stop;
use crate::rows::read;

/// Makes a parcel due, unless it is finished; answers whether there is such a parcel.
pub(crate) async fn check_now(
    conn: &mut PgConnection,
    carrier: &CarrierCode,
    number: &TrackingNumber,
    now: DateTime<Utc>,
) -> Result<bool, Stop> {
    let row = sqlx::query("select status from parcel where carrier = $1 and tracking_number = $2 for update")
        .bind(carrier.as_str())
        .bind(number.as_str())
        .fetch_optional(&mut *conn)
        .await?;
    let Some(row) = row else { return Ok(false) };
    let status: ParcelStatus = read("parcel", "status", row.try_get::<&str, _>("status")?.parse())?;
    if !status.is_final() {
        // What has been due for longer stays where it is in the line.
        sqlx::query(
            "update parcel set next_check_at = least(next_check_at, $3), check_by = least(check_by, $3), stopped = null
             where carrier = $1 and tracking_number = $2",
        )
        .bind(carrier.as_str())
        .bind(number.as_str())
        .bind(now)
        .execute(conn)
        .await?;
    }
    Ok(true)
}
