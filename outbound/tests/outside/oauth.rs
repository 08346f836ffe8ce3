//! Tokens, fetched from a real server; the store is one in memory that keeps the rule of the real ones.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use forebay_outbound::{Placed, TokenDesk, TokenFault, TokenOptions, TokenSource};
use forebay_store::{Error, TokenState, Tokens};
use futures::future::join_all;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use tokio::time::Instant;

use crate::server::{client_for, refusing, serve, url};

const SECRET: &str = "s&cret=1";

#[derive(Debug, Clone)]
struct Row {
    token: Option<(SecretString, Instant)>,
    leased_until: Instant,
}

/// Shared by the processes of a test.
#[derive(Debug, Default)]
struct MemoryTokens(Mutex<BTreeMap<String, Row>>);

#[async_trait]
impl Tokens for MemoryTokens {
    async fn token(&self, key: &str, lease: Duration) -> Result<TokenState, Error> {
        let now = Instant::now();
        let mut rows = self.0.lock().unwrap();
        let row = rows.entry(key.to_owned()).or_insert(Row { token: None, leased_until: now });
        if let Some((token, until)) = row.token.clone().filter(|(_, until)| *until > now) {
            return Ok(TokenState::Held { token, left: until - now, refresh_due: false });
        }
        if row.leased_until > now {
            return Ok(TokenState::Wait(row.leased_until - now));
        }
        row.leased_until = now + lease;
        Ok(TokenState::Lease)
    }

    async fn keep_token(&self, key: &str, token: &SecretString, life: Duration) -> Result<(), Error> {
        let now = Instant::now();
        let row = Row { token: Some((token.clone(), now + life)), leased_until: now };
        self.0.lock().unwrap().insert(key.to_owned(), row);
        Ok(())
    }

    async fn drop_token(&self, key: &str, token: &SecretString) -> Result<bool, Error> {
        let mut rows = self.0.lock().unwrap();
        let Some(row) = rows.get_mut(key) else { return Ok(false) };
        let same = row.token.as_ref().is_some_and(|(kept, _)| kept.expose_secret() == token.expose_secret());
        if same {
            row.token = None;
        }
        Ok(same)
    }
}

#[derive(Debug, Default)]
struct Seen {
    calls: AtomicUsize,
    status: AtomicU16,
    questions: Mutex<Vec<(HeaderMap, String)>>,
}

async fn give(State(seen): State<Arc<Seen>>, headers: HeaderMap, body: Bytes) -> Response {
    let number = seen.calls.fetch_add(1, Ordering::SeqCst) + 1;
    seen.questions.lock().unwrap().push((headers, String::from_utf8_lossy(&body).into_owned()));
    match seen.status.load(Ordering::SeqCst) {
        0 => Json(json!({ "access_token": format!("token-{number}"), "expires_in": "3600" })).into_response(),
        200 => "no token".into_response(),
        status => StatusCode::from_u16(status).unwrap().into_response(),
    }
}

async fn server() -> (SocketAddr, Arc<Seen>) {
    let seen = Arc::new(Seen::default());
    let routes = Router::new().route("/oauth/token", post(give)).with_state(Arc::clone(&seen));
    (serve(routes).await, seen)
}

fn source(address: SocketAddr, store: &Arc<MemoryTokens>, placed: Placed) -> TokenSource {
    source_of("id", address, store, placed)
}

fn source_of(client_id: &str, address: SocketAddr, store: &Arc<MemoryTokens>, placed: Placed) -> TokenSource {
    let desk = TokenDesk::new(client_for(address), Arc::clone(store) as Arc<_>);
    desk.source(TokenOptions {
        key: "carrier/fedex".into(),
        url: url(address, "/oauth/token"),
        client_id: client_id.into(),
        secret: SecretString::from(SECRET),
        placed,
        pause: Duration::from_secs(600),
    })
}

#[tokio::test]
async fn a_token_that_was_had_with_other_credentials_is_not_used() {
    let (address, seen) = server().await;
    let store = Arc::new(MemoryTokens::default());
    let old = source(address, &store, Placed::InForm).token().await.unwrap();
    let new = source_of("another", address, &store, Placed::InForm).token().await.unwrap();
    assert_ne!(old.expose_secret(), new.expose_secret());
    assert_eq!(seen.calls.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_fleet_of_askers_fetches_one_token() {
    let (address, seen) = server().await;
    let store = Arc::new(MemoryTokens::default());
    let processes: Vec<TokenSource> = (0..3).map(|_| source(address, &store, Placed::InForm)).collect();
    let asked = join_all((0..30).map(|n| processes[n % 3].token())).await;
    for token in asked {
        assert_eq!(token.unwrap().expose_secret(), "token-1");
    }
    assert_eq!(seen.calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn credentials_stand_in_the_form_or_in_the_header_and_never_in_the_address() {
    let (address, seen) = server().await;
    let form = source(address, &Arc::default(), Placed::InForm);
    form.token().await.unwrap();
    source(address, &Arc::default(), Placed::InHeader).token().await.unwrap();
    let questions = seen.questions.lock().unwrap();
    let (headers, body) = &questions[0];
    assert_eq!(body, "grant_type=client_credentials&client_id=id&client_secret=s%26cret%3D1");
    assert_eq!(headers["content-type"], "application/x-www-form-urlencoded");
    assert!(!headers.contains_key("authorization"));
    let (headers, body) = &questions[1];
    assert_eq!(body, "grant_type=client_credentials");
    assert_eq!(headers["authorization"], "Basic aWQ6cyZjcmV0PTE=");
    let shown = format!("{form:?}");
    assert!(!shown.contains(SECRET) && !shown.contains("token-1"), "{shown}");
}

#[tokio::test]
async fn a_refused_token_is_fetched_anew_once_by_all_who_held_it() {
    let (address, seen) = server().await;
    let store = Arc::new(MemoryTokens::default());
    let (one, other) = (source(address, &store, Placed::InForm), source(address, &store, Placed::InForm));
    let old = one.token().await.unwrap();
    assert_eq!(other.token().await.unwrap().expose_secret(), "token-1");
    // Both, and a second call of the first, learn that it is no good any more.
    assert!(one.refused(&old).await && one.refused(&old).await && other.refused(&old).await);
    let tokens = [one.token().await.unwrap(), other.token().await.unwrap()];
    assert!(tokens.iter().all(|token| token.expose_secret() == "token-2"));
    // A late refusal of the old one changes nothing.
    assert!(other.refused(&old).await);
    assert_eq!(other.token().await.unwrap().expose_secret(), "token-2");
    assert_eq!(seen.calls.load(Ordering::SeqCst), 2);
    // The new one is refused as well: it is the credentials.
    assert!(!one.refused(&tokens[0]).await);
}

#[tokio::test]
async fn each_refusal_is_told_apart_and_shows_no_secret() {
    let (address, seen) = server().await;
    let ask = |status: u16| {
        seen.status.store(status, Ordering::SeqCst);
        let source = source(address, &Arc::default(), Placed::InForm);
        async move { source.token().await.unwrap_err() }
    };
    assert_eq!(ask(401).await, TokenFault::Credentials(401));
    assert_eq!(ask(400).await, TokenFault::Credentials(400));
    for status in [403, 429] {
        assert_eq!(ask(status).await, TokenFault::Shut { pause: Duration::from_secs(600) }, "{status}");
    }
    assert_eq!(ask(503).await, TokenFault::Failed(503));
    assert_eq!(ask(200).await, TokenFault::Unreadable);
    let (_held, away) = refusing();
    let fault = source(away, &Arc::default(), Placed::InForm).token().await.unwrap_err();
    let shown = format!("{fault} {fault:?}");
    assert!(matches!(fault, TokenFault::Call(_)) && !shown.contains(SECRET), "{shown}");
}

#[tokio::test]
async fn who_fails_to_fetch_keeps_the_others_from_storming_the_endpoint() {
    let (address, seen) = server().await;
    seen.status.store(503, Ordering::SeqCst);
    let store = Arc::new(MemoryTokens::default());
    let first = source(address, &store, Placed::InForm);
    assert_eq!(first.token().await.unwrap_err(), TokenFault::Failed(503));
    // The lease stays with who failed, so that the next one waits for it.
    let other = source(address, &store, Placed::InForm);
    let early = tokio::time::timeout(Duration::from_millis(500), other.token()).await;
    assert!(early.is_err(), "{early:?}");
    assert_eq!(seen.calls.load(Ordering::SeqCst), 1);
}
