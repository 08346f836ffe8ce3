//! What carriers send by themselves.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use forebay_domain::lateness::{Newest, told_late};
use forebay_schemas::events::ParcelStatus;
use forebay_schemas::{CarrierCode, TrackingNumber};
use forebay_store::{PushDone, PushTally, PushesApplied, Triage};
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use crate::error::Stop;
use crate::rows::read;
use crate::{PostgresStore, checks, inbox, outbox};

impl PostgresStore {
    pub(crate) async fn push_once(
        &self,
        conn: &mut PgConnection,
        pushes: &[PushDone],
        now: DateTime<Utc>,
    ) -> Result<PushesApplied, Stop> {
        let identities: Vec<_> = pushes.iter().map(|push| &push.identity).collect();
        let triaged = inbox::sorted(conn, &identities).await?;
        let fresh: Vec<&PushDone> =
            pushes.iter().zip(&triaged).filter(|(_, t)| **t == Triage::New).map(|(push, _)| push).collect();
        let mut tally = PushTally::default();
        let ids = followed(conn, &fresh).await?;
        let mut parcels = checks::lock(conn, ids.values().copied().collect()).await?;
        let mut newest = newest(conn, ids.values().copied().collect()).await?;
        let mut rows = Vec::new();
        for (carrier, number, lookup) in fresh.iter().flat_map(|push| &push.told) {
            let id = ids.get(&(carrier.as_str(), number.as_str()));
            let Some((id, held)) = id.and_then(|id| Some((id, parcels.get_mut(id)?))) else {
                tally.not_followed += 1;
                continue;
            };
            let known = newest.entry(*id).or_default();
            let late = told_late(&held.progress, known, lookup);
            if late.is_some() {
                tally.late += 1;
            } else {
                tally.merged += 1;
            }
            held.pushed_at = Some(now);
            rows.extend(self.merge(*id, held, late.as_ref().unwrap_or(lookup), now));
            held.told().for_each(|at| known.add(at));
        }
        checks::write(conn, &parcels).await?;
        checks::write_checkpoints(conn, &parcels, now).await?;
        rows.extend(self.pick_up_returns(conn, &parcels, now).await?);
        let mut changed: Vec<_> = fresh.iter().flat_map(|push| &push.changed).collect();
        changed.sort();
        for (carrier, number) in changed {
            if check_now(conn, carrier, number, now).await? {
                pushed(conn, carrier, number, now).await?;
                tally.to_look_up += 1;
            } else {
                tally.not_followed += 1;
            }
        }
        outbox::write(conn, &rows, now).await?;
        inbox::write(conn, &fresh.iter().map(|push| &push.identity).collect::<Vec<_>>(), now).await?;
        Ok(PushesApplied { handled: inbox::handled(&identities, &triaged, []), tally })
    }
}

/// The parcels that pushes name, as far as they are followed.
async fn followed<'p>(
    conn: &mut PgConnection,
    pushes: &[&'p PushDone],
) -> Result<HashMap<(&'p str, &'p str), Uuid>, Stop> {
    let named: Vec<(&str, &str)> =
        pushes.iter().flat_map(|push| &push.told).map(|(c, n, _)| (c.as_str(), n.as_str())).collect();
    let (carriers, numbers): (Vec<&str>, Vec<&str>) = named.iter().copied().unzip();
    let rows: Vec<(String, String, Uuid)> = sqlx::query_as(
        "select p.carrier, p.tracking_number, p.id from unnest($1::text[], $2::text[]) as n (carrier, number)
         join parcel p on p.carrier = n.carrier and p.tracking_number = n.number",
    )
    .bind(carriers)
    .bind(numbers)
    .fetch_all(conn)
    .await?;
    let ids: HashMap<(String, String), Uuid> = rows.into_iter().map(|(c, n, id)| ((c, n), id)).collect();
    let of = |key: (&'p str, &'p str)| Some((key, *ids.get(&(key.0.to_owned(), key.1.to_owned()))?));
    Ok(named.into_iter().filter_map(of).collect())
}

/// How far what is stored of each parcel reaches.
async fn newest(conn: &mut PgConnection, ids: Vec<Uuid>) -> Result<HashMap<Uuid, Newest>, Stop> {
    let rows: Vec<(Uuid, String)> =
        sqlx::query_as("select parcel_id, at from checkpoint where parcel_id = any($1)")
            .bind(ids)
            .fetch_all(conn)
            .await?;
    let mut newest: HashMap<Uuid, Newest> = HashMap::new();
    for (id, at) in rows {
        newest.entry(id).or_default().add(read("checkpoint", "at", serde_json::from_str(&at))?);
    }
    Ok(newest)
}

/// Remembers that a carrier tells of this parcel by itself.
async fn pushed(
    conn: &mut PgConnection,
    carrier: &CarrierCode,
    number: &TrackingNumber,
    now: DateTime<Utc>,
) -> Result<(), Stop> {
    sqlx::query("update parcel set pushed_at = $3 where carrier = $1 and tracking_number = $2")
        .bind(carrier.as_str())
        .bind(number.as_str())
        .bind(now)
        .execute(conn)
        .await?;
    Ok(())
}

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
