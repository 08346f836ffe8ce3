//! A connection that falls silent and stays open, as behind a firewall that forgot it.

use std::time::{Duration, Instant};

use forebay_store::{Error, Lifecycle as _, Programmes as _, within};
use forebay_store_postgres::{Options, PostgresStore};
use secrecy::ExposeSecret as _;
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use url::Url;

use crate::database::Database;

const DEADLINE: Duration = Duration::from_secs(30);

/// Ends the store's sessions.
const CUT_SILENT: &str = "select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and application_name = 'forebay'";

/// A proxy in front of the server: the url through it, and the switch that silences every connection there is.
async fn proxied(url: &str) -> (String, watch::Sender<u32>) {
    let mut through = Url::parse(url).unwrap();
    let server = format!("{}:{}", through.host_str().unwrap(), through.port().unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    through.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
    let silenced = watch::Sender::new(0);
    let orders = silenced.clone();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut server = TcpStream::connect(&server).await.unwrap();
            let mut silence = orders.subscribe();
            tokio::spawn(async move {
                tokio::select! {
                    _ = copy_bidirectional(&mut client, &mut server) => {}
                    // Both ends stay open, and nobody carries.
                    _ = silence.changed() => std::future::pending().await,
                }
            });
        }
    });
    (through.into(), silenced)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_falls_silent_in_mid_statement_is_not_lost_to_the_pool() {
    let database = Database::new().await;
    let (url, silenced) = proxied(database.options().url.expose_secret()).await;
    let options = Options { max_connections: 1, ..Options::new(url.into()) };
    let store = PostgresStore::connect_lazy(options).unwrap();
    let mut other = database.connect().await;
    for round in 1..=3 {
        let begun = Instant::now();
        while let Err(error) = within(Duration::from_secs(3), store.programmes()).await {
            assert!(begun.elapsed() < DEADLINE, "round {round}: {error}");
        }
        let mut tx = other.begin().await.unwrap();
        tx.execute("lock table programme in access exclusive mode").await.unwrap();
        let asking = store.clone();
        let asked = tokio::spawn(async move { within(Duration::from_secs(2), asking.programmes()).await });
        while waiting(&mut tx).await == 0 {
            assert!(begun.elapsed() < DEADLINE, "round {round}: the statement does not wait");
        }
        silenced.send_modify(|times| *times += 1);
        let answer = asked.await.unwrap();
        assert!(matches!(answer, Err(Error::Unknown(_))), "round {round}: {answer:?}");
        tx.rollback().await.unwrap();
        // The server does not know yet that nobody listens, and would keep the statement's own locks for a while.
        other.execute(CUT_SILENT).await.unwrap();
    }
    let begun = Instant::now();
    store.close().await;
    assert!(begun.elapsed() < Duration::from_secs(20), "a stop does not wait for the silent ones");
}

/// Statements that wait for a lock.
async fn waiting(conn: &mut PgConnection) -> i64 {
    let sql = "select count(*) from pg_stat_activity
               where datname = current_database() and wait_event_type = 'Lock'";
    sqlx::query_scalar(sql).fetch_one(conn).await.unwrap()
}
