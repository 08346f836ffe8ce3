//! What the file itself sees to, and what its failures mean.

use forebay_sqlite::Db;
use forebay_store::conformance::lots::spend;
use forebay_store::conformance::{check_in, claim, later, member, now, paid, programme, settle};
use forebay_store::{
    Audit as _, AuditLog as _, By, Error, Lifecycle as _, Points as _, Programmes as _, Rewards as _,
};

use crate::support;

/// Runs a statement past the store; the error in words.
async fn by_hand(db: &Db, sql: &'static str) -> Result<(), String> {
    db.write::<_, forebay_sqlite::Error, _>(move |conn| {
        Box::pin(async move {
            sqlx::query(sql).execute(conn).await?;
            Ok(())
        })
    })
    .await
    .map_err(|error| error.to_string())
}

#[tokio::test]
async fn rules_of_the_books_hold_against_statements_by_hand() {
    let file = support::File::new();
    let db = file.open().await;
    let store = support::store(&db).await;
    store.put_programme(&programme(), now()).await.unwrap();
    let set =
        vec![check_in("a", 1, now()), claim(1, 1, "one-day"), paid("o-1", Some(1), 10_000), spend(1, 1, 5)];
    settle(store.as_ref(), set).await;
    let before = store.tally().await.unwrap();
    for (sql, rule) in [
        ("update stock set issued = total + 1", "stock_not_oversold"),
        ("update member set balance = -1", "member_balance_not_negative"),
        ("update ledger_entry set amount = amount * 2", "append only"),
        ("delete from ledger_entry", "append only"),
        ("update ledger_entry set account = 'm:m-2' where account = 'm:m-1'", "append only"),
        ("update ledger_entry set account = 'm:forebay:erased:1' where account like 'sys:%'", "append only"),
        (
            "update ledger_entry set account = 'm:forebay:erased:1', balance_after = null where account = 'm:m-1'",
            "append only",
        ),
        ("update ledger_txn set kind = 'refund'", "append only"),
        ("delete from movement", "append only"),
        ("update lot_use set amount = 1", "append only"),
        ("delete from lot_use", "append only"),
        ("update points_lot set remaining = granted + 1", "CHECK"),
        (
            "insert into claim (id, programme_id, rule_id, reward_id, member_id, slot, state, reject_code, days_seen,
                                accepted_at, settled_at, source, event_id)
             select randomblob(16), programme_id, rule_id, reward_id, member_id, slot, state,
                    reject_code, days_seen, accepted_at, settled_at, source, event_id from claim",
            "UNIQUE",
        ),
        ("insert into ledger_txn (id, kind, idem_key, created_at) select randomblob(16), kind, idem_key, created_at from ledger_txn", "UNIQUE"),
        ("update claim set slot = 0", "CHECK"),
        ("update stock set total = 'many'", "cannot store TEXT"),
    ] {
        let outcome = by_hand(&db, sql).await;
        assert!(outcome.as_ref().is_err_and(|why| why.contains(rule)), "{sql}: {outcome:?}");
    }
    assert_eq!(store.tally().await.unwrap(), before);
}

#[tokio::test]
async fn the_audit_sees_books_that_were_changed_by_hand() {
    let file = support::File::new();
    let db = file.open().await;
    let store = support::store(&db).await;
    store.put_programme(&programme(), now()).await.unwrap();
    settle(store.as_ref(), vec![paid("o-1", Some(1), 10_000), paid("o-2", Some(2), 10_000)]).await;
    by_hand(&db, "update member set balance = balance + 7 where id = 'm-1'").await.unwrap();
    let entry = "insert into ledger_entry (txn_id, account, amount) select id, 'sys:other', 5 from ledger_txn limit 1";
    by_hand(&db, entry).await.unwrap();
    let tally = store.tally().await.unwrap();
    assert_eq!((tally.balances_off, tally.ledger_unbalanced, tally.ledger_sum, tally.points), (1, 1, 5, 207));
    by_hand(&db, "update points_lot set remaining = remaining - 1 where member_id = 'm-2'").await.unwrap();
    by_hand(&db, "update stock set issued = 3").await.unwrap();
    let found = store.check_books().await.unwrap();
    assert_eq!(
        (found.unbalanced, found.balances_off, found.lots_off, found.uses_off, found.stock_off),
        (1, 1, 2, 1, 1)
    );
    assert_eq!((found.txns, found.members, found.rewards.as_slice()), (2, 2, &["mug".to_owned()][..]));
    let newest = |n: u32| {
        let store = &store;
        async move { store.member_ledger(&member(n), None, 1).await.unwrap()[0].txn_id }
    };
    for txn in [newest(1).await, newest(2).await] {
        assert!(found.examples.contains(&txn), "{found:?}");
    }
    let told = found.incident().unwrap();
    assert_eq!(told.rule.as_str(), "books_differ");
    assert!(!format!("{told:?}").contains("m-1"), "members are not named: {told:?}");
    // Of somebody who never got a point.
    by_hand(&db, "insert into member (id, balance) values ('m-3', 5)").await.unwrap();
    let after = store.mend_books(&by(), later(1)).await.unwrap();
    assert_eq!(
        (after.unbalanced, after.stock_off, after.differences()),
        (1, 1, 2),
        "what is no sum is not mended"
    );
    assert_eq!(store.member_balance(&member(1)).await.unwrap().balance, 100);
    assert_eq!(store.member_balance(&member(3)).await.unwrap().balance, 0);
    let entry = store.audit_log(None, 1).await.unwrap().remove(0);
    assert_eq!((entry.action.as_str(), entry.count), ("ledger.mend", 6));
}

#[tokio::test]
async fn a_full_disk_is_told_and_nothing_is_written() {
    let file = support::File::new();
    let db = file.open().await;
    let store = support::store(&db).await;
    store.put_programme(&programme(), now()).await.unwrap();
    by_hand(&db, "pragma max_page_count = 1").await.unwrap();
    let burst =
        |from: u32| (from..from + 500).map(|n| check_in(&format!("c{n}"), n, now())).collect::<Vec<_>>();
    let outcome = store.settle_rewards(burst(0), now()).await;
    assert!(matches!(outcome, Err(Error::Full(_))), "{outcome:?}");
    assert_eq!(store.tally().await.unwrap().done.attendance, 0);
    by_hand(&db, "pragma max_page_count = 100000").await.unwrap();
    store.settle_rewards(burst(0), now()).await.unwrap();
    assert_eq!(store.tally().await.unwrap().done.attendance, 500);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_named_by_table_and_column() {
    let file = support::File::new();
    let db = file.open().await;
    let store = support::store(&db).await;
    store.put_programme(&programme(), now()).await.unwrap();
    by_hand(&db, "update programme set tz = 'Asia/Atlantis'").await.unwrap();
    let outcome = store.programmes().await;
    let Err(Error::Inconsistent { table, column, .. }) = outcome else { panic!("{outcome:?}") };
    assert_eq!((table, column), ("programme", "tz"));
    let outcome = store.settle_rewards(vec![check_in("a", 1, now())], now()).await;
    assert!(matches!(outcome, Err(Error::Inconsistent { .. })), "{outcome:?}");
}

#[tokio::test]
async fn a_file_without_tables_asks_for_a_migration() {
    let file = support::File::new();
    let db = file.open().await;
    let store = support::unmigrated(&db);
    let status = store.status().await.unwrap();
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations")).unwrap();
    assert_eq!((status.schema_version, status.schema_wanted), (0, files.count() as i64));
    let outcome = store.settle_rewards(vec![check_in("a", 1, now())], now()).await;
    let Err(Error::Schema(words)) = outcome else { panic!("{outcome:?}") };
    assert!(words.contains("forebay migrate"), "{words}");
}

#[tokio::test]
async fn what_was_settled_is_there_after_the_file_is_opened_again() {
    let file = support::File::new();
    let store = support::store(&file.open().await).await;
    store.put_programme(&programme(), now()).await.unwrap();
    settle(store.as_ref(), vec![paid("o-1", Some(1), 10_000)]).await;
    let before = store.tally().await.unwrap();
    store.close().await;
    let again = support::store(&file.open().await).await;
    assert_eq!(again.tally().await.unwrap(), before);
    assert_eq!(again.member_balance(&member(1)).await.unwrap().balance, 100);
}

fn by() -> By {
    By { id: uuid::Uuid::from_u128(1), actor: "a-person".to_owned(), reason: "by hand".to_owned() }
}
