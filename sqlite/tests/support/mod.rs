//! A file with one table, and short ways to write and count.

use forebay_sqlite::{Db, Error};

pub(crate) async fn opened(folder: &tempfile::TempDir) -> Db {
    let db = Db::open(folder.path().join("test.db")).await.expect("the file can be opened");
    execute(&db, "CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY, body BLOB) STRICT")
        .await
        .expect("a table can be made");
    db
}

pub(crate) async fn execute(db: &Db, sql: &'static str) -> Result<u64, Error> {
    db.write(move |conn| Box::pin(async move { Ok(sqlx::query(sql).execute(conn).await?.rows_affected()) }))
        .await
}

pub(crate) async fn insert(db: &Db, n: i64) -> Result<(), Error> {
    db.write(move |conn| {
        Box::pin(async move {
            sqlx::query("INSERT INTO t (n) VALUES (?)").bind(n).execute(conn).await?;
            Ok(())
        })
    })
    .await
}

pub(crate) async fn numbers(db: &Db) -> Vec<i64> {
    sqlx::query_scalar("SELECT n FROM t ORDER BY n").fetch_all(db.read()).await.expect("it can be read")
}
