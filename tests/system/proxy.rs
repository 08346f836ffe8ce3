//! A TCP proxy before a server: to let a server appear, fall silent, or vanish, as seen from one process.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often a frozen connection looks whether it may go on.
const LOOK: Duration = Duration::from_millis(10);

/// What a slow connection carries at once.
const SLOW_BYTES: usize = 8 * 1024;

/// A running proxy; it ends with the test's process.
pub(crate) struct Proxy {
    frozen: Arc<AtomicBool>,
}

impl Proxy {
    /// Listens on `port` and passes everything on to the server of this AMQP URL.
    pub(crate) fn start(port: u16, queue_url: &str) -> Self {
        Self::pausing(port, queue_url, Duration::ZERO)
    }

    /// The same, which pauses after each 8 KiB that it passes on to the server.
    pub(crate) fn slow(port: u16, queue_url: &str, pause: Duration) -> Self {
        Self::pausing(port, queue_url, pause)
    }

    fn pausing(port: u16, queue_url: &str, pause: Duration) -> Self {
        let authority = queue_url.split("//").nth(1).unwrap().split('/').next().unwrap();
        let server = authority.rsplit('@').next().unwrap().to_owned();
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let frozen = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&frozen);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(&server)) else { continue };
                let ends = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let (there, back) = (Arc::clone(&seen), Arc::clone(&seen));
                std::thread::spawn(move || carry(client, server, &there, pause));
                std::thread::spawn(move || carry(ends.1, ends.0, &back, Duration::ZERO));
            }
        });
        Self { frozen }
    }

    /// Nothing passes while it is frozen; connections stay.
    pub(crate) fn freeze(&self, frozen: bool) {
        self.frozen.store(frozen, Ordering::Relaxed);
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, frozen: &AtomicBool, pause: Duration) {
    let mut buffer = vec![0; if pause.is_zero() { 64 * 1024 } else { SLOW_BYTES }];
    while let Ok(count) = from.read(&mut buffer)
        && count > 0
    {
        while frozen.load(Ordering::Relaxed) {
            std::thread::sleep(LOOK);
        }
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
        std::thread::sleep(pause);
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
