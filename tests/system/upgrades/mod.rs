//! From one release to the next with messages in flight. Each form that a release stores or sends lies in
//! `tests/samples/<release>`, made by that release itself; this one must take over all of them.

mod newer;
pub(crate) mod rows;
mod scene;
mod wire;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use forebay_domain::incident::Timing;
use forebay_domain::{Clock as _, SystemClock};
use forebay_queue::{Broker, Outgoing};
use forebay_queue_amqp::{Address, AmqpBroker};
use forebay_queue_embedded::EmbeddedBroker;
use forebay_schemas::Topology;
use forebay_spool::Spool;
use forebay_sqlite::Db;
use forebay_store::Store;
use forebay_store_postgres::PostgresStore;
use forebay_store_sqlite::SqliteStore;
use forebay_telemetry::Metrics;

use crate::fleet::Fleet;
use crate::support::{eventually, free_port, fresh_servers, sql};
use wire::Wired;

const PATIENCE: Duration = Duration::from_secs(90);
const EMBEDDED: &str = "embedded.sql";
const SPOOL: &str = "spool.sql";
const POSTGRES: &str = "postgres.sql";
const RABBITMQ: &str = "rabbitmq.json";
/// What to do when a form has changed.
const MEND: &str = "if that is meant, raise the version where this one was released, then run \
    `scripts/test --stage test -- --test system upgrades::writes -- --ignored` and commit what it wrote in tests/samples";

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples")
}

/// The folders of the releases, the newest last.
fn releases() -> Vec<PathBuf> {
    let folders = std::fs::read_dir(samples()).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = folders.filter(|path| path.is_dir()).collect();
    folders.sort_by_key(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.split('.').map(|part| part.parse::<u32>().unwrap()).collect::<Vec<_>>()
    });
    assert!(!folders.is_empty(), "there are no samples; {MEND}");
    folders
}

fn sample(release: &Path, name: &str) -> String {
    std::fs::read_to_string(release.join(name)).unwrap_or_else(|error| panic!("{name}: {error}; {MEND}"))
}

fn wired(release: &Path) -> Vec<Wired> {
    serde_json::from_str(&sample(release, RABBITMQ)).unwrap()
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Runtime::new().unwrap().block_on(future)
}

async fn publish(broker: &dyn Broker, messages: Vec<Outgoing>) {
    for message in messages {
        let told = format!("{message:?}");
        let fate = broker.publisher().publish(vec![message]).await;
        assert_eq!(fate, [Ok(())], "{told}");
    }
}

async fn embedded(folder: &Path) -> String {
    let path = folder.join("shop.db");
    let db = Db::open(&path).await.unwrap();
    let store = SqliteStore::new(db.clone(), scene::ids(), scene::clock(), Timing::default());
    let store: Arc<dyn Store> = Arc::new(store);
    store.migrate().await.unwrap();
    let topology = Topology::new([scene::adapter()]);
    let options = forebay_queue_embedded::Options::default();
    let broker =
        EmbeddedBroker::open(db.clone(), topology.clone(), Arc::new(scene::now), options).await.unwrap();
    broker.declare(&topology).await.unwrap();
    scene::fill(Arc::clone(&store)).await;
    publish(broker.as_ref(), scene::in_flight(store.as_ref()).await).await;
    broker.close().await;
    db.close().await;
    rows::of_file(&path).await
}

fn amqp(url: &str) -> Arc<AmqpBroker> {
    let addresses = Address::parse_nodes(&url.to_owned().into()).unwrap();
    AmqpBroker::connect(forebay_queue_amqp::Options::new(addresses, "samples"))
}

async fn spool(folder: &Path) -> String {
    let path = folder.join("spool.db");
    let db = Db::open(&path).await.unwrap();
    // Nobody listens there.
    let broker: Arc<dyn Broker> = amqp(&format!("amqp://127.0.0.1:{}", free_port()));
    let options = forebay_spool::Options { max_events: 10, max_bytes: 1 << 20 };
    let spool = Spool::open(db.clone(), Arc::clone(&broker), options, scene::clock(), Metrics::new("0"))
        .await
        .unwrap();
    for message in scene::spooled() {
        assert_eq!(spool.publisher().publish(vec![message]).await, [Ok(())]);
    }
    spool.close(tokio::time::Instant::now()).await;
    broker.close().await;
    db.close().await;
    rows::of_file(&path).await
}

/// The database, and what lies in RabbitMQ.
async fn servers() -> (String, String) {
    let (queue, database) = fresh_servers();
    let options = forebay_store_postgres::Options {
        ids: scene::ids(),
        clock: scene::clock(),
        ..forebay_store_postgres::Options::new(database.clone().into())
    };
    let store: Arc<dyn Store> = Arc::new(PostgresStore::connect_lazy(options).unwrap());
    store.migrate().await.unwrap();
    scene::fill(Arc::clone(&store)).await;
    let rows = rows::of_database(&database).await;
    let broker = amqp(&queue);
    let topology = Topology::new([scene::adapter()]);
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while let Err(error) = broker.declare(&topology).await {
        assert!(tokio::time::Instant::now() < deadline, "{error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    publish(broker.as_ref(), scene::in_flight(store.as_ref()).await).await;
    broker.close().await;
    store.close().await;
    let messages = wire::take(&queue, &topology.queues()).await;
    (rows, serde_json::to_string_pretty(&messages).unwrap() + "\n")
}

/// Everything that this release stores and sends.
async fn today() -> BTreeMap<&'static str, String> {
    let folder = tempfile::tempdir().unwrap();
    let (rows, messages) = servers().await;
    BTreeMap::from([
        (EMBEDDED, embedded(folder.path()).await),
        (SPOOL, spool(folder.path()).await),
        (POSTGRES, rows),
        (RABBITMQ, messages),
    ])
}

#[test]
#[ignore = "writes tests/samples"]
fn writes_the_samples_of_this_release() {
    let (minor, _) = env!("CARGO_PKG_VERSION").rsplit_once('.').unwrap();
    let folder = samples().join(minor);
    std::fs::create_dir_all(&folder).unwrap();
    for (name, text) in wait(today()) {
        std::fs::write(folder.join(name), text).unwrap();
    }
}

#[test]
fn what_is_stored_and_sent_today_has_the_form_of_the_newest_sample() {
    let newest = releases().pop().unwrap();
    for (name, text) in wait(today()) {
        let kept = sample(&newest, name);
        let differs = kept.lines().zip(text.lines()).find(|(kept, today)| kept != today);
        if let Some((kept, today)) = differs {
            panic!("{name} has another form than the newest sample; {MEND}\n was: {kept}\n  is: {today}");
        }
        assert_eq!(kept.lines().count(), text.lines().count(), "{name} has more or less in it; {MEND}");
    }
}

/// The seconds between the day of the samples and today: what is kept for some days is kept here, too.
fn since() -> i64 {
    (SystemClock.now() - scene::now()).num_seconds()
}

/// What became of everything that was on its way.
const SETTLED: &[(&str, usize)] = &[
    ("select count(*) from attendance where event_id in ('day-7', 'day-8')", 2),
    ("select count(*) from attendance where member_id = 'm-1'", 1),
    ("select count(*) from claim where event_id = 'claim-7' and state = 'granted'", 1),
    ("select count(*) from shop_order where event_id = 'paid-O-7'", 1),
    ("select count(*) from refund where event_id = 'refunded-O-7'", 1),
    ("select count(*) from return_order where id in ('R-1', 'R-3', 'R-7') and state = 'reported'", 3),
    ("select count(*) from effect where state <> 'confirmed'", 0),
    // A letter that was on its way back is resolved, one that was discarded is left alone.
    ("select count(*) from dead_letter where message_id = 'paid-O-8' and status = 'resolved'", 1),
    ("select count(*) from shop_order where id = 'O-8'", 1),
    ("select count(*) from dead_letter where message_id = 'paid-O-6' and status = 'discarded'", 1),
    // What died on its way is kept, and nothing else died.
    (
        "select count(*) from dead_letter where message_id in ('paid-O-3', 'unreadable') and status = 'open'",
        2,
    ),
    ("select count(*) from dead_letter where message_id = 'lost-1' and code = 'unknown_type'", 1),
    ("select count(*) from dead_letter", 5),
    ("select count(*) from outbox", 0),
];

fn settles(fleet: &Fleet, count: impl Fn(&str) -> usize) {
    for (statement, wanted) in SETTLED {
        let mut found = 0;
        let deadline = std::time::Instant::now() + PATIENCE;
        while found != *wanted {
            assert!(std::time::Instant::now() < deadline, "{statement}: {found} instead of {wanted}");
            std::thread::sleep(Duration::from_millis(50));
            found = count(statement);
        }
    }
    assert_eq!(count("select coalesce(sum(amount), 0) from ledger_entry"), 0, "the books balance");
    assert_eq!(count("select count(*) from dead_letter"), 5, "nothing else died meanwhile");
    // The call of which nobody knew whether it arrived was made again under its key.
    let results = fleet.saw("results").unwrap().to_string();
    assert!(results.contains(&scene::result_key("R-1")), "{results}");
    assert!(!results.contains(&scene::result_key("R-3")), "{results}");
    eventually("people are told", PATIENCE, || {
        fleet.saw("slack").is_some_and(|seen| seen.to_string().contains("Dead letters"))
    });
}

fn prepare(fleet: &Fleet, command: &[&str]) {
    let output = fleet.command(command).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn servers_of_every_release_are_taken_over_with_messages_in_flight() {
    for release in releases() {
        let (queue, database) = fresh_servers();
        wait(rows::into_database(&database, &sample(&release, POSTGRES), since()));
        let fleet = Fleet::around(Some((queue.clone(), database)));
        // As the earlier release did.
        prepare(&fleet, &["topology", "apply"]);
        wait(wire::put(&queue, &wired(&release)));
        wait(rows::into_file(&fleet.folder().join("spool.db"), &sample(&release, SPOOL), since()));
        prepare(&fleet, &["migrate"]);
        prepare(&fleet, &["topology", "apply"]);
        let _roles = [
            fleet.start("intake", &["serve", "intake"]),
            fleet.start("worker", &["work"]),
            fleet.start("relay", &["relay"]),
            fleet.start("schedule", &["schedule"]),
        ];
        settles(&fleet, |statement| fleet.count(statement));
        eventually("what was spooled is settled", PATIENCE, || {
            fleet.count("select count(*) from shop_order where event_id = 'paid-O-9'") == 1
                && fleet.count("select count(*) from attendance where event_id = 'day-9'") == 1
        });
    }
}

#[test]
fn a_file_of_every_release_is_taken_over_with_messages_in_flight() {
    for release in releases() {
        let fleet = Fleet::embedded();
        let file = fleet.folder().join("shop.db");
        wait(rows::into_file(&file, &sample(&release, EMBEDDED), since()));
        // Those of the sample by name: what runs adds messages of its own at any time.
        let in_flight =
            sql(&file, "select group_concat(quote(message_id)) from queue_message where tier is not '1h'");
        let _dev = fleet.start("dev", &["dev", "--data", "shop.db", "--no-sandbox"]);
        let count = |statement: &str| sql(&file, statement).parse().unwrap();
        settles(&fleet, count);
        eventually("all but what is not due yet is handled", PATIENCE, || {
            count(&format!("select count(*) from queue_message where message_id in ({in_flight})")) == 0
        });
        let waits = "select count(*) from queue_message where message_id = 'check-8' and tier = '1h'";
        assert_eq!(count(waits), 1);
    }
}
