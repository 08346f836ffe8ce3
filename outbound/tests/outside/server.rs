//! A real HTTP server on 127.0.0.1, and a client that may call it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use forebay_domain::SystemClock;
use forebay_outbound::{AllowedHost, HttpClient, HttpOptions};
use forebay_telemetry::Metrics;
use tokio::net::TcpSocket;
use url::Url;

/// Serves the routes until the test ends.
pub(crate) async fn serve(routes: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    address
}

/// An address that refuses connections for as long as the socket is kept: it is bound, so that nobody else gets it, and
/// nobody listens.
pub(crate) fn refusing() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// An entry for this host and port, plain.
pub(crate) fn entry(host: &str, port: u16, private: bool) -> AllowedHost {
    AllowedHost { host: host.to_owned(), port: Some(port), private, plain: true }
}

/// A client with these options.
pub(crate) fn client(options: HttpOptions) -> (HttpClient, Metrics) {
    let metrics = Metrics::new("test");
    (HttpClient::new(options, Arc::new(SystemClock), metrics.clone()).unwrap(), metrics)
}

/// A client that may call this address.
pub(crate) fn client_for(address: SocketAddr) -> HttpClient {
    client(HttpOptions::new(vec![entry("127.0.0.1", address.port(), true)])).0
}

/// The address of a path there.
pub(crate) fn url(address: SocketAddr, path: &str) -> Url {
    Url::parse(&format!("http://{address}{path}")).unwrap()
}
