//! Writes what moves points: transactions, lots, balances.

use chrono::{DateTime, Utc};
use forebay_domain::settlement::Settlement;
use forebay_schemas::MemberId;
use sqlx::PgConnection;

use crate::error::Stop;
use crate::rewards_write::MEMBER_ACCOUNT;

/// Writes the part of a settlement that moves points. Lots come before the entries: what writes entries alone, as an
/// older release does, has its lots written by a trigger.
pub(crate) async fn write(
    conn: &mut PgConnection,
    settlement: &Settlement,
    now: DateTime<Utc>,
) -> Result<(), Stop> {
    if settlement.ledger.is_empty() {
        return Ok(());
    }
    txns(conn, settlement, now).await?;
    lots(conn, settlement).await?;
    uses(conn, settlement).await?;
    entries(conn, settlement).await?;
    balances(conn, settlement).await
}

async fn txns(conn: &mut PgConnection, settlement: &Settlement, now: DateTime<Utc>) -> Result<(), Stop> {
    let txns = &settlement.ledger;
    sqlx::query(
        "insert into ledger_txn (id, kind, idem_key, reverses, shortfall, created_at)
         select n.*, $6 from unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::int8[]) as n",
    )
    .bind(txns.iter().map(|t| t.id).collect::<Vec<_>>())
    .bind(txns.iter().map(|t| t.kind.as_str()).collect::<Vec<_>>())
    .bind(txns.iter().map(|t| t.idem_key.as_str()).collect::<Vec<_>>())
    .bind(txns.iter().map(|t| t.reverses).collect::<Vec<_>>())
    .bind(txns.iter().map(|t| t.shortfall).collect::<Vec<_>>())
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

async fn lots(conn: &mut PgConnection, settlement: &Settlement) -> Result<(), Stop> {
    let new = &settlement.lots;
    if !new.is_empty() {
        sqlx::query(
            "insert into points_lot (id, member_id, txn_id, granted, remaining, usable_from, expires_at)
             select n.* from unnest($1::uuid[], $2::text[], $3::uuid[], $4::int8[], $5::int8[], $6::timestamptz[],
                                    $7::timestamptz[]) as n",
        )
        .bind(new.iter().map(|(_, lot)| lot.id).collect::<Vec<_>>())
        .bind(new.iter().map(|(member, _)| member.as_str()).collect::<Vec<_>>())
        .bind(new.iter().map(|(_, lot)| lot.txn_id).collect::<Vec<_>>())
        .bind(new.iter().map(|(_, lot)| lot.granted).collect::<Vec<_>>())
        .bind(new.iter().map(|(_, lot)| lot.remaining).collect::<Vec<_>>())
        .bind(new.iter().map(|(_, lot)| lot.usable_from).collect::<Vec<_>>())
        .bind(new.iter().map(|(_, lot)| lot.expires_at).collect::<Vec<_>>())
        .execute(&mut *conn)
        .await?;
    }
    let changed = &settlement.lots_changed;
    if !changed.is_empty() {
        sqlx::query(
            "update points_lot l set remaining = n.remaining
             from unnest($1::uuid[], $2::int8[]) as n (id, remaining) where l.id = n.id",
        )
        .bind(changed.iter().map(|(id, _)| *id).collect::<Vec<_>>())
        .bind(changed.iter().map(|(_, remaining)| *remaining).collect::<Vec<_>>())
        .execute(conn)
        .await?;
    }
    Ok(())
}

async fn uses(conn: &mut PgConnection, settlement: &Settlement) -> Result<(), Stop> {
    let uses = &settlement.uses;
    if uses.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into lot_use (txn_id, lot_id, amount)
         select n.* from unnest($1::uuid[], $2::uuid[], $3::int8[]) as n",
    )
    .bind(uses.iter().map(|u| u.txn_id).collect::<Vec<_>>())
    .bind(uses.iter().map(|u| u.lot_id).collect::<Vec<_>>())
    .bind(uses.iter().map(|u| u.amount).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}

/// Each transaction's two entries: the member's, which knows the balance afterwards, and the system's.
async fn entries(conn: &mut PgConnection, settlement: &Settlement) -> Result<(), Stop> {
    let txns = &settlement.ledger;
    sqlx::query(
        "insert into ledger_entry (txn_id, account, amount, balance_after)
         select n.id, side.account, side.amount, side.balance_after
         from unnest($1::uuid[], $2::text[], $3::text[], $4::int8[], $5::int8[])
              as n (id, member, counter, delta, balance_after),
              lateral (values (n.member, n.delta, n.balance_after), (n.counter, -n.delta, null))
              as side (account, amount, balance_after)",
    )
    .bind(txns.iter().map(|t| t.id).collect::<Vec<_>>())
    .bind(txns.iter().map(|t| format!("{MEMBER_ACCOUNT}{}", t.member_id)).collect::<Vec<_>>())
    .bind(txns.iter().map(|t| t.counter_account()).collect::<Vec<_>>())
    .bind(txns.iter().map(|t| t.delta).collect::<Vec<_>>())
    .bind(txns.iter().map(|t| t.balance_after).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}

async fn balances(conn: &mut PgConnection, settlement: &Settlement) -> Result<(), Stop> {
    sqlx::query(
        "update member m set balance = n.balance
         from unnest($1::text[], $2::int8[]) as n (id, balance) where m.id = n.id",
    )
    .bind(settlement.balances.keys().map(MemberId::as_str).collect::<Vec<_>>())
    .bind(settlement.balances.values().copied().collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}
