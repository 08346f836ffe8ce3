//! The store contract's conformance suite.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use forebay_schemas::MemberId;
use forebay_sqlite::Db;
use forebay_store::Store;
use forebay_store::conformance::Harness;

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

    async fn block(&self, member: &MemberId, blocked: bool) {
        let member = member.as_str().to_owned();
        self.db
            .get()
            .unwrap()
            .write::<_, forebay_sqlite::Error, _>(move |conn| {
                Box::pin(async move {
                    sqlx::query(
                        "insert into member (id, blocked) values (?, ?)
                         on conflict (id) do update set blocked = excluded.blocked",
                    )
                    .bind(member)
                    .bind(blocked)
                    .execute(conn)
                    .await?;
                    Ok(())
                })
            })
            .await
            .unwrap();
    }
}

forebay_store::store_conformance_tests!(OnFile::new());
