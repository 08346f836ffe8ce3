//! Statements that must not read a whole table, however large it has become.

use std::time::{Duration, Instant};

use forebay_store::conformance::dead_letters::letter;
use forebay_store::conformance::now;
use forebay_store::{DeadLetters as _, Lifecycle as _};
use sqlx::PgConnection;

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
    let until = Instant::now() + Duration::from_secs(20);
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
