//! Pushes: signed, repeated, out of order, late, and sent again until they are taken.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forebay_sandbox::{AFTERSHIP_WEBHOOK_SECRET, CarrierName, Options};
use hmac::{Hmac, KeyInit as _, Mac as _};
use parking_lot::Mutex;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::asking::{Asker, world, world_with};

#[derive(Debug, Clone)]
struct Taken {
    headers: HeaderMap,
    raw: Vec<u8>,
    json: Value,
}

/// Who takes the pushes; it answers the first ones with 500.
struct Receiver {
    url: String,
    taken: Arc<Mutex<Vec<Taken>>>,
}

type Shared = Arc<(Mutex<usize>, Arc<Mutex<Vec<Taken>>>)>;

async fn take(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> StatusCode {
    shared.1.lock().push(Taken {
        headers,
        raw: body.to_vec(),
        json: serde_json::from_slice(&body).unwrap_or_default(),
    });
    let mut refusals = shared.0.lock();
    if *refusals == 0 {
        return StatusCode::ACCEPTED;
    }
    *refusals -= 1;
    StatusCode::INTERNAL_SERVER_ERROR
}

async fn receiver(refusals: usize) -> Receiver {
    let taken = Arc::<Mutex<Vec<Taken>>>::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hooks/it?token=1", listener.local_addr().unwrap());
    let shared: Shared = Arc::new((Mutex::new(refusals), Arc::clone(&taken)));
    let routes = Router::new().route("/hooks/it", post(take)).with_state(shared);
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Receiver { url, taken }
}

impl Receiver {
    async fn wait(&self, count: usize) -> Vec<Taken> {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let taken = self.taken.lock().clone();
            if taken.len() >= count {
                return taken;
            }
            assert!(Instant::now() < deadline, "{} of {count} pushes came", taken.len());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn hook(asker: &mut Asker, name: CarrierName, body: Value) -> u16 {
    asker.client.post(&format!("/_control/carriers/{name}/webhook"), &[], &body).await.status
}

async fn advance(asker: &mut Asker, number: &str) {
    let path = format!("/_control/parcels/{number}/advance");
    assert_eq!(asker.client.call("POST", &path, &[], b"").await.status, 204);
}

fn mac(secret: &str, body: &[u8]) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(body).finalize();
    mac.into_bytes().to_vec()
}

#[tokio::test]
async fn easypost_signs_with_the_decomposed_secret_over_the_bytes_that_it_sends() {
    let (sandbox, mut asker) = world().await;
    let receiver = receiver(0).await;
    let name = CarrierName::Easypost;
    assert_eq!(hook(&mut asker, name, json!({ "url": receiver.url, "secret": "s\u{e9}cret" })).await, 204);
    asker.ask(name, "615000000001").await;
    // Pushes are under way side by side, so the second is ordered when the first was taken.
    receiver.wait(1).await;
    advance(&mut asker, "615000000001").await;
    let taken = receiver.wait(2).await;
    for push in &taken {
        let hex: String = mac("se\u{301}cret", &push.raw).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(push.headers["x-hmac-signature"], format!("hmac-sha256-hex={hex}"));
        assert_eq!(
            (&push.json["object"], &push.json["description"]),
            (&json!("Event"), &json!("tracker.updated"))
        );
        assert!(push.json["id"].as_str().unwrap().starts_with("evt_"));
        assert_eq!(push.json["result"]["tracking_code"], "615000000001");
    }
    assert_eq!(taken[1].json["result"]["status"], "in_transit");
    assert_ne!(taken[0].json["id"], taken[1].json["id"]);
    // A push is written down when its answer is there, which is after it was taken.
    let deadline = Instant::now() + Duration::from_secs(30);
    while sandbox.pushes().len() < 2 {
        assert!(Instant::now() < deadline, "{} of 2 pushes were written down", sandbox.pushes().len());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(sandbox.pushes().len(), 2);
}

#[tokio::test]
async fn aftership_signs_in_base64_and_tells_the_first_entry_into_a_tag() {
    let (_sandbox, mut asker) = world().await;
    let receiver = receiver(0).await;
    let name = CarrierName::Aftership;
    assert_eq!(hook(&mut asker, name, json!({ "url": receiver.url })).await, 204);
    asker.ask(name, "600000000001").await;
    let push = receiver.wait(1).await.remove(0);
    let signature = STANDARD.encode(mac(AFTERSHIP_WEBHOOK_SECRET, &push.raw));
    assert_eq!(push.headers["aftership-hmac-sha256"], signature);
    assert_eq!(push.headers["as-webhook-version"], "2025-04");
    assert_eq!(
        (&push.json["event"], &push.json["is_tracking_first_tag"]),
        (&json!("tracking_update"), &json!(true))
    );
    assert_eq!(push.json["msg"]["tag"], "InTransit");
    assert!(push.json["event_id"].as_str().unwrap().len() == 36 && push.json["ts"].is_i64());
    asker.ask(name, "624000000001").await;
    assert_eq!(receiver.wait(2).await[1].json["msg"]["tag"], "Exception");
    asker.fault(name, json!({ "push_forged": true })).await;
    let path = "/_control/carriers/aftership/pushes";
    let ordered = asker.client.post(path, &[], &json!({ "numbers": ["600000000001", "699"] })).await.json();
    assert_eq!(ordered["ordered"], 1, "nobody follows the other one");
    let forged = receiver.wait(3).await.remove(2);
    assert_ne!(
        forged.headers["aftership-hmac-sha256"],
        STANDARD.encode(mac(AFTERSHIP_WEBHOOK_SECRET, &forged.raw))
    );
}

#[tokio::test]
async fn tracker_delivery_pokes_whoever_is_registered_until_the_time_is_over() {
    let (_sandbox, mut asker) = world().await;
    let receiver = receiver(0).await;
    let register = "mutation R($input: RegisterTrackWebhookInput!) { registerTrackWebhook(input: $input) }";
    let input = |number: &str, url: &str, until: &str| {
        json!({ "input": {
            "carrierId": "kr.lotte", "trackingNumber": number, "callbackUrl": url, "expirationTime": until,
        } })
    };
    let (ahead, over) = ("2100-01-01T00:00:00Z", "2020-01-01T00:00:00Z");
    for variables in [
        input("615000000001", &receiver.url, over),
        input("615000000001", &receiver.url, ahead),
        input("615000000002", &receiver.url, over),
    ] {
        let answer = asker.graphql(register, variables).await.json();
        assert_eq!(answer, json!({ "data": { "registerTrackWebhook": true } }));
    }
    for wrong in [input("6", "https://far.example", ahead), input("6", &receiver.url, "tomorrow")] {
        let answer = asker.graphql(register, wrong).await.json();
        assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_REQUEST");
    }
    advance(&mut asker, "615000000002").await;
    advance(&mut asker, "615000000001").await;
    let taken = receiver.wait(1).await;
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].json, json!({ "carrierId": "kr.lotte", "trackingNumber": "615000000001" }));
}

#[tokio::test]
async fn a_push_that_is_not_taken_is_sent_again_the_same() {
    let options = Options { push_retry: Duration::from_millis(5), ..Options::default() };
    let (sandbox, mut asker) = world_with(options).await;
    let receiver = receiver(3).await;
    assert_eq!(hook(&mut asker, CarrierName::Aftership, json!({ "url": receiver.url })).await, 204);
    asker.ask(CarrierName::Aftership, "600000000001").await;
    let taken = receiver.wait(4).await;
    assert!(taken.iter().all(|push| push.raw == taken[0].raw));
    let deadline = Instant::now() + Duration::from_secs(30);
    while sandbox.pushes().len() < 4 {
        assert!(Instant::now() < deadline, "the last attempt was not written down");
        tokio::task::yield_now().await;
    }
    let pushes = asker.client.get("/_control/pushes").await.json();
    let attempts: Vec<(u64, u64)> = pushes["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|push| (push["attempt"].as_u64().unwrap(), push["status"].as_u64().unwrap()))
        .collect();
    assert_eq!(attempts, [(1, 500), (2, 500), (3, 500), (4, 202)]);
}

#[tokio::test]
async fn pushes_come_twice_late_and_out_of_order_when_told_so() {
    let (sandbox, mut asker) = world().await;
    let receiver = receiver(0).await;
    let name = CarrierName::Easypost;
    hook(&mut asker, name, json!({ "url": receiver.url })).await;
    asker.ask(name, "615000000001").await;
    asker.ask(name, "615000000002").await;
    receiver.wait(2).await;
    asker.fault(name, json!({ "push_out_of_order": true, "push_repeats": 1, "push_delay_ms": 20 })).await;
    let begun = Instant::now();
    // In one go: a push is held back for the next one for a second only.
    sandbox.advance("615000000001");
    sandbox.advance("615000000002");
    let taken = receiver.wait(6).await;
    assert!(begun.elapsed() >= Duration::from_millis(80));
    let numbers: Vec<&str> =
        taken[2..].iter().map(|push| push.json["result"]["tracking_code"].as_str().unwrap()).collect();
    assert_eq!(numbers, ["615000000002", "615000000002", "615000000001", "615000000001"]);
    assert_eq!(taken[2].raw, taken[3].raw, "a repeat is the same event");
    advance(&mut asker, "615000000001").await;
    receiver.wait(8).await;
}

#[tokio::test]
async fn an_address_is_refused_unless_it_is_plain_http_and_ends_when_it_is_taken_away() {
    let (sandbox, mut asker) = world().await;
    let name = CarrierName::Easypost;
    assert_eq!(hook(&mut asker, name, json!({ "url": "https://far.example/" })).await, 422);
    let receiver = receiver(0).await;
    assert!(sandbox.set_webhook(name, Some(&receiver.url), None));
    asker.ask(name, "600000000001").await;
    receiver.wait(1).await;
    assert_eq!(hook(&mut asker, name, json!({ "url": null })).await, 204);
    assert!(!sandbox.push(name, "600000000001"));
}
