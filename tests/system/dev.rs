//! `forebay dev`: ready at once, and nothing lost by kill -9.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::{Process, READY, curl, eventually, forebay, free_port, sql};

struct Dev {
    process: Process,
    url: String,
    key: String,
}

fn start(folder: &Path) -> Dev {
    let (port, operations) = (free_port(), free_port());
    let process = Process::start(
        forebay()
            .args(["dev", "--data"])
            .arg(folder.join("shop.db"))
            .env("FOREBAY_INTAKE__LISTEN", format!("127.0.0.1:{port}"))
            .env("FOREBAY_OPERATIONS__LISTEN", format!("127.0.0.1:{operations}"))
            .current_dir(folder)
            .stderr(Stdio::null()),
    );
    let ready = format!("http://127.0.0.1:{operations}/readyz");
    eventually("dev is ready", READY, || curl(&[&ready]).0 == 200);
    let key = std::fs::read_to_string(folder.join("shop.db.key")).unwrap().trim().to_owned();
    Dev { process, url: format!("http://127.0.0.1:{port}"), key }
}

fn order(n: usize) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"o-{n}","source":"/s","type":"order.paid.v1","data":{{"order_id":"O-{n}","member_id":"m-{}","currency":"KRW","amount_minor":1000,"paid_at":"2026-11-20T00:00:00Z"}}}}"#,
        n % 50
    )
}

fn publish(dev: &Dev, orders: std::ops::Range<usize>) -> bool {
    let batch = format!("[{}]", orders.map(order).collect::<Vec<_>>().join(","));
    let authorization = format!("Authorization: Bearer {}", dev.key);
    let url = format!("{}/v1/events", dev.url);
    let content = "Content-Type: application/cloudevents-batch+json";
    curl(&["-H", &authorization, "-H", content, "-d", &batch, &url]).0 == 202
}

#[test]
fn what_was_accepted_survives_kill_9_in_mid_burst_and_is_settled_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut accepted = 0;
    for round in 0..3 {
        let dev = start(folder.path());
        for batch in 0..10 {
            let begin = (round * 10 + batch) * 100;
            assert!(publish(&dev, begin..begin + 100), "the batch was not accepted");
            accepted += 100;
        }
        dev.process.kill();
    }
    let dev = start(folder.path());
    let data = folder.path().join("shop.db");
    let booked = || sql(&data, "select count(*) from shop_order").parse::<usize>().unwrap();
    eventually("every order is booked", Duration::from_secs(120), || booked() == accepted);
    assert_eq!(sql(&data, "select count(distinct event_id) from shop_order"), accepted.to_string());
    assert_eq!(sql(&data, "select coalesce(sum(amount), 0) from ledger_entry"), "0");
    dev.process.kill();
}

#[test]
fn a_second_process_on_the_same_file_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let dev = start(folder.path());
    let second = forebay()
        .args(["dev", "--data"])
        .arg(folder.path().join("shop.db"))
        .env("FOREBAY_INTAKE__LISTEN", "127.0.0.1:0")
        .env("FOREBAY_OPERATIONS__LISTEN", "127.0.0.1:0")
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(69));
    assert!(String::from_utf8_lossy(&second.stderr).contains("shop.db"), "{second:?}");
    dev.process.kill();
}

#[test]
fn a_wrong_setting_ends_the_start_with_its_name_and_78() {
    let output = forebay()
        .arg("relay")
        .env("FOREBAY_QUEUE__URL", "amqp://guest:hush@localhost/")
        .env("FOREBAY_STORE__URL", "mysql://localhost/")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(78));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("store.url") && !text.contains("hush"), "{text}");
}

#[test]
fn each_of_the_seven_carriers_systems_can_be_tried() {
    let folder = tempfile::tempdir().unwrap();
    let dev = start(folder.path());
    let parcels = [
        ("fedex", "794643013528"),
        ("dhl", "7000000001"),
        ("ups", "1Z879E930346834440"),
        ("cj", "6000-0000-0001"),
        ("yamato", "620000000001"),
        ("dhl_express", "3318810025"),
        ("usps", "EA123456785US"),
    ];
    let event = |(carrier, number): (&str, &str)| {
        format!(
            r#"{{"specversion":"1.0","id":"r-{carrier}","source":"/s","type":"return.requested.v1","data":{{"return_id":"R-{carrier}","order_id":"O-{carrier}","requested_at":"2026-11-20T00:00:00Z","parcel":{{"carrier":"{carrier}","tracking_number":"{number}"}}}}}}"#
        )
    };
    let authorization = format!("Authorization: Bearer {}", dev.key);
    let url = format!("{}/v1/events", dev.url);
    let content = "Content-Type: application/cloudevents-batch+json";
    let batch = format!("[{}]", parcels.map(event).join(","));
    assert_eq!(curl(&["-H", &authorization, "-H", content, "-d", &batch, &url]).0, 202);
    let file = folder.path().join("shop.db");
    let told = "select count(distinct adapter) from parcel where status <> 'unknown'";
    eventually("every system tells of its parcel", Duration::from_secs(120), || sql(&file, told) == "7");
    // As people write it, and as the carrier does.
    for number in ["6000-0000-0001", "600000000001"] {
        let url = format!("{}/v1/parcels/cj/{number}", dev.url);
        let (status, parcel) = curl(&["-H", &authorization, &url]);
        assert!(status == 200 && parcel.contains("6000-0000-0001"), "{number}: {parcel}");
    }
}

#[test]
fn who_is_told_that_it_is_ready_can_stop_it_in_order() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        let mut dev = start(folder.path());
        let id = dev.process.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        assert_eq!(dev.process.0.wait().unwrap().code(), Some(0));
    }
}
