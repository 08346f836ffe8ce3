//! What people ask for: a result sent again, returns collected, a parcel checked; each with its audit entry.

use std::time::Duration;

use chrono::{DateTime, Utc};
use forebay_domain::{Ids, NewOutbox};
use forebay_schemas::events::{CheckParcels, CollectReturns, ParcelRef, ParcelStatus, SendResult};
use forebay_schemas::{AdapterId, CarrierCode, Queue, ReturnId, Route, TrackingNumber};
use forebay_store::returns::collection_asked;
use forebay_store::{By, CheckAsked, Resent};
use sqlx::SqliteConnection;
use uuid::Uuid;

use crate::error::Fault;
use crate::rows::{Reading, micros};
use crate::{audit_log, outbox};

pub(crate) async fn resend(
    conn: &mut SqliteConnection,
    return_id: &ReturnId,
    by: &By,
    now: DateTime<Utc>,
    ids: &dyn Ids,
) -> Result<Resent, Fault> {
    let row = sqlx::query(
        "select picked_up_at is not null as picked_up, reported_at is not null as reported
         from return_order where id = ?",
    )
    .bind(return_id.as_str())
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = &row else { return Ok(Resent::NotThere) };
    let row = Reading::of("return_order", row);
    if !row.get::<bool>("picked_up")? {
        return Ok(Resent::NotPickedUp);
    }
    let again = row.get("reported")?;
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
    conn: &mut SqliteConnection,
    by: &By,
    now: DateTime<Utc>,
    ids: &dyn Ids,
) -> Result<(), Fault> {
    let command = CollectReturns { because_of: format!("audit entry {}", by.id) };
    let row = NewOutbox::command(ids.next().to_string(), Route::Work(Queue::Returns), now, &command);
    outbox::write(conn, &[row], now).await?;
    audit_log::note(conn, &collection_asked(by, now)).await?;
    Ok(())
}

pub(crate) async fn check(
    conn: &mut SqliteConnection,
    (carrier, number): (&CarrierCode, &TrackingNumber),
    lease: Duration,
    by: &By,
    now: DateTime<Utc>,
    ids: &dyn Ids,
) -> Result<CheckAsked, Fault> {
    let row = sqlx::query(
        "select id, adapter, status, stopped, coalesce(check_until > ?3 and check_until = asked_until, false) as asked
         from parcel where carrier = ?1 and upper(replace(tracking_number, '-', '')) = ?2 order by id limit 1",
    )
    .bind(carrier.as_str())
    .bind(number.bare())
    .bind(micros(now))
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = &row else { return Ok(CheckAsked::NotThere) };
    let row = Reading::of("parcel", row);
    if row.parsed::<ParcelStatus>("status")?.is_final() {
        return Ok(CheckAsked::Finished);
    }
    if row.get("asked")? {
        return Ok(CheckAsked::OnItsWay);
    }
    let parcel_id: Uuid = row.get("id")?;
    sqlx::query(
        "update parcel set next_check_at = min(coalesce(next_check_at, ?2), ?2),
             check_by = min(coalesce(check_by, ?2), ?2), stopped = null, check_until = ?3, asked_until = ?3,
             look_again = 0
         where id = ?1",
    )
    .bind(parcel_id)
    .bind(micros(now))
    .bind(micros(now + lease))
    .execute(&mut *conn)
    .await?;
    let adapter: AdapterId = row.parsed("adapter")?;
    let route = Route::Work(Queue::Tracking(adapter.clone()));
    let parcel = ParcelRef { parcel_id, carrier: carrier.clone(), tracking_number: number.clone() };
    let command = CheckParcels { adapter, parcels: vec![parcel], for_person: true };
    outbox::write(conn, &[NewOutbox::command(ids.next().to_string(), route, now, &command)], now).await?;
    let stopped = row.get::<Option<&str>>("stopped")?;
    if let Some(entry) = CheckAsked::Written.told((carrier, number), stopped, by, now) {
        audit_log::note(conn, &entry).await?;
    }
    Ok(CheckAsked::Written)
}
