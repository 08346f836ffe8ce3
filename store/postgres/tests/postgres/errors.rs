//! Each failure of the database is told as what it is.

use forebay_store::conformance::{check_in, member, now, paid, programme, settle};
use forebay_store::{Audit as _, Error, Lifecycle as _, Programmes as _, Rewards as _};
use forebay_store_postgres::{Options, PostgresStore};

use crate::database::{Database, execute, migrations};

async fn with_programme(database: &Database) -> PostgresStore {
    let store = database.store();
    store.put_programme(&programme(), now()).await.unwrap();
    store
}

/// Makes every check-in fail with this SQLSTATE, at the statement or at the commit.
async fn break_check_ins(database: &Database, code: &str, at_commit: bool) {
    let kind = if at_commit { "constraint trigger" } else { "trigger" };
    let when = if at_commit { "deferrable initially deferred" } else { "" };
    let sql = format!(
        "create or replace function break_it() returns trigger language plpgsql as
         $$ begin raise exception 'broken by the test' using errcode = '{code}'; end $$;
         drop trigger if exists broken on attendance;
         create {kind} broken after insert on attendance {when} for each row execute function break_it();"
    );
    execute(&mut database.connect().await, sql).await;
}

#[tokio::test]
async fn a_database_without_tables_is_told_with_the_way_to_mend_it() {
    let database = Database::new().await;
    execute(&mut database.connect().await, "drop schema forebay cascade".to_owned()).await;
    let store = database.store();
    let status = store.status().await.unwrap();
    assert_eq!((status.schema_version, status.schema_wanted), (0, migrations().len() as i64));
    let told = store.settle_rewards(vec![check_in("a", 1, now())], now()).await.unwrap_err();
    assert!(matches!(&told, Error::Schema(text) if text.contains("forebay migrate")), "{told:?}");
    let told = store.member_balance(&member(1)).await.unwrap_err();
    assert!(matches!(told, Error::Schema(_)), "{told:?}");
}

#[tokio::test]
async fn a_schema_of_a_newer_release_is_not_touched() {
    let database = Database::new().await;
    let newer = "insert into _sqlx_migrations values (99, 'newer', now(), true, '', 0)".to_owned();
    execute(&mut database.connect().await, newer).await;
    let told = database.store().migrate().await.unwrap_err();
    assert!(matches!(&told, Error::Schema(text) if text.contains("99")), "{told:?}");
    assert_eq!(database.store().status().await.unwrap().schema_version, 99);
}

#[tokio::test]
async fn failures_are_told_apart_by_what_can_be_done() {
    let database = Database::new().await;
    let store = with_programme(&database).await;
    for at_commit in [false, true] {
        for (code, is_expected) in [
            ("53100", (|e| matches!(e, Error::Full(_))) as fn(&Error) -> bool),
            ("53200", |e| matches!(e, Error::Unavailable(_))),
            ("40001", |e| matches!(e, Error::Unavailable(_))),
            ("23514", |e| matches!(e, Error::Refused(_))),
            ("22003", |e| matches!(e, Error::Refused(_))),
            ("42P01", |e| matches!(e, Error::Schema(_))),
        ] {
            break_check_ins(&database, code, at_commit).await;
            let error = store.settle_rewards(vec![check_in("a", 1, now())], now()).await.unwrap_err();
            assert!(is_expected(&error), "{code} at the commit: {at_commit}: {error:?}");
            assert_eq!(store.tally().await.unwrap().inbox, 0, "{code}: nothing was written");
        }
    }
}

#[tokio::test]
async fn a_broken_rule_is_told_by_its_name() {
    let database = Database::new().await;
    let store = with_programme(&database).await;
    let error = store.settle_rewards(vec![paid("o-1", None, -5)], now()).await.unwrap_err();
    assert!(
        matches!(&error, Error::Refused(text) if text.contains("shop_order_amount_minor_check")),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_row_that_can_not_be_read_is_named() {
    let database = Database::new().await;
    let store = with_programme(&database).await;
    execute(&mut database.connect().await, "update programme set tz = 'Nowhere/Land'".to_owned()).await;
    let error = store.programmes().await.unwrap_err();
    assert!(matches!(error, Error::Inconsistent { table: "programme", column: "tz", .. }), "{error:?}");
}

#[tokio::test]
async fn a_wrong_url_is_refused_without_telling_its_password() {
    for url in ["postgres://user:geheim@host:notaport/db", "mysql//geheim", ""] {
        if let Err(error) = PostgresStore::connect_lazy(Options::new(url.to_owned().into())) {
            assert!(matches!(error, Error::Refused(_)) && !error.to_string().contains("geheim"), "{error:?}");
        }
    }
    let options = Options::new("postgres://user:geheim@127.0.0.1/db".to_owned().into());
    assert!(!format!("{options:?}").contains("geheim"));
    let store = PostgresStore::connect_lazy(options).unwrap();
    assert!(!format!("{store:?}").contains("geheim"), "{store:?}");
}

#[tokio::test]
async fn an_unused_store_costs_no_connection() {
    let database = Database::new().await;
    let store = database.store();
    let mut conn = database.connect().await;
    let of_store = "select count(*) from pg_stat_activity
                    where datname = current_database() and application_name = 'forebay'";
    let before: i64 = sqlx::query_scalar(of_store).fetch_one(&mut conn).await.unwrap();
    settle(&store, Vec::new()).await;
    let after: i64 = sqlx::query_scalar(of_store).fetch_one(&mut conn).await.unwrap();
    assert_eq!((before, after), (0, 1));
}
