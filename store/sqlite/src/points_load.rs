//! Reads lots, and what hangs on a transaction of the ledger.

use std::collections::{BTreeMap, BTreeSet};

use forebay_domain::points::{Lot, LotUse, Purse};
use forebay_domain::settlement::{Booked, Books, Needs};
use forebay_schemas::{MemberId, OrderId};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use crate::error::Fault;
use crate::rows::{Reading, hex, json};

fn lot(row: &SqliteRow) -> Result<(MemberId, Lot), Fault> {
    let row = Reading::of("points_lot", row);
    let lot = Lot {
        id: row.get("id")?,
        txn_id: row.get("txn_id")?,
        granted: row.get("granted")?,
        remaining: row.get("remaining")?,
        usable_from: row.instant("usable_from")?,
        expires_at: row.instant_if_any("expires_at")?,
    };
    Ok((row.parsed("member_id")?, lot))
}

/// The open lots of these members.
pub(crate) async fn purses(
    conn: &mut SqliteConnection,
    members: &BTreeSet<MemberId>,
) -> Result<BTreeMap<MemberId, Purse>, Fault> {
    if members.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows = sqlx::query(
        "select l.* from json_each(?) n cross join points_lot l on l.member_id = n.value and l.remaining > 0",
    )
    .bind(json(members)?)
    .fetch_all(conn)
    .await?;
    let mut lots: BTreeMap<MemberId, Vec<Lot>> = BTreeMap::new();
    for row in &rows {
        let (member, lot) = lot(row)?;
        lots.entry(member).or_default().push(lot);
    }
    Ok(lots.into_iter().map(|(member, lots)| (member, Purse::of(lots))).collect())
}

/// The lots of whoever spends, or of whose orders something is taken back.
pub(crate) async fn load(conn: &mut SqliteConnection, needs: &Needs, books: &mut Books) -> Result<(), Fault> {
    books.purses = purses(conn, &needs.purses(&books.orders)).await?;
    if !needs.spends.is_empty() {
        let ids: Vec<String> = needs.spends.iter().copied().map(hex).collect();
        let known: Vec<Uuid> =
            sqlx::query_scalar("select id from spend where id in (select unhex(value) from json_each(?))")
                .bind(json(&ids)?)
                .fetch_all(&mut *conn)
                .await?;
        books.spends.extend(known);
    }
    let refunded: BTreeSet<&OrderId> = needs.refunds.iter().map(|(order, _)| order).collect();
    if refunded.is_empty() {
        return Ok(());
    }
    let rows: Vec<(String, Uuid, i64)> = sqlx::query_as(
        "select n.value, t.id, (
            select coalesce(sum(u.amount), 0)
            from ledger_entry e join points_lot l on l.member_id = substr(e.account, 3) and l.txn_id = e.txn_id
            join lot_use u on u.lot_id = l.id join ledger_txn x on x.id = u.txn_id and x.kind = 'expire'
            where e.txn_id = t.id and e.account like 'm:%'
              and not exists (select 1 from ledger_txn r where r.reverses = x.id)
         )
         from json_each(?) n cross join ledger_txn t on t.idem_key = 'order:' || n.value || ':earn'",
    )
    .bind(json(&refunded)?)
    .fetch_all(conn)
    .await?;
    for (order, txn_id, expired) in rows {
        if let Some(order) = books.orders.get_mut(order.as_str()) {
            (order.earn_txn, order.expired_points) = (Some(txn_id), expired);
        }
    }
    Ok(())
}

/// A transaction with its member's entry, and what hangs on it.
pub(crate) async fn booked(conn: &mut SqliteConnection, id: Uuid) -> Result<Option<Booked>, Fault> {
    let row = sqlx::query(
        "select t.kind, t.idem_key, t.shortfall, substr(e.account, 3) as member_id, e.amount, (
            select coalesce(sum(u.amount), 0)
            from points_lot l join lot_use u on u.lot_id = l.id
            join ledger_txn x on x.id = u.txn_id and x.kind = 'expire'
            where l.member_id = substr(e.account, 3) and l.txn_id = t.id
              and not exists (select 1 from ledger_txn r where r.reverses = x.id)
         ) as expired
         from ledger_txn t join ledger_entry e on e.txn_id = t.id and e.account like 'm:%' where t.id = ?",
    )
    .bind(id)
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = &row else { return Ok(None) };
    let uses: Vec<(Uuid, i64)> =
        sqlx::query_as("select lot_id, amount from lot_use where txn_id = ? order by lot_id")
            .bind(id)
            .fetch_all(conn)
            .await?;
    let row = Reading::of("ledger_txn", row);
    Ok(Some(Booked {
        id,
        kind: row.parsed("kind")?,
        idem_key: row.get("idem_key")?,
        member_id: row.parsed("member_id")?,
        delta: row.get("amount")?,
        shortfall: row.get("shortfall")?,
        uses: uses.into_iter().map(|(lot_id, amount)| LotUse { txn_id: id, lot_id, amount }).collect(),
        expired: row.get("expired")?,
    }))
}

/// Puts the lots that a transaction used into the purse, those too of which nothing is left.
pub(crate) async fn hold_used(
    conn: &mut SqliteConnection,
    booked: &Booked,
    purse: &mut Purse,
) -> Result<(), Fault> {
    let rows =
        sqlx::query("select l.* from lot_use u join points_lot l on l.id = u.lot_id where u.txn_id = ?")
            .bind(booked.id)
            .fetch_all(conn)
            .await?;
    for row in &rows {
        purse.hold(lot(row)?.1);
    }
    Ok(())
}
