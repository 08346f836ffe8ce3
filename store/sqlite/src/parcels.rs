//! Parcels: planned and read.

use std::collections::BTreeMap;
use std::sync::Arc;
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
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use crate::error::Fault;
use crate::rows::{Reading, hex, json, micros};
use crate::store::Tools;
use crate::{SqliteStore, checks, lists, outbox, pushes, wishes};

/// Longest time that a check may be outstanding.
const LEASE_MAX: Duration = Duration::from_secs(24 * 3600);
/// Most checkpoints that are answered for one parcel.
const CHECKPOINTS_MAX: i64 = 200;

/// What a planner asks for.
struct Plan {
    adapter: AdapterId,
    batch: u32,
    most: u32,
    until: DateTime<Utc>,
}

async fn plan(
    conn: &mut SqliteConnection,
    plan: &Plan,
    now: DateTime<Utc>,
    tools: &Tools,
) -> Result<u32, Fault> {
    let rows = sqlx::query(
        "update parcel set check_until = ?4, look_again = 0
         where id in (select id from parcel where adapter = ?1 and next_check_at <= ?2
                          and (check_until is null or check_until <= ?2)
                      order by check_by, id limit ?3)
         returning id, carrier, tracking_number, traceparent, coalesce(check_by, next_check_at) as by",
    )
    .bind(plan.adapter.as_str())
    .bind(micros(now))
    .bind(plan.most)
    .bind(micros(plan.until))
    .fetch_all(&mut *conn)
    .await?;
    let mut taken = Vec::with_capacity(rows.len());
    for row in &rows {
        let row = Reading::of("parcel", row);
        let parcel = ParcelRef {
            parcel_id: row.get("id")?,
            carrier: row.parsed("carrier")?,
            tracking_number: row.parsed("tracking_number")?,
        };
        taken.push((row.get::<i64>("by")?, parcel, row.get("traceparent")?));
    }
    taken.sort_by_key(|(due, parcel, _)| (*due, parcel.parcel_id));
    let parcels: Vec<(ParcelRef, Option<String>)> =
        taken.into_iter().map(|(_, parcel, traceparent)| (parcel, traceparent)).collect();
    let commands = check_commands(&plan.adapter, &parcels, plan.batch, now, tools.ids.as_ref());
    outbox::write(conn, &commands, now).await?;
    Ok(u32::try_from(parcels.len()).unwrap_or(u32::MAX))
}

async fn read(conn: &mut SqliteConnection, carrier: &str, number: &str) -> Result<Option<ParcelView>, Fault> {
    let row = sqlx::query(
        "select * from parcel where carrier = ? and upper(replace(tracking_number, '-', '')) = ? order by id limit 1",
    )
    .bind(carrier)
    .bind(number)
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = &row else { return Ok(None) };
    let row = Reading::of("parcel", row);
    let parcel_id: Uuid = row.get("id")?;
    let checkpoints = sqlx::query("select * from checkpoint where parcel_id = ? order by position limit ?")
        .bind(parcel_id)
        .bind(CHECKPOINTS_MAX)
        .fetch_all(conn)
        .await?;
    let checkpoints = checkpoints.iter().map(checkpoint).collect::<Result<_, _>>()?;
    Ok(Some(view(row, checkpoints)?))
}

pub(crate) fn view(row: Reading<'_>, checkpoints: Vec<CheckpointView>) -> Result<ParcelView, Fault> {
    Ok(ParcelView {
        parcel_id: row.get("id")?,
        carrier: row.get("carrier")?,
        tracking_number: row.get("tracking_number")?,
        adapter: row.get("adapter")?,
        status: row.get("status")?,
        status_at: row.instant_if_any("status_at")?,
        picked_up_at: row.instant_if_any("picked_up_at")?,
        next_check_at: row.instant_if_any("next_check_at")?,
        stopped: row.get("stopped")?,
        eta: row.instant_if_any("eta")?,
        checks: row.get("checks")?,
        checkpoints,
    })
}

pub(crate) fn checkpoint(row: &SqliteRow) -> Result<CheckpointView, Fault> {
    let row = Reading::of("checkpoint", row);
    let checkpoint = Checkpoint {
        at: row.json("at")?,
        status: row.parsed("status")?,
        raw_code: row.get("raw_code")?,
        text: row.get("text")?,
        place: row.get("place")?,
    };
    Ok(CheckpointView { checkpoint, learned_at: row.instant("learned_at")? })
}

#[async_trait]
impl Parcels for SqliteStore {
    async fn plan_checks(
        &self,
        adapter: &AdapterId,
        batch: u32,
        most: u32,
        lease: Duration,
        now: DateTime<Utc>,
    ) -> Result<u32, Error> {
        let asked = Plan { adapter: adapter.clone(), batch, most, until: now + lease.min(LEASE_MAX) };
        let tools = self.tools();
        self.write_and_wake(move |conn| Box::pin(async move { plan(conn, &asked, now, &tools).await })).await
    }

    async fn checks_due(
        &self,
        systems: &[(AdapterId, u32)],
        now: DateTime<Utc>,
    ) -> Result<BTreeMap<AdapterId, (u32, DateTime<Utc>)>, Error> {
        let adapters: Vec<&AdapterId> = systems.iter().map(|(adapter, _)| adapter).collect();
        // A bound can't come from a column: each is counted up to the greatest one, and cut.
        let rows = sqlx::query(
            "select (select json_array(count(*), min(at)) from (
                 select next_check_at as at from parcel
                 where adapter = s.value and next_check_at <= ?2 and (check_until is null or check_until <= ?2)
                 limit ?3)) as due
             from json_each(?1) s order by s.key",
        )
        .bind(json(&adapters)?)
        .bind(micros(now))
        .bind(systems.iter().map(|(_, most)| *most).max())
        .fetch_all(self.db.read())
        .await
        .map_err(Fault::from)?;
        let mut due = BTreeMap::new();
        for (row, (adapter, most)) in rows.iter().zip(systems) {
            let row = Reading::of("parcel", row);
            let (count, since): (u32, Option<i64>) = row.json("due")?;
            if let Some(since) = since {
                due.insert(adapter.clone(), (count.min(*most), row.instant_of("due", since)?));
            }
        }
        Ok(due)
    }

    async fn checks_outstanding(&self, adapter: &AdapterId, now: DateTime<Utc>) -> Result<u32, Error> {
        let outstanding: i64 =
            sqlx::query_scalar("select count(*) from parcel where adapter = ? and check_until > ?")
                .bind(adapter.as_str())
                .bind(micros(now))
                .fetch_one(self.db.read())
                .await
                .map_err(Fault::from)?;
        Ok(u32::try_from(outstanding).unwrap_or(u32::MAX))
    }

    async fn apply_checks(&self, checks: Vec<CheckDone>, now: DateTime<Utc>) -> Result<Vec<Handled>, Error> {
        let tools = self.tools();
        self.write_and_wake(move |conn| {
            Box::pin(async move { checks::apply(conn, &checks, now, &tools).await })
        })
        .await
    }

    async fn apply_pushes(&self, pushes: Vec<PushDone>, now: DateTime<Utc>) -> Result<PushesApplied, Error> {
        let tools = self.tools();
        self.write_and_wake(move |conn| {
            Box::pin(async move { pushes::apply(conn, &pushes, now, &tools).await })
        })
        .await
    }

    async fn unsubscribed(&self, parcels: &[Uuid], before: DateTime<Utc>) -> Result<Vec<Uuid>, Error> {
        let ids = json(&parcels.iter().map(|id| hex(*id)).collect::<Vec<_>>())?;
        let ids = sqlx::query_scalar(
            "select id from parcel where id in (select unhex(value) from json_each(?1)) and next_check_at is not null
                 and (subscribed_until is null or subscribed_until < ?2)",
        )
        .bind(ids)
        .bind(micros(before))
        .fetch_all(self.db.read())
        .await
        .map_err(Fault::from)?;
        Ok(ids)
    }

    async fn subscribed(&self, parcels: &[Uuid], until: DateTime<Utc>) -> Result<(), Error> {
        let ids = json(&parcels.iter().map(|id| hex(*id)).collect::<Vec<_>>())?;
        self.write(move |conn| {
            Box::pin(async move {
                sqlx::query(
                    "update parcel set subscribed_until = ?2
                     where id in (select unhex(value) from json_each(?1))",
                )
                .bind(ids)
                .bind(micros(until))
                .execute(conn)
                .await?;
                Ok(())
            })
        })
        .await
    }

    async fn check_now(
        &self,
        carrier: &CarrierCode,
        number: &TrackingNumber,
        now: DateTime<Utc>,
    ) -> Result<bool, Error> {
        let (carrier, number) = (carrier.clone(), number.clone());
        let found = self
            .write(move |conn| Box::pin(async move { pushes::check_now(conn, &carrier, &number, now).await }))
            .await?;
        Ok(found.is_some())
    }

    async fn ask_check(
        &self,
        carrier: &CarrierCode,
        number: &TrackingNumber,
        lease: Duration,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<CheckAsked, Error> {
        let (carrier, number, by) = (carrier.clone(), number.clone(), by.clone());
        let (lease, ids) = (lease.min(LEASE_MAX), Arc::clone(&self.ids));
        self.write_and_wake(move |conn| {
            Box::pin(
                async move { wishes::check(conn, (&carrier, &number), lease, &by, now, ids.as_ref()).await },
            )
        })
        .await
    }

    async fn list_parcels(
        &self,
        filter: &ParcelFilter,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<ParcelView>, Error> {
        let mut tx = self.db.read().begin().await.map_err(Fault::from)?;
        Ok(lists::of_parcels(&mut tx, filter, after, limit).await?)
    }

    async fn parcel(
        &self,
        carrier: &CarrierCode,
        number: &TrackingNumber,
    ) -> Result<Option<ParcelView>, Error> {
        let mut tx = self.db.read().begin().await.map_err(Fault::from)?;
        Ok(read(&mut tx, carrier.as_str(), &number.bare()).await?)
    }
}
