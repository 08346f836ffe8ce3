//! A light storefront: keep-alive connections, bodies made beforehand, one request in flight a connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Where and how requests go.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// `host:port`.
    pub(crate) address: String,
    pub(crate) key: String,
    pub(crate) content_type: &'static str,
}

impl Target {
    /// Posts every body once over so many connections; each must be accepted. How long the whole took, and each
    /// request.
    pub(crate) async fn post_all(
        &self,
        bodies: &Arc<Vec<Bytes>>,
        connections: usize,
    ) -> (Duration, Vec<Duration>) {
        let mut senders = Vec::with_capacity(connections);
        for _ in 0..connections {
            senders.push(self.connect().await);
        }
        let next = Arc::new(AtomicUsize::new(0));
        let begun = Instant::now();
        let mut tasks = JoinSet::new();
        for mut sender in senders {
            let (target, bodies, next) = (self.clone(), Arc::clone(bodies), Arc::clone(&next));
            tasks.spawn(async move {
                let mut latencies = Vec::with_capacity(bodies.len() / connections);
                while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let sent = Instant::now();
                    target.post(&mut sender, body.clone()).await;
                    latencies.push(sent.elapsed());
                }
                latencies
            });
        }
        let latencies = tasks.join_all().await.concat();
        (begun.elapsed(), latencies)
    }

    async fn connect(&self) -> SendRequest<Full<Bytes>> {
        let stream = TcpStream::connect(&self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        sender
    }

    async fn post(&self, sender: &mut SendRequest<Full<Bytes>>, body: Bytes) {
        let request = Request::post("/v1/events")
            .header(HOST, &self.address)
            .header(AUTHORIZATION, format!("Bearer {}", self.key))
            .header(CONTENT_TYPE, self.content_type)
            .body(Full::new(body))
            .unwrap();
        let answer = sender.send_request(request).await.unwrap();
        let status = answer.status();
        let text = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(status, StatusCode::ACCEPTED, "{}", String::from_utf8_lossy(&text));
    }
}
