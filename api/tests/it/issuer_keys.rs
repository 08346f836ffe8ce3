//! An issuer's keys, fetched from a real server by the client that the house calls out with.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use bytes::Bytes;
use forebay_api::KeySets;
use forebay_api::member_tokens::NoKeySet;
use forebay_domain::SystemClock;
use forebay_outbound::{AllowedHost, Call, HttpClient, HttpOptions};
use forebay_telemetry::Metrics;
use futures::future::join_all;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::Url;

use crate::http::{Answer, Request};
use crate::provider::{SigningKey, claims, issuer};
use crate::world::World;

/// The server of a provider's keys.
#[derive(Debug)]
struct Provider {
    answer: Mutex<(StatusCode, String)>,
    asked: AtomicUsize,
    address: SocketAddr,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Provider {
    async fn start(keys: &[&SigningKey]) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let answer = Mutex::new((StatusCode::OK, document(keys)));
        let address = listener.local_addr().unwrap();
        let provider = Arc::new(Self { answer, asked: AtomicUsize::new(0), address, task: Mutex::default() });
        let routes =
            Router::new().route("/.well-known/jwks.json", get(serve)).with_state(Arc::clone(&provider));
        let task = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        *provider.task.lock() = Some(task);
        provider
    }

    /// From now on nobody listens.
    async fn stop(&self) {
        let task = self.task.lock().take().unwrap();
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    }

    fn publishes(&self, keys: &[&SigningKey]) {
        *self.answer.lock() = (StatusCode::OK, document(keys));
    }

    fn answers(&self, status: StatusCode, body: &str) {
        *self.answer.lock() = (status, body.to_owned());
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn serve(State(provider): State<Arc<Provider>>) -> impl IntoResponse {
    provider.asked.fetch_add(1, Ordering::SeqCst);
    // Long enough for others to ask meanwhile.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let (status, body) = provider.answer.lock().clone();
    (status, [("connection", "close")], body)
}

fn document(keys: &[&SigningKey]) -> String {
    json!({ "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<Value>>() }).to_string()
}

#[derive(Debug)]
struct Fetched {
    http: HttpClient,
    url: Url,
}

#[async_trait]
impl KeySets for Fetched {
    async fn fetch(&self) -> Result<Bytes, NoKeySet> {
        let answer = self.http.call(&Call::get("members", self.url.clone())).await;
        match answer.map_err(|error| NoKeySet(error.to_string()))? {
            answer if answer.is_success() => Ok(answer.body),
            answer => Err(NoKeySet(format!("status {}", answer.status))),
        }
    }
}

async fn world(provider: &Provider) -> World {
    let url = Url::parse(&format!("http://{}/.well-known/jwks.json", provider.address)).unwrap();
    let mut allowed = AllowedHost::of_url(&url, true).unwrap();
    allowed.plain = true;
    let options = HttpOptions::new(vec![allowed]);
    let http = HttpClient::new(options, Arc::new(SystemClock), Metrics::new("test")).unwrap();
    World::start_knowing(vec![(issuer(), Arc::new(Fetched { http, url }))]).await
}

async fn ask(world: &World, key: &SigningKey) -> Answer {
    let token = key.token(&claims("m-a", world.clock.as_ref()));
    let request = Request::new(world.address, "GET", "/v1/members/me/balance");
    request.header("Authorization", &format!("Bearer {token}")).send().await
}

#[tokio::test]
async fn keys_are_fetched_once_for_all_who_ask_and_kept_for_a_quarter_of_an_hour() {
    let key = SigningKey::p256("k1");
    let provider = Provider::start(&[&key]).await;
    let world = world(&provider).await;
    let answers = join_all((0..20).map(|_| ask(&world, &key))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(provider.asked(), 1);
    world.clock.advance(Duration::from_secs(14 * 60));
    assert_eq!(ask(&world, &key).await.status, 200);
    assert_eq!(provider.asked(), 1);
    world.clock.advance(Duration::from_secs(61));
    assert_eq!(ask(&world, &key).await.status, 200);
    assert_eq!(provider.asked(), 2);
}

#[tokio::test]
async fn a_flood_of_unknown_keys_asks_the_issuer_once_in_half_a_minute() {
    let key = SigningKey::p256("k1");
    let provider = Provider::start(&[&key]).await;
    let world = world(&provider).await;
    assert_eq!(ask(&world, &key).await.status, 200);
    let flood = async || {
        let strangers: Vec<SigningKey> = (0..50).map(|n| SigningKey::ed25519(&format!("x{n}"))).collect();
        for answer in join_all(strangers.iter().map(|stranger| ask(&world, stranger))).await {
            answer.problem(401);
        }
    };
    flood().await;
    assert_eq!(provider.asked(), 1, "the keys were fetched only just now");
    world.clock.advance(Duration::from_secs(30));
    flood().await;
    flood().await;
    assert_eq!(provider.asked(), 2);
    assert_eq!(ask(&world, &key).await.status, 200);
}

#[tokio::test]
async fn a_key_that_was_rotated_in_is_found_at_once_and_the_old_one_goes_when_the_keys_do() {
    let (old, new) = (SigningKey::p256("old"), SigningKey::p256("new"));
    let provider = Provider::start(&[&old]).await;
    let world = world(&provider).await;
    assert_eq!(ask(&world, &old).await.status, 200);
    provider.publishes(&[&old, &new]);
    world.clock.advance(Duration::from_secs(31));
    assert_eq!(ask(&world, &new).await.status, 200);
    assert_eq!(provider.asked(), 2);
    provider.publishes(&[&new]);
    assert_eq!(ask(&world, &old).await.status, 200, "the keys are fresh");
    world.clock.advance(Duration::from_secs(15 * 60 + 1));
    ask(&world, &old).await.problem(401);
    assert_eq!(ask(&world, &new).await.status, 200);
}

#[tokio::test]
async fn an_issuer_that_is_down_costs_nobody_their_entrance_for_a_day() {
    let key = SigningKey::p256("k1");
    let provider = Provider::start(&[&key]).await;
    let world = world(&provider).await;
    assert_eq!(ask(&world, &key).await.status, 200);
    for (status, body) in [
        (StatusCode::INTERNAL_SERVER_ERROR, ""),
        (StatusCode::OK, "<html>"),
        (StatusCode::OK, "{\"keys\": 7}"),
    ] {
        provider.answers(status, body);
        world.clock.advance(Duration::from_secs(3600));
        assert_eq!(ask(&world, &key).await.status, 200, "{status} {body}");
        // Whether a key that is not there is a new one can't be told now.
        ask(&world, &SigningKey::p256("new")).await.problem(503);
    }
    world.clock.advance(Duration::from_secs(21 * 3600));
    let answer = ask(&world, &key).await;
    answer.problem(503);
    assert!(answer.header("retry-after").is_some());
    provider.publishes(&[&key]);
    world.clock.advance(Duration::from_secs(31));
    assert_eq!(ask(&world, &key).await.status, 200);
}

#[tokio::test]
async fn without_any_keys_it_can_not_be_told_who_it_is() {
    let key = SigningKey::p256("k1");
    let provider = Provider::start(&[&key]).await;
    provider.answers(StatusCode::SERVICE_UNAVAILABLE, "");
    let world = world(&provider).await;
    ask(&world, &key).await.problem(503);
    provider.publishes(&[&key]);
    ask(&world, &key).await.problem(503);
    assert_eq!(provider.asked(), 1, "not asked again so soon");
    world.clock.advance(Duration::from_secs(31));
    assert_eq!(ask(&world, &key).await.status, 200);
}

#[tokio::test]
async fn an_issuer_at_whom_nobody_listens_is_as_one_that_fails() {
    let key = SigningKey::ed25519("k1");
    let provider = Provider::start(&[&key]).await;
    let world = world(&provider).await;
    assert_eq!(ask(&world, &key).await.status, 200);
    provider.stop().await;
    world.clock.advance(Duration::from_secs(23 * 3600));
    assert_eq!(ask(&world, &key).await.status, 200);
    world.clock.advance(Duration::from_secs(3601));
    ask(&world, &key).await.problem(503);
}

#[tokio::test]
async fn keys_that_can_not_be_fetched_are_told_until_they_can_though_no_member_asks_again() {
    let key = SigningKey::p256("k1");
    let provider = Provider::start(&[&key]).await;
    let world = world(&provider).await;
    assert!(world.member_keys.failing().is_empty(), "nobody has asked for them yet");
    provider.answers(StatusCode::INTERNAL_SERVER_ERROR, "");
    ask(&world, &key).await.problem(503);
    let failing = world.member_keys.failing();
    assert_eq!(failing.iter().map(|(issuer, _)| issuer.as_str()).collect::<Vec<_>>(), [issuer().issuer]);
    provider.publishes(&[&key]);
    world.clock.advance(Duration::from_secs(31));
    let until = tokio::time::Instant::now() + Duration::from_secs(30);
    while !world.member_keys.failing().is_empty() {
        assert!(tokio::time::Instant::now() < until, "they were not fetched anew");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(provider.asked(), 2);
}
