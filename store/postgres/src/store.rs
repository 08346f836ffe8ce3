//! The store, its options, its pool.

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use forebay_domain::incident::Timing;
use forebay_domain::{Clock, Ids, RandomIds, SystemClock};
use forebay_store::Error;
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{Connection as _, PgConnection, Postgres, Transaction};

use crate::error::store_error;

/// The schema in which every table lives.
pub(crate) const SCHEMA: &str = "forebay";
/// How long a use case waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one statement may take, as PostgreSQL reads it.
const STATEMENT_TIMEOUT: &str = "10s";
/// How long a statement waits for a lock.
const LOCK_TIMEOUT: &str = "5s";
/// After how long the server ends a transaction that nobody goes on with.
const IDLE_IN_TRANSACTION_TIMEOUT: &str = "30s";

/// How long a connection that is given back may take to answer.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(2);

/// How to reach the database, and what the store needs besides.
#[derive(Debug, Clone)]
pub struct Options {
    /// `postgres://user:password@host:port/database`, perhaps with `?sslmode=verify-full`.
    pub url: SecretString,
    /// Most connections of this process.
    pub max_connections: u32,
    /// The name by which the server lists the connections.
    pub application_name: String,
    /// New ids.
    pub ids: Arc<dyn Ids>,
    /// When people are told of an incident.
    pub timing: Timing,
    /// The time of what is written without a time of its caller.
    pub clock: Arc<dyn Clock>,
}

impl Options {
    /// The usual options for a database: 10 connections, random ids, the machine's clock.
    #[must_use]
    pub fn new(url: SecretString) -> Self {
        Self {
            url,
            max_connections: 10,
            application_name: "forebay".to_owned(),
            ids: Arc::new(RandomIds),
            timing: Timing::default(),
            clock: Arc::new(SystemClock),
        }
    }
}

/// The store on PostgreSQL. Clones share one pool.
#[derive(Clone)]
pub struct PostgresStore {
    pub(crate) pool: PgPool,
    pub(crate) connect: Arc<PgConnectOptions>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) timing: Timing,
    pub(crate) clock: Arc<dyn Clock>,
    /// Milliseconds that a relay waits next when it finds nothing.
    pub(crate) outbox_wait_ms: Arc<AtomicU64>,
}

impl std::fmt::Debug for PostgresStore {
    /// The driver's options would show their password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (host, database) = (self.connect.get_host(), self.connect.get_database());
        f.debug_struct("PostgresStore")
            .field("host", &host)
            .field("database", &database)
            .finish_non_exhaustive()
    }
}

impl PostgresStore {
    /// A store that connects when it is first used, and again whenever a connection was lost: the database need not
    /// be there yet.
    ///
    /// # Errors
    /// [`Error::Refused`] when the URL can't be read.
    pub fn connect_lazy(options: Options) -> Result<Self, Error> {
        let connect = PgConnectOptions::from_str(options.url.expose_secret())
            .map_err(|error| Error::Refused(format!("the URL of the database can't be read: {error}")))?
            .application_name(&options.application_name)
            .options([
                ("search_path", SCHEMA),
                ("timezone", "UTC"),
                ("lock_timeout", LOCK_TIMEOUT),
                ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION_TIMEOUT),
                // Arrays of all sizes pass through the same statements, and tables grow under them: a plan made for
                // an empty table must not live on.
                ("plan_cache_mode", "force_custom_plan"),
                ("jit", "off"),
            ]);
        let pool = PgPoolOptions::new()
            .max_connections(options.max_connections.max(1))
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .after_release(|connection, _| Box::pin(still_answers(connection)))
            .connect_lazy_with(connect.clone().options([("statement_timeout", STATEMENT_TIMEOUT)]));
        Ok(Self {
            pool,
            connect: Arc::new(connect),
            ids: options.ids,
            timing: options.timing,
            clock: options.clock,
            outbox_wait_ms: Arc::default(),
        })
    }

    /// Begins a transaction at READ COMMITTED.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Postgres>, Error> {
        self.pool.begin().await.map_err(store_error)
    }

    /// Begins a read of one snapshot.
    pub(crate) async fn begin_read(&self) -> Result<Transaction<'static, Postgres>, Error> {
        self.pool.begin_with("begin isolation level repeatable read read only").await.map_err(store_error)
    }

    /// A connection of its own, without the pool's statement timeout: a migration may take long.
    pub(crate) async fn connect_alone(&self) -> Result<PgConnection, Error> {
        let connecting = sqlx::ConnectOptions::connect(self.connect.as_ref());
        match tokio::time::timeout(ACQUIRE_TIMEOUT, connecting).await {
            Ok(connected) => connected.map_err(store_error),
            Err(_) => Err(Error::Unavailable("no connection in time".to_owned())),
        }
    }
}

/// Whoever stops waiting for an answer gives the connection back in the middle of it. The pool asks it then whether it
/// is well, and waits for ever if it fell silent: it would be lost to the pool.
async fn still_answers(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    match tokio::time::timeout(RELEASE_TIMEOUT, connection.ping()).await {
        Ok(answered) => answered.map(|()| true),
        Err(late) => Err(sqlx::Error::Io(late.into())),
    }
}
