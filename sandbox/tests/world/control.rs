//! The control: what the world saw, and its end.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use forebay_sandbox::{Options, Sandbox};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::wire::Client;

async fn world() -> (Sandbox, Client) {
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    let client = Client::to(&sandbox).await;
    (sandbox, client)
}

#[tokio::test]
async fn the_record_counts_everything_that_came() {
    let (sandbox, mut client) = world().await;
    for number in ["600000000001", "600000000001", "600000000002"] {
        client.track(number).await;
    }
    client.deliver("key-1", br#"{"return_id":"R-1"}"#).await;
    client.deliver("key-1", br#"{"return_id":"R-1"}"#).await;
    client.call("POST", "/shop/return-results", &[], b"{}").await;
    client.post("/slack/services/T/B/X", &[], &json!({ "text": "t" })).await;
    client.post("/slack/services/T/B/X", &[], &json!({})).await;
    let mut smtp = TcpStream::connect(sandbox.smtp_addr()).await.unwrap();
    let mail = "EHLO c\r\nMAIL FROM:<a@shop.example>\r\nRCPT TO:<b@shop.example>\r\nDATA\r\nSubject: s\r\n\r\nb\r\n.\r\nQUIT\r\n";
    smtp.write_all(mail.as_bytes()).await.unwrap();
    smtp.read_to_end(&mut Vec::new()).await.unwrap();
    let mut record = client.get("/_control/record").await.json();
    let in_a_second = record["carrier_calls_in_any_second"].take().as_u64().unwrap();
    assert!((1..=3).contains(&in_a_second));
    let expected = json!({
        "carrier_calls": 3, "carrier_numbers": 2, "carrier_calls_in_any_second": null,
        "results": 2, "results_distinct": 1, "results_repeated": 1, "results_refused": 1,
        "slack_messages": 1, "slack_calls": 2, "mails": 1,
    });
    assert_eq!(record, expected);
    let mails = client.get("/_control/mail").await.json();
    assert_eq!(mails["items"][0]["headers"], json!([["Subject", "s"]]));
    assert_eq!((&mails["items"][0]["body"], &mails["total"]), (&json!("b\r\n"), &json!(1)));
    assert_eq!(client.get("/_control/slack").await.json()["items"][0]["text"], "t");
}

#[tokio::test]
async fn lists_are_read_in_pages() {
    let (_sandbox, mut client) = world().await;
    for n in 0..5 {
        client
            .deliver(&format!("key-{n}"), json!({ "return_id": n.to_string() }).to_string().as_bytes())
            .await;
        client.track(&format!("60000000000{n}")).await;
    }
    let keys = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap();
        items.iter().map(|item| item["key"].as_str().unwrap().to_owned()).collect()
    };
    let newest = client.get("/_control/results?limit=2").await.json();
    assert_eq!((keys(&newest), &newest["total"]), (vec!["key-3".to_owned(), "key-4".to_owned()], &json!(5)));
    let first = client.get("/_control/results?after=0&limit=2").await.json();
    assert_eq!(keys(&first), ["key-0", "key-1"]);
    let after = first["items"][1]["number"].as_u64().unwrap();
    let second = client.get(&format!("/_control/results?after={after}&limit=9")).await.json();
    assert_eq!(keys(&second), ["key-2", "key-3", "key-4"]);
    let numbers = client.get("/_control/carrier?after=600000000001&limit=2").await.json();
    let item = |n: usize| json!({ "tracking_number": format!("60000000000{n}"), "calls": 1, "advanced": 0 });
    assert_eq!((&numbers["items"], &numbers["calls"]), (&json!([item(2), item(3)]), &json!(5)));
    assert_eq!(client.get("/_control/parcels/600000000004").await.json(), item(4));
}

#[tokio::test]
async fn switches_are_shown_replaced_as_a_whole_and_checked() {
    let (_sandbox, mut client) = world().await;
    client.fault(json!({ "results_gone": true })).await;
    client.fault(json!({ "mail_refuses": true })).await;
    let faults = client.get("/_control/faults").await.json();
    assert_eq!((&faults["results_gone"], &faults["mail_refuses"]), (&json!(false), &json!(true)));
    let unknown = client.post("/_control/faults", &[], &json!({ "carrier_sleeps": true })).await;
    assert_eq!(unknown.status, 422);
    assert!(unknown.text.contains("carrier_sleeps"));
    assert_eq!(client.get("/_control/faults").await.json()["mail_refuses"], true);
}

#[tokio::test]
async fn the_shop_holds_a_bounded_number_of_returns() {
    let (sandbox, mut client) = world().await;
    assert!(sandbox.add_returns(vec![json!({}); 100_000]));
    assert_eq!(client.post("/_control/shop/returns", &[], &json!([{}])).await.status, 507);
}

#[tokio::test]
async fn a_stop_ends_kept_connections_and_frees_the_addresses() {
    let (sandbox, mut client) = world().await;
    client.track("600000000001").await;
    let listen = sandbox.http_url().trim_start_matches("http://").parse().unwrap();
    let smtp = sandbox.smtp_addr();
    sandbox.stop().await;
    let gone = client.try_call("GET", "/_control/record", &[], b"").await;
    assert!(gone.is_err(), "{gone:?}");
    // Free ports are anybody's: another test may hold one of them for a moment.
    let deadline = Instant::now() + Duration::from_secs(20);
    let again = loop {
        match Sandbox::start(Options { listen, smtp, ..Options::default() }).await {
            Err(error) if error.kind() == ErrorKind::AddrInUse && Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            started => break started.unwrap(),
        }
    };
    assert_eq!((again.smtp_addr(), again.record().carrier_calls()), (smtp, 0));
}

#[tokio::test]
async fn an_address_that_is_taken_is_told() {
    let (sandbox, _client) = world().await;
    let listen = sandbox.smtp_addr();
    let error = Sandbox::start(Options { listen, ..Options::default() }).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
}

#[tokio::test]
async fn two_worlds_in_one_process_know_nothing_of_each_other() {
    let ((_one, mut first), (_other, mut second)) = (world().await, world().await);
    first.track("600000000001").await;
    assert_eq!(first.get("/_control/record").await.json()["carrier_calls"], 1);
    assert_eq!(second.get("/_control/record").await.json()["carrier_calls"], 0);
}
