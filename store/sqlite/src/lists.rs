//! Lists of returns and parcels, a page at a time.

use std::collections::BTreeMap;

use forebay_schemas::ReturnId;
use forebay_store::{
    CheckpointView, Overdue, ParcelFilter, ParcelView, ReturnFilter, ReturnState, ReturnView,
};
use sqlx::{QueryBuilder, Sqlite, SqliteConnection, SqlitePool};
use uuid::Uuid;

use crate::error::Fault;
use crate::rows::{Reading, hex, json, micros, page};
use crate::{parcels, returns};

/// Parcels, the newest first; their ids grow with time.
pub(crate) async fn of_parcels(
    conn: &mut SqliteConnection,
    filter: &ParcelFilter,
    after: Option<Uuid>,
    limit: u32,
) -> Result<Vec<ParcelView>, Fault> {
    let mut query = QueryBuilder::<Sqlite>::new("select * from parcel where true");
    let conditions = [
        (" and carrier = ", filter.carrier.as_ref().map(|carrier| carrier.as_str())),
        (" and adapter = ", filter.adapter.as_ref().map(|adapter| adapter.as_str())),
        (" and status = ", filter.status.map(|status| status.as_str())),
        (" and stopped = ", filter.stopped.map(|stopped| stopped.as_str())),
    ];
    for (condition, word) in conditions {
        if let Some(word) = word {
            query.push(condition).push_bind(word);
        }
    }
    if let Some(after) = after {
        query.push(" and id < ").push_bind(after);
    }
    query.push(" order by id desc limit ").push_bind(page(limit));
    let rows = query.build().fetch_all(&mut *conn).await?;
    let ids = rows.iter().map(|row| Reading::of("parcel", row).get("id"));
    let mut last = last_checkpoints(conn, ids.collect::<Result<_, _>>()?).await?;
    let view = |row| {
        let row = Reading::of("parcel", row);
        parcels::view(row, last.remove(&row.get("id")?).into_iter().collect())
    };
    rows.iter().map(view).collect()
}

async fn last_checkpoints(
    conn: &mut SqliteConnection,
    ids: Vec<Uuid>,
) -> Result<BTreeMap<Uuid, CheckpointView>, Fault> {
    let rows = sqlx::query(
        "select c.* from json_each(?) n
         join checkpoint c on c.position = (select max(position) from checkpoint where parcel_id = unhex(n.value))",
    )
    .bind(json(&ids.into_iter().map(hex).collect::<Vec<_>>())?)
    .fetch_all(conn)
    .await?;
    let read = |row| Ok((Reading::of("checkpoint", row).get("parcel_id")?, parcels::checkpoint(row)?));
    rows.iter().map(read).collect()
}

/// Returns, those that were registered last first.
pub(crate) async fn of_returns(
    pool: &SqlitePool,
    filter: &ReturnFilter,
    after: Option<&ReturnId>,
    limit: u32,
) -> Result<Vec<ReturnView>, Fault> {
    let mut query = QueryBuilder::<Sqlite>::new(
        "select r.*, p.carrier, p.tracking_number, p.status as parcel_status
         from return_order r left join parcel p on p.id = r.parcel_id where true",
    );
    if let Some(state) = filter.state {
        query.push(" and r.state = ").push_bind(state.as_str());
        if state != ReturnState::Reported {
            // Said in so many words, so that the index of those that are open serves.
            query.push(" and r.state <> 'reported'");
        }
    }
    if let Some(order_id) = &filter.order_id {
        query.push(" and r.order_id = ").push_bind(order_id.as_str());
    }
    if let Some(after) = after {
        query
            .push(" and (r.registered_at, r.id) < (select registered_at, id from return_order where id = ")
            .push_bind(after.as_str())
            .push(")");
    }
    query.push(" order by r.registered_at desc, r.id desc limit ").push_bind(page(limit));
    let rows = query.build().fetch_all(pool).await?;
    rows.iter().map(returns::view).collect()
}

/// Returns whose result stays away. An older release beside this one does not say when it announced.
pub(crate) async fn of_overdue(
    pool: &SqlitePool,
    overdue: Overdue,
    after: Option<&ReturnId>,
    limit: u32,
) -> Result<Vec<ReturnId>, Fault> {
    let rows = sqlx::query(
        "select r.id from return_order r
         where r.state = 'picked_up' and r.state <> 'reported'
             and coalesce(r.announced_at, r.picked_up_at) >= ?1 and coalesce(r.announced_at, r.picked_up_at) < ?2
             and (?3 is null or r.id > ?3)
             and not exists (select 1 from dead_letter d
                             where d.kind = 'return.result.due.v1' and d.subject = 'return/' || r.id
                                 and d.status <> 'resolved')
         order by r.id limit ?4",
    )
    .bind(micros(overdue.since))
    .bind(micros(overdue.before))
    .bind(after.map(|id| id.as_str()))
    .bind(page(limit))
    .fetch_all(pool)
    .await?;
    rows.iter().map(|row| Reading::of("return_order", row).parsed("id")).collect()
}
