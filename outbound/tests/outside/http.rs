//! The guarded client against real servers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::StatusCode;
use axum::response::Redirect;
use axum::routing::{get, post};
use forebay_outbound::{Call, CallError, HttpOptions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use url::Url;

use crate::server::{client, client_for, entry, refusing, serve, url};

#[tokio::test]
async fn a_host_that_is_not_listed_is_refused_before_anything_is_sent() {
    let hits = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&hits);
    let count = move || async move { seen.fetch_add(1, Ordering::SeqCst).to_string() };
    let address = serve(Router::new().route("/", get(count))).await;
    let (http, metrics) = client(HttpOptions::new(vec![entry("127.0.0.1", 1, true)]));
    let error = http.call(&Call::get("shop", url(address, "/?key=SECRET"))).await.unwrap_err();
    assert!(matches!(&error, CallError::NotAllowed(text) if !text.contains("SECRET")), "{error}");
    assert_eq!(hits.load(Ordering::SeqCst), 0);
    let refused = r#"outbound_calls_total{result="rejected",system="shop"} 1"#;
    assert!(metrics.render().contains(refused), "{}", metrics.render());
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let hits = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&hits);
    let count = move || async move { seen.fetch_add(1, Ordering::SeqCst).to_string() };
    let routes =
        Router::new().route("/from", get(|| async { Redirect::temporary("/to") })).route("/to", get(count));
    let address = serve(routes).await;
    let answer = client_for(address).call(&Call::get("shop", url(address, "/from"))).await.unwrap();
    assert_eq!((answer.status, answer.header("location")), (307, Some("/to")));
    assert_eq!(hits.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_answer_over_the_limit_is_cut_off_with_and_without_a_length() {
    let big = "x".repeat(5000);
    let pieces = || async {
        let pieces = futures::stream::repeat_with(|| Ok::<_, std::io::Error>("x".repeat(1000)));
        axum::body::Body::from_stream(futures::StreamExt::take(pieces, 10))
    };
    let routes =
        Router::new().route("/length", get(move || async move { big })).route("/pieces", get(pieces));
    let address = serve(routes).await;
    let mut options = HttpOptions::new(vec![entry("127.0.0.1", address.port(), true)]);
    options.body_cap = 4096;
    let (http, _) = client(options);
    for path in ["/length", "/pieces"] {
        let error = http.call(&Call::get("shop", url(address, path))).await.unwrap_err();
        assert_eq!(error, CallError::TooLarge { status: 200, limit: 4096 }, "{path}");
    }
}

#[tokio::test]
async fn a_slow_server_is_an_unknown_outcome_within_the_time_limit() {
    let address = serve(Router::new().route("/", post(std::future::pending::<()>))).await;
    let call = Call::post_json("shop", url(address, "/"), &serde_json::json!({}));
    let begun = Instant::now();
    let error = client_for(address).call(&call.timeout(Duration::from_millis(200))).await.unwrap_err();
    assert!(matches!(error, CallError::NoAnswer(_)), "{error}");
    // Without a limit of its own a call may take 10 s.
    assert!(begun.elapsed() < Duration::from_secs(8));
}

#[tokio::test]
async fn a_connection_that_breaks_after_the_request_is_an_unknown_outcome() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        let _ = socket.read(&mut request).await;
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await;
    });
    let call = Call::post_json("shop", url(address, "/"), &serde_json::json!({}));
    let error = client_for(address).call(&call).await.unwrap_err();
    assert!(matches!(error, CallError::NoAnswer(_)), "{error}");
}

#[tokio::test]
async fn a_refused_connection_was_surely_not_sent() {
    let (_held, address) = refusing();
    let error = client_for(address).call(&Call::get("shop", url(address, "/s?k=SECRET"))).await.unwrap_err();
    assert!(matches!(&error, CallError::NotSent(text) if !text.contains("SECRET")), "{error}");
}

#[tokio::test]
async fn a_failed_handshake_was_surely_not_sent() {
    let address = serve(Router::new()).await;
    let target = Url::parse(&format!("https://{address}/")).unwrap();
    let error = client_for(address).call(&Call::get("shop", target)).await.unwrap_err();
    assert!(matches!(error, CallError::NotSent(_)), "{error}");
}

#[tokio::test]
async fn a_name_that_leads_into_a_private_network_needs_a_private_entry() {
    let address = serve(Router::new().route("/", get(|| async { "hello" }))).await;
    let call = Call::get("shop", Url::parse(&format!("http://localhost:{}/", address.port())).unwrap());
    let (public, _) = client(HttpOptions::new(vec![entry("localhost", address.port(), false)]));
    let error = public.call(&call).await.unwrap_err();
    assert!(matches!(error, CallError::NotAllowed(_)), "{error}");
    let (private, _) = client(HttpOptions::new(vec![entry("localhost", address.port(), true)]));
    assert_eq!(&private.call(&call).await.unwrap().body[..], b"hello");
}

#[tokio::test]
async fn retry_after_reaches_the_caller_in_both_forms() {
    let seconds = || async { (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "7")]) };
    let date = || async {
        let headers =
            [("date", "Tue, 14 Nov 2023 22:13:20 GMT"), ("retry-after", "Tue, 14 Nov 2023 22:13:29 GMT")];
        (StatusCode::SERVICE_UNAVAILABLE, headers)
    };
    let address = serve(Router::new().route("/seconds", get(seconds)).route("/date", get(date))).await;
    let http = client_for(address);
    let seconds = http.call(&Call::get("shop", url(address, "/seconds"))).await.unwrap();
    assert_eq!((seconds.status, seconds.retry_after), (429, Some(Duration::from_secs(7))));
    let date = http.call(&Call::get("shop", url(address, "/date"))).await.unwrap();
    assert_eq!((date.status, date.retry_after), (503, Some(Duration::from_secs(9))));
}

#[tokio::test]
async fn a_broken_read_is_made_again_and_a_plain_call_is_not() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&connections);
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let _ = socket.read(&mut request).await;
            // Every second connection answers.
            if seen.fetch_add(1, Ordering::SeqCst) % 2 == 1 {
                let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";
                let _ = socket.write_all(answer).await;
            }
        }
    });
    let http = client_for(address);
    let answer = http.read(&Call::get("shop", url(address, "/"))).await.unwrap();
    assert_eq!((answer.status, connections.load(Ordering::SeqCst)), (200, 2));
    assert!(matches!(http.call(&Call::get("shop", url(address, "/"))).await, Err(CallError::NoAnswer(_))));
    assert_eq!(connections.load(Ordering::SeqCst), 3);
}
