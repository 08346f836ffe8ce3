//! Loads the books that a set of reward messages names.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use forebay_domain::settlement::{Ask, Books, Member, Needs, Order};
use forebay_domain::stock::Stock;
use forebay_schemas::{MemberId, OrderId};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use crate::error::Fault;
use crate::rows::{Reading, hex, json};
use crate::{erasure, points_load, programmes};

/// Everything that these asks name. What they do not name is not asked for.
pub(crate) async fn load(conn: &mut SqliteConnection, asks: &[Ask]) -> Result<Books, Fault> {
    let needs = Needs::of(asks);
    let mut books = Books { programmes: programmes::all(conn).await?, ..Books::default() };
    if !needs.orders.is_empty() {
        orders(conn, &needs.orders, &mut books).await?;
    }
    if !needs.refunds.is_empty() {
        refunds(conn, &needs, &mut books).await?;
    }
    members(conn, &needs, &mut books).await?;
    points_load::load(conn, &needs, &mut books).await?;
    if !needs.days.is_empty() {
        days(conn, &needs, &mut books).await?;
    }
    if !needs.claims.is_empty() {
        claims(conn, &needs, &mut books).await?;
        slots(conn, &needs, &mut books).await?;
        stocks(conn, &needs, &mut books).await?;
    }
    Ok(books)
}

pub(crate) async fn orders(
    conn: &mut SqliteConnection,
    orders: &BTreeSet<OrderId>,
    books: &mut Books,
) -> Result<(), Fault> {
    if orders.is_empty() {
        return Ok(());
    }
    let rows = sqlx::query(
        "select id, member_id, amount_minor, earned_points, reversed_points from shop_order
         where id in (select value from json_each(?))",
    )
    .bind(json(orders)?)
    .fetch_all(conn)
    .await?;
    for row in &rows {
        let row = Reading::of("shop_order", row);
        let order = Order {
            id: row.parsed("id")?,
            member_id: row.parsed_if_any("member_id")?,
            amount_minor: row.get("amount_minor")?,
            earned_points: row.get("earned_points")?,
            reversed_points: row.get("reversed_points")?,
            earn_txn: None,
            expired_points: 0,
        };
        books.orders.insert(order.id.clone(), order);
    }
    Ok(())
}

async fn refunds(conn: &mut SqliteConnection, needs: &Needs, books: &mut Books) -> Result<(), Fault> {
    let rows = sqlx::query(
        "select r.order_id, r.refund_id from json_each(?) n cross join refund r
         on r.order_id = n.value ->> 0 and r.refund_id = n.value ->> 1",
    )
    .bind(json(&needs.refunds)?)
    .fetch_all(conn)
    .await?;
    for row in &rows {
        let row = Reading::of("refund", row);
        books.refunds.insert((row.parsed("order_id")?, row.parsed("refund_id")?));
    }
    Ok(())
}

/// The members named, and those of the orders named.
async fn members(conn: &mut SqliteConnection, needs: &Needs, books: &mut Books) -> Result<(), Fault> {
    let mut named = needs.members.clone();
    named.extend(books.orders.values().filter_map(|order| order.member_id.clone()));
    accounts(conn, &named, books).await?;
    let erased = erasure::among(conn, named.iter().map(MemberId::as_str)).await?;
    books.erased.extend(named.into_iter().filter(|member| erased.contains(member.as_str())));
    Ok(())
}

/// What these members have.
pub(crate) async fn accounts(
    conn: &mut SqliteConnection,
    members: &BTreeSet<MemberId>,
    books: &mut Books,
) -> Result<(), Fault> {
    let rows =
        sqlx::query("select id, balance, blocked from member where id in (select value from json_each(?))")
            .bind(json(members)?)
            .fetch_all(conn)
            .await?;
    for row in &rows {
        let row = Reading::of("member", row);
        let member = Member { balance: row.get("balance")?, blocked: row.get("blocked")? };
        books.members.insert(row.parsed("id")?, member);
    }
    Ok(())
}

pub(crate) async fn days(conn: &mut SqliteConnection, needs: &Needs, books: &mut Books) -> Result<(), Fault> {
    let rows = sqlx::query(
        "select a.programme_id, a.member_id, a.on_date, a.voided_at from json_each(?) n cross join attendance a
         on a.programme_id = n.value ->> 0 and a.member_id = n.value ->> 1",
    )
    .bind(json(&needs.days)?)
    .fetch_all(conn)
    .await?;
    for row in &rows {
        let row = Reading::of("attendance", row);
        let day: NaiveDate = row.date("on_date")?;
        let voided = row.get::<Option<i64>>("voided_at")?.is_some();
        let days = if voided { &mut books.voided } else { &mut books.days };
        days.entry((row.parsed("programme_id")?, row.parsed("member_id")?)).or_default().insert(day);
    }
    Ok(())
}

async fn claims(conn: &mut SqliteConnection, needs: &Needs, books: &mut Books) -> Result<(), Fault> {
    let ids: Vec<String> = needs.claims.iter().copied().map(hex).collect();
    let rows = sqlx::query("select id from claim where id in (select unhex(value) from json_each(?))")
        .bind(json(&ids)?)
        .fetch_all(conn)
        .await?;
    for row in &rows {
        books.claims.insert(Reading::of("claim", row).get("id")?);
    }
    Ok(())
}

pub(crate) async fn slots(
    conn: &mut SqliteConnection,
    needs: &Needs,
    books: &mut Books,
) -> Result<(), Fault> {
    let rows = sqlx::query(
        "select c.programme_id, c.rule_id, c.member_id, c.slot from json_each(?) n cross join claim c
         on c.programme_id = n.value ->> 0 and c.rule_id = n.value ->> 1 and c.member_id = n.value ->> 2
            and c.state = 'granted' and c.reversed_at is null",
    )
    .bind(json(&needs.slots)?)
    .fetch_all(conn)
    .await?;
    for row in &rows {
        let row = Reading::of("claim", row);
        let key = (row.parsed("programme_id")?, row.parsed("rule_id")?, row.parsed("member_id")?);
        books.slots.entry(key).or_default().insert(row.narrow("slot")?);
    }
    Ok(())
}

pub(crate) async fn stocks(
    conn: &mut SqliteConnection,
    needs: &Needs,
    books: &mut Books,
) -> Result<(), Fault> {
    let rows = sqlx::query(
        "select s.*, r.name from stock s join reward r on r.id = s.reward_id
         where s.reward_id in (select value from json_each(?))",
    )
    .bind(json(&needs.rewards(&books.programmes))?)
    .fetch_all(conn)
    .await?;
    for row in &rows {
        let stock = stock(row)?;
        books.stock.insert(stock.reward_id.clone(), stock);
    }
    Ok(())
}

/// The stock that a row holds, joined with its reward's name.
pub(crate) fn stock(row: &SqliteRow) -> Result<Stock, Fault> {
    let row = Reading::of("stock", row);
    Ok(Stock {
        reward_id: row.parsed("reward_id")?,
        name: row.get("name")?,
        total: row.get("total")?,
        reserved: row.get("reserved")?,
        issued: row.get("issued")?,
        low_at: row.get("low_at")?,
        low_armed: row.get("low_armed")?,
        out_armed: row.get("out_armed")?,
        version: row.get("version")?,
    })
}
