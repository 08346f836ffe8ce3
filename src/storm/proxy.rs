//! A proxy in front of a server, whose connections can be cut or silenced.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::copy_bidirectional;
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
    _stop: DropGuard,
}

impl Proxy {
    /// Listens on a port of its own and forwards to `server` (`host:port`).
    pub(crate) async fn start(server: String) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let generation = Arc::new(watch::Sender::new((0, Order::Carry)));
        let stop = CancellationToken::new();
        tokio::spawn(stop.clone().run_until_cancelled_owned(accept(
            listener,
            server,
            Arc::clone(&generation),
        )));
        Ok(Self { address, generation, _stop: stop.drop_guard() })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
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

async fn accept(listener: TcpListener, server: String, generation: Arc<watch::Sender<(u64, Order)>>) {
    while let Ok((client, _)) = listener.accept().await {
        let (server, orders) = (server.clone(), generation.subscribe());
        tokio::spawn(async move {
            // A server that is away refuses, and so does the proxy: by closing at once.
            if let Ok(upstream) = TcpStream::connect(&server).await {
                carry(client, upstream, orders).await;
            }
        });
    }
}

async fn carry(mut client: TcpStream, mut upstream: TcpStream, mut orders: watch::Receiver<(u64, Order)>) {
    let _ = (client.set_nodelay(true), upstream.set_nodelay(true));
    orders.mark_unchanged();
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut upstream) => return,
        changed = orders.changed() => if changed.is_err() { return },
    }
    let order = orders.borrow().1;
    if order == Order::Freeze {
        // Neither end hears anything, not even that it is over, until the proxy goes.
        while orders.changed().await.is_ok() {}
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

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

    async fn echoes(connection: &mut TcpStream) -> std::io::Result<bool> {
        connection.write_all(b"x").await?;
        let mut byte = [0];
        match tokio::time::timeout(Duration::from_millis(300), connection.read_exact(&mut byte)).await {
            Ok(read) => read.map(|_| true),
            Err(_) => Ok(false),
        }
    }

    #[tokio::test]
    async fn connections_are_cut_or_silenced_and_new_ones_work() {
        let (_server, proxy) = echo().await;
        let connect = || TcpStream::connect(proxy.address());
        let mut first = connect().await.unwrap();
        assert!(echoes(&mut first).await.unwrap());
        proxy.cut();
        let mut second = connect().await.unwrap();
        assert!(echoes(&mut second).await.unwrap());
        assert_eq!(first.read(&mut [0]).await.unwrap_or(0), 0, "it was cut");
        proxy.freeze();
        assert!(!echoes(&mut second).await.unwrap(), "it is silent, and open");
        let mut third = connect().await.unwrap();
        assert!(echoes(&mut third).await.unwrap());
    }
}
