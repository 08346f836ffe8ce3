//! Parcels: planned and read.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::parcel::Checkpoint;
use forebay_schemas::events::ParcelRef;
use forebay_schemas::{AdapterId, CarrierCode, TrackingNumber};
use forebay_store::{
    By, CheckAsked, CheckDone, CheckpointView, Error, Handled, ParcelFilter, ParcelView, Parcels, PushDone,
    PushesApplied, check_commands,
};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use crate::attempt::Tries;
use crate::error::{Stop, store_error};
use crate::rows::read;
use crate::{PostgresStore, lists, outbox, pushes, wishes};

/// Longest time that a check may be outstanding.
const LEASE_MAX: Duration = Duration::from_secs(24 * 3600);
/// Most checkpoints that are answered for one parcel.
const CHECKPOINTS_MAX: i64 = 200;

/// By when it is to be asked about, the parcel, its carrier and number, and the trace that it belongs to.
type Taken = (DateTime<Utc>, Uuid, String, String, Option<String>);

impl PostgresStore {
    async fn plan_once(
        &self,
        conn: &mut PgConnection,
        adapter: &AdapterId,
        batch: u32,
        most: u32,
        until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<u32, Stop> {
        let mut taken: Vec<Taken> = sqlx::query_as(
            "with due as (
                 select id from parcel
                 where adapter = $1 and next_check_at <= $2 and (check_until is null or check_until <= $2)
                 order by check_by, id limit $3 for update skip locked
             )
             update parcel p set check_until = $4, look_again = false from due where p.id = due.id
             returning coalesce(p.check_by, p.next_check_at), p.id, p.carrier, p.tracking_number, p.traceparent",
        )
        .bind(adapter.as_str())
        .bind(now)
        .bind(i64::from(most))
        .bind(until)
        .fetch_all(&mut *conn)
        .await?;
        taken.sort();
        let parcels = taken
            .into_iter()
            .map(|(_, parcel_id, carrier, number, traceparent)| {
                let parcel = ParcelRef {
                    parcel_id,
                    carrier: read("parcel", "carrier", carrier.parse())?,
                    tracking_number: read("parcel", "tracking_number", number.parse())?,
                };
                Ok((parcel, traceparent))
            })
            .collect::<Result<Vec<_>, Error>>()?;
        let commands = check_commands(adapter, &parcels, batch, now, self.ids.as_ref());
        outbox::write(conn, &commands, now).await?;
        Ok(u32::try_from(parcels.len()).unwrap_or(u32::MAX))
    }
}

#[async_trait]
impl Parcels for PostgresStore {
    async fn plan_checks(
        &self,
        adapter: &AdapterId,
        batch: u32,
        most: u32,
        lease: Duration,
        now: DateTime<Utc>,
    ) -> Result<u32, Error> {
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let until = now + lease.min(LEASE_MAX);
            let done = self.plan_once(&mut tx, adapter, batch, most, until, now).await;
            if let Some(taken) = tries.end(tx, done, self.ids.as_ref()).await? {
                return Ok(taken);
            }
        }
    }

    async fn checks_due(
        &self,
        systems: &[(AdapterId, u32)],
        now: DateTime<Utc>,
    ) -> Result<BTreeMap<AdapterId, (u32, DateTime<Utc>)>, Error> {
        let rows: Vec<(String, i64, DateTime<Utc>)> = sqlx::query_as(
            "select s.adapter, count(*), min(due.next_check_at)
             from unnest($1::text[], $2::bigint[]) as s (adapter, most), lateral (
                 select next_check_at from parcel
                 where adapter = s.adapter and next_check_at <= $3 and (check_until is null or check_until <= $3)
                 limit s.most) due
             group by s.adapter",
        )
        .bind(systems.iter().map(|(adapter, _)| adapter.as_str()).collect::<Vec<_>>())
        .bind(systems.iter().map(|(_, most)| i64::from(*most)).collect::<Vec<_>>())
        .bind(now)
        .fetch_all(&self.pool)
        .await
        .map_err(store_error)?;
        let due = rows.into_iter().map(|(adapter, count, since)| {
            let adapter = read("parcel", "adapter", AdapterId::new(adapter))?;
            Ok((adapter, (u32::try_from(count).unwrap_or(u32::MAX), since)))
        });
        due.collect()
    }

    async fn checks_outstanding(&self, adapter: &AdapterId, now: DateTime<Utc>) -> Result<u32, Error> {
        let outstanding: i64 =
            sqlx::query_scalar("select count(*) from parcel where adapter = $1 and check_until > $2")
                .bind(adapter.as_str())
                .bind(now)
                .fetch_one(&self.pool)
                .await
                .map_err(store_error)?;
        Ok(u32::try_from(outstanding).unwrap_or(u32::MAX))
    }

    async fn apply_checks(&self, checks: Vec<CheckDone>, now: DateTime<Utc>) -> Result<Vec<Handled>, Error> {
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let done = self.apply_once(&mut tx, &checks, now).await;
            if let Some(handled) = tries.end(tx, done, self.ids.as_ref()).await? {
                return Ok(handled);
            }
        }
    }

    async fn apply_pushes(&self, pushes: Vec<PushDone>, now: DateTime<Utc>) -> Result<PushesApplied, Error> {
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let done = self.push_once(&mut tx, &pushes, now).await;
            if let Some(applied) = tries.end(tx, done, self.ids.as_ref()).await? {
                return Ok(applied);
            }
        }
    }

    async fn unsubscribed(&self, parcels: &[Uuid], before: DateTime<Utc>) -> Result<Vec<Uuid>, Error> {
        sqlx::query_scalar(
            "select id from parcel where id = any($1) and next_check_at is not null
                 and (subscribed_until is null or subscribed_until < $2)",
        )
        .bind(parcels)
        .bind(before)
        .fetch_all(&self.pool)
        .await
        .map_err(store_error)
    }

    async fn subscribed(&self, parcels: &[Uuid], until: DateTime<Utc>) -> Result<(), Error> {
        sqlx::query(
            "update parcel p set subscribed_until = $2
             from (select id from parcel where id = any($1) order by id for update) n where p.id = n.id",
        )
        .bind(parcels)
        .bind(until)
        .execute(&self.pool)
        .await
        .map_err(store_error)?;
        Ok(())
    }

    async fn check_now(
        &self,
        carrier: &CarrierCode,
        number: &TrackingNumber,
        now: DateTime<Utc>,
    ) -> Result<bool, Error> {
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let done = pushes::check_now(&mut tx, carrier, number, now).await.map(|found| found.is_some());
            if let Some(known) = tries.end(tx, done, self.ids.as_ref()).await? {
                return Ok(known);
            }
        }
    }

    async fn ask_check(
        &self,
        carrier: &CarrierCode,
        number: &TrackingNumber,
        lease: Duration,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<CheckAsked, Error> {
        let (parcel, lease) = ((carrier, number), lease.min(LEASE_MAX));
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let done = wishes::check(&mut tx, parcel, lease, by, now, self.ids.as_ref()).await;
            if let Some(asked) = tries.end(tx, done, self.ids.as_ref()).await? {
                return Ok(asked);
            }
        }
    }

    async fn list_parcels(
        &self,
        filter: &ParcelFilter,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<ParcelView>, Error> {
        let mut tx = self.begin_read().await?;
        lists::of_parcels(&mut tx, filter, after, limit).await
    }

    async fn parcel(
        &self,
        carrier: &CarrierCode,
        number: &TrackingNumber,
    ) -> Result<Option<ParcelView>, Error> {
        let mut tx = self.begin_read().await?;
        let row = sqlx::query(
            "select * from parcel where carrier = $1 and upper(replace(tracking_number, '-', '')) = $2
             order by id limit 1",
        )
        .bind(carrier.as_str())
        .bind(number.bare())
        .fetch_optional(&mut *tx)
        .await
        .map_err(store_error)?;
        let Some(row) = row else { return Ok(None) };
        let rows = sqlx::query("select * from checkpoint where parcel_id = $1 order by position limit $2")
            .bind(row.try_get::<Uuid, _>("id").map_err(store_error)?)
            .bind(CHECKPOINTS_MAX)
            .fetch_all(&mut *tx)
            .await
            .map_err(store_error)?;
        let checkpoints = rows.iter().map(checkpoint).collect::<Result<Vec<_>, Error>>()?;
        view(&row, checkpoints).map(Some).map_err(store_error)
    }
}

pub(crate) fn checkpoint(row: &PgRow) -> Result<CheckpointView, Error> {
    let text = |column| row.try_get::<&str, _>(column).map_err(store_error);
    let at = read("checkpoint", "at", serde_json::from_str(text("at")?))?;
    let status = read("checkpoint", "status", text("status")?.parse())?;
    let decode = || {
        Ok(CheckpointView {
            checkpoint: Checkpoint {
                at,
                status,
                raw_code: row.try_get("raw_code")?,
                text: row.try_get("text")?,
                place: row.try_get("place")?,
            },
            learned_at: row.try_get("learned_at")?,
        })
    };
    decode().map_err(store_error)
}

pub(crate) fn view(row: &PgRow, checkpoints: Vec<CheckpointView>) -> Result<ParcelView, sqlx::Error> {
    Ok(ParcelView {
        parcel_id: row.try_get("id")?,
        carrier: row.try_get("carrier")?,
        tracking_number: row.try_get("tracking_number")?,
        adapter: row.try_get("adapter")?,
        status: row.try_get("status")?,
        status_at: row.try_get("status_at")?,
        picked_up_at: row.try_get("picked_up_at")?,
        next_check_at: row.try_get("next_check_at")?,
        stopped: row.try_get("stopped")?,
        eta: row.try_get("eta")?,
        checks: row.try_get("checks")?,
        checkpoints,
    })
}
