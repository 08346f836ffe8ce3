//! Transactions of the ledger taken back, each once.

use chrono::{DateTime, Utc};
use forebay_domain::Ids;
use forebay_domain::settlement::{Books, reverse};
use forebay_schemas::events::PointsKind;
use forebay_store::Reversal;
use sqlx::SqliteConnection;
use uuid::Uuid;

use crate::error::Fault;
use crate::{outbox, points_load, points_write, rewards_load, rewards_write};

/// Takes back the transaction that booked a business fact, within the transaction of why, and writes what it does with
/// its fact.
pub(crate) async fn reverse_fact(
    conn: &mut SqliteConnection,
    idem_key: &str,
    new_key: String,
    now: DateTime<Utc>,
    ids: &dyn Ids,
) -> Result<Reversal, Fault> {
    let id: Option<Uuid> = sqlx::query_scalar("select id from ledger_txn where idem_key = ?")
        .bind(idem_key)
        .fetch_optional(&mut *conn)
        .await?;
    match id {
        Some(id) => reverse_txn(conn, id, new_key, now, ids).await,
        None => Ok(Reversal::NotThere),
    }
}

/// The same, by the transaction's id.
pub(crate) async fn reverse_txn(
    conn: &mut SqliteConnection,
    id: Uuid,
    new_key: String,
    now: DateTime<Utc>,
    ids: &dyn Ids,
) -> Result<Reversal, Fault> {
    let Some(booked) = points_load::booked(conn, id).await? else { return Ok(Reversal::NotThere) };
    if booked.kind == PointsKind::Reverse {
        return Ok(Reversal::OfReversal);
    }
    let before: Option<Uuid> = sqlx::query_scalar("select id from ledger_txn where reverses = ?")
        .bind(id)
        .fetch_optional(&mut *conn)
        .await?;
    if let Some(before) = before {
        return Ok(Reversal::Before(before));
    }
    let members = [booked.member_id.clone()].into();
    let mut books = Books::default();
    rewards_load::orders(conn, &booked.orders().into_iter().collect(), &mut books).await?;
    rewards_load::accounts(conn, &members, &mut books).await?;
    books.purses = points_load::purses(conn, &members).await?;
    let purse = books.purses.entry(booked.member_id.clone()).or_default();
    points_load::hold_used(conn, &booked, purse).await?;
    let (reversed, settlement) = reverse(&mut books, &booked, new_key, now, ids);
    if !settlement.orders_changed.is_empty() {
        rewards_write::orders_changed(conn, &settlement.orders_changed).await?;
    }
    points_write::write(conn, &settlement, now).await?;
    outbox::write(conn, &settlement.outbox, now).await?;
    Ok(Reversal::Done(reversed))
}
