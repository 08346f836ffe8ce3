//! Transactions of the ledger taken back, each once.

use chrono::{DateTime, Utc};
use forebay_domain::Ids;
use forebay_domain::settlement::{Books, Member, Reversed, reverse};
use forebay_schemas::events::PointsKind;
use forebay_store::Reversal;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::Stop;
use crate::{outbox, points_load, points_write, rewards_load, rewards_write};

/// Takes back the transaction that booked a business fact, within the transaction of why: locks its order and its
/// member (claims are locked before), and writes what it does with its fact.
pub(crate) async fn reverse_fact(
    conn: &mut PgConnection,
    idem_key: &str,
    new_key: String,
    now: DateTime<Utc>,
    ids: &dyn Ids,
) -> Result<Reversal, Stop> {
    let id: Option<Uuid> = sqlx::query_scalar("select id from ledger_txn where idem_key = $1")
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
    conn: &mut PgConnection,
    id: Uuid,
    new_key: String,
    now: DateTime<Utc>,
    ids: &dyn Ids,
) -> Result<Reversal, Stop> {
    let Some(found) = points_load::booked(conn, id).await? else { return Ok(Reversal::NotThere) };
    if found.kind == PointsKind::Reverse {
        return Ok(Reversal::OfReversal);
    }
    let mut books = Books::default();
    rewards_load::lock_orders(conn, &found.orders().into_iter().collect(), &mut books).await?;
    let (balance, blocked): (i64, bool) =
        sqlx::query_as("select balance, blocked from member where id = $1 for update")
            .bind(found.member_id.as_str())
            .fetch_optional(&mut *conn)
            .await?
            .unwrap_or_default();
    // An erasure that was faster has given the member another name.
    let Some(mut booked) = points_load::booked(conn, id).await? else { return Ok(Reversal::NotThere) };
    if booked.member_id != found.member_id {
        let why = "the member of the transaction was erased meanwhile".to_owned();
        return Err(Stop::Conflict(forebay_store::Error::Unavailable(why)));
    }
    let before: Option<Uuid> = sqlx::query_scalar("select id from ledger_txn where reverses = $1")
        .bind(id)
        .fetch_optional(&mut *conn)
        .await?;
    if let Some(before) = before {
        return Ok(Reversal::Before(before));
    }
    let member_id = booked.member_id.clone();
    let mut purses = points_load::purses(conn, &[member_id.clone()].into()).await?;
    points_load::hangs_on(conn, &mut booked, purses.entry(member_id.clone()).or_default()).await?;
    books.purses = purses;
    books.members.insert(member_id, Member { balance, blocked });
    let (reversed, settlement): (Reversed, _) = reverse(&mut books, &booked, new_key, now, ids);
    rewards_write::orders_changed(conn, &settlement).await?;
    points_write::write(conn, &settlement, now).await?;
    outbox::write(conn, &settlement.outbox, now).await?;
    Ok(Reversal::Done(reversed))
}
