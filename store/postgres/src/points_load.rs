//! Reads lots, and what hangs on a transaction of the ledger; whose member is locked by then.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use forebay_domain::points::{Lot, LotUse, Purse};
use forebay_domain::settlement::{Booked, Books, Needs};
use forebay_schemas::{MemberId, OrderId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::Stop;
use crate::rewards_write::MEMBER_ACCOUNT;
use crate::rows::read;

/// Member, lot, transaction, granted, remaining, usable from, expires at.
type LotRow = (String, Uuid, Option<Uuid>, i64, i64, DateTime<Utc>, Option<DateTime<Utc>>);

fn lot(
    (member, id, txn_id, granted, remaining, usable_from, expires_at): LotRow,
) -> Result<(MemberId, Lot), Stop> {
    let member = read("points_lot", "member_id", MemberId::new(member))?;
    Ok((member, Lot { id, txn_id, granted, remaining, usable_from, expires_at }))
}

/// The open lots of these members.
pub(crate) async fn purses(
    conn: &mut PgConnection,
    members: &BTreeSet<MemberId>,
) -> Result<BTreeMap<MemberId, Purse>, Stop> {
    let mut lots: BTreeMap<MemberId, Vec<Lot>> = BTreeMap::new();
    if members.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows: Vec<LotRow> = sqlx::query_as(
        "select l.member_id, l.id, l.txn_id, l.granted, l.remaining, l.usable_from, l.expires_at
         from unnest($1::text[]) as n (member_id), lateral (
            select * from points_lot where member_id = n.member_id and remaining > 0 offset 0
         ) l",
    )
    .bind(members.iter().map(MemberId::as_str).collect::<Vec<_>>())
    .fetch_all(conn)
    .await?;
    for row in rows {
        let (member, lot) = lot(row)?;
        lots.entry(member).or_default().push(lot);
    }
    Ok(lots.into_iter().map(|(member, lots)| (member, Purse::of(lots))).collect())
}

/// The lots of whoever spends, or of whose orders something is taken back.
pub(crate) async fn load(conn: &mut PgConnection, needs: &Needs, books: &mut Books) -> Result<(), Stop> {
    books.purses = purses(conn, &needs.purses(&books.orders)).await?;
    if !needs.spends.is_empty() {
        let known: Vec<Uuid> = sqlx::query_scalar(
            "select n.id from unnest($1::uuid[]) as n (id), lateral (select from spend where id = n.id offset 0) s",
        )
        .bind(needs.spends.iter().copied().collect::<Vec<_>>())
        .fetch_all(&mut *conn)
        .await?;
        books.spends.extend(known);
    }
    let refunded: BTreeSet<OrderId> = needs.refunds.iter().map(|(order, _)| order.clone()).collect();
    if refunded.is_empty() {
        return Ok(());
    }
    let rows: Vec<(String, Uuid, i64)> = sqlx::query_as(
        "select n.order_id, t.id, (
            select coalesce(sum(u.amount), 0)::int8
            from ledger_entry e join points_lot l on l.member_id = substr(e.account, 3) and l.txn_id = e.txn_id
            join lot_use u on u.lot_id = l.id join ledger_txn x on x.id = u.txn_id and x.kind = 'expire'
            where e.txn_id = t.id and e.account like 'm:%'
              and not exists (select from ledger_txn r where r.reverses = x.id)
         )
         from unnest($1::text[]) as n (order_id), lateral (
            select id from ledger_txn where idem_key = 'order:' || n.order_id || ':earn' offset 0
         ) t",
    )
    .bind(refunded.iter().map(OrderId::as_str).collect::<Vec<_>>())
    .fetch_all(conn)
    .await?;
    for (order, txn_id, expired) in rows {
        if let Some(order) = books.orders.get_mut(order.as_str()) {
            (order.earn_txn, order.expired_points) = (Some(txn_id), expired);
        }
    }
    Ok(())
}

/// A transaction with its member's entry.
pub(crate) async fn booked(conn: &mut PgConnection, id: Uuid) -> Result<Option<Booked>, Stop> {
    let row: Option<(String, String, i64, String, i64)> = sqlx::query_as(
        "select t.kind, t.idem_key, t.shortfall, substr(e.account, $2), e.amount
         from ledger_txn t join ledger_entry e on e.txn_id = t.id and e.account like 'm:%' where t.id = $1",
    )
    .bind(id)
    .bind(i32::try_from(MEMBER_ACCOUNT.len() + 1).unwrap_or(i32::MAX))
    .fetch_optional(&mut *conn)
    .await?;
    let Some((kind, idem_key, shortfall, member, delta)) = row else { return Ok(None) };
    Ok(Some(Booked {
        id,
        kind: read("ledger_txn", "kind", kind.parse())?,
        idem_key,
        member_id: read("ledger_entry", "account", MemberId::new(member))?,
        delta,
        shortfall,
        uses: Vec::new(),
        expired: 0,
    }))
}

/// What a transaction took of lots, and what of its own has ended; the lots that it used go into the purse.
pub(crate) async fn hangs_on(
    conn: &mut PgConnection,
    booked: &mut Booked,
    purse: &mut Purse,
) -> Result<(), Stop> {
    let uses: Vec<(Uuid, i64)> =
        sqlx::query_as("select lot_id, amount from lot_use where txn_id = $1 order by lot_id")
            .bind(booked.id)
            .fetch_all(&mut *conn)
            .await?;
    let txn_id = booked.id;
    booked.uses = uses.into_iter().map(|(lot_id, amount)| LotUse { txn_id, lot_id, amount }).collect();
    let used: Vec<LotRow> = sqlx::query_as(
        "select l.member_id, l.id, l.txn_id, l.granted, l.remaining, l.usable_from, l.expires_at
         from lot_use u join points_lot l on l.id = u.lot_id where u.txn_id = $1",
    )
    .bind(booked.id)
    .fetch_all(&mut *conn)
    .await?;
    for row in used {
        purse.hold(lot(row)?.1);
    }
    booked.expired = sqlx::query_scalar(
        "select coalesce(sum(u.amount), 0)::int8
         from points_lot l join lot_use u on u.lot_id = l.id join ledger_txn x on x.id = u.txn_id and x.kind = 'expire'
         where l.member_id = $1 and l.txn_id = $2
           and not exists (select from ledger_txn r where r.reverses = x.id)",
    )
    .bind(booked.member_id.as_str())
    .bind(booked.id)
    .fetch_one(conn)
    .await?;
    Ok(())
}
