//! A clock that leaps an hour forwards and back under running roles: they say so, and nothing is lost or doubled.

use std::path::PathBuf;
use std::time::Duration;

use crate::events::orders;
use crate::fleet::Fleet;
use crate::support::{curl, eventually};

const PATIENCE: Duration = Duration::from_secs(60);

/// The library that shows a process another time (Debian's package libfaketime).
fn faketime() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap().filter_map(Result::ok).map(|entry| entry.path());
    let library = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).find(|path| path.exists());
    library.expect("libfaketime is installed (scripts/setup)")
}

#[test]
fn roles_whose_clock_leaps_say_so_and_lose_and_double_nothing() {
    let fleet = Fleet::prepared();
    let hands = fleet.folder().join("clock");
    let set = |offset: &str| std::fs::write(&hands, offset).unwrap();
    set("+0");
    let (library, hands) = (faketime(), hands.clone());
    let leaping = [
        ("LD_PRELOAD", library.to_str().unwrap()),
        ("FAKETIME_TIMESTAMP_FILE", hands.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        // As a machine's: setting its clock does not touch the monotonic one.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    let _intake = fleet.start_with("intake", &["serve", "intake"], &leaping);
    let worker = fleet.start_with("worker", &["work"], &leaping);
    let _relay = fleet.start_with("relay", &["relay"], &leaping);
    let booked = || fleet.count("select count(*) from shop_order");
    let ready = || curl(&[&format!("{}/readyz", worker.operations())]);

    for (round, offset) in ["+0", "+3600", "-3600", "+0"].into_iter().enumerate() {
        set(offset);
        if offset == "+0" {
            eventually("the worker is ready", PATIENCE, || ready().0 == 200);
        } else {
            eventually("the worker tells of its clock", PATIENCE, || {
                let (status, checks) = ready();
                status == 503 && checks.contains("clock differs")
            });
        }
        // Each is sent twice, the second time under another clock than the first.
        fleet.publish(&orders(round * 50..round * 50 + 50));
        fleet.publish(&orders((round * 50).saturating_sub(50)..round * 50));
        eventually("what was accepted is booked", PATIENCE, || booked() == round * 50 + 50);
    }
    assert_eq!(fleet.count("select count(*) from dead_letter"), 0);
    let unpublished = || fleet.count("select count(*) from outbox");
    eventually("what follows was published", PATIENCE, || unpublished() == 0);
}
