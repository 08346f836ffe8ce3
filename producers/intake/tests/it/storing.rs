//! What was answered with 202 is in the queue.

use std::collections::BTreeSet;

use forebay_schemas::{Event, Queue};

use crate::http::Connection;
use crate::support::{BATCH, ONE, RealQueue, Running, check_in, claim, event, now, return_asked};

#[tokio::test]
async fn an_accepted_event_is_in_its_queue_with_its_data_byte_for_byte() {
    let queue = RealQueue::open().await;
    let running = Running::start(queue.publisher()).await;
    let data = concat!(
        r#"{ "order_id" : "O-1", "return_id":"R-1", "note": "caf\u00e9 "#,
        "\u{1f381}\", \"n\": 1.50,\r\n\t",
        r#""requested_at":"2026-11-20T10:00:00Z" }"#
    );
    let answer = running.post(ONE, event("e-1", "return.requested.v1", data)).send().await;
    let expected = serde_json::json!({"accepted": 1, "events": [{"id": "e-1", "source": "/shops/main"}]});
    assert_eq!((answer.status, answer.json()), (202, expected));
    let message = queue.take(Queue::Returns, 1).await.remove(0);
    assert_eq!((message.id.as_str(), message.kind.as_str()), ("e-1", "return.requested.v1"));
    assert_eq!(message.timestamp, Some(now()));
    let stored = Event::decode(&message.body).unwrap();
    assert_eq!(stored.data.get(), data);
    assert_eq!(stored.recorded_time, Some(now()));
    assert_eq!(message.headers.get("traceparent"), stored.traceparent.as_ref());
}

#[tokio::test]
async fn a_batch_is_stored_whole_each_event_in_its_queue() {
    let queue = RealQueue::open().await;
    let running = Running::start(queue.publisher()).await;
    assert_eq!(running.post(BATCH, "[]").send().await.json()["accepted"], 0);
    let events: Vec<String> = (0..500)
        .map(|i| match i % 3 {
            0 => check_in(&format!("e-{i}")),
            1 => return_asked(&format!("e-{i}")),
            _ => claim(&format!("e-{i}")),
        })
        .collect();
    let answer = running.post(BATCH, format!("[{}]", events.join(","))).send().await;
    assert_eq!((answer.status, &answer.json()["accepted"]), (202, &500.into()));
    assert_eq!(answer.json()["events"][499]["id"], "e-499");
    assert_eq!(queue.stored().await, 500);
    let (rewards, returns) = (queue.take(Queue::Rewards, 333).await, queue.take(Queue::Returns, 167).await);
    let ids: BTreeSet<String> = rewards.into_iter().chain(returns).map(|message| message.id).collect();
    assert_eq!(ids.len(), 500);
}

#[tokio::test]
async fn many_connections_at_once_lose_nothing() {
    const CONNECTIONS: usize = 16;
    const EACH: usize = 25;
    let queue = RealQueue::open().await;
    let running = Running::start(queue.publisher()).await;
    let clients = (0..CONNECTIONS).map(|c| {
        let requests: Vec<_> =
            (0..EACH).map(|i| running.post(ONE, check_in(&format!("e-{c}-{i}"))).bytes()).collect();
        let address = running.address;
        tokio::spawn(async move {
            let mut connection = Connection::open(address).await;
            for request in requests {
                connection.send(&request).await;
                assert_eq!(connection.answer().await.status, 202);
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    let taken = queue.take(Queue::Rewards, CONNECTIONS * EACH).await;
    let ids: BTreeSet<String> = taken.into_iter().map(|message| message.id).collect();
    assert_eq!(ids.len(), CONNECTIONS * EACH);
}
