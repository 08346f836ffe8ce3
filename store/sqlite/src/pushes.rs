//! What carriers send by themselves.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use forebay_domain::lateness::{Newest, told_late};
use forebay_schemas::events::ParcelStatus;
use forebay_schemas::{CarrierCode, TrackingNumber};
use forebay_store::{Handled, PushDone, PushTally, PushesApplied, Triage};
use sqlx::SqliteConnection;
use uuid::Uuid;

use crate::error::Fault;
use crate::rows::{Reading, hex, json, micros};
use crate::store::Tools;
use crate::{checks, inbox, outbox};

/// Merges a set of pushes.
pub(crate) async fn apply(
    conn: &mut SqliteConnection,
    pushes: &[PushDone],
    now: DateTime<Utc>,
    tools: &Tools,
) -> Result<PushesApplied, Fault> {
    let identities: Vec<_> = pushes.iter().map(|push| &push.identity).collect();
    let triaged = inbox::sorted(conn, &identities).await?;
    let fresh: Vec<&PushDone> =
        pushes.iter().zip(&triaged).filter(|(_, t)| **t == Triage::New).map(|(push, _)| push).collect();
    let mut tally = PushTally::default();
    let ids = followed(conn, &fresh).await?;
    let mut parcels = checks::load(conn, ids.values().copied().collect()).await?;
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
        rows.extend(checks::merge(*id, held, late.as_ref().unwrap_or(lookup), now, tools));
        held.told().for_each(|at| known.add(at));
    }
    checks::write(conn, &parcels).await?;
    checks::write_checkpoints(conn, &parcels, now).await?;
    rows.extend(checks::pick_up_returns(conn, &parcels, now, tools).await?);
    for (carrier, number) in fresh.iter().flat_map(|push| &push.changed) {
        if check_now(conn, carrier, number, now).await? {
            pushed(conn, carrier, number, now).await?;
            tally.to_look_up += 1;
        } else {
            tally.not_followed += 1;
        }
    }
    outbox::write(conn, &rows, now).await?;
    inbox::write(conn, &fresh.iter().map(|push| &push.identity).collect::<Vec<_>>(), now).await?;
    Ok(PushesApplied { handled: inbox::handled(&identities, &triaged, |_| Handled::Done), tally })
}

/// The parcels that pushes name, as far as they are followed.
async fn followed<'p>(
    conn: &mut SqliteConnection,
    pushes: &[&'p PushDone],
) -> Result<HashMap<(&'p str, &'p str), Uuid>, Fault> {
    let named: Vec<(&str, &str)> =
        pushes.iter().flat_map(|push| &push.told).map(|(c, n, _)| (c.as_str(), n.as_str())).collect();
    let rows: Vec<(i64, Uuid)> = sqlx::query_as(
        "select n.key, p.id from json_each(?) n
         cross join parcel p on p.carrier = n.value ->> 0 and p.tracking_number = n.value ->> 1",
    )
    .bind(json(&named)?)
    .fetch_all(conn)
    .await?;
    let of = |(place, id): (i64, Uuid)| Some((*named.get(usize::try_from(place).ok()?)?, id));
    Ok(rows.into_iter().filter_map(of).collect())
}

/// How far what is stored of each parcel reaches.
async fn newest(conn: &mut SqliteConnection, ids: Vec<Uuid>) -> Result<HashMap<Uuid, Newest>, Fault> {
    let ids = json(&ids.into_iter().map(hex).collect::<Vec<_>>())?;
    let rows = sqlx::query(
        "select parcel_id, at from checkpoint where parcel_id in (select unhex(value) from json_each(?))",
    )
    .bind(&ids)
    .fetch_all(conn)
    .await?;
    let mut newest: HashMap<Uuid, Newest> = HashMap::new();
    for row in &rows {
        let row = Reading::of("checkpoint", row);
        newest.entry(row.get("parcel_id")?).or_default().add(row.json("at")?);
    }
    Ok(newest)
}

/// Remembers that a carrier tells of this parcel by itself.
async fn pushed(
    conn: &mut SqliteConnection,
    carrier: &CarrierCode,
    number: &TrackingNumber,
    now: DateTime<Utc>,
) -> Result<(), Fault> {
    sqlx::query("update parcel set pushed_at = ? where carrier = ? and tracking_number = ?")
        .bind(micros(now))
        .bind(carrier.as_str())
        .bind(number.as_str())
        .execute(conn)
        .await?;
    Ok(())
}

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
