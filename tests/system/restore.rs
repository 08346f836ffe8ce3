//! An older database restored while the queues, the shop and people are newer: what the shop sends again has its
//! effect once, and what was sent to the outside is sent again under its old key.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::fleet::{Fleet, Role};
use crate::support::{eventually, sql};

const PATIENCE: Duration = Duration::from_secs(120);
const ORDERS: usize = 600;
const RETURNS: usize = 60;
const BATCH: usize = 60;

fn event(id: &str, kind: &str, data: &Value) -> String {
    json!({ "specversion": "1.0", "id": id, "source": "/s", "type": kind, "data": data }).to_string()
}

fn order(n: usize) -> String {
    let data = json!({
        "order_id": format!("O-{n}"), "member_id": format!("m-{}", n % 20), "currency": "KRW",
        "amount_minor": 1_000, "paid_at": "2026-11-20T00:00:00Z",
    });
    event(&format!("order-{n}"), "order.paid.v1", &data)
}

fn a_return(n: usize) -> String {
    let data = json!({
        "return_id": format!("R-{n}"), "order_id": format!("RO-{n}"), "requested_at": "2026-11-20T00:00:00Z",
        "parcel": { "carrier": "cj", "tracking_number": format!("600{n:09}") },
    });
    event(&format!("return-{n}"), "return.requested.v1", &data)
}

/// The days of a shop, one return among ten orders.
fn events() -> Vec<String> {
    let mut events: Vec<String> = (0..ORDERS).map(order).collect();
    for n in 0..RETURNS {
        events.insert(n * (ORDERS / RETURNS + 1), a_return(n));
    }
    events
}

/// A set, and how its database is saved and brought back.
trait Set {
    fn fleet(&self) -> &Fleet;
    fn start(&self) -> Vec<Role>;
    fn count(&self, statement: &str) -> usize;
    fn save(&self);
    fn restore(&self);
    /// Makes a result that was sent after the backup one that was on its way while it was taken, a day ago: in no
    /// queue, in no outbox, and not noted as sent.
    fn lose_a_result(&self);
}

const LOST: &str = "update return_order set state = 'picked_up', reported_at = null, announced_at = LONG_AGO
                    where id = (select min(id) from return_order where state = 'reported')";
const UNSURE: &str = "update effect set state = 'intended'";

struct Servers(Fleet);

impl Servers {
    fn run(&self, command: &mut Command) {
        let output = command.current_dir(self.0.folder()).output().unwrap();
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Set for Servers {
    fn fleet(&self) -> &Fleet {
        &self.0
    }

    fn start(&self) -> Vec<Role> {
        let roles =
            [("intake", &["serve", "intake"][..]), ("relay", &["relay"]), ("schedule", &["schedule"])];
        let work = [("worker-1", &["work"][..]), ("worker-2", &["work"])];
        roles.iter().chain(&work).map(|(name, args)| self.0.start(name, args)).collect()
    }

    fn count(&self, statement: &str) -> usize {
        self.0.count(statement)
    }

    fn save(&self) {
        self.run(Command::new("pg_dump").args([
            "--no-owner",
            "--schema",
            "forebay",
            "-f",
            "backup.sql",
            &self.0.store,
        ]));
    }

    fn restore(&self) {
        self.run(Command::new("psql").args([&self.0.store, "-qc", "drop schema forebay cascade"]));
        self.run(Command::new("psql").args([
            &self.0.store,
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-f",
            "backup.sql",
        ]));
    }

    fn lose_a_result(&self) {
        for statement in [LOST.replace("LONG_AGO", "now() - interval '27 hours'"), UNSURE.to_owned()] {
            let mut psql = Command::new("psql");
            psql.args([&self.0.store, "-qc", &statement]).env("PGOPTIONS", "-c search_path=forebay");
            self.run(&mut psql);
        }
    }
}

struct Embedded(Fleet);

impl Set for Embedded {
    fn fleet(&self) -> &Fleet {
        &self.0
    }

    fn start(&self) -> Vec<Role> {
        vec![self.0.start("dev", &["dev", "--data", "shop.db", "--no-sandbox"])]
    }

    fn count(&self, statement: &str) -> usize {
        sql(&self.0.folder().join("shop.db"), statement).parse().unwrap()
    }

    fn save(&self) {
        sql(
            &self.0.folder().join("shop.db"),
            "vacuum into 'BACKUP'".replace("BACKUP", &path(self, "backup.db")).as_str(),
        );
    }

    fn restore(&self) {
        for journal in ["shop.db-wal", "shop.db-shm"] {
            let _ = std::fs::remove_file(self.0.folder().join(journal));
        }
        std::fs::copy(path(self, "backup.db"), path(self, "shop.db")).unwrap();
    }

    fn lose_a_result(&self) {
        let lost = LOST.replace("LONG_AGO", "(unixepoch() - 27 * 3600) * 1000000");
        sql(&self.0.folder().join("shop.db"), &format!("{lost};;{UNSURE}"));
    }
}

fn path(set: &Embedded, name: &str) -> String {
    Path::new(set.0.folder()).join(name).to_str().unwrap().to_owned()
}

fn settled(set: &dyn Set, events: &[String]) {
    let returns = events.iter().filter(|event| event.contains("return.requested.v1")).count();
    let booked = || set.count("select count(*) from shop_order");
    let reported = || set.count("select count(*) from return_order where state = 'reported'");
    eventually("every order is booked", PATIENCE, || booked() == events.len() - returns);
    eventually("every return is reported", PATIENCE, || reported() == returns);
    eventually("all is published", PATIENCE, || set.count("select count(*) from outbox") == 0);
}

fn what_the_shop_sends_again_has_its_effect_once(set: &dyn Set) {
    let events = events();
    let publish = |events: &[String]| events.chunks(BATCH).for_each(|batch| set.fleet().publish(batch));
    let (first, second) = events.split_at(events.len() / 2);
    let roles = set.start();
    publish(first);
    // What is on its way while a backup is taken may be in neither: `docs/upgrading.md` says what becomes of it.
    settled(set, first);
    set.save();
    publish(second);
    settled(set, &events);
    let results = || set.fleet().saw("record").unwrap()["results_distinct"].as_u64().unwrap();
    assert_eq!(results(), RETURNS as u64);
    for role in roles {
        role.stop();
    }

    set.restore();
    let (booked, reported) = (
        set.count("select count(*) from shop_order"),
        set.count("select count(*) from return_order where state = 'reported'"),
    );
    assert!(
        booked < ORDERS && reported < RETURNS,
        "the backup is older: {booked} orders, {reported} results"
    );
    set.lose_a_result();
    let _roles = set.start();
    publish(&events);
    settled(set, &events);
    for table in ["shop_order", "return_order"] {
        let distinct = set.count(&format!("select count(distinct event_id) from {table}"));
        assert_eq!(distinct, set.count(&format!("select count(*) from {table}")), "{table}");
    }
    assert_eq!(set.count("select coalesce(sum(amount), 0) from ledger_entry"), 0, "the books balance");
    assert_eq!(set.count("select count(*) from dead_letter"), 0);
    assert_eq!(results(), RETURNS as u64, "what was sent again has the key that it had");
}

#[test]
fn an_older_database_restored_under_newer_queues_settles_what_is_sent_again_once() {
    what_the_shop_sends_again_has_its_effect_once(&Servers(Fleet::prepared()));
}

#[test]
fn an_older_file_restored_settles_what_is_sent_again_once() {
    what_the_shop_sends_again_has_its_effect_once(&Embedded(Fleet::embedded()));
}

#[test]
fn a_database_of_a_newer_release_is_refused_with_a_sentence() {
    let fleet = Fleet::prepared();
    let later = "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
                 values (9999, 'later', true, '\\x00', 0)";
    let done = Command::new("psql")
        .args([&fleet.store, "-qc", later])
        .env("PGOPTIONS", "-c search_path=forebay")
        .status()
        .unwrap();
    assert!(done.success());
    let output = fleet.command(&["migrate"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && told.contains("9999") && told.contains("newer release"), "{told}");
    // An earlier release goes on beside the newer one while a fleet is upgraded.
    let _worker = fleet.start("worker", &["work"]);
}

#[test]
fn an_older_database_is_told_with_the_command_that_mends_it() {
    let (queue, database) = crate::support::fresh_servers();
    let fleet = Fleet::around(Some((queue, database)));
    let declared = fleet.command(&["topology", "apply"]).output().unwrap();
    assert!(declared.status.success());
    let output = fleet.command(&["doctor"]).output().unwrap();
    let told =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && told.contains("forebay migrate"), "{told}");
}

#[test]
fn a_file_of_a_newer_release_is_refused_with_a_sentence() {
    let fleet = Fleet::embedded();
    fleet.start("dev", &["dev", "--data", "shop.db", "--no-sandbox"]).kill();
    let later = "insert into store_migrations (version, description, success, checksum, execution_time) \
                 values (9999, 'later', true, x'00', 0)";
    sql(&fleet.folder().join("shop.db"), later);
    let output = fleet.command(&["dev", "--data", "shop.db", "--no-sandbox"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && told.contains("newer release"), "{told}");
}
