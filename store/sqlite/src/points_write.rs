//! Writes what moves points: transactions, lots, balances.

use chrono::{DateTime, Utc};
use forebay_domain::settlement::Settlement;
use sqlx::SqliteConnection;

use crate::error::Fault;
use crate::rows::{hex, json, micros};

/// Writes the part of a settlement that moves points.
pub(crate) async fn write(
    conn: &mut SqliteConnection,
    settlement: &Settlement,
    now: DateTime<Utc>,
) -> Result<(), Fault> {
    if settlement.ledger.is_empty() {
        return Ok(());
    }
    ledger(conn, settlement, now).await?;
    lots(conn, settlement).await?;
    uses(conn, settlement).await?;
    balances(conn, settlement).await
}

async fn ledger(
    conn: &mut SqliteConnection,
    settlement: &Settlement,
    now: DateTime<Utc>,
) -> Result<(), Fault> {
    let rows: Vec<_> = settlement
        .ledger
        .iter()
        .map(|t| {
            let moved = (hex(t.id), t.kind, &t.idem_key, t.reverses.map(hex), t.shortfall);
            (moved, &t.member_id, t.counter_account(), t.delta, t.balance_after)
        })
        .collect();
    let rows = json(&rows)?;
    sqlx::query(
        "insert into ledger_txn (id, kind, idem_key, reverses, shortfall, created_at)
         select unhex(value ->> '$[0][0]'), value ->> '$[0][1]', value ->> '$[0][2]', unhex(value ->> '$[0][3]'),
                value ->> '$[0][4]', ?2
         from json_each(?1)",
    )
    .bind(&rows)
    .bind(micros(now))
    .execute(&mut *conn)
    .await?;
    // Both entries from one amount, so that they sum to zero.
    sqlx::query(
        "insert into ledger_entry (txn_id, account, amount, balance_after)
         select unhex(value ->> '$[0][0]'), 'm:' || (value ->> 1), value ->> 3, value ->> 4 from json_each(?1)
         union all
         select unhex(value ->> '$[0][0]'), value ->> 2, -(value ->> 3), null from json_each(?1)",
    )
    .bind(&rows)
    .execute(conn)
    .await?;
    Ok(())
}

async fn lots(conn: &mut SqliteConnection, settlement: &Settlement) -> Result<(), Fault> {
    if !settlement.lots.is_empty() {
        let rows: Vec<_> = settlement
            .lots
            .iter()
            .map(|(member, lot)| {
                let ids = (hex(lot.id), member, lot.txn_id.map(hex));
                let times = (micros(lot.usable_from), lot.expires_at.map(micros));
                (ids, lot.granted, lot.remaining, times)
            })
            .collect();
        sqlx::query(
            "insert into points_lot (id, member_id, txn_id, granted, remaining, usable_from, expires_at)
             select unhex(value ->> '$[0][0]'), value ->> '$[0][1]', unhex(value ->> '$[0][2]'), value ->> 1,
                    value ->> 2, value ->> '$[3][0]', value ->> '$[3][1]'
             from json_each(?)",
        )
        .bind(json(&rows)?)
        .execute(&mut *conn)
        .await?;
    }
    if !settlement.lots_changed.is_empty() {
        let rows: Vec<_> = settlement.lots_changed.iter().map(|(id, left)| (hex(*id), left)).collect();
        sqlx::query(
            "update points_lot set remaining = n.value ->> 1 from json_each(?) n
             where points_lot.id = unhex(n.value ->> 0)",
        )
        .bind(json(&rows)?)
        .execute(conn)
        .await?;
    }
    Ok(())
}

async fn uses(conn: &mut SqliteConnection, settlement: &Settlement) -> Result<(), Fault> {
    if settlement.uses.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> =
        settlement.uses.iter().map(|used| (hex(used.txn_id), hex(used.lot_id), used.amount)).collect();
    sqlx::query(
        "insert into lot_use (txn_id, lot_id, amount)
         select unhex(value ->> 0), unhex(value ->> 1), value ->> 2 from json_each(?)",
    )
    .bind(json(&rows)?)
    .execute(conn)
    .await?;
    Ok(())
}

async fn balances(conn: &mut SqliteConnection, settlement: &Settlement) -> Result<(), Fault> {
    let rows: Vec<_> = settlement.balances.iter().collect();
    sqlx::query(
        "insert into member (id, balance) select value ->> 0, value ->> 1 from json_each(?) where true
         on conflict (id) do update set balance = excluded.balance",
    )
    .bind(json(&rows)?)
    .execute(conn)
    .await?;
    Ok(())
}
