//! A database of its own for each test, on the server of `FOREBAY_TEST_POSTGRES_URL`.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::str::FromStr as _;
use std::sync::Arc;

use async_trait::async_trait;
use forebay_domain::{Ids as _, RandomIds};
use forebay_store::conformance::{Harness, stands_in};
use forebay_store::{Lifecycle as _, Store};
use forebay_store_postgres::{Options, PostgresStore};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection};

/// The lock under which the template is made, on the server's maintenance database.
const TEMPLATE_LOCK: i64 = 0x666f_7265;
/// The server's address.
#[expect(
    clippy::disallowed_methods,
    reason = "tests have no configuration; their server is named by a variable"
)]
pub(crate) fn server() -> String {
    std::env::var("FOREBAY_TEST_POSTGRES_URL").expect(
        "FOREBAY_TEST_POSTGRES_URL is not set: run these tests by `scripts/test`, or set it to the URL of a \
         PostgreSQL server on which databases may be made and dropped",
    )
}

/// An empty database with every table. It stays until its server is removed: to drop it costs a checkpoint of the whole
/// server, which is most of what a test takes.
#[derive(Debug)]
pub(crate) struct Database {
    server: PgConnectOptions,
    name: String,
}

impl Database {
    /// Makes one.
    pub(crate) async fn new() -> Self {
        Self::on(&server()).await
    }

    /// Makes one on this server.
    pub(crate) async fn on(server: &str) -> Self {
        let server = PgConnectOptions::from_str(server).unwrap();
        let mut conn = server.connect().await.unwrap();
        let template = template(&server, &mut conn).await;
        let name = format!("test_{}", RandomIds.next().simple());
        execute(&mut conn, format!("create database {name} template {template}")).await;
        conn.close().await.unwrap();
        Self { server, name }
    }

    /// What a store on it is built with.
    pub(crate) fn options(&self) -> Options {
        Options::new(self.server.clone().database(&self.name).to_url_lossy().to_string().into())
    }

    /// A store on it.
    pub(crate) fn store(&self) -> PostgresStore {
        PostgresStore::connect_lazy(self.options()).unwrap()
    }

    /// A connection beside the store's.
    pub(crate) async fn connect(&self) -> PgConnection {
        let options = self.server.clone().database(&self.name).options([("search_path", "forebay")]);
        options.connect().await.unwrap()
    }
}

/// The texts of the files in the folder of migrations, in order.
pub(crate) fn migrations() -> Vec<String> {
    let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations")).unwrap();
    let mut paths: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

/// The migrated database that the tests' are copies of, made by whoever comes first.
async fn template(server: &PgConnectOptions, conn: &mut PgConnection) -> String {
    let mut hasher = DefaultHasher::new();
    for text in migrations() {
        text.hash(&mut hasher);
    }
    let name = format!("forebay_template_{:016x}", hasher.finish());
    sqlx::query("select pg_advisory_lock($1)").bind(TEMPLATE_LOCK).execute(&mut *conn).await.unwrap();
    let there: bool = sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
        .bind(&name)
        .fetch_one(&mut *conn)
        .await
        .unwrap();
    if !there {
        let draft = format!("draft_{}", RandomIds.next().simple());
        execute(conn, format!("create database {draft}")).await;
        let url = server.clone().database(&draft).to_url_lossy().to_string();
        let store = PostgresStore::connect_lazy(Options::new(url.into())).unwrap();
        store.migrate().await.unwrap();
        store.close().await;
        execute(conn, format!("alter database {draft} rename to {name}")).await;
    }
    sqlx::query("select pg_advisory_unlock($1)").bind(TEMPLATE_LOCK).execute(&mut *conn).await.unwrap();
    name
}

/// Runs a statement whose names are the test's own.
pub(crate) async fn execute(conn: &mut PgConnection, sql: String) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(conn).await.unwrap();
}

/// The conformance suite's harness.
#[derive(Debug)]
pub(crate) struct OnPostgres {
    database: tokio::sync::OnceCell<Database>,
}

impl OnPostgres {
    /// A harness; its database is made when its store is asked for.
    pub(crate) fn new() -> Self {
        Self { database: tokio::sync::OnceCell::new() }
    }

    async fn database(&self) -> &Database {
        self.database.get_or_init(Database::new).await
    }
}

#[async_trait]
impl Harness for OnPostgres {
    async fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.database().await.store())
    }

    async fn mentions(&self, text: &str) -> Vec<String> {
        let mut conn = self.database().await.connect().await;
        let columns: Vec<(String, String, bool)> = sqlx::query_as(
            "select c.table_name::text, c.column_name::text, c.data_type = 'bytea' from information_schema.columns c
             join information_schema.tables t using (table_schema, table_name)
             where c.table_schema = 'forebay' and t.table_type = 'BASE TABLE' order by 1, 2",
        )
        .fetch_all(&mut conn)
        .await
        .unwrap();
        let mut found = Vec::new();
        for (table, column, bytes) in columns {
            let value = if bytes { column.clone() } else { format!("convert_to({column}::text, 'UTF8')") };
            let sql =
                format!("select {value} from {table} where position(convert_to($1, 'UTF8') in {value}) > 0");
            let values: Vec<Vec<u8>> =
                sqlx::query_scalar(AssertSqlSafe(sql)).bind(text).fetch_all(&mut conn).await.unwrap();
            if values.iter().any(|value| stands_in(value, text)) {
                found.push(format!("{table}.{column}"));
            }
        }
        found
    }
}
