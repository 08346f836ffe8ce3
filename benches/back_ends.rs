//! A queue and a store of a measurement's own, opened in this process.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use forebay_domain::incident::Timing;
use forebay_domain::{Clock as _, RandomIds, SystemClock};
use forebay_queue::{Broker, BrokerError};
use forebay_queue_amqp::{Address, AmqpBroker};
use forebay_queue_embedded::EmbeddedBroker;
use forebay_schemas::Topology;
use forebay_sqlite::Db;
use forebay_store::Store;
use forebay_store_postgres::PostgresStore;
use forebay_store_sqlite::SqliteStore;
use secrecy::SecretString;
use tempfile::TempDir;

use crate::support::{fresh_servers, sql};

/// The embedded file.
const FILE: &str = "bench.db";
/// How long the broker may take until it answers.
const CONNECTED: Duration = Duration::from_secs(15);

/// A set of back ends, prepared.
#[derive(Debug)]
pub(crate) struct Set {
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) store: Arc<dyn Store>,
    /// The database, where there is one.
    pub(crate) database: Option<String>,
    /// The embedded file's; removed with the set.
    folder: Option<TempDir>,
}

/// RabbitMQ and PostgreSQL.
pub(crate) async fn servers() -> Set {
    on(&fresh_servers()).await
}

/// The same, on these: the address of the queue and that of the database.
pub(crate) async fn on((queue, database): &(String, String)) -> Set {
    let addresses = Address::parse_nodes(&SecretString::from(queue.as_str())).unwrap();
    let broker = AmqpBroker::connect(forebay_queue_amqp::Options::new(addresses, "bench"));
    let store = postgres(database).await;
    let set = Set { broker, store, database: Some(database.clone()), folder: None };
    set.declare().await;
    set
}

/// A migrated store in a database.
pub(crate) async fn postgres(database: &str) -> Arc<dyn Store> {
    let options = forebay_store_postgres::Options::new(SecretString::from(database));
    let store = PostgresStore::connect_lazy(options).unwrap();
    let store: Arc<dyn Store> = Arc::new(store);
    store.migrate().await.unwrap();
    store
}

/// One SQLite file.
pub(crate) async fn embedded() -> Set {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(folder.path().join(FILE)).await.unwrap();
    let now = Arc::new(|| SystemClock.now());
    let options = forebay_queue_embedded::Options::default();
    let broker = EmbeddedBroker::open(db.clone(), topology(), now, options).await.unwrap();
    let store = SqliteStore::new(db, Arc::new(RandomIds), Arc::new(SystemClock), Timing::default());
    let store: Arc<dyn Store> = Arc::new(store);
    store.migrate().await.unwrap();
    let set = Set { broker, store, database: None, folder: Some(folder) };
    set.declare().await;
    set
}

fn topology() -> Topology {
    Topology::new([])
}

impl Set {
    /// Runs statements on the store, behind its back; those for the file are parted by `;;`.
    pub(crate) fn sql(&self, statements: &str) {
        let Some(database) = &self.database else {
            let folder = self.folder.as_ref().unwrap();
            sql(&folder.path().join(FILE), statements);
            return;
        };
        ask(database, statements);
    }

    async fn declare(&self) {
        let deadline = Instant::now() + CONNECTED;
        loop {
            match self.broker.declare(&topology()).await {
                Err(BrokerError::Unavailable(_)) if Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                declared => return declared.unwrap(),
            }
        }
    }
}

/// What a database answers, behind the store's back.
pub(crate) fn ask(database: &str, statements: &str) -> String {
    let mut psql = Command::new("psql");
    psql.args([database, "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statements]);
    let output = psql.env("PGOPTIONS", "-c search_path=forebay").output().unwrap();
    assert!(output.status.success(), "{statements}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
