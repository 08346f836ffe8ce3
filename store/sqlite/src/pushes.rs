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
        rows.extend(checks::merge(*id, held, late.as_ref().unwrap_or(lookup), now, tools));
        held.told().for_each(|at| known.add(at));
    }
    checks::write(conn, &parcels).await?;
    checks::write_checkpoints(conn, &parcels, now).await?;
    rows.extend(checks::pick_up_returns(conn, &parcels, now, tools).await?);
    for (carrier, number) in fresh.iter().flat_map(|push| &push.changed) {
        if let Some(id) = check_now(conn, carrier, number, now).await? {
            pushed(conn, id, now).await?;
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
) -> Result<HashMap<(&'p str, String), Uuid>, Fault> {
    let named: Vec<(&str, String)> =
        pushes.iter().flat_map(|push| &push.told).map(|(c, n, _)| (c.as_str(), n.bare())).collect();
    let rows: Vec<(i64, Uuid)> = sqlx::query_as(
        "select n.key, p.id from json_each(?) n
         cross join parcel p on p.carrier = n.value ->> 0
             and upper(replace(p.tracking_number, '-', '')) = n.value ->> 1 order by p.id desc",
    )
    .bind(json(&named)?)
    .fetch_all(conn)
    .await?;
    // Of two that are the same parcel the first one is it, as everywhere.
    let of = |(place, id): (i64, Uuid)| Some((named.get(usize::try_from(place).ok()?)?.clone(), id));
    Ok(rows.into_iter().filter_map(of).collect())
}

/// How far what is stored of each parcel reaches.
pub(crate) async fn newest(
    conn: &mut SqliteConnection,
    ids: Vec<Uuid>,
) -> Result<HashMap<Uuid, Newest>, Fault> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
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
async fn pushed(conn: &mut SqliteConnection, parcel: Uuid, now: DateTime<Utc>) -> Result<(), Fault> {
    sqlx::query("update parcel set pushed_at = ? where id = ?")
        .bind(micros(now))
        .bind(parcel)
        .execute(conn)
        .await?;
    Ok(())
}

/// Makes a parcel due, unless it is finished; answers which one it is, if there is such a parcel. The answer of a check
/// that is outstanding may be older than what changed: it is followed by another look.
pub(crate) async fn check_now(
    conn: &mut SqliteConnection,
    carrier: &CarrierCode,
    number: &TrackingNumber,
    now: DateTime<Utc>,
) -> Result<Option<Uuid>, Fault> {
    let row = sqlx::query(
        "select id, status from parcel where carrier = ? and upper(replace(tracking_number, '-', '')) = ?
         order by id limit 1",
    )
    .bind(carrier.as_str())
    .bind(number.bare())
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = &row else { return Ok(None) };
    let row = Reading::of("parcel", row);
    let (id, status): (Uuid, ParcelStatus) = (row.get("id")?, row.parsed("status")?);
    if !status.is_final() {
        // What has been due for longer stays where it is in the line.
        sqlx::query(
            "update parcel set next_check_at = min(coalesce(next_check_at, ?2), ?2),
                 check_by = min(coalesce(check_by, ?2), ?2), stopped = null, look_again = 1
             where id = ?1",
        )
        .bind(id)
        .bind(micros(now))
        .execute(conn)
        .await?;
    }
    Ok(Some(id))
}
