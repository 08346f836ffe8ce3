//! Writes what a set of reward messages changes.

use chrono::{DateTime, Utc};
use forebay_domain::settlement::{Books, NewAttendance, Settlement};
use forebay_schemas::{MemberId, OrderId};
use forebay_store::{Error, Identity, RewardMessage};
use sqlx::PgConnection;

use crate::error::Stop;
use crate::rows::storable;
use crate::{outbox, points_write};

/// The account of a member in the ledger.
pub(crate) const MEMBER_ACCOUNT: &str = "m:";

/// Writes the settlement of these messages, the hot stock rows last. Rows go in in sorted order where another worker
/// could write the same key, so that no two of them wait for each other.
pub(crate) async fn write(
    conn: &mut PgConnection,
    settlement: &Settlement,
    books: &Books,
    messages: &[&RewardMessage],
    now: DateTime<Utc>,
) -> Result<(), Stop> {
    let by = |ask: usize| &messages[ask].identity;
    orders(conn, settlement, by, now).await?;
    refunds(conn, settlement, by, now).await?;
    attendance(conn, settlement, books, by).await?;
    claims(conn, settlement, by, now).await?;
    movements(conn, settlement, now).await?;
    points_write::write(conn, settlement, now).await?;
    spends(conn, settlement, by, now).await?;
    outbox::write(conn, &settlement.outbox, now).await?;
    stock(conn, settlement, books).await
}

async fn orders<'m>(
    conn: &mut PgConnection,
    settlement: &Settlement,
    by: impl Fn(usize) -> &'m Identity,
    now: DateTime<Utc>,
) -> Result<(), Stop> {
    if !settlement.orders.is_empty() {
        let mut new: Vec<_> = settlement.orders.iter().collect();
        new.sort_by(|(a, _), (b, _)| a.id.cmp(&b.id));
        sqlx::query(
            "insert into shop_order (id, member_id, amount_minor, earned_points, reversed_points, source, event_id,
                                     booked_at)
             select n.*, $8 from unnest($1::text[], $2::text[], $3::int8[], $4::int8[], $5::int8[], $6::text[],
                                        $7::text[]) as n",
        )
        .bind(new.iter().map(|(o, _)| o.id.as_str()).collect::<Vec<_>>())
        .bind(new.iter().map(|(o, _)| o.member_id.as_ref().map(MemberId::as_str)).collect::<Vec<_>>())
        .bind(new.iter().map(|(o, _)| o.amount_minor).collect::<Vec<_>>())
        .bind(new.iter().map(|(o, _)| o.earned_points).collect::<Vec<_>>())
        .bind(new.iter().map(|(o, _)| o.reversed_points).collect::<Vec<_>>())
        .bind(new.iter().map(|(_, ask)| by(*ask).source.as_str()).collect::<Vec<_>>())
        .bind(new.iter().map(|(_, ask)| by(*ask).id.as_str()).collect::<Vec<_>>())
        .bind(now)
        .execute(&mut *conn)
        .await?;
    }
    orders_changed(conn, settlement).await
}

/// Orders of which something else is taken back by now.
pub(crate) async fn orders_changed(conn: &mut PgConnection, settlement: &Settlement) -> Result<(), Stop> {
    if settlement.orders_changed.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "update shop_order o set reversed_points = n.reversed_points
         from unnest($1::text[], $2::int8[]) as n (id, reversed_points) where o.id = n.id",
    )
    .bind(settlement.orders_changed.iter().map(|o| o.id.as_str()).collect::<Vec<_>>())
    .bind(settlement.orders_changed.iter().map(|o| o.reversed_points).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}

async fn refunds<'m>(
    conn: &mut PgConnection,
    settlement: &Settlement,
    by: impl Fn(usize) -> &'m Identity,
    now: DateTime<Utc>,
) -> Result<(), Stop> {
    if settlement.refunds.is_empty() {
        return Ok(());
    }
    let new = &settlement.refunds;
    sqlx::query(
        "insert into refund (order_id, refund_id, source, event_id, taken, shortfall, booked_at)
         select n.*, $7 from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int8[], $6::int8[]) as n",
    )
    .bind(new.iter().map(|r| OrderId::as_str(&r.order_id)).collect::<Vec<_>>())
    .bind(new.iter().map(|r| r.refund_id.as_str()).collect::<Vec<_>>())
    .bind(new.iter().map(|r| by(r.ask).source.as_str()).collect::<Vec<_>>())
    .bind(new.iter().map(|r| by(r.ask).id.as_str()).collect::<Vec<_>>())
    .bind(new.iter().map(|r| r.taken).collect::<Vec<_>>())
    .bind(new.iter().map(|r| r.shortfall).collect::<Vec<_>>())
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// The days were told by the programmes as they were read: where a zone, a day's start or the window was changed
/// meanwhile, so that a day would be another or lie outside, no row is written and the set begins again.
async fn attendance<'m>(
    conn: &mut PgConnection,
    settlement: &Settlement,
    books: &Books,
    by: impl Fn(usize) -> &'m Identity,
) -> Result<(), Stop> {
    if settlement.attendance.is_empty() {
        return Ok(());
    }
    let new = &settlement.attendance;
    let programme = |a: &NewAttendance| books.programmes.get(&a.programme_id);
    let written = sqlx::query(
        "insert into attendance (programme_id, member_id, on_date, received_at, source, event_id)
         select n.programme_id, n.member_id, n.on_date, n.received_at, n.source, n.event_id
         from unnest($1::text[], $2::text[], $3::date[], $4::timestamptz[], $5::text[], $6::text[], $7::text[],
                     $8::int8[])
              as n (programme_id, member_id, on_date, received_at, source, event_id, tz, day_start_min)
         join programme p on p.id = n.programme_id and p.tz = n.tz and p.day_start_min = n.day_start_min
                         and n.on_date between p.starts_on and p.ends_on",
    )
    .bind(new.iter().map(|a| a.programme_id.as_str()).collect::<Vec<_>>())
    .bind(new.iter().map(|a| a.member_id.as_str()).collect::<Vec<_>>())
    .bind(new.iter().map(|a| a.on_date).collect::<Vec<_>>())
    .bind(new.iter().map(|a| a.received_at).collect::<Vec<_>>())
    .bind(new.iter().map(|a| by(a.ask).source.as_str()).collect::<Vec<_>>())
    .bind(new.iter().map(|a| by(a.ask).id.as_str()).collect::<Vec<_>>())
    .bind(new.iter().map(|a| programme(a).map(|p| p.tz.name())).collect::<Vec<_>>())
    .bind(new.iter().map(|a| programme(a).map(|p| i64::from(p.day_start_min))).collect::<Vec<_>>())
    .execute(conn)
    .await?
    .rows_affected();
    if written < new.len() as u64 {
        return Err(Stop::Conflict(Error::Unavailable(
            "a programme's days were changed meanwhile".to_owned(),
        )));
    }
    Ok(())
}

async fn claims<'m>(
    conn: &mut PgConnection,
    settlement: &Settlement,
    by: impl Fn(usize) -> &'m Identity,
    now: DateTime<Utc>,
) -> Result<(), Stop> {
    if settlement.claims.is_empty() {
        return Ok(());
    }
    let mut new: Vec<_> = settlement.claims.iter().collect();
    new.sort_by_key(|c| c.id);
    sqlx::query(
        "insert into claim (id, programme_id, rule_id, reward_id, member_id, slot, state, reject_code, days_seen,
                            accepted_at, source, event_id, settled_at)
         select n.*, $13
         from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int8[], $7::text[], $8::text[],
                     $9::int8[], $10::timestamptz[], $11::text[], $12::text[]) as n",
    )
    .bind(new.iter().map(|c| c.id).collect::<Vec<_>>())
    .bind(new.iter().map(|c| c.programme_id.as_str()).collect::<Vec<_>>())
    .bind(new.iter().map(|c| c.rule_id.as_str()).collect::<Vec<_>>())
    .bind(new.iter().map(|c| c.reward_id.as_ref().map(|r| r.as_str())).collect::<Vec<_>>())
    .bind(new.iter().map(|c| c.member_id.as_str()).collect::<Vec<_>>())
    .bind(new.iter().map(|c| i64::from(c.slot)).collect::<Vec<_>>())
    .bind(new.iter().map(|c| c.state.as_str()).collect::<Vec<_>>())
    .bind(new.iter().map(|c| c.reject_code.map(|code| code.as_str())).collect::<Vec<_>>())
    .bind(new.iter().map(|c| i64::from(c.days_seen)).collect::<Vec<_>>())
    .bind(new.iter().map(|c| c.accepted_at).collect::<Vec<_>>())
    .bind(new.iter().map(|c| by(c.ask).source.as_str()).collect::<Vec<_>>())
    .bind(new.iter().map(|c| by(c.ask).id.as_str()).collect::<Vec<_>>())
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

async fn movements(conn: &mut PgConnection, settlement: &Settlement, now: DateTime<Utc>) -> Result<(), Stop> {
    if settlement.movements.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into movement (claim_id, reward_id, created_at)
         select n.*, $3 from unnest($1::uuid[], $2::text[]) as n",
    )
    .bind(settlement.movements.iter().map(|m| m.claim_id).collect::<Vec<_>>())
    .bind(settlement.movements.iter().map(|m| m.reward_id.as_str()).collect::<Vec<_>>())
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

async fn spends<'m>(
    conn: &mut PgConnection,
    settlement: &Settlement,
    by: impl Fn(usize) -> &'m Identity,
    now: DateTime<Utc>,
) -> Result<(), Stop> {
    if settlement.spends.is_empty() {
        return Ok(());
    }
    let mut new: Vec<_> = settlement.spends.iter().collect();
    new.sort_by_key(|s| s.id);
    sqlx::query(
        "insert into spend (id, member_id, points, reference, state, reject_code, txn_id, accepted_at, source,
                            event_id, settled_at)
         select n.*, $11
         from unnest($1::uuid[], $2::text[], $3::int8[], $4::text[], $5::text[], $6::text[], $7::uuid[],
                     $8::timestamptz[], $9::text[], $10::text[]) as n",
    )
    .bind(new.iter().map(|s| s.id).collect::<Vec<_>>())
    .bind(new.iter().map(|s| s.member_id.as_str()).collect::<Vec<_>>())
    .bind(new.iter().map(|s| s.points).collect::<Vec<_>>())
    .bind(new.iter().map(|s| s.reference.as_deref().map(storable)).collect::<Vec<_>>())
    .bind(new.iter().map(|s| s.state.as_str()).collect::<Vec<_>>())
    .bind(new.iter().map(|s| s.reject_code.map(|code| code.as_str())).collect::<Vec<_>>())
    .bind(new.iter().map(|s| s.txn_id).collect::<Vec<_>>())
    .bind(new.iter().map(|s| s.accepted_at).collect::<Vec<_>>())
    .bind(new.iter().map(|s| by(s.ask).source.as_str()).collect::<Vec<_>>())
    .bind(new.iter().map(|s| by(s.ask).id.as_str()).collect::<Vec<_>>())
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

async fn stock(conn: &mut PgConnection, settlement: &Settlement, books: &Books) -> Result<(), Stop> {
    let changed: Vec<_> = settlement.stock_changed.iter().filter_map(|id| books.stock.get(id)).collect();
    if changed.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "update stock s set issued = n.issued, low_armed = n.low_armed, out_armed = n.out_armed
         from unnest($1::text[], $2::int8[], $3::bool[], $4::bool[]) as n (reward_id, issued, low_armed, out_armed)
         where s.reward_id = n.reward_id",
    )
    .bind(changed.iter().map(|s| s.reward_id.as_str()).collect::<Vec<_>>())
    .bind(changed.iter().map(|s| s.issued).collect::<Vec<_>>())
    .bind(changed.iter().map(|s| s.low_armed).collect::<Vec<_>>())
    .bind(changed.iter().map(|s| s.out_armed).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}
