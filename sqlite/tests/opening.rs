//! Opening, sharing and reopening the file.

mod support;

use std::time::Duration;

use forebay_sqlite::{Db, Error, migrator};
use support::{execute, insert, numbers, opened};
use tokio::time::{Instant, sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_survives_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let db = opened(&folder).await;
    for n in 0..50 {
        insert(&db, n).await.unwrap();
    }
    // What a killed process leaves behind: the file and its journal, as they are now.
    let after = tempfile::tempdir().unwrap();
    for name in ["test.db", "test.db-wal"] {
        std::fs::copy(folder.path().join(name), after.path().join(name)).unwrap();
    }
    let reopened = opened(&after).await;
    assert_eq!(numbers(&reopened).await, (0..50).collect::<Vec<_>>());
    reopened.close().await;
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_owner_is_told_who_is_in_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let db = opened(&folder).await;
    let roundabout = folder.path().join(".").join("test.db");
    let refused = Db::open(&roundabout).await;
    let Err(error @ Error::InUse(_)) = refused else { panic!("{refused:?}") };
    assert!(
        error.to_string().contains("test.db is in use by another process; stop that one first"),
        "{error}"
    );
    insert(&db, 1).await.unwrap();
    db.close().await;
    let db = Db::open(&roundabout).await.unwrap();
    assert_eq!(numbers(&db).await, [1]);
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_every_handle_lets_the_file_go() {
    let folder = tempfile::tempdir().unwrap();
    let db = opened(&folder).await;
    insert(&db, 1).await.unwrap();
    drop(db);
    let until = Instant::now() + PATIENCE;
    let db = loop {
        match Db::open(folder.path().join("test.db")).await {
            Ok(db) => break db,
            Err(error) => assert!(Instant::now() < until, "{error}"),
        }
        sleep(Duration::from_millis(5)).await;
    };
    assert_eq!(numbers(&db).await, [1]);
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_opened_is_named_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("notes.txt");
    std::fs::write(&text, "not a database, but long enough to have a header. ".repeat(40)).unwrap();
    for (path, word) in [(text, "not a database"), (folder.path().join("missing/a.db"), "its folder")] {
        let refused = Db::open(&path).await;
        let Err(error @ Error::Open { .. }) = refused else { panic!("{refused:?}") };
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_see_what_was_answered_and_can_not_write() {
    let folder = tempfile::tempdir().unwrap();
    let db = opened(&folder).await;
    for n in 0..20 {
        insert(&db, n).await.unwrap();
        assert_eq!(numbers(&db).await.len() as i64, n + 1);
    }
    let refused = sqlx::query("DELETE FROM t").execute(db.read()).await;
    assert!(refused.is_err_and(|error| error.to_string().contains("readonly")));
    db.close().await;
}

const FIRST: &[(&str, &str)] = &[("first", "CREATE TABLE first (n INTEGER PRIMARY KEY) STRICT")];
const FIRST_NEWER: &[(&str, &str)] = &[FIRST[0], ("text", "ALTER TABLE first ADD COLUMN text TEXT")];
const SECOND: &[(&str, &str)] = &[("second", "CREATE TABLE second (n INTEGER PRIMARY KEY) STRICT")];

#[tokio::test(flavor = "multi_thread")]
async fn each_crate_brings_its_own_tables_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let db = opened(&folder).await;
    for _ in 0..2 {
        db.migrate("_first", migrator(FIRST)).await.unwrap();
        db.migrate("_second", migrator(SECOND)).await.unwrap();
    }
    execute(&db, "INSERT INTO first SELECT 1").await.unwrap();
    execute(&db, "INSERT INTO second SELECT 1").await.unwrap();
    db.migrate("_first", migrator(FIRST_NEWER)).await.unwrap();
    execute(&db, "INSERT INTO first (n, text) SELECT 2, 'b'").await.unwrap();
    let older = db.migrate("_first", migrator(FIRST)).await;
    let Err(error @ Error::Migration(_)) = older else { panic!("{older:?}") };
    assert!(error.to_string().contains("a newer release"), "{error}");
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wake_up_is_not_missed_and_wakes_its_own_channel_only() {
    let folder = tempfile::tempdir().unwrap();
    let db = opened(&folder).await;
    db.wakes().notify("nobody listens yet");
    let mut mine = db.wakes().listen("mine");
    let mut other = db.wakes().listen("other");
    mine.reset();
    db.wakes().notify("mine");
    timeout(PATIENCE, mine.woken()).await.expect("it was woken before it waited");
    assert!(timeout(Duration::from_millis(50), mine.woken()).await.is_err(), "once is once");
    db.wakes().notify("mine");
    mine.reset();
    assert!(timeout(Duration::from_millis(50), mine.woken()).await.is_err(), "a reset forgets");
    assert!(timeout(Duration::from_millis(50), other.woken()).await.is_err());
    let waiting = tokio::spawn(async move { other.woken().await });
    db.wakes().notify("other");
    timeout(PATIENCE, waiting).await.unwrap().unwrap();
    db.close().await;
}
