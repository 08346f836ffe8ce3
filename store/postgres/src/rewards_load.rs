//! Reads the books that a set of reward messages needs, under their locks.
//!
//! Look-ups of many keys are lateral with `offset 0`: one probe of the index a key, whatever the planner believes of a
//! table that has grown a thousandfold since its statistics were taken, as in the first minutes of a promotion.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use forebay_domain::settlement::{Books, Member, Needs, Order};
use forebay_domain::stock::Stock;
use forebay_schemas::{MemberId, OrderId, ProgrammeId, RewardId, RuleId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::Stop;
use crate::rows::{narrow, read};
use crate::{erasure, points_load, programmes};

/// Locks and reads everything that these asks name: orders, then members, then what hangs on them, then stock, which
/// many workers want at once and which is therefore held shortest.
pub(crate) async fn load(conn: &mut PgConnection, needs: &Needs) -> Result<Books, Stop> {
    let mut books = Books { programmes: programmes::all(conn).await?, ..Books::default() };
    lock_orders(conn, &needs.orders, &mut books).await?;
    let of_orders = books.orders.values().filter_map(|order| order.member_id.clone());
    let members: BTreeSet<MemberId> = needs.members.iter().cloned().chain(of_orders).collect();
    lock_members(conn, &members, &mut books).await?;
    find_erased(conn, &members, &mut books).await?;
    load_days(conn, needs, &mut books).await?;
    load_claims(conn, needs, &mut books).await?;
    load_refunds(conn, needs, &mut books).await?;
    points_load::load(conn, needs, &mut books).await?;
    let rewards = needs.rewards(&books.programmes);
    lock_stock(conn, &rewards, &mut books).await?;
    Ok(books)
}

pub(crate) async fn lock_orders(
    conn: &mut PgConnection,
    orders: &BTreeSet<OrderId>,
    books: &mut Books,
) -> Result<(), Stop> {
    if orders.is_empty() {
        return Ok(());
    }
    let rows: Vec<(String, Option<String>, i64, i64, i64)> = sqlx::query_as(
        "select id, member_id, amount_minor, earned_points, reversed_points
         from shop_order where id = any($1) order by id for update",
    )
    .bind(orders.iter().map(OrderId::as_str).collect::<Vec<_>>())
    .fetch_all(conn)
    .await?;
    for (id, member_id, amount_minor, earned_points, reversed_points) in rows {
        let id = read("shop_order", "id", OrderId::new(id))?;
        let member_id = member_id.map(MemberId::new).transpose();
        let member_id = read("shop_order", "member_id", member_id)?;
        let order = Order {
            id: id.clone(),
            member_id,
            amount_minor,
            earned_points,
            reversed_points,
            earn_txn: None,
            expired_points: 0,
        };
        books.orders.insert(id, order);
    }
    Ok(())
}

pub(crate) async fn lock_members(
    conn: &mut PgConnection,
    members: &BTreeSet<MemberId>,
    books: &mut Books,
) -> Result<(), Stop> {
    if members.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = members.iter().map(MemberId::as_str).collect();
    // A member who is new is there, and locked, after this: two workers meet here and not at what they write.
    sqlx::query("insert into member (id) select unnest($1::text[]) on conflict do nothing")
        .bind(&ids)
        .execute(&mut *conn)
        .await?;
    let rows: Vec<(String, i64, bool)> =
        sqlx::query_as("select id, balance, blocked from member where id = any($1) order by id for update")
            .bind(&ids)
            .fetch_all(conn)
            .await?;
    hold_members(rows, books)
}

/// Puts rows of members (id, balance, blocked), which are locked, into the books.
pub(crate) fn hold_members(rows: Vec<(String, i64, bool)>, books: &mut Books) -> Result<(), Stop> {
    for (id, balance, blocked) in rows {
        books.members.insert(read("member", "id", MemberId::new(id))?, Member { balance, blocked });
    }
    Ok(())
}

/// Asked once the members are locked: an erasure holds the same lock.
pub(crate) async fn find_erased(
    conn: &mut PgConnection,
    members: &BTreeSet<MemberId>,
    books: &mut Books,
) -> Result<(), Stop> {
    let erased = erasure::among(conn, members.iter().map(MemberId::as_str)).await?;
    if erased.is_empty() {
        return Ok(());
    }
    sqlx::query("delete from member where id = any($1)")
        .bind(erased.iter().map(String::as_str).collect::<Vec<_>>())
        .execute(conn)
        .await?;
    books.erased.extend(members.iter().filter(|member| erased.contains(member.as_str())).cloned());
    Ok(())
}

pub(crate) async fn load_days(conn: &mut PgConnection, needs: &Needs, books: &mut Books) -> Result<(), Stop> {
    if needs.days.is_empty() {
        return Ok(());
    }
    let rows: Vec<(String, String, NaiveDate, bool)> = sqlx::query_as(
        "select n.programme_id, n.member_id, a.on_date, a.voided
         from unnest($1::text[], $2::text[]) as n (programme_id, member_id), lateral (
            select on_date, voided_at is not null as voided from attendance where programme_id = n.programme_id and member_id = n.member_id offset 0
         ) a",
    )
    .bind(needs.days.iter().map(|(programme, _)| programme.as_str()).collect::<Vec<_>>())
    .bind(needs.days.iter().map(|(_, member)| member.as_str()).collect::<Vec<_>>())
    .fetch_all(conn)
    .await?;
    for (programme, member, on_date, voided) in rows {
        let programme = read("attendance", "programme_id", ProgrammeId::new(programme))?;
        let member = read("attendance", "member_id", MemberId::new(member))?;
        let days = if voided { &mut books.voided } else { &mut books.days };
        days.entry((programme, member)).or_default().insert(on_date);
    }
    Ok(())
}

async fn load_claims(conn: &mut PgConnection, needs: &Needs, books: &mut Books) -> Result<(), Stop> {
    if needs.claims.is_empty() {
        return Ok(());
    }
    let known: Vec<Uuid> = sqlx::query_scalar(
        "select n.id from unnest($1::uuid[]) as n (id), lateral (select from claim where id = n.id offset 0) c",
    )
    .bind(needs.claims.iter().copied().collect::<Vec<_>>())
        .fetch_all(&mut *conn)
        .await?;
    books.claims.extend(known);
    load_slots(conn, needs, books).await
}

/// The slots that live claims of the members named have taken.
pub(crate) async fn load_slots(
    conn: &mut PgConnection,
    needs: &Needs,
    books: &mut Books,
) -> Result<(), Stop> {
    let rows: Vec<(String, String, String, i64)> = sqlx::query_as(
        "select n.programme_id, n.rule_id, n.member_id, c.slot
         from unnest($1::text[], $2::text[], $3::text[]) as n (programme_id, rule_id, member_id), lateral (
            select slot from claim where member_id = n.member_id and programme_id = n.programme_id
                                     and rule_id = n.rule_id and state = 'granted' and reversed_at is null offset 0
         ) c",
    )
    .bind(needs.slots.iter().map(|(programme, ..)| programme.as_str()).collect::<Vec<_>>())
    .bind(needs.slots.iter().map(|(_, rule, _)| rule.as_str()).collect::<Vec<_>>())
    .bind(needs.slots.iter().map(|(.., member)| member.as_str()).collect::<Vec<_>>())
    .fetch_all(conn)
    .await?;
    for (programme, rule, member, slot) in rows {
        let programme = read("claim", "programme_id", ProgrammeId::new(programme))?;
        let rule = read("claim", "rule_id", RuleId::new(rule))?;
        let member = read("claim", "member_id", MemberId::new(member))?;
        let slot = narrow("claim", "slot", slot)?;
        books.slots.entry((programme, rule, member)).or_default().insert(slot);
    }
    Ok(())
}

async fn load_refunds(conn: &mut PgConnection, needs: &Needs, books: &mut Books) -> Result<(), Stop> {
    if needs.refunds.is_empty() {
        return Ok(());
    }
    let rows: Vec<(String, String)> = sqlx::query_as(
        "select r.order_id, r.refund_id from unnest($1::text[], $2::text[]) as n (order_id, refund_id)
         join refund r on r.order_id = n.order_id and r.refund_id = n.refund_id",
    )
    .bind(needs.refunds.iter().map(|(order, _)| order.as_str()).collect::<Vec<_>>())
    .bind(needs.refunds.iter().map(|(_, refund)| refund.as_str()).collect::<Vec<_>>())
    .fetch_all(conn)
    .await?;
    for (order, refund) in rows {
        let order = read("refund", "order_id", order.parse())?;
        let refund = read("refund", "refund_id", refund.parse())?;
        books.refunds.insert((order, refund));
    }
    Ok(())
}

async fn lock_stock(
    conn: &mut PgConnection,
    rewards: &BTreeSet<RewardId>,
    books: &mut Books,
) -> Result<(), Stop> {
    if rewards.is_empty() {
        return Ok(());
    }
    let rows: Vec<StockRow> = sqlx::query_as(
        "select s.reward_id, r.name, s.total, s.reserved, s.issued, s.low_at, s.low_armed, s.out_armed, s.version
         from stock s join reward r on r.id = s.reward_id
         where s.reward_id = any($1) order by s.reward_id for update of s",
    )
    .bind(rewards.iter().map(RewardId::as_str).collect::<Vec<_>>())
    .fetch_all(conn)
    .await?;
    for row in rows {
        let stock = stock_of(row)?;
        books.stock.insert(stock.reward_id.clone(), stock);
    }
    Ok(())
}

/// Reward, name, total, reserved, issued, low at, low armed, out armed, version.
pub(crate) type StockRow = (String, String, i64, i64, i64, i64, bool, bool, i64);

/// The stock that a row holds.
pub(crate) fn stock_of(row: StockRow) -> Result<Stock, forebay_store::Error> {
    let (reward_id, name, total, reserved, issued, low_at, low_armed, out_armed, version) = row;
    let reward_id = read("stock", "reward_id", RewardId::new(reward_id))?;
    Ok(Stock { reward_id, name, total, reserved, issued, low_at, low_armed, out_armed, version })
}
