//! One writer for all: what it promises to each caller.

mod support;

use std::time::Duration;

use forebay_sqlite::Error;
use support::{execute, insert, numbers, opened};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn many_writes_share_few_commits() {
    const WRITERS: i64 = 64;
    const WRITES: i64 = 1_000;
    let folder = tempfile::tempdir().unwrap();
    let db = opened(&folder).await;
    let before = db.figures();
    let mut tasks = JoinSet::new();
    for writer in 0..WRITERS {
        let db = db.clone();
        tasks.spawn(async move {
            for n in (writer..WRITES).step_by(WRITERS as usize) {
                insert(&db, n).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    let after = db.figures();
    assert_eq!(after.jobs - before.jobs, WRITES as u64);
    let commits = after.commits - before.commits;
    assert!(commits < WRITES as u64 / 4, "{commits} commits for {WRITES} writes");
    assert_eq!(numbers(&db).await, (0..WRITES).collect::<Vec<_>>());
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_job_is_undone_alone() {
    let folder = tempfile::tempdir().unwrap();
    let db = opened(&folder).await;
    let mut tasks = JoinSet::new();
    for n in 0..100_i64 {
        let db = db.clone();
        tasks.spawn(async move {
            let written = db
                .write(move |conn| {
                    Box::pin(async move {
                        sqlx::query("INSERT INTO t (n) VALUES (?)").bind(n).execute(&mut *conn).await?;
                        if n % 3 == 0 {
                            // The same row again: the job fails half way.
                            sqlx::query("INSERT INTO t (n) VALUES (?)").bind(n).execute(&mut *conn).await?;
                        }
                        Ok::<_, Error>(n)
                    })
                })
                .await;
            assert_eq!(written.is_err(), n % 3 == 0, "{n}: {written:?}");
        });
    }
    tasks.join_all().await;
    assert_eq!(numbers(&db).await, (0..100).filter(|n| n % 3 != 0).collect::<Vec<_>>());
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_ends_its_job_and_not_the_writer() {
    let folder = tempfile::tempdir().unwrap();
    let db = opened(&folder).await;
    let panicked = db
        .write::<(), Error, _>(|conn| {
            Box::pin(async move {
                sqlx::query("INSERT INTO t (n) VALUES (1)").execute(conn).await?;
                panic!("a bug in a job")
            })
        })
        .await;
    assert!(matches!(panicked, Err(Error::Panicked)), "{panicked:?}");
    insert(&db, 2).await.unwrap();
    assert_eq!(numbers(&db).await, [2]);
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_done_though_its_caller_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let db = opened(&folder).await;
    let (begun, has_begun) = oneshot::channel();
    let (go_on, may_go_on) = oneshot::channel::<()>();
    let caller = tokio::spawn({
        let db = db.clone();
        async move {
            db.write::<_, Error, _>(|conn| {
                Box::pin(async move {
                    let _ = begun.send(());
                    let _ = may_go_on.await;
                    sqlx::query("INSERT INTO t (n) VALUES (7)").execute(conn).await?;
                    Ok(())
                })
            })
            .await
        }
    });
    has_begun.await.unwrap();
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    go_on.send(()).unwrap();
    // Jobs run in order: once this one is done, so is the one before.
    insert(&db, 8).await.unwrap();
    assert_eq!(numbers(&db).await, [7, 8]);
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_commit_fails_every_job_in_it_and_nothing_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let db = opened(&folder).await;
    execute(&db, "CREATE TABLE child (n INTEGER REFERENCES t (n)) STRICT").await.unwrap();
    let (begun, has_begun) = oneshot::channel();
    let (go_on, may_go_on) = oneshot::channel::<()>();
    let orphan = tokio::spawn({
        let db = db.clone();
        async move {
            db.write::<_, Error, _>(|conn| {
                Box::pin(async move {
                    let _ = begun.send(());
                    let _ = may_go_on.await;
                    // The constraint is checked when everybody's work is committed.
                    sqlx::query("PRAGMA defer_foreign_keys = ON").execute(&mut *conn).await?;
                    sqlx::query("INSERT INTO child VALUES (404)").execute(&mut *conn).await?;
                    Ok(())
                })
            })
            .await
        }
    });
    has_begun.await.unwrap();
    let innocent = tokio::spawn({
        let db = db.clone();
        async move { insert(&db, 1).await }
    });
    // The writer is busy with the first job: the second one joins its group if it waits by now, else it has a
    // group of its own. Either way what it is told must be true.
    tokio::task::yield_now().await;
    go_on.send(()).unwrap();
    assert!(orphan.await.unwrap().is_err());
    let told = innocent.await.unwrap();
    assert_eq!(numbers(&db).await, if told.is_ok() { vec![1] } else { vec![] });
    insert(&db, 2).await.unwrap();
    assert!(numbers(&db).await.contains(&2));
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_as_such_and_passes() {
    let folder = tempfile::tempdir().unwrap();
    let db = opened(&folder).await;
    execute(&db, "PRAGMA max_page_count = 20").await.unwrap();
    let big = || execute(&db, "INSERT INTO t (body) VALUES (zeroblob(1000000))");
    let refused = big().await;
    assert!(refused.as_ref().is_err_and(Error::is_full), "{refused:?}");
    assert!(!refused.as_ref().is_err_and(Error::is_io));
    insert(&db, 1).await.unwrap();
    execute(&db, "PRAGMA max_page_count = 1000000").await.unwrap();
    big().await.unwrap();
    assert_eq!(numbers(&db).await, [1, 2]);
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_does_what_waits_and_then_refuses() {
    let folder = tempfile::tempdir().unwrap();
    let db = opened(&folder).await;
    let mut tasks = JoinSet::new();
    for n in 0..200 {
        let db = db.clone();
        tasks.spawn(async move { (n, insert(&db, n).await) });
    }
    tokio::task::yield_now().await;
    tokio::time::timeout(PATIENCE, db.close()).await.unwrap();
    let mut stored = Vec::new();
    for (n, told) in tasks.join_all().await {
        match told {
            Ok(()) => stored.push(n),
            Err(error) => assert!(matches!(error, Error::Closed), "{error}"),
        }
    }
    stored.sort_unstable();
    assert!(matches!(insert(&db, 999).await, Err(Error::Closed)));
    tokio::time::timeout(PATIENCE, db.close()).await.unwrap();
    let journal = std::fs::metadata(folder.path().join("test.db-wal")).map_or(0, |file| file.len());
    assert_eq!(journal, 0, "everything is in the file itself");
    let db = opened(&folder).await;
    assert_eq!(numbers(&db).await, stored);
    db.close().await;
}
