//! Statements that must not read a whole table, however large it has become.

use std::time::{Duration, Instant};

use forebay_domain::settlement::Stage;
use forebay_store::conformance::dead_letters::letter;
use forebay_store::conformance::{now, programme};
use forebay_store::{
    Attendance as _, AttendanceFilter, By, ClaimFilter, Claims as _, DeadLetters as _, Lifecycle as _,
    Points as _, ProgrammePut, Programmes as _, Seen,
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::database::Database;

/// Archives letters of these numbers, a hundred at once, and closes the store, so that the server counts what it read.
async fn archive(database: &Database, numbers: std::ops::Range<usize>) {
    let store = database.store();
    for first in numbers.clone().step_by(100) {
        let letters = (first..(first + 100).min(numbers.end)).map(|n| letter(&format!("m-{n}"))).collect();
        store.archive(letters, now()).await.unwrap();
    }
    store.close().await;
}

/// Rows that sequential scans of the archive have read, once so many letters are counted as inserted.
async fn read_in_sequence(conn: &mut PgConnection, inserted: i64) -> i64 {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let (counted, read): (i64, i64) = sqlx::query_as(
            "select n_tup_ins, seq_tup_read from pg_stat_user_tables
             where schemaname = 'forebay' and relname = 'dead_letter'",
        )
        .fetch_one(&mut *conn)
        .await
        .unwrap();
        if counted == inserted {
            return read;
        }
        assert!(Instant::now() < until, "{counted} of {inserted} letters were counted");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_set_of_dead_letters_is_archived_by_index_however_many_there_are() {
    let database = Database::new().await;
    let mut conn = database.connect().await;
    // Where an index can serve, it does: a table of a test is too small for the planner to want one.
    let off = "do $$ begin execute format('alter database %I set enable_seqscan = off', current_database()); end $$";
    sqlx::query(off).execute(&mut conn).await.unwrap();
    archive(&database, 0..500).await;
    // Some that are there already, too.
    archive(&database, 300..600).await;
    assert_eq!(read_in_sequence(&mut conn, 600).await, 0);
}

/// Rows that these indexes have given, once the server has counted at least so many changed rows of the lots.
async fn given_by(conn: &mut PgConnection, indexes: &[&str], updated: i64) -> i64 {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let (counted, given): (i64, i64) = sqlx::query_as(
            "select (select n_tup_upd from pg_stat_user_tables where schemaname = 'forebay' and relname = 'points_lot'),
                    (select coalesce(sum(idx_tup_read), 0)::int8 from pg_stat_user_indexes
                     where schemaname = 'forebay' and indexrelname = any($1))",
        )
        .bind(indexes)
        .fetch_one(&mut *conn)
        .await
        .unwrap();
        if counted >= updated {
            return given;
        }
        assert!(Instant::now() < until, "{counted} of {updated} changed lots were counted");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn lots_that_end_at_one_instant_are_told_and_taken_set_by_set_without_reading_them_all() {
    const LOTS: i64 = 1_000;
    const SET: u32 = 50;
    let database = Database::new().await;
    let mut conn = database.connect().await;
    let off = "do $$ begin
                   execute format('alter database %I set enable_seqscan = off', current_database());
                   execute format('alter database %I set enable_bitmapscan = off', current_database());
                   execute format('alter database %I set enable_sort = off', current_database());
               end $$";
    sqlx::query(off).execute(&mut conn).await.unwrap();
    let lots = "with who as (select 'm-' || n as id from generate_series(1, $1) n),
                     row as (insert into member (id, balance) select id, 5 from who)
                insert into points_lot (id, member_id, granted, remaining, usable_from, expires_at)
                select gen_random_uuid(), id, 5, 5, $2, $3 from who";
    let end = now() + Duration::from_secs(3600);
    sqlx::query(lots).bind(LOTS).bind(now()).bind(end).execute(&mut conn).await.unwrap();
    let store = database.store();
    // One set each: whatever comes later meets the dead versions of the sets before it, as many as the server happens not
    // to have cleaned up yet.
    store.warn_of_expiry(end, SET, now()).await.unwrap();
    store.expire_points(SET, end).await.unwrap();
    store.close().await;
    let set = i64::from(SET);
    let given = given_by(&mut conn, &["points_lot_ending", "points_lot_untold"], 2 * set).await;
    // Those of the first set are met once more, in their former version.
    assert!(
        (2 * set..=6 * set).contains(&given),
        "{given} rows were read of {LOTS} lots for two sets of {set}"
    );
}

/// Rows of a table that were read, by whatever way, once all other connections have ended and are counted.
pub(crate) async fn read_of(conn: &mut PgConnection, table: &str) -> i64 {
    let until = Instant::now() + Duration::from_secs(60);
    let others = "select count(*) from pg_stat_activity
                  where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()";
    while sqlx::query_scalar::<_, i64>(others).fetch_one(&mut *conn).await.unwrap() > 0 {
        assert!(Instant::now() < until, "the store's connections did not end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    sqlx::query_scalar(
        "select t.seq_tup_read + coalesce(sum(i.idx_tup_read), 0)::int8
         from pg_stat_user_tables t left join pg_stat_user_indexes i using (relid)
         where t.schemaname = 'forebay' and t.relname = $1 group by t.seq_tup_read",
    )
    .bind(table)
    .fetch_one(conn)
    .await
    .unwrap()
}

/// Claims of a thousand members under the rule `one-day`, half of which were shipped and ten taken back.
async fn claims(conn: &mut PgConnection) {
    let claims = "insert into claim (id, programme_id, rule_id, reward_id, member_id, slot, state, days_seen, accepted_at,
                                     settled_at, source, event_id, fulfilled_at, reversed_at)
                  select gen_random_uuid(), 'autumn', 'one-day', 'mug', 'm-' || n, 1, 'granted', 1, $1, $1, '/shops/main',
                         'c-' || n, case when n % 2 = 0 then $1 end, case when n <= 10 then $1 end
                  from generate_series(1, 1000) n";
    sqlx::query(claims).bind(now()).execute(conn).await.unwrap();
}

/// Where an index can serve, it does: a table of a test is too small for the planner to want one.
pub(crate) async fn prefer_indexes(conn: &mut PgConnection) {
    let off = "do $$ begin
                   execute format('alter database %I set enable_seqscan = off', current_database());
                   execute format('alter database %I set enable_bitmapscan = off', current_database());
               end $$";
    sqlx::query(off).execute(conn).await.unwrap();
}

fn by() -> By {
    By { id: Uuid::from_u128(1), actor: "manager".into(), reason: "the board wants it".into() }
}

#[tokio::test]
async fn what_rests_on_a_programme_is_found_without_reading_its_claims() {
    let database = Database::new().await;
    let mut conn = database.connect().await;
    prefer_indexes(&mut conn).await;
    let first = database.store();
    first.put_programme(&programme(), now()).await.unwrap();
    first.close().await;
    claims(&mut conn).await;
    let store = database.store();
    let mut without = programme();
    without.rules.remove(0);
    let refused = store.change_programme(&without, Seen::Version(1), false, &by(), now()).await.unwrap();
    assert!(matches!(refused, ProgrammePut::Refused(_)), "{refused:?}");
    let mut other = programme();
    other.name = "Late autumn".into();
    let changed = store.change_programme(&other, Seen::Version(1), false, &by(), now()).await.unwrap();
    assert!(matches!(changed, ProgrammePut::Done { version: 2, .. }), "{changed:?}");
    store.close().await;
    let read = read_of(&mut conn, "claim").await;
    // For each of the two one claim of a rule and one of a reward; those that were taken back are in neither index.
    assert!(read <= 8, "{read} rows of the claims were read");
}

#[tokio::test]
async fn what_is_seldom_is_listed_without_reading_the_rest() {
    let database = Database::new().await;
    let mut conn = database.connect().await;
    prefer_indexes(&mut conn).await;
    claims(&mut conn).await;
    let days = "insert into attendance (programme_id, member_id, on_date, received_at, source, event_id, voided_at)
                select 'autumn', 'm-' || n, '2026-11-20', $1, '/shops/main', 'd-' || n, case when n <= 10 then $1 end
                from generate_series(1, 1000) n";
    sqlx::query(days).bind(now()).execute(&mut conn).await.unwrap();
    sqlx::query("analyze claim, attendance").execute(&mut conn).await.unwrap();
    let store = database.store();
    let reversed = ClaimFilter { stage: Some(Stage::Reversed), ..ClaimFilter::default() };
    assert_eq!(store.list_claims(&reversed, None, 100).await.unwrap().len(), 10);
    let voided = AttendanceFilter { voided: Some(true), ..AttendanceFilter::default() };
    assert_eq!(store.attendance(&programme().id, &voided, None, 100).await.unwrap().len(), 10);
    store.close().await;
    for table in ["claim", "attendance"] {
        let read = read_of(&mut conn, table).await;
        assert!(read <= 20, "{read} rows of the table {table} were read");
    }
}
