//! A proxy in front of a server, whose connections can be cut, silenced or slowed down.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

/// What becomes of the connections of one generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Carry,
    Cut,
    Freeze,
}

/// Forwards to one server.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    generation: Arc<watch::Sender<(u64, Order)>>,
    /// How late everything comes, in milliseconds.
    late_ms: Arc<AtomicU64>,
    _stop: DropGuard,
}

/// Bytes that are carried at once.
const CHUNK: usize = 64 * 1024;

impl Proxy {
    /// Listens on a port of its own and forwards to `server` (`host:port`).
    pub(crate) async fn start(server: String) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let generation = Arc::new(watch::Sender::new((0, Order::Carry)));
        let stop = CancellationToken::new();
        let late_ms = Arc::new(AtomicU64::new(0));
        tokio::spawn(stop.clone().run_until_cancelled_owned(accept(
            listener,
            server,
            Arc::clone(&generation),
            Arc::clone(&late_ms),
        )));
        Ok(Self { address, generation, late_ms, _stop: stop.drop_guard() })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on everything comes so late, either way.
    pub(crate) fn delay(&self, by: Duration) {
        self.late_ms.store(u64::try_from(by.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Cuts every connection there is.
    pub(crate) fn cut(&self) {
        self.order(Order::Cut);
    }

    /// Silences every connection there is, for good: it stays open and nothing comes through, either way.
    pub(crate) fn freeze(&self) {
        self.order(Order::Freeze);
    }

    fn order(&self, order: Order) {
        self.generation.send_modify(|(generation, current)| {
            *generation += 1;
            *current = order;
        });
    }
}

async fn accept(
    listener: TcpListener,
    server: String,
    generation: Arc<watch::Sender<(u64, Order)>>,
    late_ms: Arc<AtomicU64>,
) {
    while let Ok((client, _)) = listener.accept().await {
        let (server, orders, late_ms) = (server.clone(), generation.subscribe(), Arc::clone(&late_ms));
        tokio::spawn(async move {
            // A server that is away refuses, and so does the proxy: by closing at once.
            if let Ok(upstream) = TcpStream::connect(&server).await {
                carry(client, upstream, orders, &late_ms).await;
            }
        });
    }
}

async fn carry(
    mut client: TcpStream,
    mut upstream: TcpStream,
    mut orders: watch::Receiver<(u64, Order)>,
    late_ms: &AtomicU64,
) {
    let _ = (client.set_nodelay(true), upstream.set_nodelay(true));
    orders.mark_unchanged();
    tokio::select! {
        _ = both_ways(&mut client, &mut upstream, late_ms) => return,
        changed = orders.changed() => if changed.is_err() { return },
    }
    let order = orders.borrow().1;
    if order == Order::Freeze {
        // Neither end hears anything, not even that it is over, until the proxy goes.
        while orders.changed().await.is_ok() {}
    }
}

async fn both_ways(
    client: &mut TcpStream,
    upstream: &mut TcpStream,
    late_ms: &AtomicU64,
) -> std::io::Result<()> {
    let ((from_client, to_client), (from_server, to_server)) = (client.split(), upstream.split());
    tokio::try_join!(one_way(from_client, to_server, late_ms), one_way(from_server, to_client, late_ms))?;
    Ok(())
}

async fn one_way(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, late_ms: &AtomicU64) -> std::io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = from.read(&mut chunk).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        let late = late_ms.load(Ordering::Relaxed);
        if late > 0 {
            tokio::time::sleep(Duration::from_millis(late)).await;
        }
        to.write_all(&chunk[..read]).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn echo() -> (String, Proxy) {
        let server = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = server.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = server.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = connection.split();
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                });
            }
        });
        let proxy = Proxy::start(address.clone()).await.unwrap();
        (address, proxy)
    }

    async fn echoes_within(connection: &mut TcpStream, patience: Duration) -> std::io::Result<bool> {
        connection.write_all(b"x").await?;
        let mut byte = [0];
        match tokio::time::timeout(patience, connection.read_exact(&mut byte)).await {
            Ok(read) => read.map(|_| true),
            Err(_) => Ok(false),
        }
    }

    async fn echoes(connection: &mut TcpStream) -> bool {
        echoes_within(connection, Duration::from_secs(60)).await.unwrap()
    }

    async fn is_silent(connection: &mut TcpStream) -> bool {
        !echoes_within(connection, Duration::from_millis(300)).await.unwrap()
    }

    #[tokio::test]
    async fn connections_are_cut_or_silenced_and_new_ones_work() {
        let (_server, proxy) = echo().await;
        let connect = || TcpStream::connect(proxy.address());
        let mut first = connect().await.unwrap();
        assert!(echoes(&mut first).await);
        proxy.cut();
        let mut second = connect().await.unwrap();
        assert!(echoes(&mut second).await);
        assert_eq!(first.read(&mut [0]).await.unwrap_or(0), 0, "it was cut");
        proxy.freeze();
        assert!(is_silent(&mut second).await, "it is silent, and open");
        let mut third = connect().await.unwrap();
        assert!(echoes(&mut third).await);
        proxy.delay(Duration::from_secs(60));
        assert!(is_silent(&mut third).await, "it comes late");
    }
}
