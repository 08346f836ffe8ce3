//! Returns.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::{Ids, NewOutbox};
use forebay_schemas::events::{ReturnPickedUp, SendResult};
use forebay_schemas::{CarrierCode, OrderId, Queue, ReturnId, Route};
use forebay_store::{
    By, Error, Handled, Identity, NewParcel, NewReturn, Overdue, Resent, ReturnFilter, ReturnView, Returns,
    Triage,
};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use crate::error::Fault;
use crate::rows::{Reading, hex, json, micros};
use crate::store::Tools;
use crate::{SqliteStore, inbox, lists, outbox, wishes};

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

/// A parcel by its carrier and its bare number: it is the same in every spelling.
type ParcelKey = (CarrierCode, String);

/// A return that is there.
struct Known {
    order_id: OrderId,
    has_parcel: bool,
}

/// A parcel that is there.
#[derive(Clone, Copy)]
struct Held {
    id: Uuid,
    picked_up_at: Option<DateTime<Utc>>,
}

impl Held {
    /// The state of a return with this parcel.
    fn state(self) -> &'static str {
        if self.picked_up_at.is_some() { "picked_up" } else { "tracking" }
    }
}

async fn register_set(
    conn: &mut SqliteConnection,
    messages: &[(Identity, NewReturn)],
    now: DateTime<Utc>,
    tools: &Tools,
) -> Result<Vec<Handled>, Fault> {
    let identities: Vec<_> = messages.iter().map(|(identity, _)| identity).collect();
    let triaged = inbox::sorted(conn, &identities).await?;
    let fresh: Vec<_> =
        messages.iter().zip(&triaged).filter(|(_, triage)| **triage == Triage::New).map(|(m, _)| m).collect();
    let asked: Vec<_> = fresh.iter().map(|(identity, new)| (Some(identity), new)).collect();
    register(conn, &asked, now, tools).await?;
    inbox::write(conn, &fresh.iter().map(|(identity, _)| identity).collect::<Vec<_>>(), now).await?;
    Ok(inbox::handled(&identities, &triaged, |_| Handled::Done))
}

async fn save(
    conn: &mut SqliteConnection,
    from: Option<&str>,
    to: Option<&str>,
    page: &[NewReturn],
    now: DateTime<Utc>,
    tools: &Tools,
) -> Result<Option<u32>, Fault> {
    let cursor: Option<Option<String>> =
        sqlx::query_scalar("select cursor from collection").fetch_optional(&mut *conn).await?;
    if cursor.flatten().as_deref() != from {
        return Ok(None);
    }
    sqlx::query(
        "insert into collection (one, cursor, moved_at) values (1, ?, ?)
         on conflict (one) do update set cursor = excluded.cursor, moved_at = excluded.moved_at",
    )
    .bind(to)
    .bind(micros(now))
    .execute(&mut *conn)
    .await?;
    let asked: Vec<_> = page.iter().map(|new| (None, new)).collect();
    Ok(Some(register(conn, &asked, now, tools).await?))
}

/// Registers returns and their parcels; answers how many returns were new.
async fn register(
    conn: &mut SqliteConnection,
    asked: &[(Option<&Identity>, &NewReturn)],
    now: DateTime<Utc>,
    tools: &Tools,
) -> Result<u32, Fault> {
    let mut wanted = wanted(asked);
    let known = known(conn, &wanted).await?;
    // One that has its parcel is done with.
    wanted.retain(|id, _| !known.get(*id).is_some_and(|known| known.has_parcel));
    let parcels = parcels(conn, &wanted, now, tools.ids.as_ref()).await?;
    let held = |wanted: &Wanted<'_>| {
        let parcel = wanted.parcel?;
        parcels.get(&(parcel.carrier.clone(), parcel.number.bare())).copied()
    };
    let (mut new, mut gaining, mut follow) = (Vec::new(), Vec::new(), Vec::new());
    for (id, wanted) in &wanted {
        let held = held(wanted);
        let order_id = match (known.get(*id), held) {
            (None, _) => {
                new.push((*id, wanted, held));
                wanted.order_id
            }
            (Some(known), Some(held)) => {
                gaining.push((*id, held));
                &known.order_id
            }
            (Some(_), None) => continue,
        };
        let picked_up_at = held.and_then(|held| held.picked_up_at);
        if let (Some(picked_up_at), Some(parcel)) = (picked_up_at, wanted.parcel) {
            let picked_up = ReturnPickedUp {
                return_id: (*id).clone(),
                order_id: order_id.clone(),
                carrier: parcel.carrier.clone(),
                tracking_number: parcel.number.clone(),
                picked_up_at,
            };
            follow.extend(announcement(&picked_up, now, tools.ids.as_ref()));
        }
    }
    insert(conn, &new, now).await?;
    gain(conn, &gaining, now).await?;
    outbox::write(conn, &follow, now).await?;
    Ok(u32::try_from(new.len()).unwrap_or(u32::MAX))
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

async fn known(
    conn: &mut SqliteConnection,
    wanted: &BTreeMap<&ReturnId, Wanted<'_>>,
) -> Result<BTreeMap<ReturnId, Known>, Fault> {
    let rows = sqlx::query(
        "select id, order_id, parcel_id is not null as has_parcel from return_order
         where id in (select value from json_each(?))",
    )
    .bind(json(&wanted.keys().collect::<Vec<_>>())?)
    .fetch_all(conn)
    .await?;
    let read = rows.iter().map(|row| {
        let row = Reading::of("return_order", row);
        let known = Known { order_id: row.parsed("order_id")?, has_parcel: row.get("has_parcel")? };
        Ok((row.parsed("id")?, known))
    });
    read.collect()
}

/// Creates the parcels that are missing, and gives all of them.
async fn parcels(
    conn: &mut SqliteConnection,
    wanted: &BTreeMap<&ReturnId, Wanted<'_>>,
    now: DateTime<Utc>,
    ids: &dyn Ids,
) -> Result<BTreeMap<ParcelKey, Held>, Fault> {
    let named: BTreeMap<ParcelKey, _> = wanted
        .values()
        .filter_map(|wanted| wanted.parcel)
        .map(|parcel| {
            let NewParcel { carrier, number, adapter, traceparent, due } = parcel;
            let (at, by) = (micros(due.at), micros(due.by));
            let row = (carrier, number, adapter, hex(ids.next()), at, by, number.bare(), traceparent);
            ((carrier.clone(), number.bare()), row)
        })
        .collect();
    let named: Vec<_> = named.into_values().collect();
    if named.is_empty() {
        return Ok(BTreeMap::new());
    }
    let named = json(&named)?;
    sqlx::query(
        "insert into parcel (id, carrier, tracking_number, adapter, next_check_at, check_by, status, news_at,
                             registered_at, traceparent)
         select unhex(value ->> 3), value ->> 0, value ->> 1, value ->> 2, value ->> 4, value ->> 5, 'unknown', ?2, ?2,
                value ->> 7
         from json_each(?1) n
         where not exists (select 1 from parcel p where p.carrier = n.value ->> 0
             and upper(replace(p.tracking_number, '-', '')) = n.value ->> 6)
         on conflict do nothing",
    )
    .bind(&named)
    .bind(micros(now))
    .execute(&mut *conn)
    .await?;
    let rows = sqlx::query(
        "select p.id, p.carrier, n.value ->> 6 as number, p.picked_up_at from json_each(?) n cross join parcel p
         on p.carrier = n.value ->> 0 and upper(replace(p.tracking_number, '-', '')) = n.value ->> 6
         order by p.id desc",
    )
    .bind(&named)
    .fetch_all(conn)
    .await?;
    let read = rows.iter().map(|row| {
        let row = Reading::of("parcel", row);
        let held = Held { id: row.get("id")?, picked_up_at: row.instant_if_any("picked_up_at")? };
        Ok(((row.parsed("carrier")?, row.get("number")?), held))
    });
    read.collect()
}

async fn insert(
    conn: &mut SqliteConnection,
    new: &[(&ReturnId, &Wanted<'_>, Option<Held>)],
    now: DateTime<Utc>,
) -> Result<(), Fault> {
    if new.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = new
        .iter()
        .map(|(id, wanted, held)| {
            (
                id,
                wanted.order_id,
                held.map_or("requested", Held::state),
                micros(wanted.requested_at),
                held.map(|held| hex(held.id)),
                held.and_then(|held| held.picked_up_at).map(micros),
                wanted.identity.map(|identity| &identity.source),
                wanted.identity.map(|identity| &identity.id),
            )
        })
        .collect();
    sqlx::query(
        "insert into return_order (id, order_id, state, requested_at, parcel_id, picked_up_at, source, event_id,
                                   registered_at, announced_at)
         select value ->> 0, value ->> 1, value ->> 2, value ->> 3, unhex(value ->> 4), value ->> 5, value ->> 6,
                value ->> 7, ?2, iif(value ->> 5 is not null, ?2, null)
         from json_each(?1)",
    )
    .bind(json(&rows)?)
    .bind(micros(now))
    .execute(conn)
    .await?;
    Ok(())
}

async fn gain(
    conn: &mut SqliteConnection,
    gaining: &[(&ReturnId, Held)],
    now: DateTime<Utc>,
) -> Result<(), Fault> {
    if gaining.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = gaining
        .iter()
        .map(|(id, held)| (id, hex(held.id), held.picked_up_at.map(micros), held.state()))
        .collect();
    sqlx::query(
        "update return_order set parcel_id = unhex(n.value ->> 1), picked_up_at = n.value ->> 2, state = n.value ->> 3,
             announced_at = iif(n.value ->> 2 is not null, ?2, null)
         from json_each(?1) n where return_order.id = n.value ->> 0",
    )
    .bind(json(&rows)?)
    .bind(micros(now))
    .execute(conn)
    .await?;
    Ok(())
}

#[async_trait]
impl Returns for SqliteStore {
    async fn register_returns(
        &self,
        messages: Vec<(Identity, NewReturn)>,
        now: DateTime<Utc>,
    ) -> Result<Vec<Handled>, Error> {
        let tools = self.tools();
        self.write_and_wake(move |conn| {
            Box::pin(async move { register_set(conn, &messages, now, &tools).await })
        })
        .await
    }

    async fn collection_cursor(&self) -> Result<Option<String>, Error> {
        let row: Option<Option<String>> = sqlx::query_scalar("select cursor from collection")
            .fetch_optional(self.db.read())
            .await
            .map_err(Fault::from)?;
        Ok(row.flatten())
    }

    async fn save_collected(
        &self,
        from: Option<&str>,
        to: Option<&str>,
        page: Vec<NewReturn>,
        now: DateTime<Utc>,
    ) -> Result<Option<u32>, Error> {
        let (from, to) = (from.map(str::to_owned), to.map(str::to_owned));
        let tools = self.tools();
        self.write_and_wake(move |conn| {
            Box::pin(async move { save(conn, from.as_deref(), to.as_deref(), &page, now, &tools).await })
        })
        .await
    }

    async fn results_of(
        &self,
        returns: &[ReturnId],
    ) -> Result<BTreeMap<ReturnId, (ReturnPickedUp, bool)>, Error> {
        let rows = sqlx::query(
            "select r.id, r.order_id, r.picked_up_at, r.reported_at is not null as reported,
                    p.carrier, p.tracking_number
             from return_order r join parcel p on p.id = r.parcel_id
             where r.id in (select value from json_each(?)) and r.picked_up_at is not null",
        )
        .bind(json(&returns)?)
        .fetch_all(self.db.read())
        .await
        .map_err(Fault::from)?;
        let mut results = BTreeMap::new();
        for row in &rows {
            let (row, parcel) = (Reading::of("return_order", row), Reading::of("parcel", row));
            let return_id: ReturnId = row.parsed("id")?;
            let picked_up = ReturnPickedUp {
                return_id: return_id.clone(),
                order_id: row.parsed("order_id")?,
                carrier: parcel.parsed("carrier")?,
                tracking_number: parcel.parsed("tracking_number")?,
                picked_up_at: row.instant("picked_up_at")?,
            };
            results.insert(return_id, (picked_up, row.get("reported")?));
        }
        Ok(results)
    }

    async fn return_by_id(&self, return_id: &ReturnId) -> Result<Option<ReturnView>, Error> {
        let row = sqlx::query(
            "select r.*, p.carrier, p.tracking_number, p.status as parcel_status
             from return_order r left join parcel p on p.id = r.parcel_id where r.id = ?",
        )
        .bind(return_id.as_str())
        .fetch_optional(self.db.read())
        .await
        .map_err(Fault::from)?;
        Ok(row.as_ref().map(view).transpose()?)
    }

    async fn list_returns(
        &self,
        filter: &ReturnFilter,
        after: Option<&ReturnId>,
        limit: u32,
    ) -> Result<Vec<ReturnView>, Error> {
        Ok(lists::of_returns(self.db.read(), filter, after, limit).await?)
    }

    async fn resend_result(
        &self,
        return_id: &ReturnId,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<Resent, Error> {
        let (return_id, by, ids) = (return_id.clone(), by.clone(), Arc::clone(&self.ids));
        self.write_and_wake(move |conn| {
            Box::pin(async move { wishes::resend(conn, &return_id, &by, now, ids.as_ref()).await })
        })
        .await
    }

    async fn ask_collection(&self, by: &By, now: DateTime<Utc>) -> Result<(), Error> {
        let (by, ids) = (by.clone(), Arc::clone(&self.ids));
        self.write_and_wake(move |conn| {
            Box::pin(async move { wishes::collect(conn, &by, now, ids.as_ref()).await })
        })
        .await
    }

    async fn overdue_results(
        &self,
        overdue: Overdue,
        after: Option<&ReturnId>,
        limit: u32,
    ) -> Result<Vec<ReturnId>, Error> {
        Ok(lists::of_overdue(self.db.read(), overdue, after, limit).await?)
    }
}

pub(crate) fn view(row: &SqliteRow) -> Result<ReturnView, Fault> {
    let row = Reading::of("return_order", row);
    Ok(ReturnView {
        return_id: row.get("id")?,
        order_id: row.get("order_id")?,
        state: row.get("state")?,
        requested_at: row.instant("requested_at")?,
        registered_at: row.instant("registered_at")?,
        carrier: row.get("carrier")?,
        tracking_number: row.get("tracking_number")?,
        parcel_id: row.get("parcel_id")?,
        parcel_status: row.get("parcel_status")?,
        picked_up_at: row.instant_if_any("picked_up_at")?,
        reported_at: row.instant_if_any("reported_at")?,
    })
}
