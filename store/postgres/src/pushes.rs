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
            let id = ids.get(&(carrier.as_str(), number.bare()));
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
            if let Some(id) = check_now(conn, carrier, number, now).await? {
                pushed(conn, id, now).await?;
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
) -> Result<HashMap<(&'p str, String), Uuid>, Stop> {
    let told = || pushes.iter().flat_map(|push| &push.told);
    let rows: Vec<(String, String, Uuid)> = sqlx::query_as(
        "select n.carrier, n.number, p.id from unnest($1::text[], $2::text[]) as n (carrier, number)
         join parcel p on p.carrier = n.carrier and upper(replace(p.tracking_number, '-', '')) = n.number
         order by p.id desc",
    )
    .bind(told().map(|(carrier, ..)| carrier.as_str()).collect::<Vec<_>>())
    .bind(told().map(|(_, number, _)| number.bare()).collect::<Vec<_>>())
    .fetch_all(conn)
    .await?;
    // Of two that are the same parcel the first one is it, as everywhere.
    let ids: HashMap<(String, String), Uuid> = rows.into_iter().map(|(c, n, id)| ((c, n), id)).collect();
    let of = |(carrier, number): (&'p str, String)| {
        let id = *ids.get(&(carrier.to_owned(), number.clone()))?;
        Some(((carrier, number), id))
    };
    Ok(told().map(|(carrier, number, _)| (carrier.as_str(), number.bare())).filter_map(of).collect())
}

/// How far what is stored of each parcel reaches.
pub(crate) async fn newest(conn: &mut PgConnection, ids: Vec<Uuid>) -> Result<HashMap<Uuid, Newest>, Stop> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
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
async fn pushed(conn: &mut PgConnection, parcel: Uuid, now: DateTime<Utc>) -> Result<(), Stop> {
    sqlx::query("update parcel set pushed_at = $2 where id = $1")
        .bind(parcel)
        .bind(now)
        .execute(conn)
        .await?;
    Ok(())
}

/// Makes a parcel due, unless it is finished; answers which one it is, if there is such a parcel. The answer of a check
/// that is outstanding may be older than what changed: it is followed by another look.
pub(crate) async fn check_now(
    conn: &mut PgConnection,
    carrier: &CarrierCode,
    number: &TrackingNumber,
    now: DateTime<Utc>,
) -> Result<Option<Uuid>, Stop> {
    let row = sqlx::query(
        "select id, status from parcel where carrier = $1 and upper(replace(tracking_number, '-', '')) = $2
         order by id limit 1 for update",
    )
    .bind(carrier.as_str())
    .bind(number.bare())
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let id: Uuid = row.try_get("id")?;
    let status: ParcelStatus = read("parcel", "status", row.try_get::<&str, _>("status")?.parse())?;
    if !status.is_final() {
        // What has been due for longer stays where it is in the line.
        sqlx::query(
            "update parcel set next_check_at = least(next_check_at, $2), check_by = least(check_by, $2), stopped = null,
                 look_again = true
             where id = $1",
        )
        .bind(id)
        .bind(now)
        .execute(conn)
        .await?;
    }
    Ok(Some(id))
}
