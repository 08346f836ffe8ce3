//! Lists of returns and parcels, a page at a time.

use std::collections::BTreeMap;

use forebay_schemas::ReturnId;
use forebay_store::{CheckpointView, Error, Overdue, ParcelFilter, ParcelView, ReturnFilter, ReturnView};
use sqlx::{PgConnection, Postgres, QueryBuilder, Row as _};
use uuid::Uuid;

use crate::error::store_error;
use crate::rows::{page, read};
use crate::{parcels, returns};

/// Parcels, the newest first; their ids grow with time.
pub(crate) async fn of_parcels(
    conn: &mut PgConnection,
    filter: &ParcelFilter,
    after: Option<Uuid>,
    limit: u32,
) -> Result<Vec<ParcelView>, Error> {
    let mut query = QueryBuilder::<Postgres>::new("select * from parcel where true");
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
    let rows = query.build().fetch_all(&mut *conn).await.map_err(store_error)?;
    let ids = rows.iter().map(|row| row.try_get("id")).collect::<Result<Vec<Uuid>, _>>();
    let mut last = last_checkpoints(conn, ids.map_err(store_error)?).await?;
    rows.iter()
        .map(|row| {
            let id: Uuid = row.try_get("id").map_err(store_error)?;
            parcels::view(row, last.remove(&id).into_iter().collect()).map_err(store_error)
        })
        .collect()
}

async fn last_checkpoints(
    conn: &mut PgConnection,
    ids: Vec<Uuid>,
) -> Result<BTreeMap<Uuid, CheckpointView>, Error> {
    let rows = sqlx::query(
        "select c.* from unnest($1::uuid[]) as n (id)
         cross join lateral (select * from checkpoint where parcel_id = n.id order by position desc limit 1) c",
    )
    .bind(ids)
    .fetch_all(conn)
    .await
    .map_err(store_error)?;
    rows.iter()
        .map(|row| Ok((row.try_get("parcel_id").map_err(store_error)?, parcels::checkpoint(row)?)))
        .collect()
}

/// Returns, those that were registered last first.
pub(crate) async fn of_returns(
    conn: &mut PgConnection,
    filter: &ReturnFilter,
    after: Option<&ReturnId>,
    limit: u32,
) -> Result<Vec<ReturnView>, Error> {
    let mut query = QueryBuilder::<Postgres>::new(
        "select r.*, p.carrier, p.tracking_number, p.status
         from return_order r left join parcel p on p.id = r.parcel_id where true",
    );
    if let Some(state) = filter.state {
        query.push(" and r.state = ").push_bind(state.as_str());
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
    let rows = query.build().fetch_all(conn).await.map_err(store_error)?;
    rows.iter().map(|row| returns::view(row).map_err(store_error)).collect()
}

/// Returns whose result stays away. An older release beside this one does not say when it announced.
pub(crate) async fn of_overdue(
    conn: &mut PgConnection,
    overdue: Overdue,
    after: Option<&ReturnId>,
    limit: u32,
) -> Result<Vec<ReturnId>, Error> {
    let ids: Vec<String> = sqlx::query_scalar(
        "select r.id from return_order r
         where r.state = 'picked_up' and coalesce(r.announced_at, r.picked_up_at) >= $1
             and coalesce(r.announced_at, r.picked_up_at) < $2 and ($3::text is null or r.id > $3)
             and not exists (select 1 from dead_letter d
                             where d.kind = 'return.result.due.v1' and d.subject = 'return/' || r.id
                                 and d.status <> 'resolved')
         order by r.id limit $4",
    )
    .bind(overdue.since)
    .bind(overdue.before)
    .bind(after.map(|id| id.as_str()))
    .bind(page(limit))
    .fetch_all(conn)
    .await
    .map_err(store_error)?;
    ids.into_iter().map(|id| read("return_order", "id", id.parse())).collect()
}
