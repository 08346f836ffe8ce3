//! Statements of looks and reports, which are made again and again however much there ever was.

use std::time::Duration;

use forebay_domain::incident::AlertRule;
use forebay_store::conformance::now;
use forebay_store::{Census as _, DayReports as _, Lifecycle as _, Watch as _};

use crate::database::Database;
use crate::plans::{prefer_indexes, read_of};

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn open_incidents_are_counted_and_found_without_reading_those_that_are_over() {
    let database = Database::new().await;
    let mut conn = database.connect().await;
    prefer_indexes(&mut conn).await;
    let incidents = "insert into incident (id, fingerprint, rule, severity, title, impact, action, sample, count,
                                           revision, first_seen, last_seen, resolved_at, told_revision)
                     select gen_random_uuid(), 'queue_old/' || n, 'queue_old', 'warning', '', '', '', '', 1, 1, $1, $1,
                            case when n > 3 then $1 end, 0 from generate_series(1, 1000) n";
    sqlx::query(incidents).bind(now()).execute(&mut conn).await.unwrap();
    sqlx::query("analyze incident").execute(&mut conn).await.unwrap();
    let store = database.store();
    assert_eq!(store.pulse().await.unwrap().incidents.len(), 1);
    assert_eq!(store.open_of(&[AlertRule::QueueOld.as_str()]).await.unwrap().len(), 3);
    store.close().await;
    let read = read_of(&mut conn, "incident").await;
    assert!(read <= 12, "{read} rows of the incidents were read");
}

/// Rows that whole scans of a table have read; those of summaries (BRIN) are none.
async fn scanned(conn: &mut sqlx::PgConnection, table: &str) -> i64 {
    let read = "select seq_tup_read from pg_stat_user_tables where schemaname = 'forebay' and relname = $1";
    sqlx::query_scalar(read).bind(table).fetch_one(conn).await.unwrap()
}

#[tokio::test]
async fn a_day_is_counted_without_scans_of_whole_tables() {
    let database = Database::new().await;
    let mut conn = database.connect().await;
    // The planner prefers a scan of a table that is as small as that of a test.
    let off = "do $$ begin execute format('alter database %I set enable_seqscan = off', current_database()); end $$";
    sqlx::query(off).execute(&mut conn).await.unwrap();
    let days = "insert into attendance (programme_id, member_id, on_date, received_at, source, event_id)
                select 'autumn', 'm-' || n, '2026-11-20', $1, '/shops/main', 'd-' || n
                from generate_series(1, 1000) n";
    sqlx::query(days).bind(now()).execute(&mut conn).await.unwrap();
    let tables = ["attendance", "claim", "shop_order", "refund", "spend", "return_order", "dead_letter"];
    let mut before = Vec::new();
    for table in tables {
        before.push(scanned(&mut conn, table).await);
    }
    let store = database.store();
    let counts = store.day_counts(now() - DAY, now() + DAY, now() - DAY).await.unwrap().counts;
    assert!(counts.contains(&("volume".to_owned(), "check_ins".to_owned(), 1_000)), "{counts:?}");
    store.close().await;
    // Once all is counted.
    read_of(&mut conn, "attendance").await;
    for (table, before) in tables.into_iter().zip(before) {
        let read = scanned(&mut conn, table).await - before;
        assert_eq!(read, 0, "{table} was scanned");
    }
}
