//! The store contract's conformance suite.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use forebay_sqlite::Db;
use forebay_store::Store;
use forebay_store::conformance::{Harness, stands_in};

use crate::support;

struct OnFile {
    file: support::File,
    db: OnceLock<Db>,
}

impl OnFile {
    fn new() -> Self {
        Self { file: support::File::new(), db: OnceLock::new() }
    }
}

#[async_trait]
impl Harness for OnFile {
    async fn store(&self) -> Arc<dyn Store> {
        let db = self.file.open().await;
        let store = support::store(&db).await;
        self.db.set(db).unwrap();
        store
    }

    async fn mentions(&self, text: &str) -> Vec<String> {
        let readers = self.db.get().unwrap().read();
        let columns: Vec<(String, String)> = sqlx::query_as(
            "select t.name, c.name from sqlite_schema t join pragma_table_info(t.name) c
             where t.type = 'table' and c.type in ('TEXT', 'BLOB') order by 1, 2",
        )
        .fetch_all(readers)
        .await
        .unwrap();
        let mut found = Vec::new();
        for (table, column) in columns {
            let sql = format!(
                "select cast({column} as blob) from {table} where instr(cast({column} as blob), cast(? as blob)) > 0"
            );
            let values: Vec<Vec<u8>> =
                sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(text).fetch_all(readers).await.unwrap();
            if values.iter().any(|value| stands_in(value, text)) {
                found.push(format!("{table}.{column}"));
            }
        }
        found
    }
}

forebay_store::store_conformance_tests!(OnFile::new());
