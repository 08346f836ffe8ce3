//! Rules that the database keeps, whatever a program does.

use std::time::{Duration, Instant};

use forebay_domain::programme::Programme;
use forebay_store::conformance::lots::spend;
use forebay_store::conformance::{
    check_in, claim, day, later, member, now, paid, programme, programme_with_mugs, settle,
};
use forebay_store::{Attendance as _, AuditLog as _, By, Lifecycle as _, Points as _, Programmes as _};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::database::{Database, execute};

/// Runs statements in one transaction, and gives the message by which they are refused.
async fn refused(conn: &mut PgConnection, sql: &str) -> String {
    let mut tx = conn.begin().await.unwrap();
    let error = match sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut *tx).await {
        Ok(_) => tx.commit().await.unwrap_err(),
        Err(error) => error,
    };
    error.into_database_error().unwrap().message().to_owned()
}

#[tokio::test]
async fn a_ledger_transaction_that_does_not_balance_is_refused_at_the_commit() {
    let database = Database::new().await;
    let mut conn = database.connect().await;
    let txn = "insert into ledger_txn (id, kind, idem_key, created_at)
               values ('00000000-0000-0000-0000-000000000001', 'earn', 'k', now());";
    let entry = |account: &str, amount: i64| {
        format!(
            "insert into ledger_entry values ('00000000-0000-0000-0000-000000000001', '{account}', {amount});"
        )
    };
    let off = format!("{txn}{}{}", entry("m:a", 5), entry("sys:issuance", -4));
    assert!(refused(&mut conn, &off).await.contains("sum 1, entries 2"));
    let single = format!("{txn}{}", entry("m:a", 5));
    assert!(refused(&mut conn, &single).await.contains("sum 5, entries 1"));
    execute(&mut conn, format!("{txn}{}{}", entry("m:a", 5), entry("sys:issuance", -5))).await;
}

#[tokio::test]
async fn the_ledger_and_the_movements_are_append_only() {
    let database = Database::new().await;
    let store = database.store();
    store.put_programme(&programme(), now()).await.unwrap();
    settle(&store, vec![check_in("a", 1, now()), claim(1, 1, "one-day"), paid("o-1", Some(1), 100_000)])
        .await;
    let mut conn = database.connect().await;
    for table in ["ledger_txn", "ledger_entry", "movement"] {
        let rows: i64 = sqlx::query_scalar(AssertSqlSafe(format!("select count(*) from {table}")))
            .fetch_one(&mut conn)
            .await
            .unwrap();
        assert!(rows > 0, "{table} holds nothing that could be changed");
        let column = if table == "movement" { "reward_id = 'x'" } else { "kind = 'earn'" };
        let column = if table == "ledger_entry" { "amount = 1" } else { column };
        for sql in [format!("delete from {table}"), format!("update {table} set {column}")] {
            assert!(refused(&mut conn, &sql).await.contains("append only"), "{sql}");
        }
    }
}

#[tokio::test]
async fn of_the_ledger_only_a_members_name_may_change_and_only_into_a_pseudonym() {
    let database = Database::new().await;
    let store = database.store();
    store.put_programme(&programme(), now()).await.unwrap();
    settle(&store, vec![paid("o-1", Some(1), 100_000)]).await;
    let mut conn = database.connect().await;
    for sql in [
        "update ledger_entry set account = 'm:m-2' where account = 'm:m-1'",
        "update ledger_entry set account = 'm:forebay:erased:1' where account like 'sys:%'",
        "update ledger_entry set account = 'm:forebay:erased:1', amount = 1 where account = 'm:m-1'",
        "update ledger_entry set account = 'm:forebay:erased:1', balance_after = null where account = 'm:m-1'",
    ] {
        assert!(refused(&mut conn, sql).await.contains("append only"), "{sql}");
    }
    execute(
        &mut conn,
        "update ledger_entry set account = 'm:forebay:erased:1' where account = 'm:m-1'".to_owned(),
    )
    .await;
}

/// As a release without lots books: entries and balance, and nothing else.
async fn book_by_hand(conn: &mut PgConnection, n: u32, kind: &str, delta: i64) {
    let id = format!("00000000-0000-0000-0000-{n:012}");
    let sql = format!(
        "begin;
         insert into ledger_txn (id, kind, idem_key, created_at) values ('{id}', '{kind}', 'k-{n}', now());
         insert into ledger_entry (txn_id, account, amount) values ('{id}', 'm:m-1', {delta}), ('{id}', 'sys:x', -({delta}));
         update member set balance = balance + {delta} where id = 'm-1';
         commit"
    );
    execute(conn, sql).await;
}

#[tokio::test]
async fn what_a_release_without_lots_books_has_its_lots() {
    let database = Database::new().await;
    let store = database.store();
    let limited = Programme { points_valid_days: Some(30), ..programme() };
    store.put_programme(&limited, now()).await.unwrap();
    settle(&store, vec![paid("o-1", Some(1), 10_000)]).await;
    let mut conn = database.connect().await;
    book_by_hand(&mut conn, 1, "earn", 50).await;
    book_by_hand(&mut conn, 2, "refund", -120).await;
    let view = store.member_points(&member(1), now()).await.unwrap();
    let lots: Vec<_> = view.lots.iter().map(|lot| (lot.points, lot.expires_at)).collect();
    assert_eq!((view.balance, lots), (30, vec![(30, None)]), "the next to end was taken first");
    settle(&store, vec![spend(1, 1, 30)]).await;
    let check = store.check_books().await.unwrap();
    assert_eq!((check.txns, check.differences()), (4, 0), "{check:?}");
}

/// As a release erases that knows nothing of lots, spendings, parcels of claims and reasons of blocks; `end` is what it
/// does with the member's row.
async fn erase_by_hand(conn: &mut PgConnection, id: &str, end: &str) {
    let hash = format!("sha256(convert_to('forebay/erased/{id}', 'UTF8'))");
    let name = "forebay:erased:0190a7c47b1e7c3a8f00000000000001";
    let sql = format!(
        "begin;
         select from shop_order where member_id = '{id}' order by id for update;
         insert into member (id) values ('{id}') on conflict do nothing;
         select balance, blocked from member where id = '{id}' for update;
         insert into erased_member (hash, erased_at) values ({hash}, now()) on conflict do nothing;
         update attendance set member_id = '{name}' where member_id = '{id}';
         update claim set member_id = '{name}' where member_id = '{id}';
         update shop_order set member_id = '{name}' where member_id = '{id}';
         update ledger_entry set account = 'm:{name}' where account = 'm:{id}';
         {end};
         commit"
    );
    execute(conn, sql.replace("$name", name)).await;
}

#[tokio::test]
async fn what_a_release_without_lots_erases_is_gone_from_lots_spendings_and_parcels() {
    let database = Database::new().await;
    let store = database.store();
    store.put_programme(&programme_with_mugs(5, 0), now()).await.unwrap();
    let set = vec![
        check_in("a", 1, now()),
        claim(1, 1, "one-day"),
        paid("o-1", Some(1), 10_000),
        spend(1, 1, 30),
        spend(2, 9, 5),
    ];
    settle(&store, set).await;
    let mut conn = database.connect().await;
    let by_hand = "update claim set fulfilled_at = now(), carrier = 'cj', tracking_number = '600000000001';
                   update member set blocked = true, blocked_reason = 'two accounts' where id = 'm-1'";
    execute(&mut conn, by_hand.to_owned()).await;
    erase_by_hand(&mut conn, "m-1", "update member set id = '$name' where id = 'm-1'").await;
    erase_by_hand(&mut conn, "m-9", "delete from member where id = 'm-9'").await;
    let left = "select (select count(*) from points_lot where member_id not like 'forebay:erased:%'),
                       (select count(*) from spend where member_id not like 'forebay:erased:%' or reference is not null),
                       (select count(*) from claim where carrier is not null or tracking_number is not null),
                       (select count(*) from member where blocked_reason is not null)";
    let left: (i64, i64, i64, i64) = sqlx::query_as(left).fetch_one(&mut conn).await.unwrap();
    assert_eq!(left, (0, 0, 0, 0));
    let kept = "select (select count(*) from points_lot), (select count(distinct member_id) from spend)";
    let kept: (i64, i64) = sqlx::query_as(kept).fetch_one(&mut conn).await.unwrap();
    assert_eq!(kept, (1, 2), "nothing was lost, and nobody is taken for another");
    assert_eq!(store.check_books().await.unwrap().differences(), 0);
}

#[tokio::test]
async fn a_look_over_the_books_finds_what_was_changed_by_hand() {
    let database = Database::new().await;
    let store = database.store();
    store.put_programme(&programme(), now()).await.unwrap();
    settle(&store, vec![paid("o-1", Some(1), 10_000), paid("o-2", Some(2), 10_000)]).await;
    let mut conn = database.connect().await;
    execute(&mut conn, "update member set balance = balance + 7 where id = 'm-1'".to_owned()).await;
    execute(&mut conn, "update points_lot set remaining = 99 where member_id = 'm-2'".to_owned()).await;
    execute(&mut conn, "update stock set issued = 3".to_owned()).await;
    let found = store.check_books().await.unwrap();
    assert_eq!(
        (found.unbalanced, found.balances_off, found.lots_off, found.uses_off, found.stock_off),
        (0, 1, 2, 1, 1)
    );
    for n in [1, 2] {
        let newest = store.member_ledger(&member(n), None, 1).await.unwrap()[0].txn_id;
        assert!(found.examples.contains(&newest), "{found:?}");
    }
    assert_eq!(found.rewards, ["mug"]);
    let told = format!("{:?}", found.incident().unwrap());
    assert!(told.contains("BooksDiffer") && !told.contains("m-1"), "members are not named: {told}");
    let drop = "delete from points_lot where member_id = 'm-1'";
    execute(&mut conn, drop.to_owned()).await;
    execute(
        &mut conn,
        "update points_lot set remaining = 100, granted = 130 where member_id = 'm-2'".to_owned(),
    )
    .await;
    settle(&store, vec![spend(1, 2, 20)]).await;
    execute(&mut conn, "update member set balance = 60 where id = 'm-2'".to_owned()).await;
    execute(&mut conn, "update points_lot set remaining = 95 where member_id = 'm-2'".to_owned()).await;
    // Of somebody who never got a point.
    execute(&mut conn, "insert into member (id, balance) values ('m-3', 5)".to_owned()).await;
    let after = store.mend_books(&by(), later(1)).await.unwrap();
    assert_eq!((after.stock_off, after.differences()), (1, 1), "{after:?}");
    let points = |n: u32| {
        let store = store.clone();
        async move {
            let view = store.member_points(&member(n), now()).await.unwrap();
            (view.balance, view.lots.iter().map(|lot| lot.points).collect::<Vec<_>>())
        }
    };
    assert_eq!((points(1).await, points(2).await), ((100, vec![100]), (80, vec![80])));
    assert_eq!(points(3).await, (0, vec![]));
    let entry = store.audit_log(None, 1).await.unwrap().remove(0);
    assert_eq!(entry.action, "ledger.mend");
}

#[tokio::test]
async fn stock_can_not_be_oversold_by_hand() {
    let database = Database::new().await;
    database.store().put_programme(&programme(), now()).await.unwrap();
    let mut conn = database.connect().await;
    assert!(refused(&mut conn, "update stock set issued = 11").await.contains("stock_not_oversold"));
    assert!(
        refused(&mut conn, "update stock set reserved = 4, issued = 7").await.contains("stock_not_oversold")
    );
    execute(&mut conn, "update stock set issued = 10".to_owned()).await;
}

#[tokio::test]
async fn an_empty_database_is_migrated_once_by_many_processes_at_once() {
    let database = Database::new().await;
    let mut conn = database.connect().await;
    execute(&mut conn, "drop schema forebay cascade".to_owned()).await;
    let processes: Vec<_> = (0..4)
        .map(|_| {
            let store = database.store();
            tokio::spawn(async move { store.migrate().await })
        })
        .collect();
    for process in processes {
        process.await.unwrap().unwrap();
    }
    let status = database.store().status().await.unwrap();
    assert!(status.schema_version > 0);
    assert_eq!(status.schema_version, status.schema_wanted);
    database.store().put_programme(&programme(), now()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_day_that_meets_a_change_of_its_zone_is_told_anew() {
    let database = Database::new().await;
    let store = database.store();
    store.put_programme(&programme(), now()).await.unwrap();
    let mut conn = database.connect().await;
    let mut tx = conn.begin().await.unwrap();
    // As `put_programme` does it, with a check-in held up between its reading and its writing.
    execute(&mut tx, "lock table attendance in share row exclusive mode".to_owned()).await;
    let settling = {
        let store = store.clone();
        tokio::spawn(async move { settle(&store, vec![check_in("a", 1, now())]).await })
    };
    let waiting =
        "select exists (select from pg_locks where relation = 'attendance'::regclass and not granted)";
    let began = Instant::now();
    while !sqlx::query_scalar::<_, bool>(waiting).fetch_one(&mut *tx).await.unwrap() {
        assert!(began.elapsed() < Duration::from_secs(60), "the check-in never came to its writing");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    execute(&mut tx, "update programme set tz = 'America/Los_Angeles'".to_owned()).await;
    tx.commit().await.unwrap();
    settling.await.unwrap();
    let days = store.member_days(&programme().id, &member(1)).await.unwrap().days;
    assert_eq!(days, [day("2026-11-19")], "a day of the new zone");
}

fn by() -> By {
    By { id: uuid::Uuid::from_u128(1), actor: "a-person".to_owned(), reason: "by hand".to_owned() }
}

#[tokio::test]
async fn lots_of_members_whom_others_hold_keep_no_place_in_a_set_that_ends() {
    let database = Database::new().await;
    let store = database.store();
    store.put_programme(&Programme { points_valid_days: Some(30), ..programme() }, now()).await.unwrap();
    settle(&store, (0..6).map(|n| paid(&format!("o-{n}"), Some(n), 10_000)).collect()).await;
    let mut conn = database.connect().await;
    // They end one after the other.
    let one_by_one =
        "update points_lot set expires_at = expires_at + substr(member_id, 3)::integer * interval '1 second'";
    execute(&mut conn, one_by_one.to_owned()).await;
    let mut busy = conn.begin().await.unwrap();
    sqlx::query("select from member where id in ('m-0', 'm-1', 'm-2') for update")
        .execute(&mut *busy)
        .await
        .unwrap();
    let end = now() + Duration::from_secs(40 * 86_400);
    assert_eq!(store.expire_points(2, end).await.unwrap(), 2);
    assert_eq!(store.expire_points(2, end).await.unwrap(), 1);
    assert_eq!(store.expire_points(2, end).await.unwrap(), 0, "the others are held");
    busy.rollback().await.unwrap();
    assert_eq!(store.expire_points(2, end).await.unwrap(), 2);
    assert_eq!(store.expire_points(2, end).await.unwrap(), 1);
}
