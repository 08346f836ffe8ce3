//! Merging what carriers said of parcels.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use forebay_domain::NewOutbox;
use forebay_domain::due::{Due, PUSHES_STOPPED, Stopped};
use forebay_domain::lateness::answered_late;
use forebay_domain::parcel::{Checkpoint, EventTime, Followed, Lookup, Progress};
use forebay_schemas::events::{ParcelStatusChanged, ReturnPickedUp};
use forebay_schemas::{CarrierCode, TrackingNumber};
use forebay_store::{CheckDone, Handled, Triage};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use crate::error::Fault;
use crate::rows::{Reading, hex, json, micros};
use crate::store::Tools;
use crate::{inbox, outbox, pushes, returns};

/// A parcel while answers are merged into it.
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

/// Merges the answers of a set of check messages.
pub(crate) async fn apply(
    conn: &mut SqliteConnection,
    checks: &[CheckDone],
    now: DateTime<Utc>,
    tools: &Tools,
) -> Result<Vec<Handled>, Fault> {
    let identities: Vec<_> = checks.iter().map(|check| &check.identity).collect();
    let triaged = inbox::sorted(conn, &identities).await?;
    let fresh: Vec<&CheckDone> = checks
        .iter()
        .zip(&triaged)
        .filter(|(_, triage)| **triage == Triage::New)
        .map(|(check, _)| check)
        .collect();
    let lookups: Vec<&(Uuid, Lookup)> = fresh.iter().flat_map(|check| &check.lookups).collect();
    let mut parcels = load(conn, lookups.iter().map(|(id, _)| *id).collect()).await?;
    let pushed = parcels.iter().filter(|(_, held)| held.pushed_at.is_some()).map(|(id, _)| *id);
    let newest = pushes::newest(conn, pushed.collect()).await?;
    let mut rows = Vec::new();
    for (id, lookup) in lookups {
        if let Some(held) = parcels.get_mut(id) {
            let late = newest.get(id).and_then(|known| answered_late(&held.progress, known, lookup, now));
            rows.extend(merge(*id, held, late.as_ref().unwrap_or(lookup), now, tools));
            held.more_checks += 1;
        }
    }
    write(conn, &parcels).await?;
    write_checkpoints(conn, &parcels, now).await?;
    rows.extend(pick_up_returns(conn, &parcels, now, tools).await?);
    outbox::write(conn, &rows, now).await?;
    inbox::write(conn, &fresh.iter().map(|check| &check.identity).collect::<Vec<_>>(), now).await?;
    Ok(inbox::handled(&identities, &triaged, |_| Handled::Done))
}

/// Merges one answer, and gives the fact of a state that was entered for the first time.
pub(crate) fn merge(
    id: Uuid,
    held: &mut Held,
    lookup: &Lookup,
    now: DateTime<Utc>,
    tools: &Tools,
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
    Some(NewOutbox::fact(tools.ids.next().to_string(), now, &fact))
}

pub(crate) async fn load(
    conn: &mut SqliteConnection,
    ids: BTreeSet<Uuid>,
) -> Result<BTreeMap<Uuid, Held>, Fault> {
    let mut parcels = BTreeMap::new();
    let ids = json(&ids.into_iter().map(hex).collect::<Vec<_>>())?;
    let rows = sqlx::query("select * from parcel where id in (select unhex(value) from json_each(?))")
        .bind(&ids)
        .fetch_all(&mut *conn)
        .await?;
    for row in &rows {
        parcels.insert(Reading::of("parcel", row).get("id")?, held(row)?);
    }
    let rows = sqlx::query(
        "select parcel_id, key from checkpoint where parcel_id in (select unhex(value) from json_each(?))",
    )
    .bind(&ids)
    .fetch_all(conn)
    .await?;
    for row in &rows {
        let row = Reading::of("checkpoint", row);
        if let Some(held) = parcels.get_mut(&row.get("parcel_id")?) {
            held.known.insert(row.get("key")?);
        }
    }
    Ok(parcels)
}

fn held(row: &SqliteRow) -> Result<Held, Fault> {
    let row = Reading::of("parcel", row);
    Ok(Held {
        carrier: row.parsed("carrier")?,
        number: row.parsed("tracking_number")?,
        progress: Progress {
            status: row.parsed("status")?,
            status_at: row.instant_if_any("status_at")?,
            picked_up_at: row.instant_if_any("picked_up_at")?,
            news_at: row.instant("news_at")?,
            entered: row.json("entered")?,
            eta: row.instant_if_any("eta")?,
        },
        known: BTreeSet::new(),
        fresh: Vec::new(),
        next: Err(Stopped::Finished),
        checks: row.get("checks")?,
        more_checks: 0,
        pushed_at: row.instant_if_any("pushed_at")?,
        look_again: row.get("look_again")?,
        picked_up: false,
    })
}

pub(crate) async fn write(conn: &mut SqliteConnection, parcels: &BTreeMap<Uuid, Held>) -> Result<(), Fault> {
    if parcels.is_empty() {
        return Ok(());
    }
    let mut rows = Vec::with_capacity(parcels.len());
    for (id, held) in parcels {
        let progress = &held.progress;
        rows.push((
            hex(*id),
            progress.status,
            progress.status_at.map(micros),
            progress.picked_up_at.map(micros),
            micros(progress.news_at),
            json(&progress.entered)?,
            held.next.ok().map(|due| (micros(due.at), micros(due.by))).unzip(),
            held.next.err().map(Stopped::as_str),
            progress.eta.map(micros),
            held.pushed_at.map(micros),
            held.more_checks,
        ));
    }
    sqlx::query(
        "update parcel set status = n.value ->> 1, status_at = n.value ->> 2, picked_up_at = n.value ->> 3,
             news_at = n.value ->> 4, entered = n.value ->> 5, next_check_at = n.value ->> '$[6][0]',
             check_by = n.value ->> '$[6][1]', stopped = n.value ->> 7, eta = n.value ->> 8, pushed_at = n.value ->> 9,
             check_until = case when n.value ->> 10 = 0 then check_until end,
             checks = checks + (n.value ->> 10)
         from json_each(?) n where parcel.id = unhex(n.value ->> 0)",
    )
    .bind(json(&rows)?)
    .execute(conn)
    .await?;
    Ok(())
}

pub(crate) async fn write_checkpoints(
    conn: &mut SqliteConnection,
    parcels: &BTreeMap<Uuid, Held>,
    now: DateTime<Utc>,
) -> Result<(), Fault> {
    let mut rows = Vec::new();
    for (id, held) in parcels {
        for c in &held.fresh {
            rows.push((
                hex(*id),
                c.key(),
                json(&c.at)?,
                c.status,
                plain(&c.raw_code),
                plain(&c.text),
                plain(&c.place),
            ));
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into checkpoint (parcel_id, key, at, status, raw_code, text, place, learned_at)
         select unhex(value ->> 0), value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, ?2
         from json_each(?1) order by json_each.key",
    )
    .bind(json(&rows)?)
    .bind(micros(now))
    .execute(conn)
    .await?;
    Ok(())
}

/// The words of a carrier without NUL, at which SQLite would end a text that it takes out of JSON.
fn plain(words: &Option<String>) -> Option<String> {
    words.as_ref().map(|words| words.replace('\0', "\u{fffd}"))
}

/// The returns of parcels that were picked up just now, and what follows.
pub(crate) async fn pick_up_returns(
    conn: &mut SqliteConnection,
    parcels: &BTreeMap<Uuid, Held>,
    now: DateTime<Utc>,
    tools: &Tools,
) -> Result<Vec<NewOutbox>, Fault> {
    let times: Vec<_> = parcels
        .iter()
        .filter(|(_, held)| held.picked_up)
        .filter_map(|(id, held)| Some((hex(*id), micros(held.progress.picked_up_at?))))
        .collect();
    if times.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(
        "update return_order set state = 'picked_up', picked_up_at = n.value ->> 1, announced_at = ?2 from json_each(?1) n
         where return_order.parcel_id = unhex(n.value ->> 0) and return_order.picked_up_at is null
         returning id, order_id, parcel_id, picked_up_at",
    )
    .bind(json(&times)?)
    .bind(micros(now))
    .fetch_all(conn)
    .await?;
    let mut picked_up = Vec::with_capacity(rows.len());
    for row in &rows {
        let row = Reading::of("return_order", row);
        let Some(held) = parcels.get(&row.get("parcel_id")?) else { continue };
        picked_up.push(ReturnPickedUp {
            return_id: row.parsed("id")?,
            order_id: row.parsed("order_id")?,
            carrier: held.carrier.clone(),
            tracking_number: held.number.clone(),
            picked_up_at: row.instant("picked_up_at")?,
        });
    }
    picked_up.sort_by(|a, b| a.return_id.cmp(&b.return_id));
    Ok(picked_up.iter().flat_map(|return_| returns::announcement(return_, now, tools.ids.as_ref())).collect())
}
