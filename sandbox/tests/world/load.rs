//! The world keeps up with a burst.

use std::sync::Arc;
use std::time::{Duration, Instant};

use forebay_sandbox::{Options, Sandbox};
use serde_json::json;

use crate::wire::Client;

const CLIENTS: usize = 16;
const CALLS_EACH: usize = 500;
/// Far below what it does (and the clients take their share of the machine), but far above what a lock held too long
/// or a pause in the wrong place would leave.
const CALLS_A_SECOND_AT_LEAST: f64 = 100.0;

#[tokio::test]
async fn carrier_calls_and_results_are_answered_by_the_thousand_and_each_is_recorded() {
    let sandbox = Arc::new(Sandbox::start(Options::default()).await.unwrap());
    let begun = Instant::now();
    let mut clients = Vec::new();
    for client in 0..CLIENTS {
        let sandbox = Arc::clone(&sandbox);
        clients.push(tokio::spawn(async move {
            let mut wire = Client::to(&sandbox).await;
            for call in 0..CALLS_EACH {
                let number = format!("60{client:04}{call:06}");
                assert_eq!(wire.track(&number).await.status, 200);
                let body = json!({ "return_id": number }).to_string();
                assert_eq!(wire.deliver(&number, body.as_bytes()).await.status, 200);
            }
        }));
    }
    for client in clients {
        client.await.unwrap();
    }
    let calls = CLIENTS * CALLS_EACH;
    let pace = 2.0 * calls as f64 / begun.elapsed().as_secs_f64();
    let record = sandbox.record();
    assert_eq!((record.carrier_calls(), record.distinct_results().len()), (calls, calls));
    let most = record.max_carrier_calls_in(Duration::from_secs(1));
    assert!(most <= calls && record.max_carrier_calls_in(Duration::from_secs(600)) == calls);
    assert!(pace >= CALLS_A_SECOND_AT_LEAST, "{pace:.0} calls a second");
}
