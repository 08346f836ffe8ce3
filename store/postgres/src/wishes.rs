//! What people ask for: a result sent again, returns collected, a parcel checked; each with its audit entry.

use std::time::Duration;

use chrono::{DateTime, Utc};
use forebay_domain::{Ids, NewOutbox};
use forebay_schemas::events::{CheckParcels, CollectReturns, ParcelRef, ParcelStatus, SendResult};
use forebay_schemas::{AdapterId, CarrierCode, Queue, ReturnId, Route, TrackingNumber};
use forebay_store::returns::collection_asked;
use forebay_store::{By, CheckAsked, Resent};
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use crate::error::Stop;
use crate::rows::read;
use crate::{audit_log, outbox};

pub(crate) async fn resend(
    conn: &mut PgConnection,
    return_id: &ReturnId,
    by: &By,
    now: DateTime<Utc>,
    ids: &dyn Ids,
) -> Result<Resent, Stop> {
    let row: Option<(bool, bool)> = sqlx::query_as(
        "select picked_up_at is not null, reported_at is not null from return_order where id = $1",
    )
    .bind(return_id.as_str())
    .fetch_optional(&mut *conn)
    .await?;
    let again = match row {
        None => return Ok(Resent::NotThere),
        Some((false, _)) => return Ok(Resent::NotPickedUp),
        Some((true, reported)) => reported,
    };
    let command = SendResult { return_id: return_id.clone(), again };
    let row = NewOutbox::command(ids.next().to_string(), Route::Work(Queue::Results), now, &command);
    outbox::write(conn, &[row], now).await?;
    let resent = Resent::Written { again };
    if let Some(entry) = resent.told(return_id, by, now) {
        audit_log::note(conn, &entry).await?;
    }
    Ok(resent)
}

pub(crate) async fn collect(
    conn: &mut PgConnection,
    by: &By,
    now: DateTime<Utc>,
    ids: &dyn Ids,
) -> Result<(), Stop> {
    let command = CollectReturns { because_of: format!("audit entry {}", by.id) };
    let row = NewOutbox::command(ids.next().to_string(), Route::Work(Queue::Returns), now, &command);
    outbox::write(conn, &[row], now).await?;
    audit_log::note(conn, &collection_asked(by, now)).await?;
    Ok(())
}

pub(crate) async fn check(
    conn: &mut PgConnection,
    (carrier, number): (&CarrierCode, &TrackingNumber),
    lease: Duration,
    by: &By,
    now: DateTime<Utc>,
    ids: &dyn Ids,
) -> Result<CheckAsked, Stop> {
    let row = sqlx::query(
        "select id, adapter, status, stopped, check_until > $3 and check_until = asked_until as asked
         from parcel where carrier = $1 and upper(replace(tracking_number, '-', '')) = $2
         order by id limit 1 for update",
    )
    .bind(carrier.as_str())
    .bind(number.bare())
    .bind(now)
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else { return Ok(CheckAsked::NotThere) };
    let status: ParcelStatus = read("parcel", "status", row.try_get::<&str, _>("status")?.parse())?;
    if status.is_final() {
        return Ok(CheckAsked::Finished);
    }
    if row.try_get::<Option<bool>, _>("asked")? == Some(true) {
        return Ok(CheckAsked::OnItsWay);
    }
    let parcel_id: Uuid = row.try_get("id")?;
    sqlx::query(
        "update parcel set next_check_at = least(next_check_at, $2), check_by = least(check_by, $2), stopped = null,
             check_until = $3, asked_until = $3, look_again = false
         where id = $1",
    )
    .bind(parcel_id)
    .bind(now)
    .bind(now + lease)
    .execute(&mut *conn)
    .await?;
    let adapter: AdapterId = read("parcel", "adapter", row.try_get::<&str, _>("adapter")?.parse())?;
    let route = Route::Work(Queue::Tracking(adapter.clone()));
    let parcel = ParcelRef { parcel_id, carrier: carrier.clone(), tracking_number: number.clone() };
    let command = CheckParcels { adapter, parcels: vec![parcel], for_person: true };
    outbox::write(conn, &[NewOutbox::command(ids.next().to_string(), route, now, &command)], now).await?;
    let stopped = row.try_get::<Option<&str>, _>("stopped")?;
    if let Some(entry) = CheckAsked::Written.told((carrier, number), stopped, by, now) {
        audit_log::note(conn, &entry).await?;
    }
    Ok(CheckAsked::Written)
}
