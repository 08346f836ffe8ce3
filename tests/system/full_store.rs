//! A database that takes no writes any more, because its disk is full or somebody made it read-only: the shop sells
//! on, nothing burns an attempt, and all is settled when it takes them again.

use std::process::Command;
use std::time::Duration;

use crate::events::orders;
use crate::fleet::Fleet;
use crate::support::{curl, eventually};

const PATIENCE: Duration = Duration::from_secs(60);

/// What PostgreSQL answers when its disk is full, from whatever would insert an order.
const FULL: &str = "create function forebay.full() returns trigger language plpgsql as
    $$ begin raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $$;
    create trigger full_disk before insert on forebay.shop_order
    for each statement execute function forebay.full();";
const ROOM_AGAIN: &str = "drop trigger full_disk on forebay.shop_order; drop function forebay.full();";

fn statement(fleet: &Fleet, text: &str) {
    // Whoever undoes it must be able to write.
    let writing = "-c default_transaction_read_only=off";
    let mut psql = Command::new("psql");
    let output = psql.args([&fleet.store, "-XAtqc", text]).env("PGOPTIONS", writing).output().unwrap();
    assert!(output.status.success(), "{text}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Read-only for every session, those that are open included; or no more.
fn read_only(fleet: &Fleet, on: bool) {
    let database = fleet.store.rsplit('/').next().unwrap();
    let state = if on { "on" } else { "off" };
    statement(
        fleet,
        &format!(
            "alter database {database} set default_transaction_read_only = {state};
             select count(pg_terminate_backend(pid)) from pg_stat_activity
             where datname = '{database}' and pid <> pg_backend_pid()"
        ),
    );
}

#[test]
fn while_the_database_takes_no_writes_events_are_accepted_and_wait_without_burning_attempts() {
    let fleet = Fleet::prepared();
    let _intake = fleet.start("intake", &["serve", "intake"]);
    let worker = fleet.start("worker", &["work"]);
    let booked = || fleet.count("select count(*) from shop_order");
    fleet.publish(&orders(0..10));
    eventually("orders are booked", PATIENCE, || booked() == 10);

    type Trouble = (fn(&Fleet), fn(&Fleet));
    let troubles: [Trouble; 2] = [
        (|fleet| statement(fleet, FULL), |fleet| statement(fleet, ROOM_AGAIN)),
        (|fleet| read_only(fleet, true), |fleet| read_only(fleet, false)),
    ];
    for (round, (begin, end)) in troubles.into_iter().enumerate() {
        begin(&fleet);
        let before = 10 + round * 100;
        fleet.publish(&orders(before..before + 100));
        eventually("the worker holds what it can't settle", PATIENCE, || {
            let (_, metrics) = curl(&[&format!("{}/metrics", worker.operations())]);
            let held =
                metrics.lines().find(|l| l.starts_with("forebay_in_flight{queue=\"forebay.rewards\"}"));
            held.is_some_and(|line| !line.ends_with(" 0"))
        });
        assert_eq!(booked(), before);
        end(&fleet);
        eventually("all is booked", PATIENCE, || booked() == before + 100);
    }
    let (_, metrics) = curl(&[&format!("{}/metrics", worker.operations())]);
    assert!(!metrics.contains("forebay_retries_total{"), "an attempt was burnt: {metrics}");
    assert_eq!(fleet.count("select count(*) from dead_letter"), 0);
}
