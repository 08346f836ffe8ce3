//! Writes what a set of reward messages changes.

use chrono::{DateTime, Utc};
use forebay_domain::settlement::{
    Books, NewAttendance, NewClaim, NewMovement, NewRefund, NewSpend, Order, Settlement,
};
use forebay_store::{Identity, RewardMessage};
use sqlx::SqliteConnection;

use crate::error::Fault;
use crate::rows::{hex, json, micros};
use crate::{outbox, points_write};

/// Writes the settlement of these messages, which stand in the order of its asks.
pub(crate) async fn write(
    conn: &mut SqliteConnection,
    settlement: &Settlement,
    books: &Books,
    messages: &[&RewardMessage],
    now: DateTime<Utc>,
) -> Result<(), Fault> {
    let by = |ask: usize| &messages[ask].identity;
    if !settlement.orders.is_empty() {
        orders(conn, &settlement.orders, by, now).await?;
    }
    if !settlement.orders_changed.is_empty() {
        orders_changed(conn, &settlement.orders_changed).await?;
    }
    if !settlement.refunds.is_empty() {
        refunds(conn, &settlement.refunds, by, now).await?;
    }
    if !settlement.attendance.is_empty() {
        attendance(conn, &settlement.attendance, by).await?;
    }
    if !settlement.claims.is_empty() {
        claims(conn, &settlement.claims, by, now).await?;
    }
    if !settlement.movements.is_empty() {
        movements(conn, &settlement.movements, now).await?;
    }
    if !settlement.stock_changed.is_empty() {
        stock(conn, settlement, books).await?;
    }
    points_write::write(conn, settlement, now).await?;
    if !settlement.spends.is_empty() {
        spends(conn, &settlement.spends, by, now).await?;
    }
    outbox::write(conn, &settlement.outbox, now).await
}

async fn orders<'m>(
    conn: &mut SqliteConnection,
    orders: &[(Order, usize)],
    by: impl Fn(usize) -> &'m Identity,
    now: DateTime<Utc>,
) -> Result<(), Fault> {
    let rows: Vec<_> = orders
        .iter()
        .map(|(o, ask)| {
            let Identity { source, id, .. } = by(*ask);
            (&o.id, &o.member_id, o.amount_minor, o.earned_points, o.reversed_points, source, id)
        })
        .collect();
    sqlx::query(
        "insert into shop_order (id, member_id, amount_minor, earned_points, reversed_points, source, event_id,
                                 booked_at)
         select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, ?2
         from json_each(?1)",
    )
    .bind(json(&rows)?)
    .bind(micros(now))
    .execute(conn)
    .await?;
    Ok(())
}

/// Orders of which something else is taken back by now.
pub(crate) async fn orders_changed(conn: &mut SqliteConnection, orders: &[Order]) -> Result<(), Fault> {
    let rows: Vec<_> = orders.iter().map(|o| (&o.id, o.reversed_points)).collect();
    sqlx::query(
        "update shop_order set reversed_points = n.value ->> 1 from json_each(?) n where shop_order.id = n.value ->> 0",
    )
    .bind(json(&rows)?)
    .execute(conn)
    .await?;
    Ok(())
}

async fn refunds<'m>(
    conn: &mut SqliteConnection,
    refunds: &[NewRefund],
    by: impl Fn(usize) -> &'m Identity,
    now: DateTime<Utc>,
) -> Result<(), Fault> {
    let rows: Vec<_> = refunds
        .iter()
        .map(|r| {
            let Identity { source, id, .. } = by(r.ask);
            (&r.order_id, &r.refund_id, source, id, r.taken, r.shortfall)
        })
        .collect();
    sqlx::query(
        "insert into refund (order_id, refund_id, source, event_id, taken, shortfall, booked_at)
         select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, ?2 from json_each(?1)",
    )
    .bind(json(&rows)?)
    .bind(micros(now))
    .execute(conn)
    .await?;
    Ok(())
}

async fn attendance<'m>(
    conn: &mut SqliteConnection,
    attendance: &[NewAttendance],
    by: impl Fn(usize) -> &'m Identity,
) -> Result<(), Fault> {
    let rows: Vec<_> = attendance
        .iter()
        .map(|a| {
            let Identity { source, id, .. } = by(a.ask);
            (&a.programme_id, &a.member_id, a.on_date, micros(a.received_at), source, id)
        })
        .collect();
    sqlx::query(
        "insert into attendance (programme_id, member_id, on_date, received_at, source, event_id)
         select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5 from json_each(?)",
    )
    .bind(json(&rows)?)
    .execute(conn)
    .await?;
    Ok(())
}

async fn claims<'m>(
    conn: &mut SqliteConnection,
    claims: &[NewClaim],
    by: impl Fn(usize) -> &'m Identity,
    now: DateTime<Utc>,
) -> Result<(), Fault> {
    let rows: Vec<_> = claims
        .iter()
        .map(|c| {
            let Identity { source, id, .. } = by(c.ask);
            let asked = (hex(c.id), &c.programme_id, &c.rule_id, &c.reward_id, &c.member_id);
            let judged = (c.slot, c.state, c.reject_code, c.days_seen, micros(c.accepted_at));
            (asked, judged, source, id)
        })
        .collect();
    sqlx::query(
        "insert into claim (id, programme_id, rule_id, reward_id, member_id, slot, state, reject_code, days_seen,
                            accepted_at, source, event_id, settled_at)
         select unhex(value ->> '$[0][0]'), value ->> '$[0][1]', value ->> '$[0][2]', value ->> '$[0][3]',
                value ->> '$[0][4]', value ->> '$[1][0]', value ->> '$[1][1]', value ->> '$[1][2]',
                value ->> '$[1][3]', value ->> '$[1][4]', value ->> 2, value ->> 3, ?2
         from json_each(?1)",
    )
    .bind(json(&rows)?)
    .bind(micros(now))
    .execute(conn)
    .await?;
    Ok(())
}

async fn movements(
    conn: &mut SqliteConnection,
    movements: &[NewMovement],
    now: DateTime<Utc>,
) -> Result<(), Fault> {
    let rows: Vec<_> = movements.iter().map(|m| (hex(m.claim_id), &m.reward_id)).collect();
    sqlx::query(
        "insert into movement (claim_id, reward_id, created_at)
         select unhex(value ->> 0), value ->> 1, ?2 from json_each(?1)",
    )
    .bind(json(&rows)?)
    .bind(micros(now))
    .execute(conn)
    .await?;
    Ok(())
}

async fn stock(conn: &mut SqliteConnection, settlement: &Settlement, books: &Books) -> Result<(), Fault> {
    let changed = settlement.stock_changed.iter().filter_map(|id| books.stock.get(id));
    let rows: Vec<_> = changed.map(|s| (&s.reward_id, s.issued, s.low_armed, s.out_armed)).collect();
    sqlx::query(
        "update stock set issued = n.value ->> 1, low_armed = n.value ->> 2, out_armed = n.value ->> 3
         from json_each(?) n where stock.reward_id = n.value ->> 0",
    )
    .bind(json(&rows)?)
    .execute(conn)
    .await?;
    Ok(())
}

async fn spends<'m>(
    conn: &mut SqliteConnection,
    spends: &[NewSpend],
    by: impl Fn(usize) -> &'m Identity,
    now: DateTime<Utc>,
) -> Result<(), Fault> {
    let rows: Vec<_> = spends
        .iter()
        .map(|s| {
            let Identity { source, id, .. } = by(s.ask);
            let asked = (hex(s.id), &s.member_id, s.points, &s.reference);
            let judged = (s.state, s.reject_code, s.txn_id.map(hex), micros(s.accepted_at));
            (asked, judged, source, id)
        })
        .collect();
    sqlx::query(
        "insert into spend (id, member_id, points, reference, state, reject_code, txn_id, accepted_at, source,
                            event_id, settled_at)
         select unhex(value ->> '$[0][0]'), value ->> '$[0][1]', value ->> '$[0][2]', value ->> '$[0][3]',
                value ->> '$[1][0]', value ->> '$[1][1]', unhex(value ->> '$[1][2]'), value ->> '$[1][3]',
                value ->> 2, value ->> 3, ?2
         from json_each(?1)",
    )
    .bind(json(&rows)?)
    .bind(micros(now))
    .execute(conn)
    .await?;
    Ok(())
}
