//! A TCP proxy before the broker that swallows deliveries while everything else passes: heartbeats, answers, ends of
//! connections. To a client it is a broker that has forgotten its subscriptions.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy};
use tokio::net::{TcpListener, TcpStream};

/// Type, channel and length come before a frame's contents, one byte after them.
const FRAME_HEAD: usize = 7;
const METHOD: u8 = 1;
const CONTENT: [u8; 2] = [2, 3];
const BASIC_DELIVER: [u8; 4] = [0, 60, 0, 60];

#[derive(Debug)]
pub(crate) struct Forgetful {
    pub(crate) port: u16,
    forgets: Arc<AtomicBool>,
}

impl Forgetful {
    /// Listens on a port of its own, and forgets until it is told to remember.
    pub(crate) async fn before(broker: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("a bound port").port();
        let forgets = Arc::new(AtomicBool::new(true));
        let flag = Arc::clone(&forgets);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, broker.clone(), Arc::clone(&flag)));
            }
        });
        Self { port, forgets }
    }

    pub(crate) fn remember(&self) {
        self.forgets.store(false, Ordering::SeqCst);
    }
}

async fn carry(client: TcpStream, broker: String, forgets: Arc<AtomicBool>) -> io::Result<()> {
    let server = TcpStream::connect(broker).await?;
    let (mut from_client, to_client) = client.into_split();
    let (from_server, mut to_server) = server.into_split();
    tokio::select! {
        up = copy(&mut from_client, &mut to_server) => up.map(drop),
        down = filter(from_server, to_client, forgets) => down,
    }
}

async fn filter(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    forgets: Arc<AtomicBool>,
) -> io::Result<()> {
    let mut swallowing = HashSet::new();
    loop {
        let mut frame = vec![0; FRAME_HEAD];
        from.read_exact(&mut frame).await?;
        let (kind, channel) = (frame[0], [frame[1], frame[2]]);
        let length = u32::from_be_bytes([frame[3], frame[4], frame[5], frame[6]]) as usize;
        frame.resize(FRAME_HEAD + length + 1, 0);
        from.read_exact(&mut frame[FRAME_HEAD..]).await?;
        if kind == METHOD {
            let delivery = frame[FRAME_HEAD..].starts_with(&BASIC_DELIVER);
            if delivery && forgets.load(Ordering::SeqCst) {
                swallowing.insert(channel);
            } else {
                swallowing.remove(&channel);
            }
        }
        let content = kind == METHOD || CONTENT.contains(&kind);
        if !(content && swallowing.contains(&channel)) {
            to.write_all(&frame).await?;
        }
    }
}
