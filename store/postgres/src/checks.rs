//! Merging what carriers said of parcels.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use forebay_domain::NewOutbox;
use forebay_domain::due::{Due, PUSHES_STOPPED, Stopped};
use forebay_domain::lateness::answered_late;
use forebay_domain::parcel::{Checkpoint, EventTime, Followed, Lookup, Progress};
use forebay_schemas::events::{ParcelStatus, ParcelStatusChanged, ReturnPickedUp};
use forebay_schemas::{CarrierCode, TrackingNumber};
use forebay_store::{CheckDone, Error, Handled, Triage};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use crate::error::{Stop, store_error};
use crate::rows::{read, storable};
use crate::{PostgresStore, inbox, outbox, pushes, returns};

/// A parcel, locked, while answers are merged into it.
pub(crate) struct Held {
    carrier: CarrierCode,
    number: TrackingNumber,
    pub(crate) progress: Progress,
    /// Keys of the checkpoints that are stored.
    known: BTreeSet<String>,
    fresh: Vec<Checkpoint>,
    next: Result<Due, Stopped>,
    /// Before now, and by now.
    checks: i64,
    more_checks: i64,
    /// When its carrier last told us by itself.
    pub(crate) pushed_at: Option<DateTime<Utc>>,
    /// Something changed since its check was planned.
    look_again: bool,
    picked_up: bool,
}

impl Held {
    /// When what was merged just now happened.
    pub(crate) fn told(&self) -> impl Iterator<Item = EventTime> {
        self.fresh.iter().map(|checkpoint| checkpoint.at)
    }
}

impl PostgresStore {
    pub(crate) async fn apply_once(
        &self,
        conn: &mut PgConnection,
        checks: &[CheckDone],
        now: DateTime<Utc>,
    ) -> Result<Vec<Handled>, Stop> {
        let identities: Vec<_> = checks.iter().map(|check| &check.identity).collect();
        let triaged = inbox::sorted(conn, &identities).await?;
        let fresh: Vec<&CheckDone> =
            checks.iter().zip(&triaged).filter(|(_, t)| **t == Triage::New).map(|(check, _)| check).collect();
        let lookups: Vec<&(Uuid, Lookup)> = fresh.iter().flat_map(|check| &check.lookups).collect();
        let mut parcels = lock(conn, lookups.iter().map(|(id, _)| *id).collect()).await?;
        let pushed = parcels.iter().filter(|(_, held)| held.pushed_at.is_some()).map(|(id, _)| *id);
        let newest = pushes::newest(conn, pushed.collect()).await?;
        let mut rows = Vec::new();
        for (id, lookup) in lookups {
            if let Some(held) = parcels.get_mut(id) {
                let late = newest.get(id).and_then(|known| answered_late(&held.progress, known, lookup, now));
                rows.extend(self.merge(*id, held, late.as_ref().unwrap_or(lookup), now));
                held.more_checks += 1;
            }
        }
        write(conn, &parcels).await?;
        write_checkpoints(conn, &parcels, now).await?;
        rows.extend(self.pick_up_returns(conn, &parcels, now).await?);
        outbox::write(conn, &rows, now).await?;
        inbox::write(conn, &fresh.iter().map(|check| &check.identity).collect::<Vec<_>>(), now).await?;
        Ok(inbox::handled(&identities, &triaged, []))
    }

    /// Merges one answer, and gives the fact of a state that was entered for the first time.
    pub(crate) fn merge(
        &self,
        id: Uuid,
        held: &mut Held,
        lookup: &Lookup,
        now: DateTime<Utc>,
    ) -> Option<NewOutbox> {
        let followed = Followed {
            number: held.number.as_str(),
            checks: (held.checks + held.more_checks).unsigned_abs(),
            pushed: held.pushed_at.is_some_and(|at| now - at < PUSHES_STOPPED),
        };
        let advance = held.progress.advance(&followed, lookup, &held.known, now);
        held.progress = advance.progress;
        held.known.extend(advance.fresh.iter().map(Checkpoint::key));
        held.fresh.extend(advance.fresh);
        held.next = advance.next_check;
        if held.look_again && !held.progress.status.is_final() {
            held.next = Ok(Due { at: now, by: now });
        }
        held.picked_up |= advance.picked_up;
        let fact = ParcelStatusChanged {
            parcel_id: id,
            carrier: held.carrier.clone(),
            tracking_number: held.number.clone(),
            status: advance.entered?,
            status_at: held.progress.status_at,
        };
        Some(NewOutbox::fact(self.ids.next().to_string(), now, &fact))
    }

    /// The returns of parcels that were picked up just now, and what follows.
    pub(crate) async fn pick_up_returns(
        &self,
        conn: &mut PgConnection,
        parcels: &BTreeMap<Uuid, Held>,
        now: DateTime<Utc>,
    ) -> Result<Vec<NewOutbox>, Stop> {
        let (ids, times): (Vec<Uuid>, Vec<DateTime<Utc>>) = parcels
            .iter()
            .filter(|(_, held)| held.picked_up)
            .filter_map(|(id, held)| Some((*id, held.progress.picked_up_at?)))
            .unzip();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut picked_up: Vec<(String, String, Uuid, DateTime<Utc>)> = sqlx::query_as(
            "update return_order r set state = 'picked_up', picked_up_at = n.picked_up_at, announced_at = $3
             from unnest($1::uuid[], $2::timestamptz[]) as n (parcel_id, picked_up_at)
             where r.parcel_id = n.parcel_id and r.picked_up_at is null
             returning r.id, r.order_id, r.parcel_id, r.picked_up_at",
        )
        .bind(ids)
        .bind(times)
        .bind(now)
        .fetch_all(conn)
        .await?;
        picked_up.sort();
        let mut rows = Vec::with_capacity(picked_up.len() * 2);
        for (return_id, order_id, parcel_id, picked_up_at) in picked_up {
            let Some(held) = parcels.get(&parcel_id) else { continue };
            let picked_up = ReturnPickedUp {
                return_id: read("return_order", "id", return_id.parse())?,
                order_id: read("return_order", "order_id", order_id.parse())?,
                carrier: held.carrier.clone(),
                tracking_number: held.number.clone(),
                picked_up_at,
            };
            rows.extend(returns::announcement(&picked_up, now, self.ids.as_ref()));
        }
        Ok(rows)
    }
}

pub(crate) async fn lock(conn: &mut PgConnection, ids: BTreeSet<Uuid>) -> Result<BTreeMap<Uuid, Held>, Stop> {
    let mut parcels = BTreeMap::new();
    if ids.is_empty() {
        return Ok(parcels);
    }
    let ids: Vec<Uuid> = ids.into_iter().collect();
    let rows = sqlx::query("select * from parcel where id = any($1) order by id for update")
        .bind(&ids)
        .fetch_all(&mut *conn)
        .await?;
    for row in rows {
        parcels.insert(row.try_get("id")?, held(&row)?);
    }
    let known: Vec<(Uuid, String)> =
        sqlx::query_as("select parcel_id, key from checkpoint where parcel_id = any($1)")
            .bind(&ids)
            .fetch_all(conn)
            .await?;
    for (id, key) in known {
        if let Some(held) = parcels.get_mut(&id) {
            held.known.insert(key);
        }
    }
    Ok(parcels)
}

fn held(row: &PgRow) -> Result<Held, Error> {
    let text = |column| row.try_get::<&str, _>(column).map_err(store_error);
    let instant = |column| row.try_get::<Option<DateTime<Utc>>, _>(column).map_err(store_error);
    let entered = text("entered")?.split_whitespace().map(str::parse::<ParcelStatus>);
    Ok(Held {
        carrier: read("parcel", "carrier", text("carrier")?.parse())?,
        number: read("parcel", "tracking_number", text("tracking_number")?.parse())?,
        progress: Progress {
            status: read("parcel", "status", text("status")?.parse())?,
            status_at: instant("status_at")?,
            picked_up_at: instant("picked_up_at")?,
            news_at: row.try_get("news_at").map_err(store_error)?,
            entered: read("parcel", "entered", entered.collect())?,
            eta: instant("eta")?,
        },
        known: BTreeSet::new(),
        fresh: Vec::new(),
        next: Err(Stopped::Finished),
        checks: row.try_get("checks").map_err(store_error)?,
        more_checks: 0,
        pushed_at: instant("pushed_at")?,
        look_again: row.try_get("look_again").map_err(store_error)?,
        picked_up: false,
    })
}

pub(crate) async fn write(conn: &mut PgConnection, parcels: &BTreeMap<Uuid, Held>) -> Result<(), Stop> {
    if parcels.is_empty() {
        return Ok(());
    }
    let progress = || parcels.values().map(|held| &held.progress);
    let entered = |p: &Progress| p.entered.iter().map(|status| status.as_str()).collect::<Vec<_>>().join(" ");
    sqlx::query(
        "update parcel p set status = n.status, status_at = n.status_at, picked_up_at = n.picked_up_at,
             news_at = n.news_at, entered = n.entered, next_check_at = n.next_check_at, check_by = n.check_by,
             stopped = n.stopped, eta = n.eta, pushed_at = n.pushed_at,
             check_until = case when n.checks = 0 then p.check_until end,
             checks = p.checks + n.checks
         from unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[], $6::text[],
                     $7::timestamptz[], $8::timestamptz[], $9::text[], $10::timestamptz[], $11::timestamptz[],
                     $12::int8[])
              as n (id, status, status_at, picked_up_at, news_at, entered, next_check_at, check_by, stopped, eta,
                    pushed_at, checks)
         where p.id = n.id",
    )
    .bind(parcels.keys().copied().collect::<Vec<_>>())
    .bind(progress().map(|p| p.status.as_str()).collect::<Vec<_>>())
    .bind(progress().map(|p| p.status_at).collect::<Vec<_>>())
    .bind(progress().map(|p| p.picked_up_at).collect::<Vec<_>>())
    .bind(progress().map(|p| p.news_at).collect::<Vec<_>>())
    .bind(progress().map(entered).collect::<Vec<_>>())
    .bind(parcels.values().map(|held| held.next.ok().map(|due| due.at)).collect::<Vec<_>>())
    .bind(parcels.values().map(|held| held.next.ok().map(|due| due.by)).collect::<Vec<_>>())
    .bind(parcels.values().map(|held| held.next.err().map(Stopped::as_str)).collect::<Vec<_>>())
    .bind(progress().map(|p| p.eta).collect::<Vec<_>>())
    .bind(parcels.values().map(|held| held.pushed_at).collect::<Vec<_>>())
    .bind(parcels.values().map(|held| held.more_checks).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}

pub(crate) async fn write_checkpoints(
    conn: &mut PgConnection,
    parcels: &BTreeMap<Uuid, Held>,
    now: DateTime<Utc>,
) -> Result<(), Stop> {
    let fresh: Vec<(Uuid, &Checkpoint)> =
        parcels.iter().flat_map(|(id, held)| held.fresh.iter().map(|checkpoint| (*id, checkpoint))).collect();
    if fresh.is_empty() {
        return Ok(());
    }
    let times = fresh.iter().map(|(_, c)| serde_json::to_string(&c.at)).collect::<Result<Vec<_>, _>>();
    let words = |of: fn(&Checkpoint) -> &Option<String>| {
        fresh.iter().map(|(_, c)| of(c).as_deref().map(storable)).collect::<Vec<_>>()
    };
    sqlx::query(
        "insert into checkpoint (parcel_id, key, at, status, raw_code, text, place, learned_at)
         select n.*, $8
         from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[]) as n",
    )
    .bind(fresh.iter().map(|(id, _)| *id).collect::<Vec<_>>())
    .bind(fresh.iter().map(|(_, c)| c.key()).collect::<Vec<_>>())
    .bind(times.map_err(|error| Error::Refused(error.to_string()))?)
    .bind(fresh.iter().map(|(_, c)| c.status.as_str()).collect::<Vec<_>>())
    .bind(words(|c| &c.raw_code))
    .bind(words(|c| &c.text))
    .bind(words(|c| &c.place))
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}
