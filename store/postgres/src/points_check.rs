//! A look over the books.

use forebay_store::BooksCheck;
use forebay_store::points::EXAMPLES;
use sqlx::PgConnection;

/// How long one sum over everything may take.
const STATEMENT_TIMEOUT: &str = "set local statement_timeout = '5min'";

const UNBALANCED: &str = "
    select t.id from ledger_txn t left join ledger_entry e on e.txn_id = t.id
    group by t.id having coalesce(sum(e.amount), 0) <> 0 or count(e.txn_id) < 2";

const BALANCES_OFF: &str = "
    select coalesce(m.id, substr(e.account, 3)) as member_id
    from member m
    full join (select account, sum(amount) as sum from ledger_entry where account like 'm:%' group by account) e
        on e.account = 'm:' || m.id
    where coalesce(m.balance, 0) <> coalesce(e.sum, 0) or m.balance < 0";

const LOTS_OFF: &str = "
    select coalesce(m.id, l.member_id) as member_id
    from member m
    full join (select member_id, sum(remaining) as sum from points_lot group by member_id) l on l.member_id = m.id
    where coalesce(m.balance, 0) <> coalesce(l.sum, 0)";

const USES_OFF: &str = "
    select l.id, l.member_id
    from points_lot l left join (select lot_id, sum(amount) as sum from lot_use group by lot_id) u on u.lot_id = l.id
    where l.granted - coalesce(u.sum, 0) <> l.remaining";

const STOCK_OFF: &str = "
    select s.reward_id
    from stock s
    left join (select reward_id, sum(delta_issued) as sum from movement group by reward_id) m
        on m.reward_id = s.reward_id
    left join (select reward_id, sum(delta_issued) as sum from stock_change group by reward_id) c
        on c.reward_id = s.reward_id
    where s.issued <> coalesce(m.sum, 0) + coalesce(c.sum, 0)";

/// Every member with whom something differs.
pub(crate) async fn members_off(conn: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query(STATEMENT_TIMEOUT).execute(&mut *conn).await?;
    let sql = format!(
        "select member_id from ({BALANCES_OFF}) b union select member_id from ({LOTS_OFF}) l
         union select member_id from ({USES_OFF}) u order by 1"
    );
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_all(conn).await
}

/// Counts what differs, and names some of it.
pub(crate) async fn check(conn: &mut PgConnection) -> Result<BooksCheck, sqlx::Error> {
    sqlx::query(STATEMENT_TIMEOUT).execute(&mut *conn).await?;
    let (txns, members): (i64, i64) =
        sqlx::query_as("select (select count(*) from ledger_txn), (select count(*) from member)")
            .fetch_one(&mut *conn)
            .await?;
    let mut found = BooksCheck { txns, members, ..BooksCheck::default() };
    let most = i64::from(EXAMPLES);
    for (off, sql) in [
        (&mut found.unbalanced, UNBALANCED),
        (&mut found.balances_off, BALANCES_OFF),
        (&mut found.lots_off, LOTS_OFF),
        (&mut found.uses_off, USES_OFF),
        (&mut found.stock_off, STOCK_OFF),
    ] {
        *off = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("select count(*) from ({sql}) off")))
            .fetch_one(&mut *conn)
            .await?;
    }
    if found.unbalanced > 0 {
        let sql = format!("{UNBALANCED} order by t.id limit $1");
        found.examples =
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(most).fetch_all(&mut *conn).await?;
    }
    for (off, sql) in
        [(found.balances_off, BALANCES_OFF), (found.lots_off, LOTS_OFF), (found.uses_off, USES_OFF)]
    {
        if off == 0 || found.examples.len() >= EXAMPLES as usize {
            continue;
        }
        // A member is never named: the newest of their transactions leads to them.
        let sql = format!(
            "select distinct on (off.member_id) e.txn_id
             from (select member_id from ({sql}) o order by 1 limit $1) off
             join ledger_entry e on e.account = 'm:' || off.member_id join ledger_txn t on t.id = e.txn_id
             order by off.member_id, t.created_at desc, t.id desc"
        );
        let newest: Vec<uuid::Uuid> =
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(most).fetch_all(&mut *conn).await?;
        for txn in newest {
            if !found.examples.contains(&txn) && found.examples.len() < EXAMPLES as usize {
                found.examples.push(txn);
            }
        }
    }
    if found.stock_off > 0 {
        let sql = format!("{STOCK_OFF} order by 1 limit $1");
        found.rewards = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(most).fetch_all(conn).await?;
    }
    Ok(found)
}
