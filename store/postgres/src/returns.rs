//! Returns.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::{Ids, NewOutbox};
use forebay_schemas::events::{ReturnPickedUp, SendResult};
use forebay_schemas::{CarrierCode, OrderId, Queue, ReturnId, Route};
use forebay_store::{
    By, Error, Handled, Identity, NewParcel, NewReturn, Overdue, Resent, ReturnFilter, ReturnView, Returns,
    Triage,
};
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use crate::attempt::Tries;
use crate::error::{Stop, store_error};
use crate::rows::read;
use crate::{PostgresStore, inbox, lists, outbox, wishes};

/// What follows from a pick-up: the fact, and the command to tell the shop.
pub(crate) fn announcement(picked_up: &ReturnPickedUp, now: DateTime<Utc>, ids: &dyn Ids) -> [NewOutbox; 2] {
    let command = SendResult { return_id: picked_up.return_id.clone(), again: false };
    [
        NewOutbox::fact(ids.next().to_string(), now, picked_up),
        NewOutbox::command(ids.next().to_string(), Route::Work(Queue::Results), now, &command),
    ]
}

/// A return as a set asks for it: by its first message, with the first parcel that any of them names.
struct Wanted<'m> {
    identity: Option<&'m Identity>,
    order_id: &'m OrderId,
    requested_at: DateTime<Utc>,
    parcel: Option<&'m NewParcel>,
}

/// Its number is the bare one: a parcel is the same in every spelling.
type ParcelKey<'m> = (&'m CarrierCode, String);

/// A parcel, locked.
#[derive(Clone, Copy)]
struct Held {
    id: Uuid,
    picked_up_at: Option<DateTime<Utc>>,
}

impl PostgresStore {
    async fn register_once(
        &self,
        conn: &mut PgConnection,
        messages: &[(Identity, NewReturn)],
        now: DateTime<Utc>,
    ) -> Result<Vec<Handled>, Stop> {
        let identities: Vec<_> = messages.iter().map(|(identity, _)| identity).collect();
        let triaged = inbox::sorted(conn, &identities).await?;
        let fresh = || messages.iter().zip(&triaged).filter(|(_, t)| **t == Triage::New).map(|(m, _)| m);
        let asked: Vec<_> = fresh().map(|(identity, new)| (Some(identity), new)).collect();
        self.register(conn, &asked, now).await?;
        inbox::write(conn, &fresh().map(|(identity, _)| identity).collect::<Vec<_>>(), now).await?;
        Ok(inbox::handled(&identities, &triaged, []))
    }

    async fn collect_once(
        &self,
        conn: &mut PgConnection,
        from: Option<&str>,
        to: Option<&str>,
        page: &[NewReturn],
        now: DateTime<Utc>,
    ) -> Result<Option<u32>, Stop> {
        let row: Option<Option<String>> =
            sqlx::query_scalar("select cursor from collection for update").fetch_optional(&mut *conn).await?;
        if row.as_ref().and_then(Option::as_deref) != from {
            return Ok(None);
        }
        // Of two first collectors one breaks the key, begins again and finds that the other was faster.
        let moved = if row.is_some() {
            "update collection set cursor = $1, moved_at = $2"
        } else {
            "insert into collection (cursor, moved_at) values ($1, $2)"
        };
        sqlx::query(moved).bind(to).bind(now).execute(&mut *conn).await?;
        let asked: Vec<_> = page.iter().map(|new| (None, new)).collect();
        Ok(Some(self.register(conn, &asked, now).await?))
    }

    /// Registers returns and their parcels; answers how many returns were new.
    async fn register(
        &self,
        conn: &mut PgConnection,
        asked: &[(Option<&Identity>, &NewReturn)],
        now: DateTime<Utc>,
    ) -> Result<u32, Stop> {
        let mut wanted = wanted(asked);
        let known = known(conn, &wanted).await?;
        // One that has its parcel is done with.
        wanted.retain(|id, _| known.get(id.as_str()) != Some(&true));
        let parcels = self.lock_parcels(conn, &wanted, now).await?;
        let of = |w: &Wanted<'_>| {
            w.parcel.and_then(|parcel| parcels.get(&(&parcel.carrier, parcel.number.bare())).copied())
        };
        let (gaining, new): (Vec<_>, Vec<_>) =
            wanted.iter().partition(|(id, _)| known.contains_key(id.as_str()));
        let gaining: Vec<_> = gaining.into_iter().filter_map(|(id, w)| Some((*id, of(w)?))).collect();
        let new: Vec<_> = new.into_iter().map(|(id, w)| (*id, w, of(w))).collect();
        insert(conn, &new, now).await?;
        gain(conn, &gaining, now).await?;
        let with_parcel =
            new.iter().filter_map(|(id, _, held)| Some((*id, (*held)?))).chain(gaining.iter().copied());
        let mut rows = Vec::new();
        for (id, held) in with_parcel {
            let Wanted { order_id, parcel: Some(parcel), .. } = wanted[id] else { continue };
            let Some(picked_up_at) = held.picked_up_at else { continue };
            let picked_up = ReturnPickedUp {
                return_id: id.clone(),
                order_id: order_id.clone(),
                carrier: parcel.carrier.clone(),
                tracking_number: parcel.number.clone(),
                picked_up_at,
            };
            rows.extend(announcement(&picked_up, now, self.ids.as_ref()));
        }
        outbox::write(conn, &rows, now).await?;
        Ok(u32::try_from(new.len()).unwrap_or(u32::MAX))
    }

    /// Creates the parcels that are missing, and locks all of them.
    async fn lock_parcels<'m>(
        &self,
        conn: &mut PgConnection,
        wanted: &BTreeMap<&ReturnId, Wanted<'m>>,
        now: DateTime<Utc>,
    ) -> Result<BTreeMap<ParcelKey<'m>, Held>, Stop> {
        let parcels: BTreeMap<ParcelKey<'m>, &NewParcel> = wanted
            .values()
            .filter_map(|w| w.parcel)
            .map(|parcel| ((&parcel.carrier, parcel.number.bare()), parcel))
            .collect();
        if parcels.is_empty() {
            return Ok(BTreeMap::new());
        }
        let carriers: Vec<_> = parcels.keys().map(|(carrier, _)| carrier.as_str()).collect();
        let numbers: Vec<_> = parcels.keys().map(|(_, number)| number.as_str()).collect();
        let given: Vec<_> = parcels.values().map(|parcel| parcel.number.as_str()).collect();
        sqlx::query(
            "insert into parcel (id, carrier, tracking_number, adapter, next_check_at, check_by, status, news_at,
                                 registered_at, traceparent)
             select n.id, n.carrier, n.tracking_number, n.adapter, n.next_check_at, n.check_by, 'unknown', $7, $7,
                    n.traceparent
             from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[], $8::text[])
                 as n (id, carrier, tracking_number, adapter, next_check_at, check_by, traceparent)
             where not exists (select 1 from parcel p where p.carrier = n.carrier
                 and upper(replace(p.tracking_number, '-', '')) = upper(replace(n.tracking_number, '-', '')))
             on conflict do nothing",
        )
        .bind(parcels.keys().map(|_| self.ids.next()).collect::<Vec<_>>())
        .bind(&carriers)
        .bind(&given)
        .bind(parcels.values().map(|parcel| parcel.adapter.as_str()).collect::<Vec<_>>())
        .bind(parcels.values().map(|parcel| parcel.due.at).collect::<Vec<_>>())
        .bind(parcels.values().map(|parcel| parcel.due.by).collect::<Vec<_>>())
        .bind(now)
        .bind(parcels.values().map(|parcel| parcel.traceparent.as_deref()).collect::<Vec<_>>())
        .execute(&mut *conn)
        .await?;
        let rows: Vec<(Uuid, String, String, Option<DateTime<Utc>>)> = sqlx::query_as(
            "select p.id, n.carrier, n.number, p.picked_up_at
             from unnest($1::text[], $2::text[]) as n (carrier, number)
             join parcel p on p.carrier = n.carrier and upper(replace(p.tracking_number, '-', '')) = n.number
             order by p.id for update of p",
        )
        .bind(&carriers)
        .bind(&numbers)
        .fetch_all(conn)
        .await?;
        let found: BTreeMap<(&str, &str), Held> = rows
            .iter()
            .rev()
            .map(|(id, carrier, number, picked_up_at)| {
                ((carrier.as_str(), number.as_str()), Held { id: *id, picked_up_at: *picked_up_at })
            })
            .collect();
        Ok(parcels
            .into_keys()
            .filter_map(|(carrier, number)| {
                let held = *found.get(&(carrier.as_str(), number.as_str()))?;
                Some(((carrier, number), held))
            })
            .collect())
    }
}

fn wanted<'m>(asked: &[(Option<&'m Identity>, &'m NewReturn)]) -> BTreeMap<&'m ReturnId, Wanted<'m>> {
    let mut wanted: BTreeMap<&ReturnId, Wanted<'_>> = BTreeMap::new();
    for (identity, new) in asked {
        let entry = wanted.entry(&new.return_id).or_insert(Wanted {
            identity: *identity,
            order_id: &new.order_id,
            requested_at: new.requested_at,
            parcel: None,
        });
        entry.parcel = entry.parcel.or(new.parcel.as_ref());
    }
    wanted
}

/// Those that exist, and whether they have a parcel.
async fn known(
    conn: &mut PgConnection,
    wanted: &BTreeMap<&ReturnId, Wanted<'_>>,
) -> Result<BTreeMap<String, bool>, Stop> {
    let rows: Vec<(String, bool)> =
        sqlx::query_as("select id, parcel_id is not null from return_order where id = any($1)")
            .bind(wanted.keys().map(|id| id.as_str()).collect::<Vec<_>>())
            .fetch_all(conn)
            .await?;
    Ok(rows.into_iter().collect())
}

async fn insert(
    conn: &mut PgConnection,
    new: &[(&ReturnId, &Wanted<'_>, Option<Held>)],
    now: DateTime<Utc>,
) -> Result<(), Stop> {
    if new.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into return_order (id, order_id, requested_at, parcel_id, picked_up_at, state, source, event_id,
                                   registered_at, announced_at)
         select n.*, $9, case when n.picked_up_at is not null then $9 end
         from unnest($1::text[], $2::text[], $3::timestamptz[], $4::uuid[], $5::timestamptz[], $6::text[],
                     $7::text[], $8::text[])
             as n (id, order_id, requested_at, parcel_id, picked_up_at, state, source, event_id)",
    )
    .bind(new.iter().map(|(id, ..)| id.as_str()).collect::<Vec<_>>())
    .bind(new.iter().map(|(_, w, _)| w.order_id.as_str()).collect::<Vec<_>>())
    .bind(new.iter().map(|(_, w, _)| w.requested_at).collect::<Vec<_>>())
    .bind(new.iter().map(|(.., held)| held.map(|h| h.id)).collect::<Vec<_>>())
    .bind(new.iter().map(|(.., held)| held.and_then(|h| h.picked_up_at)).collect::<Vec<_>>())
    .bind(new.iter().map(|(.., held)| state(*held)).collect::<Vec<_>>())
    .bind(new.iter().map(|(_, w, _)| w.identity.map(|i| i.source.as_str())).collect::<Vec<_>>())
    .bind(new.iter().map(|(_, w, _)| w.identity.map(|i| i.id.as_str())).collect::<Vec<_>>())
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

async fn gain(
    conn: &mut PgConnection,
    gaining: &[(&ReturnId, Held)],
    now: DateTime<Utc>,
) -> Result<(), Stop> {
    if gaining.is_empty() {
        return Ok(());
    }
    let gained = sqlx::query(
        "update return_order r set parcel_id = n.parcel_id, picked_up_at = n.picked_up_at, state = n.state,
             announced_at = case when n.picked_up_at is not null then $5 end
         from unnest($1::text[], $2::uuid[], $3::timestamptz[], $4::text[]) as n (id, parcel_id, picked_up_at, state)
         where r.id = n.id and r.parcel_id is null",
    )
    .bind(gaining.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>())
    .bind(gaining.iter().map(|(_, held)| held.id).collect::<Vec<_>>())
    .bind(gaining.iter().map(|(_, held)| held.picked_up_at).collect::<Vec<_>>())
    .bind(gaining.iter().map(|(_, held)| state(Some(*held))).collect::<Vec<_>>())
    .bind(now)
    .execute(conn)
    .await?
    .rows_affected();
    if gained < gaining.len() as u64 {
        return Err(Stop::Conflict(Error::Unavailable("a return got its parcel meanwhile".to_owned())));
    }
    Ok(())
}

fn state(parcel: Option<Held>) -> &'static str {
    match parcel {
        None => "requested",
        Some(Held { picked_up_at: None, .. }) => "tracking",
        Some(_) => "picked_up",
    }
}

#[async_trait]
impl Returns for PostgresStore {
    async fn register_returns(
        &self,
        messages: Vec<(Identity, NewReturn)>,
        now: DateTime<Utc>,
    ) -> Result<Vec<Handled>, Error> {
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let done = self.register_once(&mut tx, &messages, now).await;
            if let Some(handled) = tries.end(tx, done, self.ids.as_ref()).await? {
                return Ok(handled);
            }
        }
    }

    async fn collection_cursor(&self) -> Result<Option<String>, Error> {
        let row: Option<Option<String>> = sqlx::query_scalar("select cursor from collection")
            .fetch_optional(&self.pool)
            .await
            .map_err(store_error)?;
        Ok(row.flatten())
    }

    async fn save_collected(
        &self,
        from: Option<&str>,
        to: Option<&str>,
        page: Vec<NewReturn>,
        now: DateTime<Utc>,
    ) -> Result<Option<u32>, Error> {
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let done = self.collect_once(&mut tx, from, to, &page, now).await;
            if let Some(new) = tries.end(tx, done, self.ids.as_ref()).await? {
                return Ok(new);
            }
        }
    }

    async fn results_of(
        &self,
        returns: &[ReturnId],
    ) -> Result<BTreeMap<ReturnId, (ReturnPickedUp, bool)>, Error> {
        type Row = (String, String, String, String, DateTime<Utc>, bool);
        let rows: Vec<Row> = sqlx::query_as(
            "select r.id, r.order_id, p.carrier, p.tracking_number, r.picked_up_at, r.reported_at is not null
             from return_order r join parcel p on p.id = r.parcel_id
             where r.id = any($1) and r.picked_up_at is not null",
        )
        .bind(returns.iter().map(|id| id.as_str()).collect::<Vec<_>>())
        .fetch_all(&self.pool)
        .await
        .map_err(store_error)?;
        let results = rows.into_iter().map(|(id, order_id, carrier, number, picked_up_at, reported)| {
            let return_id: ReturnId = read("return_order", "id", id.parse())?;
            let picked_up = ReturnPickedUp {
                return_id: return_id.clone(),
                order_id: read("return_order", "order_id", order_id.parse())?,
                carrier: read("parcel", "carrier", carrier.parse())?,
                tracking_number: read("parcel", "tracking_number", number.parse())?,
                picked_up_at,
            };
            Ok((return_id, (picked_up, reported)))
        });
        results.collect()
    }

    async fn return_by_id(&self, return_id: &ReturnId) -> Result<Option<ReturnView>, Error> {
        let row = sqlx::query(
            "select r.*, p.carrier, p.tracking_number, p.status
             from return_order r left join parcel p on p.id = r.parcel_id where r.id = $1",
        )
        .bind(return_id.as_str())
        .fetch_optional(&self.pool)
        .await
        .map_err(store_error)?;
        row.map(|row| view(&row)).transpose().map_err(store_error)
    }

    async fn list_returns(
        &self,
        filter: &ReturnFilter,
        after: Option<&ReturnId>,
        limit: u32,
    ) -> Result<Vec<ReturnView>, Error> {
        let mut conn = self.pool.acquire().await.map_err(store_error)?;
        lists::of_returns(&mut conn, filter, after, limit).await
    }

    async fn resend_result(
        &self,
        return_id: &ReturnId,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<Resent, Error> {
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let done = wishes::resend(&mut tx, return_id, by, now, self.ids.as_ref()).await;
            if let Some(resent) = tries.end(tx, done, self.ids.as_ref()).await? {
                return Ok(resent);
            }
        }
    }

    async fn ask_collection(&self, by: &By, now: DateTime<Utc>) -> Result<(), Error> {
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let done = wishes::collect(&mut tx, by, now, self.ids.as_ref()).await;
            if let Some(()) = tries.end(tx, done, self.ids.as_ref()).await? {
                return Ok(());
            }
        }
    }

    async fn overdue_results(
        &self,
        overdue: Overdue,
        after: Option<&ReturnId>,
        limit: u32,
    ) -> Result<Vec<ReturnId>, Error> {
        let mut conn = self.pool.acquire().await.map_err(store_error)?;
        lists::of_overdue(&mut conn, overdue, after, limit).await
    }
}

pub(crate) fn view(row: &sqlx::postgres::PgRow) -> Result<ReturnView, sqlx::Error> {
    Ok(ReturnView {
        return_id: row.try_get("id")?,
        order_id: row.try_get("order_id")?,
        state: row.try_get("state")?,
        requested_at: row.try_get("requested_at")?,
        registered_at: row.try_get("registered_at")?,
        carrier: row.try_get("carrier")?,
        tracking_number: row.try_get("tracking_number")?,
        parcel_id: row.try_get("parcel_id")?,
        parcel_status: row.try_get("status")?,
        picked_up_at: row.try_get("picked_up_at")?,
        reported_at: row.try_get("reported_at")?,
    })
}
